package harness

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

// Quick overrides a configuration so that minutes become seconds: a scrape a second, of
// points that may be 15 s apart, and no waiting in between. It ends within the receiver's
// keys, so that more can follow.
const Quick = `
receivers:
  aliyunkafkalag:
    collection_interval: 1s
    initial_delay: 0s
    timeout: 20s
    period: 15s
    retry_on_failure: {enabled: false}
`

// Collector is the collector under test.
type Collector struct {
	*Process
	// TelemetryURL is the metrics page of the collector itself.
	TelemetryURL string
	healthURL    string
}

// CollectorBinary is the distribution that was built.
func CollectorBinary(t testing.TB) string {
	t.Helper()
	return Binary(t, "OTELCOL_BINARY", "dist/otelcol-aliyunkafkalag", "build")
}

// Config is the path of a file in collector-config/.
func Config(name string) string { return filepath.Join(Root(), "collector-config", name) }

// StartCollector starts the collector on a configuration file of the repository, pointed
// at cms, with overrides in YAML. It returns when the collector is healthy.
func StartCollector(t testing.TB, cms *CMS, config, overrides string, env ...string) *Collector {
	t.Helper()
	health, telemetry := FreeAddress(t), FreeAddress(t)
	_, port, err := net.SplitHostPort(telemetry)
	require.NoError(t, err)
	env = append([]string{
		"REGION=cn-hangzhou",
		"CMS_ENDPOINT=" + cms.URL,
		"HEALTH_CHECK_ENDPOINT=" + health,
		"TELEMETRY_HOST=127.0.0.1",
		"TELEMETRY_PORT=" + port,
		"ALIBABA_CLOUD_ACCESS_KEY_ID=" + cmssim.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + cmssim.AccessKeySecret,
	}, env...)
	c := &Collector{TelemetryURL: "http://" + telemetry + "/metrics", healthURL: "http://" + health}
	c.Process = Start(t, CollectorBinary(t), env,
		"--config="+Config(config),
		"--config=yaml:receivers::aliyunkafkalag::endpoint: "+cms.URL,
		"--config=yaml:"+overrides,
	)
	Eventually(t, func() bool { return Get(t, c.healthURL) != "" }, "the collector is healthy")
	return c
}

// Run runs the collector with arguments to its end, and returns its exit code and output.
func Run(t testing.TB, env []string, args ...string) (code int, output string) {
	t.Helper()
	p := Start(t, CollectorBinary(t), env, args...)
	return p.Wait(), p.Log()
}

// Backend is an HTTP backend that answers every request with a status.
func Backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}
