// Package blackbox tests the collector that was built, from outside.
package blackbox

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

func lines(page, prefix string) []string {
	var out []string
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func TestVersion(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(harness.Root(), "builder-config.yaml"))
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^  version: (\S+)$`).FindSubmatch(config)
	require.NotNil(t, version)
	code, output := harness.Run(t, nil, "--version")
	assert.Zero(t, code)
	assert.Contains(t, output, string(version[1]))
}

// TestScrapePage: prometheus-scrape.yaml serves the name and the labels of the well-known
// exporter, and nothing else.
func TestScrapePage(t *testing.T) {
	cms := harness.StartCMS(t, cmssim.Scenario{})
	now := time.Now()
	cms.Publish("alikafka_post-cn-a", "orders", now.Add(-time.Minute), 120000)
	cms.Publish("alikafka_post-cn-b", "orders", now.Add(-time.Minute), 0)
	address := harness.FreeAddress(t)
	harness.StartCollector(t, cms, "prometheus-scrape.yaml", harness.Quick, "METRICS_ENDPOINT="+address)
	url := "http://" + address + "/metrics"
	harness.Eventually(t, func() bool { return len(lines(harness.Get(t, url), "kafka_")) == 2 }, "both series are served")
	page := harness.Get(t, url)
	assert.ElementsMatch(t, []string{
		`kafka_consumer_message_accumulation{consumer_group="orders",instance_id="alikafka_post-cn-a"} 120000`,
		`kafka_consumer_message_accumulation{consumer_group="orders",instance_id="alikafka_post-cn-b"} 0`,
	}, lines(page, "kafka_"))
	for line := range strings.Lines(page) {
		assert.True(t, strings.HasPrefix(line, "#") || strings.HasPrefix(line, "kafka_"), line)
	}
}

// TestScrapePageDropsGroupsThatEnd: two groups end at once, a third goes on.
func TestScrapePageDropsGroupsThatEnd(t *testing.T) {
	cms := harness.StartCMS(t, cmssim.Scenario{})
	for _, group := range []string{"ending1", "ending2", "going_on"} {
		cms.Publish("i", group, time.Now(), 1)
	}
	address := harness.FreeAddress(t)
	harness.StartCollector(t, cms, "prometheus-scrape.yaml", harness.Quick+"    stale_after: 15s\n", "METRICS_ENDPOINT="+address)
	series := func() []string { return lines(harness.Get(t, "http://"+address+"/metrics"), "kafka_") }
	harness.Eventually(t, func() bool { return len(series()) == 3 }, "all are served")
	harness.Eventually(t, func() bool {
		cms.Publish("i", "going_on", time.Now(), 2)
		return len(series()) == 1
	}, "those that ended are gone")
	assert.Equal(t, []string{`kafka_consumer_message_accumulation{consumer_group="going_on",instance_id="i"} 2`}, series())
}

func Test120InstancesTakeThreeCalls(t *testing.T) {
	cms := harness.StartCMS(t, cmssim.Scenario{})
	ids := make([]string, 120)
	for i := range ids {
		ids[i] = fmt.Sprintf("alikafka_post-cn-%03d", i)
		cms.Publish(ids[i], "orders", time.Now().Add(-time.Minute), float64(i))
	}
	address := harness.FreeAddress(t)
	harness.StartCollector(t, cms, "prometheus-scrape.yaml", `
receivers:
  aliyunkafkalag:
    collection_interval: 1h
    initial_delay: 0s
`, "METRICS_ENDPOINT="+address, "KAFKA_INSTANCES=["+strings.Join(ids, ",")+"]")
	harness.Eventually(t, func() bool { return len(lines(harness.Get(t, "http://"+address+"/metrics"), "kafka_")) == 120 }, "all series are served")
	assert.EqualValues(t, 3, cms.RequestCount())
}

func TestMissingPermissionIsSaidOnce(t *testing.T) {
	cms := harness.StartCMS(t, cmssim.Scenario{})
	cms.Publish("i", "orders", time.Now(), 7)
	cms.Fail(cmssim.FaultNoPermission)
	c := harness.StartCollector(t, cms, "prometheus-scrape.yaml", harness.Quick, "METRICS_ENDPOINT="+harness.FreeAddress(t))
	cms.AwaitScrapes(5)
	assert.Equal(t, 1, c.CountLog("cms:QueryMetricList"), c.Log())
	assert.Equal(t, 1, c.CountLog("\terror\t"), c.Log())

	cms.ClearFaults()
	harness.Eventually(t, func() bool { return c.CountLog("CloudMonitor answers again") == 1 }, "recovery is said")
}

func TestShutdownWithAHungAPI(t *testing.T) {
	cms := harness.StartCMS(t, cmssim.Scenario{})
	cms.Fail(cmssim.FaultHang)
	c := harness.StartCollector(t, cms, "prometheus-scrape.yaml", harness.Quick, "METRICS_ENDPOINT="+harness.FreeAddress(t))
	harness.Eventually(t, func() bool { return cms.RequestCount() > 0 }, "a call hangs")
	took := c.Stop()
	assert.Less(t, took, 5*time.Second)
	assert.Zero(t, c.Wait())
}

func TestAnEndlessReplyIsRefused(t *testing.T) {
	cms := harness.StartCMS(t, cmssim.Scenario{})
	require.NoError(t, cms.InjectFault(cmssim.Fault{Kind: cmssim.FaultOversizedBody, Times: 3}))
	cms.Publish("i", "orders", time.Now().Add(-time.Minute), 7)
	address := harness.FreeAddress(t)
	c := harness.StartCollector(t, cms, "prometheus-scrape.yaml", harness.Quick, "METRICS_ENDPOINT="+address)
	harness.Eventually(t, func() bool { return len(lines(harness.Get(t, "http://"+address+"/metrics"), "kafka_")) == 1 }, "the next reply is read")
	assert.Equal(t, 1, c.CountLog("reply over 8 MiB"))
	// The limit of the process's memory is far above what a bounded read takes.
	page := lines(harness.Get(t, c.TelemetryURL), "otelcol_process_memory_rss")
	require.Len(t, page, 1)
	var rss float64
	_, err := fmt.Sscanf(page[0][strings.LastIndex(page[0], " ")+1:], "%g", &rss)
	require.NoError(t, err)
	assert.Less(t, rss, 500e6)
}

func TestOwnTelemetry(t *testing.T) {
	cms := harness.StartCMS(t, cmssim.Scenario{})
	cms.Publish("i", "orders", time.Now().Add(-time.Minute), 7)
	c := harness.StartCollector(t, cms, "prometheus-scrape.yaml", harness.Quick, "METRICS_ENDPOINT="+harness.FreeAddress(t))
	for _, name := range []string{
		"api_requests", "api_request_duration", "points_received", "points_emitted",
		"newest_point_age", "series_tracked", "last_success",
	} {
		harness.Eventually(t, func() bool {
			return len(lines(harness.Get(t, c.TelemetryURL), "otelcol_receiver_aliyunkafkalag_"+name)) > 0
		}, "%s is served", name)
	}
}

// TestSecretsAreNotPrinted: neither in the log at debug level, whatever fails, nor by
// print-config.
func TestSecretsAreNotPrinted(t *testing.T) {
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
	c := harness.StartCollector(t, cms, "prometheus-scrape.yaml", overrides, "METRICS_ENDPOINT="+harness.FreeAddress(t))
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

// TestInvalidConfigurations: each is refused by validate, by the name of the key.
func TestInvalidConfigurations(t *testing.T) {
	tests := []struct{ yaml, key string }{
		{"region: ''", "region"},
		{"region: 'a/b'", "region"},
		{"network: intranet", "network"},
		{"endpoint: http://cms.example.com", "endpoint"},
		{"instances: [a, a]", "instances"},
		{"period: 45s", "period"},
		{"lookback: 0s", "lookback"},
		{"max_backfill: -1s", "max_backfill"},
		{"stale_after: 1s", "stale_after"},
		{"timeout: 0s", "timeout"},
		{"collection_interval: 0s", "collection_interval"},
		{"requests_per_second: 51", "requests_per_second"},
		{"max_concurrency: 0", "max_concurrency"},
		{"consumer_groups: {include: [{regexp: '('}]}", "consumer_groups::include::0"},
		{"credentials: {type: password}", "type"},
		{"credentials: {type: access_key}", "access_key_id"},
		{"credentials: {type: sts, access_key_id: a, access_key_secret: b}", "security_token"},
		{"retry_on_failure: {initial_interval: -1s}", "initial_interval"},
		{"metrics: {kafka.consumer.message_accumulation: {enabled: false}}", "metrics"},
		{"intervall: 60s", "intervall"},
	}
	for _, tt := range tests {
		t.Run(tt.yaml, func(t *testing.T) {
			code, output := harness.Run(t, []string{"REGION=cn-hangzhou"}, "validate",
				"--config="+harness.Config("prometheus-scrape.yaml"), "--config=yaml:receivers: {aliyunkafkalag: {"+tt.yaml+"}}")
			assert.NotZero(t, code)
			assert.Contains(t, output, tt.key)
		})
	}
}
