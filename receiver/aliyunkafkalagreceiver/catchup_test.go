package aliyunkafkalagreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestCatchUp: an hour to catch up, one minute more with each scrape, and windows longer than
// a capacity fail.
func TestCatchUp(t *testing.T) {
	tests := []struct {
		name     string
		capacity time.Duration
		scrapes  int // to the present, and no more
		failures int
	}{
		{"an hour", time.Hour + time.Minute, 1, 0},
		{"half an hour", 30 * time.Minute, 5, 2},
		{"ten minutes", 10 * time.Minute, 12, 4},
		{"three minutes", 3 * time.Minute, 44, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c catchUp
			now, readTo := testNow, testNow.Add(-time.Hour)
			failures := 0
			for scrape := 1; ; scrape++ {
				now = now.Add(time.Minute)
				w := queryWindow(now, readTo, 2*time.Hour, c.span)
				if w.length() > tt.capacity {
					c.failed(w, time.Minute)
					failures++
					continue
				}
				readTo = w.end
				if w.end.Equal(now) || scrape > tt.scrapes {
					assert.Equal(t, tt.scrapes, scrape)
					break
				}
				c.delivered(w, time.Minute)
			}
			assert.Equal(t, tt.failures, failures)
		})
	}
}
