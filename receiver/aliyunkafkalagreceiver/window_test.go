package aliyunkafkalagreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestQueryWindow(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	tests := []struct {
		name string
		from time.Time
		span time.Duration
		want window
	}{
		{"reaches back", now.Add(-10 * time.Minute), 0, window{now.Add(-10 * time.Minute), now}},
		{"not beyond max_backfill", now.Add(-2 * time.Hour), 0, window{now.Add(-time.Hour), now}},
		{"not longer than a span", now.Add(-10 * time.Minute), 4 * time.Minute, window{now.Add(-10 * time.Minute), now.Add(-6 * time.Minute)}},
		{"a span that reaches the present", now.Add(-10 * time.Minute), time.Hour, window{now.Add(-10 * time.Minute), now}},
		{"never empty", now, 0, window{now, now.Add(time.Millisecond)}},
		{"from the future", now.Add(time.Minute), 0, window{now.Add(time.Minute), now.Add(time.Minute + time.Millisecond)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, queryWindow(now, tt.from, time.Hour, tt.span))
		})
	}
}
