package kafkalagremediationexporter

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// sample is a point of the group orders some seconds after the start.
type sample struct {
	seconds int
	value   float64
	change  func(pmetric.NumberDataPoint) // may be nil
}

func (s sample) metrics(name string) pmetric.Metrics {
	return gauge(name, func(p pmetric.NumberDataPoint) {
		p.Attributes().PutStr(attributeGroup, "orders")
		p.SetDoubleValue(s.value)
		p.SetTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(s.seconds) * time.Second)))
		if s.change != nil {
			s.change(p)
		}
	})
}

func ordersOnly() *targets {
	return newTargets([]TargetConfig{{Group: "orders", Namespace: "shop", Deployment: "orders"}})
}

func TestLags(t *testing.T) {
	asInt := func(p pmetric.NumberDataPoint) { p.SetIntValue(p.IntValue() + 7) }
	asStale := func(p pmetric.NumberDataPoint) { p.SetFlags(p.Flags().WithNoRecordedValue(true)) }
	ofOther := func(p pmetric.NumberDataPoint) { p.Attributes().PutStr(attributeGroup, "other") }
	ofNone := func(p pmetric.NumberDataPoint) { p.Attributes().Remove(attributeGroup) }
	for name, tt := range map[string]struct {
		samples []sample
		value   float64
		seconds int // of the newest point; -1: nothing is known
		falling float64
	}{
		"one point":             {[]sample{{0, 600, nil}}, 600, 0, 0},
		"an integer":            {[]sample{{0, 600, asInt}}, 7, 0, 0},
		"rising":                {[]sample{{0, 600, nil}, {60, 700, nil}}, 700, 60, 0},
		"falling":               {[]sample{{0, 600, nil}, {60, 480, nil}}, 480, 60, 2},
		"falling over all":      {[]sample{{0, 600, nil}, {60, 900, nil}, {120, 480, nil}}, 480, 120, 1},
		"within the window":     {[]sample{{0, 9000, nil}, {60, 600, nil}, {300, 600, nil}, {360, 300, nil}}, 300, 360, 1},
		"the end of the window": {[]sample{{0, 600, nil}, {300, 300, nil}}, 300, 300, 1},
		"two are far apart":     {[]sample{{0, 600, nil}, {600, 300, nil}}, 300, 600, 0.5},
		"an older point":        {[]sample{{60, 600, nil}, {0, 900, nil}}, 600, 60, 0},
		"the same time again":   {[]sample{{60, 600, nil}, {60, 500, nil}}, 600, 60, 0},
		"a stale marker":        {[]sample{{0, 600, nil}, {60, 0, asStale}}, 600, 0, 0},
		"only a stale marker":   {[]sample{{0, 0, asStale}}, 0, -1, 0},
		"a group without":       {[]sample{{0, 600, ofOther}}, 0, -1, 0},
		"no group":              {[]sample{{0, 600, ofNone}}, 0, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLags(ordersOnly(), 10*time.Minute, zap.NewNop())
			now := start.Add(time.Hour)
			l.now = func() time.Time { return now }
			for _, s := range tt.samples {
				l.add(s.metrics(metricName))
			}
			now = now.Add(l.window) // no series is new any more
			want := map[cluster.Target][]ladder.Lag{}
			if tt.seconds >= 0 {
				want[deployment("orders")] = []ladder.Lag{{Group: "orders", Value: tt.value, At: start.Add(time.Duration(tt.seconds) * time.Second), Falling: tt.falling}}
			}
			assert.Equal(t, want, l.byTarget())
		})
	}
}

// TestNewSeries: with one point it is not known for a while whether the lag falls.
func TestNewSeries(t *testing.T) {
	l := newLags(ordersOnly(), 10*time.Minute, zap.NewNop())
	now := start
	l.now = func() time.Time { return now }
	isNew := func() bool { return l.byTarget()[deployment("orders")][0].New }
	l.add(sample{-60, 600, nil}.metrics(metricName)) // it arrives late
	assert.True(t, isNew())
	now = start.Add(5*time.Minute - time.Second)
	assert.True(t, isNew())
	now = start.Add(5 * time.Minute)
	assert.False(t, isNew(), "no second one has come")
	now = start.Add(time.Minute)
	l.add(sample{60, 600, nil}.metrics(metricName))
	assert.False(t, isNew())
}

func TestOtherMetricsAreIgnored(t *testing.T) {
	l := newLags(newTargets([]TargetConfig{{GroupRegexp: "^", Namespace: "shop", Deployment: "any"}}), time.Minute, zap.NewNop())
	l.now = func() time.Time { return start.Add(time.Hour) }
	l.add(sample{change: func(p pmetric.NumberDataPoint) { p.Attributes().Clear() }}.metrics(metricName)) // of no group
	l.add(sample{value: 1}.metrics("kafka.consumer.topic.message_accumulation"))
	sum := sample{value: 1}.metrics(metricName)
	m := sum.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	m.SetEmptySum().DataPoints().AppendEmpty().Attributes().PutStr(attributeGroup, "orders")
	l.add(sum)
	assert.Empty(t, l.byTarget())
}

// TestInstancesAreSeriesOfTheirOwn: groups of one name on two instances do not mix.
func TestInstancesAreSeriesOfTheirOwn(t *testing.T) {
	l := newLags(ordersOnly(), time.Minute, zap.NewNop())
	l.now = func() time.Time { return start.Add(time.Hour) }
	for i, instance := range []string{"a", "b"} {
		for _, seconds := range []int{-60, 0} {
			l.add(sample{seconds, float64(i), func(p pmetric.NumberDataPoint) { p.Attributes().PutStr(attributeID, instance) }}.metrics(metricName))
		}
	}
	assert.ElementsMatch(t, []ladder.Lag{{Instance: "a", Group: "orders", Value: 0, At: start}, {Instance: "b", Group: "orders", Value: 1, At: start}}, l.byTarget()[deployment("orders")])
}

// TestPointsAreBounded: points that come too often replace each other, and the newest always counts.
func TestPointsAreBounded(t *testing.T) {
	s := &seriesLag{}
	const window = 5 * time.Minute
	for i := range 3000 {
		s.add(point{start.Add(time.Duration(i) * time.Second), float64(3000 - i)}, window)
		assert.LessOrEqual(t, len(s.points), 2*maxPoints)
		assert.LessOrEqual(t, s.points[len(s.points)-1].at.Sub(s.points[0].at), window)
		assert.InDelta(t, 3000-i, s.points[len(s.points)-1].value, 0)
	}
	assert.InDelta(t, 1, s.falling(), 0.01)
}

// TestLagsWhileTheyAreRead is for the race detector: points arrive while the runner reads.
func TestLagsWhileTheyAreRead(*testing.T) {
	l := newLags(ordersOnly(), time.Minute, zap.NewNop())
	var adding sync.WaitGroup
	for i := range 100 {
		adding.Go(func() { l.add(sample{seconds: i}.metrics(metricName)) })
		l.byTarget()
	}
	adding.Wait()
}

// TestOddPoints: neither what is no number nor a point from the future counts.
func TestOddPoints(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	l := newLags(ordersOnly(), time.Minute, zap.New(core))
	l.now = func() time.Time { return start }
	l.add(sample{0, 1, nil}.metrics(metricName))
	ahead := int(maxAhead/time.Second) + 1
	for _, odd := range []sample{{1, math.NaN(), nil}, {1, math.Inf(1), nil}, {1, math.Inf(-1), nil}, {ahead, 2, nil}, {ahead, 2, nil}} {
		l.add(odd.metrics(metricName))
	}
	assert.InDelta(t, 1, l.byTarget()[deployment("orders")][0].Value, 0)
	assert.Equal(t, 1, logs.FilterField(zap.Duration("ahead", maxAhead+time.Second)).Len(), "a clock that is wrong is logged once")
	l.now = func() time.Time { return start.Add(ladder.ForgetAfter + time.Second) }
	assert.Empty(t, l.byTarget(), "a series is forgotten in the end")
	assert.Empty(t, l.series)
}
