package blackbox

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

const (
	role    = "acs:ram::1000000000000001:role/lag"
	ramRole = "{type: ram_role_arn, access_key_id: testid, access_key_secret: testsecret, role_arn: '" + role + "'}"
	// oidcRole takes everything from the environment, as RRSA injects it.
	oidcRole = "{type: oidc_role_arn}"
)

// stsRig is a collector that reaches CloudMonitor and STS only through a proxy, and trusts them only by a private CA.
type stsRig struct {
	cms   *harness.CMS
	proxy *harness.Proxy
}

func newSTSRig(t *testing.T) *stsRig {
	t.Helper()
	cms := harness.StartSecureCMS(t, cmssim.Scenario{})
	cms.Publish("i", "orders", time.Now(), 7)
	return &stsRig{cms, harness.StartProxy(t, cms.Address)}
}

// start starts the collector with the variables that RRSA injects, and no key in the environment.
func (r *stsRig) start(t *testing.T, network, credentials string) *harness.Page {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("SENTINEL"), 0o600))
	return harness.StartPage(t, r.cms, harness.Quick+`
    endpoint: ''
    network: `+network+`
    credentials: `+credentials+`
    http: {proxy_url: '`+r.proxy.URL+`', tls: {ca_file: '`+r.cms.CAFile+`'}}
service: {telemetry: {logs: {level: debug}}}
`,
		"ALIBABA_CLOUD_ACCESS_KEY_ID=", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=", "ALIBABA_CLOUD_ROLE_ARN="+role,
		"ALIBABA_CLOUD_OIDC_PROVIDER_ARN=acs:ram::1000000000000001:oidc-provider/ack", "ALIBABA_CLOUD_OIDC_TOKEN_FILE="+token)
}

// TestSTS: a role is assumed at the STS of the network, through the proxy and the private CA of the receiver.
func TestSTS(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, network, credentials, sts, cms string }{
		{"RAM role", "public", ramRole, "sts.cn-hangzhou.aliyuncs.com:443", "metrics.cn-hangzhou.aliyuncs.com:443"},
		{"RAM role in a VPC", "vpc", ramRole, "sts-vpc.cn-hangzhou.aliyuncs.com:443", "cms-vpc.cn-hangzhou.aliyuncs.com:443"},
		{"OIDC role", "public", oidcRole, "sts.cn-hangzhou.aliyuncs.com:443", "metrics.cn-hangzhou.aliyuncs.com:443"},
		{"OIDC role in a VPC", "vpc", oidcRole, "sts-vpc.cn-hangzhou.aliyuncs.com:443", "cms-vpc.cn-hangzhou.aliyuncs.com:443"},
		{"OIDC role by default", "vpc", "{}", "sts-vpc.cn-hangzhou.aliyuncs.com:443", "cms-vpc.cn-hangzhou.aliyuncs.com:443"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newSTSRig(t)
			c := r.start(t, tt.network, tt.credentials)
			c.Await(1)
			assert.Equal(t, []string{tt.sts, tt.cms}, r.proxy.Hosts())
			c.Stop()
			for _, secret := range harness.Secrets {
				assert.NotContains(t, c.Log(), secret)
			}
		})
	}
}

// TestSTSIsUnreachable: the log names the host and the network, no other identity takes its place, and all is well as soon as
// STS can be reached.
func TestSTSIsUnreachable(t *testing.T) {
	t.Parallel()
	for name, credentials := range map[string]string{"RAM role": ramRole, "OIDC role": oidcRole, "OIDC role by default": "{}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newSTSRig(t)
			r.proxy.Refuse("sts-vpc.cn-hangzhou.aliyuncs.com:443")
			c := r.start(t, "vpc", credentials)
			harness.Eventually(t, func() bool { return c.CountLog("Reading from CloudMonitor fails") > 0 }, "the failure is logged")
			assert.Equal(t, 1, c.CountLog("warn", "Reading from CloudMonitor fails", `"network: `, "STS at sts-vpc.cn-hangzhou.aliyuncs.com: "), c.Log())
			assert.NotContains(t, c.Log(), "bad_credentials")
			assert.Zero(t, r.cms.RequestCount(), "nothing is asked with another identity")

			r.proxy.Refuse("")
			c.Await(1)
			assert.Equal(t, 1, c.CountLog("CloudMonitor answers again"))
		})
	}
}
