package aliyunkafkalagreceiver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

func TestTheNewestAcceptedPoint(t *testing.T) {
	d := newTestDeliverer(t, newBackend(t), settled{}.accept(t))
	deliverWithin(t, d, []lag.Entry{entryOf("a", -2000, -1000), entryOf("b", -3000)})
	assert.Equal(t, int64(deliveryNow-1000), d.telemetry.newest.Load())
	deliverWithin(t, d, []lag.Entry{entryOf("c", -5000)})
	assert.Equal(t, int64(deliveryNow-1000), d.telemetry.newest.Load(), "it never goes back")
}

func TestARejectionDuringTheShutdownDropsNothing(t *testing.T) {
	b := newBackend(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	b.answer = func(context.Context, int, pmetric.Metrics) error {
		cancel()
		return errBadRequest
	}
	s := newTestDeliverer(t, b, settled{}.accept(t)).deliver(ctx, []lag.Entry{entryOf("a", -3_600_001)})
	require.ErrorIs(t, s.err, errBadRequest)
	assert.Empty(t, s.dropped)
}

func TestATemporaryRejectionAfterASuspect(t *testing.T) {
	b := newBackend(t)
	b.answer = func(_ context.Context, n int, _ pmetric.Metrics) error {
		if n < 3 {
			return errBadRequest
		}
		return errOverloaded
	}
	s := deliverWithin(t, newTestDeliverer(t, b, settled{}.accept(t)), []lag.Entry{entryOf("a", -1000), entryOf("b", -1000)})
	assert.Equal(t, errOverloaded, s.err)
}

func TestPointsOfExcludedAccountsAreCounted(t *testing.T) {
	withReceiver(t, minimalYAML+"resource_attributes: {cloud.account.id: {metrics_exclude: [{strict: \"1\"}]}}\n", func(t *testing.T, h *harness) {
		h.minute("a")
		h.cms.setFail(failWith(errServer))
		h.minute("a")
		h.cms.setFail(nil)
		h.minute("a") // two points in one entry
		assert.Zero(t, h.backend.requests)
		assert.Equal(t, int64(3), counted(t, h.telemetry, "points_dropped", attribute.String("reason", string(lag.DropFiltered))))
	})
}

func TestAcceptedPointsAreCountedNotEntries(t *testing.T) {
	withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
		h.minute("a")
		h.cms.setFail(failWith(errServer))
		h.minute("a")
		h.cms.setFail(nil)
		h.minute("a") // two points in one entry
		m, err := h.telemetry.GetMetric("otelcol_receiver_accepted_metric_points")
		require.NoError(t, err)
		assert.Equal(t, int64(3), m.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
	})
}

func TestAScrapeWithoutNewsRepeatsASaveThatFailed(t *testing.T) {
	inBubble(t, storageYAML, func(t *testing.T, h *harness) {
		f := newFakeStorage()
		h.startWith(f)
		f.failSet(errDisk)
		h.minute("a")
		f.failSet(nil)
		h.minute()
		assert.Equal(t, 1, h.logged("Storing the watermarks again"))
		assert.Contains(t, f.value(watermarksKey), `"Group":"a"`)
	})
}
