package aliyunkafkalagreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestQuota(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	tests := []struct {
		name      string
		interval  time.Duration
		streams   int
		calls     int64 // of each scrape
		announced int64
		level     zapcore.Level
		measured  int64
		then      zapcore.Level
	}{
		{"within", time.Minute, 1, 1, 43_200, info, 43_200, info},
		{"more pages than batches", time.Minute, 2, 30, 86_400, info, 1_296_000, warn},
		{"beyond from the start", 2 * time.Second, 1, 1, 1_296_000, warn, 1_296_000, warn},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			logs.TakeAll()
			q := &quota{logger: zap.New(core), interval: tt.interval}
			q.announce("https://x", tt.streams)
			got := logs.TakeAll()
			require.Len(t, got, 1)
			assert.Equal(t, tt.level, got[0].Level)
			assert.Equal(t, tt.announced, got[0].ContextMap()["projected_calls_per_month"])
			assert.Equal(t, "https://x", got[0].ContextMap()["endpoint"])
			assert.Equal(t, int64(freeQuota), got[0].ContextMap()["free_quota_per_month"])

			q.scraped(500) // the first reads further back
			for range measuredScrapes - 1 {
				assert.False(t, q.scraped(tt.calls))
			}
			assert.Zero(t, logs.Len())
			assert.True(t, q.scraped(tt.calls))
			for range 20 {
				assert.False(t, q.scraped(tt.calls))
			}
			got = logs.TakeAll()
			require.Len(t, got, 1, "once")
			assert.Equal(t, tt.then, got[0].Level)
			assert.Equal(t, tt.measured, got[0].ContextMap()["projected_calls_per_month"])
		})
	}
}
