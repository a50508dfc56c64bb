package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/pmetrictest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadatatest"
)

var errForbidden = &cms.Error{Kind: cms.KindForbidden, Code: "NoPermission", Status: 403}

func failWith(err error) func(context.Context, cms.Query) error {
	return func(context.Context, cms.Query) error { return err }
}

func TestScrapeGolden(t *testing.T) {
	h := newHarness(t, minimalYAML+"metrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}")
	other := cms.Point{Timestamp: at(1), UserID: "2", InstanceID: "j", ConsumerGroup: "a", Value: 0}
	topic := cms.Point{Timestamp: at(1), UserID: "1", InstanceID: "i", ConsumerGroup: "a", Topic: "t", Value: 40}
	ending := point("ending", at(4), 3)
	h.cms.publish(point("b", at(1), 120_000.5), point("a", at(2), 41), point("a", at(1), 42), other, topic, ending)
	require.NoError(t, h.scrape())
	h.next.Reset()
	h.minute(map[string]float64{"a": 43, "b": 7})
	require.NoError(t, h.scrape())
	require.Len(t, h.next.AllMetrics(), 1)

	file := filepath.Join("testdata", "golden", "scrape.yaml")
	want, err := golden.ReadMetrics(file)
	require.NoError(t, err)
	// Timestamps and start timestamps are compared, the order of points is not ignored.
	assert.NoError(t, pmetrictest.CompareMetrics(want, h.next.AllMetrics()[0]))
}

func TestQueriesAreMinimal(t *testing.T) {
	h := newHarness(t, minimalYAML)
	for range 5 {
		h.minute(map[string]float64{"a": 1, "b": 2})
		require.NoError(t, h.scrape())
	}
	require.Len(t, h.cms.queries, 5, "one call a scrape")
	for i, q := range h.cms.queries[1:] {
		reach := time.Minute
		if i == 2 { // a sweep
			reach = 5 * time.Minute
		}
		assert.Equal(t, reach, q.End.Sub(q.Start))
		assert.Equal(t, time.Minute, q.Period)
		assert.Equal(t, cms.MetricAccumulation, q.MetricName)
		assert.Empty(t, q.Instances)
	}
}

func TestInstancesAreAskedInBatches(t *testing.T) {
	ids := ""
	for i := range 120 {
		ids += fmt.Sprintf("i%03d, ", i)
	}
	h := newHarness(t, minimalYAML+"instances: ["+ids+"]")
	for i := range 120 {
		p := point("a", at(1), float64(i))
		p.InstanceID = fmt.Sprintf("i%03d", i)
		h.cms.publish(p)
	}
	require.NoError(t, h.scrape())
	require.Len(t, h.cms.queries, 3)
	for _, q := range h.cms.queries {
		assert.LessOrEqual(t, len(q.Instances), cms.MaxInstances)
	}
	assert.Len(t, h.received(), 120)
}

func TestPaging(t *testing.T) {
	h := newHarness(t, minimalYAML)
	for i := range 3000 {
		h.cms.publish(point(fmt.Sprintf("g%04d", i), at(1), float64(i)))
	}
	require.NoError(t, h.scrape())
	assert.Equal(t, 3, h.cms.calls())
	assert.Len(t, h.received(), 3000)
}

func TestPagingStopsAtARepeatedToken(t *testing.T) {
	tests := []struct {
		name  string
		token func(q cms.Query) string
		calls int
	}{
		{"the same", func(cms.Query) string { return "again" }, 2},
		{"taking turns", func(q cms.Query) string {
			if q.NextToken == "x" {
				return "y"
			}
			return "x"
		}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, minimalYAML)
			h.cms.token = tt.token
			h.cms.publish(point("a", at(1), 1))
			for range 2 {
				h.cms.queries = nil
				require.NoError(t, h.scrape())
				assert.Equal(t, tt.calls, h.cms.calls())
			}
			assert.Len(t, h.received()["i/a"], 1, "what was read is kept, once")
			assert.Equal(t, 1, h.logs.FilterMessageSnippet("repeated a NextToken").Len())
		})
	}
}

func TestPageCap(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.cms.publish(point("a", at(1), 1))
	h.cms.token = func(q cms.Query) string { return q.NextToken + "x" }
	require.ErrorContains(t, h.scrape(), "more than 100 pages")
	assert.Equal(t, maxPages, h.cms.calls())
	assert.Empty(t, h.received(), "a part could hide older points behind newer ones")
}

// TestCatchUpThatIsTooMuchForAScrape: each page takes time, and a scrape has time for few.
func TestCatchUpThatIsTooMuchForAScrape(t *testing.T) {
	h := newHarness(t, minimalYAML)
	groups := map[string]float64{}
	for i := range 1000 {
		groups[fmt.Sprintf("g%04d", i)] = 1
	}
	h.minute(groups)
	require.NoError(t, h.scrape())
	for range 40 {
		h.minute(groups)
	}
	pages := 0
	h.cms.setFail(func(context.Context, cms.Query) error {
		pages++
		if pages > 10 {
			return fmt.Errorf("%w: no time left", errIncomplete)
		}
		return nil
	})
	h.received()
	for range 10 {
		pages = 0
		_ = h.scrape()
	}
	got := h.received()
	assert.Len(t, got, 1000)
	for key, samples := range got {
		require.Len(t, samples, 40, key)
	}
}

func TestNoBatchIsAlwaysLast(t *testing.T) {
	h := newHarness(t, minimalYAML+"max_concurrency: 1\nmetrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}")
	var first []string
	for range 4 {
		h.cms.queries = nil
		require.NoError(t, h.scrape())
		first = append(first, h.cms.queries[0].MetricName)
	}
	assert.Equal(t, []string{cms.MetricAccumulation, cms.MetricTopicAccumulation, cms.MetricAccumulation, cms.MetricTopicAccumulation}, first)
}

func TestAClockSetBackBringsNothingBack(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.minute(map[string]float64{"a": 1})
	require.NoError(t, h.scrape())
	h.clock.advance(6 * time.Minute)
	require.NoError(t, h.scrape())
	require.Len(t, h.received()["i/a"], 2, "the point and its end")
	h.clock.advance(-3 * time.Minute)
	require.NoError(t, h.scrape())
	assert.Empty(t, h.received())
}

// TestAClockThatWasAhead: CloudMonitor refuses such a clock, and it is forgotten.
func TestAClockThatWasAhead(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.clock.advance(8 * time.Hour)
	h.cms.setFail(failWith(&cms.Error{Kind: cms.KindClockSkew}))
	require.Error(t, h.scrape())
	h.clock.advance(-8 * time.Hour)
	h.cms.setFail(nil)
	h.minute(map[string]float64{"a": 1})
	require.NoError(t, h.scrape())
	assert.Len(t, h.received()["i/a"], 1)
}

// TestOnlyWhatIsTooMuchNarrows: another failure of a later page is caught up in one go.
func TestOnlyWhatIsTooMuchNarrows(t *testing.T) {
	for kind, narrows := range map[error]bool{
		&cms.Error{Kind: cms.KindServer, Status: 500}: false, errForbidden: false, errIncomplete: true,
	} {
		t.Run(kind.Error(), func(t *testing.T) {
			h := newHarness(t, minimalYAML)
			groups := map[string]float64{}
			for i := range cms.PageLength {
				groups[fmt.Sprintf("g%04d", i)] = 1
			}
			h.minute(groups)
			require.NoError(t, h.scrape())
			h.minute(groups)
			h.minute(groups)
			h.cms.setFail(func(_ context.Context, q cms.Query) error {
				if q.NextToken != "" {
					return kind
				}
				return nil
			})
			require.ErrorIs(t, h.scrape(), kind)
			h.cms.setFail(nil)
			h.received()
			require.NoError(t, h.scrape())
			if narrows {
				assert.Len(t, h.received()["i/g0000"], 1)
			} else {
				assert.Len(t, h.received()["i/g0000"], 2)
			}
		})
	}
}

func TestFailuresThatTakeTurnsAreSaidOnce(t *testing.T) {
	h := newHarness(t, minimalYAML)
	for i := range 10 {
		kind := cms.KindThrottled
		if i%2 == 0 {
			kind = cms.KindServer
		}
		h.cms.setFail(failWith(&cms.Error{Kind: kind}))
		h.minute(nil)
		require.Error(t, h.scrape())
	}
	assert.Equal(t, 2, h.logs.FilterMessageSnippet("Reading from CloudMonitor fails").Len())
	assert.Len(t, h.events, 2)
}

func TestOneFailedBatchDoesNotSpoilTheRest(t *testing.T) {
	ids := ""
	for i := range 60 {
		ids += fmt.Sprintf("i%02d, ", i)
	}
	h := newHarness(t, minimalYAML+"instances: ["+ids+"]")
	for _, id := range []string{"i00", "i59"} {
		p := point("a", at(1), 1)
		p.InstanceID = id
		h.cms.publish(p)
	}
	h.cms.setFail(func(_ context.Context, q cms.Query) error {
		if q.Instances[0] == "i00" {
			return &cms.Error{Kind: cms.KindServer, Status: 500}
		}
		return nil
	})
	err := h.scrape()
	var partial scrapererror.PartialScrapeError
	require.ErrorAs(t, err, &partial)
	assert.Equal(t, 1, partial.Failed)
	assert.Equal(t, []string{"i59/a"}, keys(h.received()))

	h.cms.setFail(nil)
	require.NoError(t, h.scrape())
	assert.Equal(t, []string{"i00/a"}, keys(h.received()))
}

func TestABatchThatHangsLeavesTimeToDeliverTheRest(t *testing.T) {
	h := newHarness(t, minimalYAML+"metrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}")
	h.cms.publish(point("a", at(1), 1))
	h.cms.setFail(func(ctx context.Context, q cms.Query) error {
		if q.MetricName == cms.MetricAccumulation {
			return nil
		}
		<-ctx.Done()
		return &cms.Error{Kind: cms.KindNetwork, Err: ctx.Err()}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	md, err := h.scraper.scrape(ctx)
	assert.True(t, scrapererror.IsPartialScrapeError(err))
	assert.Equal(t, 1, md.DataPointCount())
	assert.NoError(t, ctx.Err(), "the next consumer still has time")
}

func keys(m map[string][]sample) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

func TestTotalFailureIsNotPartialAndIsCaughtUp(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.minute(map[string]float64{"a": 1})
	require.NoError(t, h.scrape())
	h.received()

	h.cms.setFail(failWith(&cms.Error{Kind: cms.KindThrottled, Status: 400}))
	for range 20 {
		h.minute(map[string]float64{"a": 2})
		err := h.scrape()
		require.Error(t, err)
		require.False(t, scrapererror.IsPartialScrapeError(err))
	}
	h.cms.setFail(nil)
	h.minute(map[string]float64{"a": 3})
	require.NoError(t, h.scrape())
	got := h.received()["i/a"]
	require.Len(t, got, 21, "no gap, and the failed reads ended nothing")
	for i, s := range got {
		assert.Equal(t, at(-2-i), s.timestamp)
	}
}

func TestRefusedPointsAreSentAgain(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.next.err = errors.New("memory limit")
	for range 3 {
		h.minute(map[string]float64{"a": 1})
		require.NoError(t, h.scrape())
	}
	h.next.err = nil
	h.minute(map[string]float64{"a": 1})
	require.NoError(t, h.scrape())
	assert.Len(t, h.received()["i/a"], 4)

	assert.Equal(t, 1, h.logs.FilterMessageSnippet("refused the points").Len(), "said once")
	assert.Equal(t, 1, h.logs.FilterMessageSnippet("accepts points again").Len())
}

func TestWhatIsRefusedForGoodIsGivenUp(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.next.err = consumererror.NewPermanent(errors.New("out of order sample"))
	for range 61 { // max_backfill is an hour
		h.minute(map[string]float64{"a": 1})
		require.NoError(t, h.scrape())
	}
	h.next.err = nil
	h.minute(map[string]float64{"a": 2})
	require.NoError(t, h.scrape())
	assertSamples(t, []sample{{at(-62), 2}}, h.received()["i/a"])
	assert.Equal(t, 1, h.logs.FilterMessageSnippet("Gave up points").Len())
}

// TestTimeWithoutADeliveryIsNoRefusal: two refusals with an outage between them.
func TestTimeWithoutADeliveryIsNoRefusal(t *testing.T) {
	h := newHarness(t, minimalYAML)
	refused := consumererror.NewPermanent(errors.New("429 Too Many Requests"))
	scrape := func(read, consume error) {
		h.minute(map[string]float64{"a": 1})
		h.cms.setFail(nil)
		if read != nil {
			h.cms.setFail(failWith(read))
		}
		h.next.err = consume
		_ = h.scrape()
	}
	scrape(nil, refused)
	for range 57 {
		scrape(errForbidden, nil)
	}
	scrape(nil, refused)
	scrape(nil, nil)
	assert.Len(t, h.received()["i/a"], 60)
}

func TestARefusalForGoodThatPassesLosesNothing(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.next.err = consumererror.NewPermanent(errors.New("429 Too Many Requests"))
	for range 4 {
		h.minute(map[string]float64{"a": 1})
		require.NoError(t, h.scrape())
	}
	h.next.err = nil
	h.minute(map[string]float64{"a": 1})
	require.NoError(t, h.scrape())
	assert.Len(t, h.received()["i/a"], 5)
}

func TestALateGroupIsCaughtUp(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.minute(map[string]float64{"a": 1, "late": 1})
	require.NoError(t, h.scrape())
	for range 3 {
		h.minute(map[string]float64{"a": 1})
		h.cms.publishAt(testNow.Add(4*time.Minute+time.Second), point("late", h.clock.now().UnixMilli(), 2))
		require.NoError(t, h.scrape())
	}
	h.received()
	h.minute(map[string]float64{"a": 1, "late": 1})
	h.clock.advance(2 * time.Second)
	require.NoError(t, h.scrape())
	got := h.received()
	assert.Len(t, got["i/a"], 1)
	assertSamples(t, []sample{{at(-2), 2}, {at(-3), 2}, {at(-4), 2}, {at(-5), 1}}, got["i/late"])
}

func TestOneLogLineAndOneStatusPerChange(t *testing.T) {
	h := newHarness(t, minimalYAML)
	for range 3 {
		h.minute(map[string]float64{"a": 1})
		require.NoError(t, h.scrape())
	}
	h.cms.setFail(failWith(errForbidden))
	for range 5 {
		h.minute(nil)
		require.Error(t, h.scrape())
	}
	h.cms.setFail(nil)
	for range 3 {
		h.minute(map[string]float64{"a": 1})
		require.NoError(t, h.scrape())
	}

	failures := h.logs.FilterMessageSnippet("Reading from CloudMonitor fails")
	require.Equal(t, 1, failures.Len())
	assert.Contains(t, failures.All()[0].ContextMap()["error"], "cms:QueryMetricList")
	assert.Equal(t, []any{"message_accumulation of all instances"}, failures.All()[0].ContextMap()["reading"])
	recovered := h.logs.FilterMessageSnippet("CloudMonitor answers again")
	require.Equal(t, 1, recovered.Len())
	assert.Equal(t, 5*time.Minute, recovered.All()[0].ContextMap()["after"])

	var statuses []componentstatus.Status
	for _, e := range h.events {
		statuses = append(statuses, e.Status())
	}
	assert.Equal(t, []componentstatus.Status{
		componentstatus.StatusOK, componentstatus.StatusRecoverableError, componentstatus.StatusOK,
	}, statuses)
}

func TestSilenceOfCloudMonitorIsSaid(t *testing.T) {
	h := newHarness(t, minimalYAML)
	for range 3 {
		h.minute(nil)
		require.NoError(t, h.scrape())
	}
	assert.Equal(t, 1, h.logs.FilterMessageSnippet("no current point").Len())
}

func TestDroppedPointsAreSaidOnceAReason(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.cms.malformed = 2
	for range 3 {
		h.minute(map[string]float64{"a": 1, "negative": -1})
		require.NoError(t, h.scrape())
	}
	assert.Equal(t, 2, h.logs.FilterMessageSnippet("Dropped points").Len())
}

func TestAnnouncesProjectedCalls(t *testing.T) {
	tests := []struct {
		yaml  string
		calls int64
		level string
	}{
		{minimalYAML, 43_200, "info"},
		{minimalYAML + "collection_interval: 2s", 1_296_000, "warn"},
	}
	for _, tt := range tests {
		t.Run(tt.level, func(t *testing.T) {
			h := newHarness(t, tt.yaml)
			entry := h.logs.All()[0]
			assert.Equal(t, tt.calls, entry.ContextMap()["projected_calls_per_month"])
			assert.Equal(t, tt.level, entry.Level.String())
		})
	}
}

func TestWarnsOfSeriesThatEndBetweenTwoPoints(t *testing.T) {
	for yaml, warnings := range map[string]int{minimalYAML: 0, minimalYAML + "period: 300s": 1} {
		assert.Equal(t, warnings, newHarness(t, yaml).logs.FilterMessageSnippet("stale_after is shorter").Len(), yaml)
	}
}

func TestWarnsOfPointsThatAreNeverRead(t *testing.T) {
	for yaml, warnings := range map[string]int{minimalYAML: 0, minimalYAML + "collection_interval: 2h": 1} {
		assert.Equal(t, warnings, newHarness(t, yaml).logs.FilterMessageSnippet("max_backfill is shorter").Len(), yaml)
	}
}

func TestOwnTelemetry(t *testing.T) {
	h := newHarness(t, minimalYAML)
	h.cms.publish(point("a", at(1), 1), point("a", at(2), 1), point("b", at(1), -1))
	h.cms.malformed = 1
	require.NoError(t, h.scrape())
	h.cms.setFail(failWith(&cms.Error{Kind: cms.KindThrottled, Status: 400}))
	require.Error(t, h.scrape())
	h.clock.advance(30 * time.Second)

	id := attribute.String("receiver", h.scraper.set.ID.String())
	action := attribute.String("action", apiAction)
	sum := func(value int64, attrs ...attribute.KeyValue) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Attributes: attribute.NewSet(append(attrs, id)...), Value: value}
	}
	reason := func(r dropReason) attribute.KeyValue { return attribute.String("reason", string(r)) }
	ignore := metricdatatest.IgnoreTimestamp()
	metadatatest.AssertEqualReceiverAliyunkafkalagAPIRequests(t, h.telemetry, []metricdata.DataPoint[int64]{
		sum(1, action, attribute.String("outcome", "success")),
		sum(1, action, attribute.String("outcome", "throttled")),
	}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagAPIThrottles(t, h.telemetry, []metricdata.DataPoint[int64]{sum(1, action)}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagPointsReceived(t, h.telemetry, []metricdata.DataPoint[int64]{sum(4)}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagPointsEmitted(t, h.telemetry, []metricdata.DataPoint[int64]{sum(1)}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagPointsDropped(t, h.telemetry, []metricdata.DataPoint[int64]{
		sum(1, reason(dropBeforeStart)), sum(1, reason(dropNegative)), sum(1, reason(dropMalformed)),
	}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagSeriesTracked(t, h.telemetry, []metricdata.DataPoint[int64]{sum(1)}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagLastSuccess(t, h.telemetry, []metricdata.DataPoint[int64]{sum(testNow.Unix())}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagNewestPointAge(t, h.telemetry, []metricdata.DataPoint[float64]{
		{Attributes: attribute.NewSet(id), Value: 90},
	}, ignore)
	metadatatest.AssertEqualReceiverAliyunkafkalagAPIRequestDuration(t, h.telemetry, []metricdata.HistogramDataPoint[float64]{
		{Attributes: attribute.NewSet(action, id)},
	}, ignore, metricdatatest.IgnoreValue())
}
