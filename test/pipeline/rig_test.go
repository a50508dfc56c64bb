// Package pipeline tests the collector into a real Prometheus, with the configurations
// that are shipped.
package pipeline

import (
	"math"
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

// rig is CloudMonitor, the collector, and Prometheus behind a proxy that can reject everything.
type rig struct {
	t          *testing.T
	cms        *harness.CMS
	prometheus *harness.Prometheus
	// rejectedTo is the last call to CloudMonitor after which Prometheus rejects everything; 0 is none.
	rejectedTo atomic.Uint64
	// start starts the collector, with overrides in YAML.
	start func(overrides string) *harness.Collector
	// want is what Prometheus should have of each instance's group "orders".
	want map[string][]harness.Sample
}

// backend is a way into Prometheus.
type backend struct{ name, config, variable, path string }

var backends = []backend{
	{"remote write", "prometheus-remote-write.yaml", "PROMETHEUS_REMOTE_WRITE_URL", "/api/v1/write"},
	{"OTLP", "otlp.yaml", "OTEL_EXPORTER_OTLP_ENDPOINT", "/api/v1/otlp"},
}

// eachBackend runs a test with each way into Prometheus.
func eachBackend(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			test(t, newRig(t, b))
		})
	}
}

func newRig(t *testing.T, b backend) *rig {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte("global: {scrape_interval: 1s}\n"), 0o600))
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{}), want: map[string][]harness.Sample{}}
	r.prometheus = harness.StartPrometheus(t, file)

	target, err := url.Parse(r.prometheus.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	backend := harness.Backend(t, func(w http.ResponseWriter, req *http.Request) {
		if to := r.rejectedTo.Load(); to > 0 && r.cms.RequestCount() <= to {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		proxy.ServeHTTP(w, req)
	})
	r.start = func(overrides string) *harness.Collector {
		return harness.StartCollector(t, r.cms, b.config, overrides, b.variable+"="+backend+b.path)
	}
	return r
}

// reject makes Prometheus reject everything.
func (r *rig) reject() { r.rejectedTo.Store(math.MaxUint64) }

// acceptAgain ends reject, not in the middle of a delivery but with that of the next scrape: a backend that rejected some
// points of a delivery and accepts others is taken to mean it.
func (r *rig) acceptAgain() { r.rejectedTo.Store(r.cms.RequestCount()) }

// publish publishes a point of the group "orders" of an instance, now.
func (r *rig) publish(instance string, value float64) harness.Sample {
	r.t.Helper()
	return r.publishAt(instance, time.Now(), value)
}

func (r *rig) publishAt(instance string, at time.Time, value float64) harness.Sample {
	r.t.Helper()
	return r.cms.Publish(instance, "orders", at.Truncate(time.Millisecond), value)
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

// rejection reports whether a line counts samples that were rejected, or answers to what was
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

// awaitGroups waits until Prometheus has samples of exactly n groups.
func (r *rig) awaitGroups(n int) {
	r.t.Helper()
	harness.Eventually(r.t, func() bool {
		return r.prometheus.Scalar("count(last_over_time("+metric+"[4h]))") == float64(n)
	}, "%d groups", n)
}
