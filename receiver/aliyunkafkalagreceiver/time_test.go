package aliyunkafkalagreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestTelemetryUsesTheTimeOfCloudMonitor(t *testing.T) {
	inBubble(t, minimalYAML, func(t *testing.T, h *harness) {
		h.cms.ahead = 10 * time.Minute
		h.start()
		h.cms.publish(point("a", time.Now().Add(h.cms.ahead).UnixMilli(), 1))
		h.minute()
		h.minute() // the first scrape does not know the time
		m, err := h.telemetry.GetMetric("otelcol_receiver_aliyunkafkalag_last_success")
		require.NoError(t, err)
		assert.Equal(t, time.Now().Add(h.cms.ahead-30*time.Second).Unix(), m.Data.(metricdata.Gauge[int64]).DataPoints[0].Value)
		m, err = h.telemetry.GetMetric("otelcol_receiver_aliyunkafkalag_newest_point_age")
		require.NoError(t, err)
		assert.InDelta(t, 120, m.Data.(metricdata.Gauge[float64]).DataPoints[0].Value, 0.001)
	})
}

func TestTheDelivererUsesTheTimeOfCloudMonitor(t *testing.T) {
	inBubble(t, minimalYAML, func(t *testing.T, h *harness) {
		h.cms.ahead = 10 * time.Minute
		h.start()
		h.minute()
		assert.Equal(t, h.cms.ahead, time.Until(h.receiver.deliverer.now()))
	})
}

func TestClockBoundsThatMeet(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := newClock(start)
	{
		date, at := 20*time.Second, 19*time.Second
		m := moment{wall: start.Add(at), elapsed: at}
		c.observe(start.Add(date), m, m) // 1 to 2
	}
	m := moment{wall: start.Add(30 * time.Second), elapsed: 30 * time.Second}
	c.observe(m.wall, m, m) // 0 to 1
	assert.Equal(t, m.wall.Add(time.Second), c.at(m))
}
