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
		{"reaches back", now.Add(-10 * time.Minute), 0, window{start: now.Add(-10 * time.Minute), end: now}},
		{"not beyond max_backfill", now.Add(-2 * time.Hour), 0, window{start: now.Add(-time.Hour), end: now}},
		{"not longer than a span", now.Add(-10 * time.Minute), 4 * time.Minute, window{start: now.Add(-10 * time.Minute), end: now.Add(-6 * time.Minute)}},
		{"a span that reaches the present", now.Add(-10 * time.Minute), time.Hour, window{start: now.Add(-10 * time.Minute), end: now}},
		{"never empty", now, 0, window{start: now, end: now.Add(time.Millisecond)}},
		{"from the future", now.Add(time.Minute), 0, window{start: now.Add(time.Minute), end: now.Add(time.Minute + time.Millisecond)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, queryWindow(now, tt.from, time.Hour, tt.span))
		})
	}
}
