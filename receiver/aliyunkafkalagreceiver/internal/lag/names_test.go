package lag_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

func TestACallByNameThatBreaksOffLosesNothing(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	settings.PageLength = 10
	tracker, last, broken := lag.NewTracker(settings, metrics[:1], []string{"i"}), int64(0), 0
	for step := range 20 {
		points := publishedBy(step, "b")
		for m := int64(step) - 6; m < int64(step) && step >= 9; m++ { // it has caught up
			points = append(points, pointOf("b", m*minute))
		}
		s := tracker.Begin(time.UnixMilli(origin+int64(step)*minute), func() time.Duration { return time.Minute })
		for q := s.Next(); q != nil; q = s.Next() {
			page := within(q, points)
			if len(q.Names) > 0 && step == 9 {
				broken++
				s.Page(q, page[:2], time.Second, false)
				s.Fail(q, errors.New("server error"), false)
				continue
			}
			s.Page(q, page, time.Second, true)
		}
		for _, e := range s.Finish().Entries {
			for _, sample := range e.Samples {
				if e.Series.Group == "b" {
					if last != 0 {
						require.Equal(t, last+minute, sample.Timestamp, "step %d", step)
					}
					last = sample.Timestamp
				}
			}
			e.Accept()
		}
	}
	assert.Equal(t, 1, broken)
	assert.Equal(t, origin+18*minute, last)
}

func TestANameThatFailsDoesNotHoldBackOthers(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	settings.PageLength = 10
	tracker, got := lag.NewTracker(settings, metrics[:1], []string{"i"}), map[string]int{}
	for step := range 20 {
		points := publishedBy(step, "b", "c")
		r := scrapeOnce(tracker, origin+int64(step)*minute, func(q *lag.Request) ([]lag.Point, error) {
			if slices.Contains(q.Names, lag.Key{Instance: "i", Group: "b"}) {
				return nil, errors.New("server error")
			}
			return within(q, points), nil
		})
		for _, e := range r.Entries {
			e.Accept()
			if step > 0 {
				got[e.Series.Group] += len(e.Samples)
			}
		}
	}
	assert.Greater(t, got["c"], 10)
}

func TestANameThatIsUnknownWaitsForItsWindow(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	settings.PageLength, settings.StaleAfter = 10, 30*time.Minute
	tracker, asked, calls := lag.NewTracker(settings, metrics[:1], []string{"i"}), -2, 0
	for step := range 40 {
		points, now := publishedBy(step, "b"), origin+int64(step)*minute
		r := scrapeOnce(tracker, now, func(q *lag.Request) ([]lag.Point, error) {
			if len(q.Names) > 0 {
				asked, calls = step, calls+1
				return nil, nil
			}
			if asked == step-1 {
				assert.Greater(t, q.Start, now-6*minute, "step %d", step)
			}
			return within(q, points), nil
		})
		for _, e := range r.Entries {
			e.Accept()
		}
	}
	assert.Positive(t, calls)
}

func TestWindowsThatReachFarAreRare(t *testing.T) {
	for name, group := range map[string]string{"a long name": strings.Repeat("x", 65)} {
		t.Run(name, func(t *testing.T) {
			settings := small(func(*scenario) {}).settings
			settings.PageLength, settings.StaleAfter = 10, 30*time.Minute
			tracker, far := lag.NewTracker(settings, metrics[:1], []string{"i"}), 0
			for step := range 40 {
				points, now := publishedBy(step, group), origin+int64(step)*minute
				r := scrapeOnce(tracker, now, func(q *lag.Request) ([]lag.Point, error) {
					if len(q.Names) > 0 {
						return nil, nil
					}
					if q.Start <= now-6*minute && q.Start > now-10*minute { // no probe
						far++
					}
					return within(q, points), nil
				})
				for _, e := range r.Entries {
					e.Accept()
				}
			}
			assert.LessOrEqual(t, far, 5)
		})
	}
}

func TestASeriesIsAskedForBeforeItsNextPointIsTooOld(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	settings.PageLength, settings.MaxBackfill, settings.StaleAfter = 10, 10*time.Minute, 24*time.Hour
	tracker := lag.NewTracker(settings, metrics[:1], []string{"i"})
	points := []lag.Point{pointOf("b", -7*minute)} // a third of its distance is 140 s, nine tenths of max_backfill are over in 120 s
	for g := range 10 {
		points = append(points, pointOf(fmt.Sprint(g), 0))
	}
	for _, now := range []int64{origin, origin + 120*second} {
		var names []lag.Key
		r := scrapeOnce(tracker, now, func(q *lag.Request) ([]lag.Point, error) {
			names = append(names, q.Names...)
			return within(q, points), nil
		})
		for _, e := range r.Entries {
			e.Accept()
		}
		assert.Equal(t, now > origin, len(names) > 0)
	}
}
