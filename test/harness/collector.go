package harness

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
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

// Once overrides a configuration so that there is a single scrape, at the start. It ends within the receiver's keys.
const Once = `
receivers:
  aliyunkafkalag:
    collection_interval: 1h
    initial_delay: 0s
    period: 15s
`

// Collector is the collector under test.
type Collector struct {
	*Process
	// TelemetryURL is the metrics page of the collector itself.
	TelemetryURL string
	healthURL    string
	t            testing.TB
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
	c := &Collector{TelemetryURL: "http://" + telemetry + "/metrics", healthURL: "http://" + health, t: t}
	c.Process = Start(t, CollectorBinary(t), env,
		"--config="+Config(config),
		"--config=yaml:receivers::aliyunkafkalag::endpoint: "+cms.URL,
		"--config=yaml:"+overrides,
	)
	Eventually(t, func() bool { return c.Ended() || Get(t, c.healthURL) != "" }, "the collector is healthy")
	require.False(t, c.Ended(), "the collector does not start")
	return c
}

// Telemetry returns the sum of the collector's own series whose name begins with name and that have all the labels, each
// written as key="value". The prefix of the receiver is left out.
func (c *Collector) Telemetry(name string, labels ...string) float64 {
	c.t.Helper()
	sum := 0.0
lines:
	for _, line := range Lines(Get(c.t, c.TelemetryURL), "otelcol_receiver_aliyunkafkalag_"+name) {
		for _, label := range labels {
			if !strings.Contains(line, label) {
				continue lines
			}
		}
		value, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
		require.NoError(c.t, err, line)
		sum += value
	}
	return sum
}

// AwaitScrapes waits until the collector has finished n scrapes, from its start on.
func (c *Collector) AwaitScrapes(n float64) {
	c.t.Helper()
	Eventually(c.t, func() bool { return c.Telemetry("scrape_duration_count") >= n }, "%v scrapes", n)
}

// Validate runs validate on prometheus-scrape.yaml with keys of the receiver in YAML, and returns its exit code and output.
func Validate(t testing.TB, keys string) (code int, output string) {
	t.Helper()
	return Run(t, []string{"REGION=cn-hangzhou"}, "validate",
		"--config="+Config("prometheus-scrape.yaml"), "--config=yaml:receivers: {aliyunkafkalag: {"+keys+"}}")
}

// Run runs the collector with arguments to its end, and returns its exit code and output.
func Run(t testing.TB, env []string, args ...string) (code int, output string) {
	t.Helper()
	p := Start(t, CollectorBinary(t), env, args...)
	return p.Wait(), p.Log()
}
