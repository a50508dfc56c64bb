package aliyunkafkalagreceiver

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

var testNow = time.UnixMilli(1_700_000_040_000) // on a minute

func testLimits() limits {
	return limits{
		period:      time.Minute,
		lookback:    10 * time.Minute,
		maxBackfill: time.Hour,
		staleAfter:  5 * time.Minute,
		wanted:      func(group string) bool { return group != "unwanted" },
	}
}

// at is the timestamp of the minute that lies minutes before testNow.
func at(minutes int) int64 {
	return testNow.Add(-time.Duration(minutes) * time.Minute).UnixMilli()
}

func point(group string, timestamp int64, value float64) cms.Point {
	return cms.Point{Timestamp: timestamp, UserID: "1", InstanceID: "i", ConsumerGroup: group, Value: value}
}

// liveStream is a primed stream that delivered each group up to the given time.
func liveStream(watermarks map[string]int64) *stream {
	s := newStream(cms.MetricAccumulation, nil, testLimits())
	s.primed = true
	s.sweptAt = testNow
	for group, w := range watermarks {
		s.series[seriesKey{"i", group, ""}] = &series{userID: "1", watermark: w, delivered: true}
	}
	return s
}

// emitted is what a delivery has of group a, an end as the value NaN.
func emitted(d *delivery) []sample {
	var out []sample
	for i := range d.series {
		sd := &d.series[i]
		if sd.key.consumerGroup != "a" {
			continue
		}
		out = append(out, sd.samples...)
		if sd.ended {
			out = append(out, sample{d.endTimestamp(sd), math.NaN()})
		}
	}
	return out
}

func assertSamples(t *testing.T, want, got []sample) {
	t.Helper()
	if assert.Len(t, got, len(want)) {
		for i := range want {
			assert.Equal(t, want[i].timestamp, got[i].timestamp)
			assert.InDelta(t, want[i].value, got[i].value, 0)
		}
	}
}

// whole is a window that reaches the present.
func whole() window { return wholeAt(testNow) }

func wholeAt(now time.Time) window {
	return window{start: now.Add(-10 * time.Minute), end: now, sweep: true}
}

func TestStreamWindow(t *testing.T) {
	tests := []struct {
		name       string
		watermarks map[string]int64
		sweptAt    time.Time
		want       int64
	}{
		{"the first: lookback", nil, time.Time{}, at(10)},
		{"no series: a sweep", nil, testNow, at(5)},
		{"one series: its watermark", map[string]int64{"a": at(1)}, testNow, at(1)},
		{"the oldest watermark", map[string]int64{"a": at(1), "b": at(4)}, testNow, at(4)},
		{"not beyond max_backfill", map[string]int64{"a": at(300)}, testNow, at(60)},
		{"a sweep reaches back stale_after", map[string]int64{"a": at(1)}, testNow.Add(-3 * time.Minute), at(5)},
		{"a sweep does not shorten a backfill", map[string]int64{"a": at(30)}, testNow.Add(-3 * time.Minute), at(30)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := liveStream(tt.watermarks)
			s.sweptAt = tt.sweptAt
			w := s.window(testNow)
			assert.Equal(t, tt.want, w.start.UnixMilli())
			assert.Equal(t, testNow, w.end)
		})
	}
}

func TestStreamAccept(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		name    string
		stream  *stream
		points  []cms.Point
		past    bool     // the window does not reach the present
		want    []sample // of group a
		dropped map[dropReason]int64
	}{
		{
			name:    "first read emits the newest point only",
			stream:  newStream(cms.MetricAccumulation, nil, testLimits()),
			points:  []cms.Point{point("a", at(1), 7), point("a", at(3), 5), point("a", at(2), 6)},
			want:    []sample{{at(1), 7}},
			dropped: map[dropReason]int64{dropBeforeStart: 2},
		},
		{
			name:    "first read does not revive an ended series",
			stream:  newStream(cms.MetricAccumulation, nil, testLimits()),
			points:  []cms.Point{point("a", at(6), 7)},
			dropped: map[dropReason]int64{dropStale: 1},
		},
		{
			name:   "new points ascending",
			stream: liveStream(map[string]int64{"a": at(4)}),
			points: []cms.Point{point("a", at(1), 7), point("a", at(3), 5), point("a", at(2), 6)},
			want:   []sample{{at(3), 5}, {at(2), 6}, {at(1), 7}},
		},
		{
			name:   "zero is a value",
			stream: liveStream(map[string]int64{"a": at(2)}),
			points: []cms.Point{point("a", at(1), 0)},
			want:   []sample{{at(1), 0}},
		},
		{
			name:    "at and behind the watermark",
			stream:  liveStream(map[string]int64{"a": at(2)}),
			points:  []cms.Point{point("a", at(3), 5), point("a", at(2), 6), point("a", at(1), 7)},
			want:    []sample{{at(1), 7}},
			dropped: map[dropReason]int64{dropBehindWatermark: 2},
		},
		{
			name:    "the same point twice",
			stream:  liveStream(map[string]int64{"a": at(2)}),
			points:  []cms.Point{point("a", at(1), 7), point("a", at(1), 8)},
			want:    []sample{{at(1), 7}},
			dropped: map[dropReason]int64{dropBehindWatermark: 1},
		},
		{
			name:   "values that break a scaler",
			stream: liveStream(map[string]int64{"a": at(9)}),
			points: []cms.Point{
				point("a", at(4), -1), point("a", at(3), nan), point("a", at(2), math.Inf(1)), point("a", at(1), 7),
			},
			want:    []sample{{at(1), 7}},
			dropped: map[dropReason]int64{dropNegative: 1, dropNotFinite: 2},
		},
		{
			name:   "one period ahead is kept, more is not",
			stream: liveStream(map[string]int64{"a": at(1)}),
			points: []cms.Point{point("a", at(-1), 7), point("a", at(-1)+1, 8)},
			want:   []sample{{at(-1), 7}}, dropped: map[dropReason]int64{dropFuture: 1},
		},
		{
			name:    "older than max_backfill",
			stream:  liveStream(map[string]int64{"a": at(90)}),
			points:  []cms.Point{point("a", at(60)-1, 5), point("a", at(60), 6), point("a", at(1), 7)},
			want:    []sample{{at(60), 6}, {at(1), 7}},
			dropped: map[dropReason]int64{dropTooOld: 1},
		},
		{
			name:    "unwanted groups",
			stream:  liveStream(map[string]int64{"a": at(2)}),
			points:  []cms.Point{point("unwanted", at(1), 5), point("a", at(1), 7)},
			want:    []sample{{at(1), 7}},
			dropped: map[dropReason]int64{dropFiltered: 1},
		},
		{
			name:   "an outage is caught up",
			stream: liveStream(map[string]int64{"a": at(40)}),
			points: []cms.Point{point("a", at(39), 1), point("a", at(38), 2), point("a", at(1), 3)},
			want:   []sample{{at(39), 1}, {at(38), 2}, {at(1), 3}},
		},
		{
			name:   "a series ends 1 ms after its last point",
			stream: liveStream(map[string]int64{"a": at(5)}),
			want:   []sample{{at(5) + 1, nan}},
		},
		{
			name:   "not before stale_after",
			stream: liveStream(map[string]int64{"a": at(5) + 1}),
		},
		{
			name:   "what is caught up may have ended meanwhile",
			stream: liveStream(map[string]int64{"a": at(40)}),
			points: []cms.Point{point("a", at(39), 1)},
			want:   []sample{{at(39), 1}, {at(39) + 1, nan}},
		},
		{
			name:   "a window that does not reach the present ends nothing",
			stream: liveStream(map[string]int64{"a": at(30)}),
			past:   true,
		},
		{
			name:   "a series that appears later begins with its fresh points",
			stream: liveStream(map[string]int64{"b": at(9)}),
			points: []cms.Point{point("a", at(5), 4), point("a", at(2), 6), point("a", at(1), 7)},
			want:   []sample{{at(2), 6}, {at(1), 7}}, dropped: map[dropReason]int64{dropStale: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := whole()
			if tt.past {
				w.end = testNow.Add(-time.Minute)
			}
			d := tt.stream.accept(tt.points, w, testNow)
			assertSamples(t, tt.want, emitted(d))
			if tt.dropped == nil {
				tt.dropped = map[dropReason]int64{}
			}
			assert.Equal(t, tt.dropped, d.dropped)
		})
	}
}

func TestStreamForgetsOnlyWhatWasAccepted(t *testing.T) {
	s := liveStream(map[string]int64{"a": at(5)})
	assertSamples(t, []sample{{at(5) + 1, math.NaN()}}, emitted(s.accept(nil, whole(), testNow)))
	assertSamples(t, []sample{{at(5) + 1, math.NaN()}}, emitted(s.accept(nil, whole(), testNow)))
	s.accept(nil, whole(), testNow).commit()
	assert.Empty(t, s.series)
	assert.Empty(t, s.accept(nil, whole(), testNow).series, "the end is said once")
}

func TestStreamRepeatsWhatWasRefused(t *testing.T) {
	s := newStream(cms.MetricAccumulation, nil, testLimits())
	first := []cms.Point{point("a", at(2), 1), point("a", at(1), 2)}
	assertSamples(t, []sample{{at(1), 2}}, emitted(s.accept(first, whole(), testNow)))

	later := testNow.Add(time.Minute)
	assert.Equal(t, at(1)-1, s.window(later).start.UnixMilli())
	d := s.accept(append(first, point("a", at(0), 3)), wholeAt(later), later)
	assertSamples(t, []sample{{at(1), 2}, {at(0), 3}}, emitted(d))
	d.commit()
	assert.Equal(t, at(0), s.window(later).start.UnixMilli())
}

func TestStreamForgetsASeriesThatWasNeverDelivered(t *testing.T) {
	s := newStream(cms.MetricAccumulation, nil, testLimits())
	s.accept([]cms.Point{point("a", at(1), 2)}, whole(), testNow)
	d := s.accept(nil, wholeAt(testNow.Add(10*time.Minute)), testNow.Add(10*time.Minute))
	assert.Empty(t, d.series)
	assert.Empty(t, s.series)
}

func TestSeriesComesBackAfterItsEnd(t *testing.T) {
	s := liveStream(map[string]int64{"a": at(5), "b": at(8)})
	s.accept([]cms.Point{point("b", at(1), 1)}, whole(), testNow).commit()

	// The window still reaches behind the end of a: the old point must not come again.
	later := testNow.Add(time.Minute)
	d := s.accept([]cms.Point{point("a", at(5), 1), point("a", at(0), 2)}, wholeAt(later), later)
	assertSamples(t, []sample{{at(0), 2}}, emitted(d))
}

func TestSweepIsDueNowAndThen(t *testing.T) {
	tests := []struct {
		name   string
		groups int
		every  int // minutes
	}{
		{"when it takes no more than a page", 1, 3}, // two and a half minutes, in scrapes of one
		{"when it takes more pages", 300, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStream(cms.MetricAccumulation, nil, testLimits())
			now := testNow
			for scrape := range 31 {
				w := s.window(now)
				want := time.Minute
				switch {
				case scrape == 0:
					want = 10 * time.Minute
				case scrape%tt.every == 0:
					want = 5 * time.Minute
				}
				assert.Equal(t, want, now.Sub(w.start), "scrape %d", scrape)
				var points []cms.Point
				for ts := w.start.Add(time.Minute); !ts.After(w.end); ts = ts.Add(time.Minute) {
					for i := range tt.groups {
						points = append(points, point(fmt.Sprint(i), ts.UnixMilli(), 1))
					}
				}
				s.accept(points, w, now).commit()
				now = now.Add(time.Minute)
			}
		})
	}
}

func TestAnEmptyFirstReadDoesNotPrime(t *testing.T) {
	s := newStream(cms.MetricAccumulation, nil, testLimits())
	s.accept(nil, whole(), testNow)
	d := s.accept([]cms.Point{point("a", at(2), 1), point("a", at(1), 2)}, whole(), testNow)
	assertSamples(t, []sample{{at(1), 2}}, emitted(d))
}

func TestAPointWithoutAccountKeepsIt(t *testing.T) {
	s := liveStream(map[string]int64{"a": at(2)})
	p := point("a", at(1), 2)
	p.UserID = ""
	assert.Equal(t, "1", s.accept([]cms.Point{p}, whole(), testNow).series[0].userID)
}

func TestAWindowThatIsTooMuchIsNarrowed(t *testing.T) {
	// "dead" has no newer points: it holds back the oldest watermark.
	s := liveStream(map[string]int64{"a": at(40), "dead": at(40)})
	s.narrow(s.window(testNow))
	s.narrow(s.window(testNow))
	var spans []int64
	for {
		w := s.window(testNow)
		spans = append(spans, int64(w.end.Sub(w.start)/time.Minute))
		var points []cms.Point
		for ts := w.start.Add(time.Minute); !ts.After(w.end); ts = ts.Add(time.Minute) {
			points = append(points, point("a", ts.UnixMilli(), 1))
		}
		d := s.accept(points, w, testNow)
		assert.Len(t, emitted(d), len(points))
		d.commit()
		if d.current {
			break
		}
	}
	assert.Equal(t, []int64{10, 15, 15}, spans)
	assert.Len(t, s.series, 1, "what ended is known at the present")
}

// TestAFirstReadInParts: a scrape reads two points, and CloudMonitor is three minutes late, so
// that the newest part has none.
func TestAFirstReadInParts(t *testing.T) {
	l := testLimits()
	l.staleAfter = 10 * time.Minute
	s := newStream(cms.MetricAccumulation, nil, l)
	var got []sample
	for now := testNow; now.Before(testNow.Add(30 * time.Minute)); now = now.Add(time.Minute) {
		w := s.window(now)
		var points []cms.Point
		late := now.Add(-3 * time.Minute)
		for ts := w.start.Truncate(time.Minute).Add(time.Minute); !ts.After(w.end) && !ts.After(late); ts = ts.Add(time.Minute) {
			points = append(points, point("a", ts.UnixMilli(), 1))
		}
		if len(points) > 2 {
			s.narrow(w)
			continue
		}
		d := s.accept(points, w, now)
		got = append(got, emitted(d)...)
		d.commit()
	}
	assert.Greater(t, len(got), 20)
	for i := 1; i < len(got); i++ {
		assert.Equal(t, time.Minute.Milliseconds(), got[i].timestamp-got[i-1].timestamp, "none is left out")
	}
}
