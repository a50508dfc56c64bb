package lag_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// scrapeOnce plays one scrape, in which each request is answered with one page, or fails.
func scrapeOnce(t *lag.Tracker, now int64, answer func(*lag.Request) ([]lag.Point, error)) lag.Result {
	s := t.Begin(time.UnixMilli(now), func() time.Duration { return time.Minute })
	for q := s.Next(); q != nil; q = s.Next() {
		if points, err := answer(q); err != nil {
			s.Fail(q, err, false)
		} else {
			s.Page(q, points, time.Second, true)
		}
	}
	return s.Finish()
}

// pointOf returns a point of a group that is so many milliseconds older than the origin.
func pointOf(group string, timestamp int64) lag.Point {
	return lag.Point{Key: lag.Key{Instance: "i", Group: group}, Account: "1", Timestamp: origin + timestamp, Value: 1}
}

// within returns the points that a request asks for.
func within(q *lag.Request, points []lag.Point) []lag.Point {
	return slices.DeleteFunc(slices.Clone(points), func(p lag.Point) bool {
		return p.Timestamp <= q.Start || p.Timestamp > q.End || len(q.Names) > 0 && !slices.Contains(q.Names, p.Key)
	})
}

// publishedBy returns the points of ten groups a minute late and of some that are seven minutes late.
func publishedBy(step int, late ...string) (points []lag.Point) {
	for m := int64(-20); m < int64(step); m++ {
		for g := range 10 {
			points = append(points, pointOf(fmt.Sprint(g), m*minute))
		}
		for _, g := range late {
			if m < int64(step)-6 {
				points = append(points, pointOf(g, m*minute))
			}
		}
	}
	return points
}

func TestTheAccountOfASeries(t *testing.T) {
	tracker := lag.NewTracker(small(func(*scenario) {}).settings, metrics[:1], []string{"i"})
	for step, account := range []string{"1", "", "2"} {
		p := pointOf("a", int64(step)*minute)
		p.Account = account
		r := scrapeOnce(tracker, origin+int64(step+1)*minute, func(*lag.Request) ([]lag.Point, error) { return []lag.Point{p}, nil })
		require.Len(t, r.Entries, 1)
		assert.Equal(t, []string{"1", "1", "2"}[step], r.Entries[0].Series.Account)
		r.Entries[0].Accept()
	}
}

func TestASearchEndsAfter16Failures(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	var instances []string
	for i := range 50 {
		instances = append(instances, fmt.Sprint(i))
	}
	s := lag.NewTracker(settings, metrics[:1], instances).Begin(time.UnixMilli(origin), func() time.Duration { return time.Minute })
	calls := 0
	for q := s.Next(); q != nil; q = s.Next() {
		calls++
		s.Fail(q, errors.New("forbidden"), true)
	}
	assert.Equal(t, 1+16, calls)
}

func TestTheStartOfAnInstanceThatWasBad(t *testing.T) {
	tracker := lag.NewTracker(small(func(*scenario) {}).settings, metrics[:1], []string{"i", "j"})
	for step := range 12 {
		now := origin + int64(step)*minute
		s := tracker.Begin(time.UnixMilli(now), func() time.Duration { return time.Minute })
		for q := s.Next(); q != nil; q = s.Next() {
			if step < 10 && slices.Contains(q.Instances, "j") {
				s.Fail(q, errors.New("forbidden"), true)
				continue
			}
			var points []lag.Point
			if step == 11 && slices.Contains(q.Instances, "j") {
				for ts := int64(7); ts <= 11; ts++ {
					points = append(points, lag.Point{Key: lag.Key{Instance: "j", Group: "b"}, Timestamp: origin + ts*minute})
				}
			}
			s.Page(q, points, time.Second, true)
		}
		if r := s.Finish(); step == 11 {
			require.Empty(t, r.Bad)
			require.Len(t, r.Entries, 1)
			assert.Equal(t, []lag.Sample{{Timestamp: origin + 11*minute}}, r.Entries[0].Samples, "its first scrape was at 10m")
		}
	}
}

func TestAfterARestoreOnlyWhatIsNewIsRead(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	settings.PageLength = 1
	tracker := lag.NewTracker(settings, metrics[:1], []string{"i"})
	tracker.Restore([]lag.Watermark{{Metric: metrics[0], Key: pointOf("a", 0).Key, Timestamp: origin - minute}}, time.UnixMilli(origin))
	q := tracker.Begin(time.UnixMilli(origin), func() time.Duration { return time.Minute }).Next()
	assert.Equal(t, origin-minute, q.Start)
}

func TestNoWatermarkBeforeAPointIsAccepted(t *testing.T) {
	tracker := lag.NewTracker(small(func(*scenario) {}).settings, metrics[:1], []string{"i"})
	r := scrapeOnce(tracker, origin, func(*lag.Request) ([]lag.Point, error) { return []lag.Point{pointOf("a", -minute)}, nil })
	require.Len(t, r.Entries, 1)
	assert.Empty(t, tracker.Watermarks())
	r.Entries[0].Accept()
	assert.Len(t, tracker.Watermarks(), 1)
}

func TestDropReasonsAtTheirBounds(t *testing.T) {
	for timestamp, want := range map[int64]lag.DropReason{
		-hour: "", -hour - 1: lag.DropTooOld, minute: "", minute + 1: lag.DropFuture,
	} {
		settings := small(func(*scenario) {}).settings
		settings.StaleAfter = 3 * time.Hour
		r := scrapeOnce(lag.NewTracker(settings, metrics[:1], []string{"i"}), origin, func(*lag.Request) ([]lag.Point, error) {
			return []lag.Point{pointOf("a", timestamp)}, nil
		})
		if want == "" {
			assert.Len(t, r.Entries, 1, timestamp)
			assert.Empty(t, r.Dropped, timestamp)
		} else {
			assert.Equal(t, map[lag.DropReason]int64{want: 1}, r.Dropped)
		}
	}
	r := scrapeOnce(lag.NewTracker(small(func(*scenario) {}).settings, metrics[:1], []string{"i"}), origin, func(q *lag.Request) ([]lag.Point, error) {
		assert.Empty(t, q.Names)
		return []lag.Point{pointOf("a", -10*minute)}, nil
	})
	require.Empty(t, r.Entries)
	assert.Equal(t, map[lag.DropReason]int64{lag.DropStale: 1}, r.Dropped)
}

func TestTheMomentsOfTheEndAndOfGivingUp(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	play := func(after int64, points ...lag.Point) lag.Result {
		tracker := lag.NewTracker(settings, metrics[:1], []string{"i"})
		for _, e := range scrapeOnce(tracker, origin, func(*lag.Request) ([]lag.Point, error) { return []lag.Point{pointOf("a", 0)}, nil }).Entries {
			e.Accept()
		}
		return scrapeOnce(tracker, origin+after, func(*lag.Request) ([]lag.Point, error) { return points, nil })
	}
	assert.Empty(t, play(10*minute-1).Entries)
	r := play(10 * minute)
	require.Len(t, r.Entries, 1, "at stale_after")
	assert.True(t, r.Entries[0].Stale)

	settings.StaleAfter = 3 * time.Hour
	assert.Empty(t, play(61*minute-1, pointOf("a", 60*minute)).GivenUp)
	r = play(61*minute, pointOf("a", 60*minute))
	require.Len(t, r.GivenUp, 1)
	assert.Equal(t, int64(1), r.GivenUp[0].Points)
}

func TestAnAmbiguousSeriesIsNamedOnce(t *testing.T) {
	tracker := lag.NewTracker(small(func(*scenario) {}).settings, metrics[:1], []string{"i"})
	for step, want := range []int{1, 0} {
		p := pointOf("a", int64(step)*minute)
		q := p
		q.Value = 2
		r := scrapeOnce(tracker, origin+int64(step+1)*minute, func(*lag.Request) ([]lag.Point, error) { return []lag.Point{p, q}, nil })
		assert.Len(t, r.Ambiguous, want)
		for _, e := range r.Entries {
			e.Accept()
		}
	}
}
