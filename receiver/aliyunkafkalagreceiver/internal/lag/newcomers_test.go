package lag_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

func TestANewcomerThatAProbeFinds(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	settings.PageLength = 1
	tracker := lag.NewTracker(settings, metrics[:1], []string{"i"})
	points := []lag.Point{pointOf("a", -minute)}
	for step := range 40 {
		now := origin + int64(step)*5*second
		if step == 1 {
			for ts := int64(-12); ts <= -5; ts++ {
				points = append(points, pointOf("b", ts*minute))
			}
		}
		r := scrapeOnce(tracker, now, func(q *lag.Request) ([]lag.Point, error) {
			return within(q, points), nil
		})
		for _, e := range r.Entries {
			e.Accept()
			if e.Series.Group == "b" {
				assert.Equal(t, origin-5*minute, e.Samples[len(e.Samples)-1].Timestamp, "its newest point")
				return
			}
		}
	}
	t.Error("it was not found")
}

func TestANewcomerThatIsHeldIsNotForgotten(t *testing.T) {
	settings := small(func(*scenario) {}).settings
	settings.PageLength = 1
	tracker := lag.NewTracker(settings, metrics[:1], []string{"i"})
	points, failed := []lag.Point{pointOf("a", -minute)}, -1
	for step := range 20 {
		if step == 1 {
			for ts := int64(-12); ts <= -5; ts++ {
				points = append(points, pointOf("b", ts*minute))
			}
		}
		r := scrapeOnce(tracker, origin+int64(step)*5*second, func(q *lag.Request) ([]lag.Point, error) {
			if len(q.Names) > 0 {
				failed = step
				return nil, errors.New("server error")
			}
			return within(q, points), nil
		})
		for _, e := range r.Entries {
			e.Accept()
			if e.Series.Group == "b" {
				assert.Equal(t, failed+1, step, "it is read by the next scrape")
				return
			}
		}
	}
	t.Error("it was not read")
}

func TestANewcomerInTheWindow(t *testing.T) {
	for appears, byName := range map[int]bool{1: false, 20: true} { // what is older than the start does not matter
		settings := small(func(*scenario) {}).settings
		settings.PageLength = 10
		tracker, asked := lag.NewTracker(settings, metrics[:1], []string{"i"}), false
		for step := range appears + 1 {
			points := publishedBy(step)
			if step == appears {
				points = append(points, pointOf("b", int64(step-1)*minute))
			}
			r := scrapeOnce(tracker, origin+int64(step)*minute, func(q *lag.Request) ([]lag.Point, error) {
				if len(q.Names) > 0 {
					asked = true
					return nil, nil // CloudMonitor does not understand the name
				}
				return within(q, points), nil
			})
			if step == appears {
				require.Len(t, r.Entries, 11, "the newcomer is delivered at once")
			}
			for _, e := range r.Entries {
				e.Accept()
			}
		}
		assert.Equal(t, byName, asked, appears)
	}
}
