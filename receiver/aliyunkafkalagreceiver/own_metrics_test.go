package aliyunkafkalagreceiver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

func TestNoAgeBeforeTheFirstPoint(t *testing.T) {
	withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
		h.minute()
		_, err := h.telemetry.GetMetric("otelcol_receiver_aliyunkafkalag_newest_point_age")
		require.Error(t, err)
	})
}

func TestGaugesOfAScrape(t *testing.T) {
	r, tel := newTestReader(t, &fakeCMS{})
	r.telemetry.read(t.Context(), time.Now(), &lag.Result{Streams: 2, Live: 5, Bad: []lag.BadInstance{{}, {}, {}}})
	for name, want := range map[string]int64{"series_tracked": 5, "instances_set_aside": 3} {
		m, err := tel.GetMetric("otelcol_receiver_aliyunkafkalag_" + name)
		require.NoError(t, err)
		assert.Equal(t, want, m.Data.(metricdata.Gauge[int64]).DataPoints[0].Value, name)
	}
}

func TestMalformedPointsAreCounted(t *testing.T) {
	withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
		h.cms.setMalformed(3)
		h.minute("a")
		assert.Equal(t, int64(3), counted(t, h.telemetry, "points_dropped", attribute.String("reason", string(dropMalformed))))
	})
}

func TestQuotaBounds(t *testing.T) {
	for interval, want := range map[time.Duration]int64{2592 * time.Millisecond: freeQuota, 7 * time.Second: 370_286} {
		core, logs := observer.New(zap.DebugLevel)
		(&quota{logger: zap.New(core), interval: interval}).announce("https://x", 1)
		assert.Equal(t, info, logs.All()[0].Level, interval)
		assert.Equal(t, want, logs.All()[0].ContextMap()["projected_calls_per_month"])
	}
}

func TestRetryUpToMaxElapsedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newTestReader(t, &fakeCMS{fail: failWith(&alicloud.Error{Kind: alicloud.KindThrottled, RetryAfter: 7 * time.Second})})
		r.retry = configretry.BackOffConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Second, MaxElapsedTime: 14 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		calls, _ := r.read(ctx, newFakeRequests(1))
		assert.Equal(t, int64(3), calls)
	})
}

func TestDurationOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, tel := newTestReader(t, &fakeCMS{fail: func(context.Context, cms.Query) error {
			time.Sleep(2 * time.Second)
			return nil
		}})
		time.Sleep(time.Minute)
		r.read(t.Context(), newFakeRequests(1))
		m, err := tel.GetMetric("otelcol_receiver_aliyunkafkalag_api_request_duration")
		require.NoError(t, err)
		assert.InDelta(t, 2, m.Data.(metricdata.Histogram[float64]).DataPoints[0].Sum, 0.001)
	})
}

func TestStatusWhileSomethingElseFails(t *testing.T) {
	h, result, failing := newHealthTest(), reading(), []componentstatus.Status{componentstatus.StatusRecoverableError}
	result.Bad = []lag.BadInstance{{Instance: "i", Err: errForbidden}}
	h.read(0, &result)
	assert.Equal(t, failing, h.statuses(), "an instance is bad, so not all is well")
	result.Bad, result.Failures = nil, failures(errServer)
	h.read(1, &result)
	assert.Equal(t, failing, h.statuses(), "the instance has recovered, but reading fails")
}

func TestRemarkableDrops(t *testing.T) {
	for reason, message := range map[lag.DropReason]string{
		dropMalformed: "lack a field", lag.DropNegative: "negative", lag.DropNotFinite: "finite",
		lag.DropFuture: "one period ahead", lag.DropTooOld: "older than max_backfill",
	} {
		h := newHealthTest()
		h.drops(map[lag.DropReason]int64{reason: 1})
		h.expect(t, line{level: warn, message: message})
	}
}
