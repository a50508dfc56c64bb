package aliyunkafkalagreceiver

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

const minimalYAML = "region: cn-hangzhou\nretry_on_failure: {enabled: false}\n"

// harness runs scrapes one by one against a fake CloudMonitor, without the controller and,
// unless the YAML sets it, without a rate limit.
type harness struct {
	t         *testing.T
	clock     *clock
	cms       *fakeCMS
	scraper   *lagScraper
	next      *refusingSink
	committer *committer
	logs      *observer.ObservedLogs
	events    []*componentstatus.Event
	telemetry *componenttest.Telemetry
}

// statusHost collects the status events that the receiver reports.
type statusHost struct {
	component.Host
	h *harness
}

func (s statusHost) Report(e *componentstatus.Event) { s.h.events = append(s.h.events, e) }

// refusingSink is a next consumer that refuses as long as err is set.
type refusingSink struct {
	consumertest.MetricsSink
	err error
}

func (r *refusingSink) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if r.err != nil {
		return r.err
	}
	return r.MetricsSink.ConsumeMetrics(ctx, md)
}

var _ consumer.Metrics = (*refusingSink)(nil)

func newHarness(t *testing.T, yaml string) *harness {
	t.Helper()
	if !strings.Contains(yaml, "stale_after") {
		yaml += "\nstale_after: 5m\n"
	}
	core, logs := observer.New(zap.DebugLevel)
	h := &harness{
		t:         t,
		clock:     &clock{t: testNow},
		next:      &refusingSink{},
		logs:      logs,
		telemetry: componenttest.NewTelemetry(),
	}
	t.Cleanup(func() { require.NoError(t, h.telemetry.Shutdown(context.WithoutCancel(t.Context()))) })
	h.cms = &fakeCMS{now: h.clock.now}

	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = h.telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)
	var err error
	h.scraper, err = newLagScraper(configFromYAML(t, yaml), set, h.clock.now, h.cms.client)
	require.NoError(t, err)
	h.committer = &committer{Metrics: h.next, scraper: h.scraper}
	require.NoError(t, h.scraper.start(t.Context(), statusHost{componenttest.NewNopHost(), h}))
	if !strings.Contains(yaml, "requests_per_second") {
		h.scraper.reader.limiter.SetLimit(rate.Inf)
	}
	t.Cleanup(func() { require.NoError(t, h.scraper.shutdown(context.WithoutCancel(t.Context()))) })
	return h
}

// scrape does what scraperhelper does in one interval, and returns the scraper's error.
func (h *harness) scrape() error {
	h.t.Helper()
	md, err := h.scraper.scrape(h.t.Context())
	_ = h.committer.ConsumeMetrics(h.t.Context(), md)
	return err
}

// received is what the next consumer accepted since the last call, by "instance/group[/topic]".
func (h *harness) received() map[string][]sample {
	out := map[string][]sample{}
	for _, md := range h.next.AllMetrics() {
		eachPoint(md, func(key string, dp pmetric.NumberDataPoint) {
			out[key] = append(out[key], sampleOf(dp))
		})
	}
	h.next.Reset()
	return out
}

func eachPoint(md pmetric.Metrics, visit func(key string, dp pmetric.NumberDataPoint)) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				for _, dp := range m.Gauge().DataPoints().All() {
					visit(keyOf(dp), dp)
				}
			}
		}
	}
}

func keyOf(dp pmetric.NumberDataPoint) string {
	key := ""
	for _, name := range []string{"instance_id", "consumer_group", "topic"} {
		if v, ok := dp.Attributes().Get(name); ok {
			key += "/" + v.Str()
		}
	}
	return key[1:]
}

// sampleOf is a data point as a sample, the end of a series as the value endMark.
func sampleOf(dp pmetric.NumberDataPoint) sample {
	s := sample{timestamp: dp.Timestamp().AsTime().UnixMilli(), value: dp.DoubleValue()}
	if dp.Flags().NoRecordedValue() {
		s.value = endMark
	}
	return s
}

// minute moves the clock one period on and publishes a point of each group.
func (h *harness) minute(values map[string]float64) {
	h.clock.advance(time.Minute)
	for group, value := range values {
		h.cms.publish(point(group, h.clock.now().UnixMilli(), value))
	}
}
