package blackbox

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// noticed is how soon a connection that died silently has to be replaced.
const noticed = 30 * time.Second

// TestSilentConnectionToCloudMonitor: HTTP/2 keeps to one connection, so that every later call would hang on it.
func TestSilentConnectionToCloudMonitor(t *testing.T) {
	t.Parallel()
	cms := harness.StartSecureCMS(t, cmssim.Scenario{})
	hole := harness.NewBlackhole(t, cms.Address)
	cms.Publish("i", "orders", time.Now(), 1)
	c := harness.StartPage(t, cms, harness.Quick+`
    endpoint: https://`+hole.Address+`
    http: {tls: {ca_file: `+cms.CAFile+`}}
`)
	c.AwaitValue("i", "orders", 1)
	assert.EqualValues(t, 1, hole.Connections.Load())

	hole.Cut()
	cut := time.Now()
	cms.Publish("i", "orders", time.Now(), 2)
	c.AwaitValue("i", "orders", 2)
	assert.Less(t, time.Since(cut), noticed)
	assert.Equal(t, 1, c.CountLog("Reading from CloudMonitor fails", "network"))
}

// TestSilentConnectionToTheBackend: the same holds for the exporters of the shipped configurations.
func TestSilentConnectionToTheBackend(t *testing.T) {
	t.Parallel()
	tests := []struct{ config, variable, exporter string }{
		{"prometheus-remote-write.yaml", "PROMETHEUS_REMOTE_WRITE_URL", "prometheus_remote_write: {http: {tls: {ca_file: CA}}}"},
		{"otlp.yaml", "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_http: {tls: {ca_file: CA}}"},
	}
	for _, tt := range tests {
		t.Run(tt.config, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			address, caFile := harness.SecureBackend(t, func(_ http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor == 2 {
					requests.Add(1)
				}
			})
			hole := harness.NewBlackhole(t, address)
			cms := harness.StartCMS(t, cmssim.Scenario{})
			deliver := func() {
				before := requests.Load()
				cms.Publish("i", "orders", time.Now(), 1)
				harness.Eventually(t, func() bool { return requests.Load() > before }, "the backend is reached")
			}
			harness.StartCollector(t, cms, tt.config,
				harness.Quick+"exporters: {"+strings.ReplaceAll(tt.exporter, "CA", caFile)+"}", tt.variable+"=https://"+hole.Address)
			deliver()
			assert.EqualValues(t, 1, hole.Connections.Load())

			hole.Cut()
			cut := time.Now()
			deliver()
			assert.Less(t, time.Since(cut), noticed)
		})
	}
}
