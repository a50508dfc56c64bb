// Package pipeline tests the collector into a real Prometheus, with the configurations
// that are shipped.
package pipeline

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

const metric = "kafka_consumer_message_accumulation"

// quick lets a series end when it has no point for 15 s.
const quick = harness.Quick + `    stale_after: 15s
`

// rig is CloudMonitor, the collector, and Prometheus behind a proxy that can refuse.
type rig struct {
	t          *testing.T
	cms        *harness.CMS
	prometheus *harness.Prometheus
	refusing   atomic.Bool
	start      func() *harness.Collector
	// want is what Prometheus should have of each instance's group "orders".
	want map[string][]harness.Sample
}

func newRig(t *testing.T, config, endpointVariable, path string) *rig {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte("global: {scrape_interval: 1s}\n"), 0o600))
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{}), want: map[string][]harness.Sample{}}
	r.prometheus = harness.StartPrometheus(t, file)

	target, err := url.Parse(r.prometheus.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	backend := harness.Backend(t, func(w http.ResponseWriter, req *http.Request) {
		if r.refusing.Load() {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		proxy.ServeHTTP(w, req)
	})
	r.start = func() *harness.Collector {
		return harness.StartCollector(t, r.cms, config, quick, endpointVariable+"="+backend+path)
	}
	return r
}

// publish publishes a point of the group "orders" of an instance, now.
func (r *rig) publish(instance string, value float64) harness.Sample {
	r.t.Helper()
	return r.cms.Publish(instance, "orders", time.Now().Truncate(time.Millisecond), value)
}

// expect publishes n points of each instance, a scrape apart, that Prometheus should get.
func (r *rig) expect(n int, instances ...string) {
	r.t.Helper()
	for range n {
		for _, instance := range instances {
			// Zero is a value: it is the first of each.
			r.want[instance] = append(r.want[instance], r.publish(instance, float64(len(r.want[instance]))))
		}
		r.cms.AwaitScrapes(1)
	}
}

// check waits until Prometheus has what it should, with CloudMonitor's timestamps, and no
// label more than promised.
func (r *rig) check() {
	r.t.Helper()
	for instance, want := range r.want {
		var got []harness.Series
		harness.Eventually(r.t, func() bool {
			got = r.prometheus.Query(metric + `{instance_id="` + instance + `"}[1h]`)
			return len(got) == 1 && len(got[0].Samples) >= len(want)
		}, "%s has %d samples", instance, len(want))
		assert.Equal(r.t, want, got[0].Samples, instance)
		assert.Equal(r.t, map[string]string{"__name__": metric, "instance_id": instance, "consumer_group": "orders"}, got[0].Labels)
	}
}

// checkNothingRejected looks at Prometheus's own counters.
func (r *rig) checkNothingRejected() {
	r.t.Helper()
	page := harness.Get(r.t, r.prometheus.URL+"/metrics")
	require.NotEmpty(r.t, page)
	for line := range strings.Lines(page) {
		if rejection(line) {
			assert.True(r.t, strings.HasSuffix(strings.TrimSpace(line), " 0"), line)
		}
	}
	for _, complaint := range []string{"out of order", "duplicate sample", "Out of order"} {
		assert.NotContains(r.t, r.prometheus.Log(), complaint)
	}
}

// rejection tells whether a line counts samples that were rejected, or answers to what was
// written other than success.
func rejection(line string) bool {
	for _, name := range []string{
		"prometheus_tsdb_out_of_order_samples_total", "prometheus_tsdb_out_of_bound_samples_total", "prometheus_tsdb_too_old_samples_total",
	} {
		if strings.HasPrefix(line, name) {
			return true
		}
	}
	return strings.HasPrefix(line, "prometheus_http_requests_total") && !strings.Contains(line, `code="2`) &&
		(strings.Contains(line, `handler="/api/v1/write"`) || strings.Contains(line, `handler="/api/v1/otlp`))
}

func (r *rig) current(instance string) int {
	r.t.Helper()
	return len(r.prometheus.Query(metric + `{instance_id="` + instance + `"}`))
}

// story is what a production week has in it: a restart, an outage of CloudMonitor, a
// refusing backend, a group that ends and comes back.
func (r *rig) story() {
	r.t.Helper()
	collector := r.start()
	r.expect(3, "a", "b")
	r.check()

	collector.Stop()
	r.publish("a", 1e6) // a restart sends nothing older than the newest point
	r.want["a"] = append(r.want["a"], r.publish("a", 2e6))
	r.want["b"] = append(r.want["b"], r.publish("b", 0))
	collector = r.start()
	r.expect(2, "a", "b")
	r.check()

	r.cms.Fail(cmssim.FaultInternalError)
	r.expect(4, "a", "b")
	r.cms.ClearFaults()
	r.check()

	r.refusing.Store(true)
	r.expect(3, "a", "b")
	r.refusing.Store(false)
	r.check()
	assert.Equal(r.t, 1, collector.CountLog("The pipeline refused the points"), "said once")

	// b ends: it is gone while its last sample is far younger than the lookback.
	require.Equal(r.t, 1, r.current("b"))
	last := r.want["b"][len(r.want["b"])-1].Timestamp
	harness.Eventually(r.t, func() bool {
		r.expect(1, "a")
		return r.current("b") == 0
	}, "the series that ended is gone")
	assert.Less(r.t, time.Since(time.UnixMilli(last)), time.Minute)
	assert.Equal(r.t, 1, r.current("a"))

	r.expect(1, "a", "b")
	r.check()
	assert.Equal(r.t, 1, r.current("b"), "it may come back")
	r.checkNothingRejected()
}

func TestRemoteWrite(t *testing.T) {
	newRig(t, "prometheus-remote-write.yaml", "PROMETHEUS_REMOTE_WRITE_URL", "/api/v1/write").story()
}

func TestOTLP(t *testing.T) {
	newRig(t, "otlp.yaml", "OTEL_EXPORTER_OTLP_ENDPOINT", "/api/v1/otlp").story()
}
