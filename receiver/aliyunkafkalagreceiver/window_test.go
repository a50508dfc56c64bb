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
		want window
	}{
		{"reaches back", now.Add(-10 * time.Minute), window{now.Add(-10 * time.Minute), now}},
		{"not beyond max_backfill", now.Add(-2 * time.Hour), window{now.Add(-time.Hour), now}},
		{"never empty", now, window{now, now.Add(time.Millisecond)}},
		{"clock set back", now.Add(time.Minute), window{now.Add(time.Minute), now.Add(time.Minute + time.Millisecond)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, queryWindow(now, tt.from, time.Hour))
		})
	}
}
