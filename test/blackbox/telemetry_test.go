package blackbox

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

func TestOwnTelemetry(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	cms.Publish("i", "orders", time.Now().Add(-time.Minute), 7)
	c := harness.StartPage(t, cms, harness.Quick)
	for _, name := range []string{
		"api_requests", "api_request_duration", "points_received", "points_emitted",
		"newest_point_age", "series_tracked", "last_success",
	} {
		harness.Eventually(t, func() bool {
			return len(harness.Lines(harness.Get(t, c.TelemetryURL), "otelcol_receiver_aliyunkafkalag_"+name)) > 0
		}, "%s is served", name)
	}
}

// TestSecretsAreNotPrinted: neither in the log at debug level, whatever fails, nor by
// print-config.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	cms := harness.StartCMS(t, cmssim.Scenario{})
	for _, kind := range cmssim.FaultKinds() {
		if kind != cmssim.FaultHang {
			require.NoError(t, cms.InjectFault(cmssim.Fault{Kind: kind, Times: 1}))
		}
	}
	overrides := strings.ReplaceAll(harness.Quick, "1s", "100ms") + `
    credentials: {type: sts, access_key_id: testid, access_key_secret: testsecret, security_token: SENTINEL}
service: {telemetry: {logs: {level: debug}}}
`
	c := harness.StartPage(t, cms, overrides)
	cms.AwaitScrapes(uint64(len(cmssim.FaultKinds())))
	c.Stop()

	_, printed := harness.Run(t, []string{"REGION=cn-hangzhou"}, "print-config",
		"--config="+harness.Config("prometheus-scrape.yaml"), "--config=yaml:"+overrides)
	require.Contains(t, printed, "REDACTED")
	for _, secret := range harness.Secrets {
		assert.NotContains(t, c.Log(), secret)
		assert.NotContains(t, printed, secret)
	}
}
