package aliyunkafkalagreceiver

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

const (
	apiAction      = "DescribeMetricList"
	outcomeSuccess = "success"
)

// telemetry is what the receiver measures of itself. Every metric carries the receiver's
// ID, since a collector may read several regions.
type telemetry struct {
	builder  *metadata.TelemetryBuilder
	receiver attribute.KeyValue

	lastSuccess atomic.Int64 // unix s, 0 = never
	newest      atomic.Int64 // unix ms, 0 = none yet
	tracked     atomic.Int64
}

func newTelemetry(set receiver.Settings, now func() time.Time) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{builder: builder, receiver: attribute.String("receiver", set.ID.String())}
	if err := t.observe(now); err != nil {
		builder.Shutdown()
		return nil, err
	}
	return t, nil
}

// observe registers the gauges, which are read when the telemetry is collected: the age of
// the newest point grows even when nothing scrapes any more.
func (t *telemetry) observe(now func() time.Time) error {
	self := metric.WithAttributeSet(attribute.NewSet(t.receiver))
	if err := t.builder.RegisterReceiverAliyunkafkalagLastSuccessCallback(func(_ context.Context, o metric.Int64Observer) error {
		if last := t.lastSuccess.Load(); last > 0 {
			o.Observe(last, self)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := t.builder.RegisterReceiverAliyunkafkalagNewestPointAgeCallback(func(_ context.Context, o metric.Float64Observer) error {
		if newest := t.newest.Load(); newest > 0 {
			o.Observe(now().Sub(time.UnixMilli(newest)).Seconds(), self)
		}
		return nil
	}); err != nil {
		return err
	}
	return t.builder.RegisterReceiverAliyunkafkalagSeriesTrackedCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(t.tracked.Load(), self)
		return nil
	})
}

func (t *telemetry) with(attrs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(attrs, t.receiver)...))
}

// called records one call to the API.
func (t *telemetry) called(ctx context.Context, took time.Duration, err error) {
	action := attribute.String("action", apiAction)
	outcome := outcomeSuccess
	if err != nil {
		outcome = string(cms.KindOf(err))
	}
	t.builder.ReceiverAliyunkafkalagAPIRequests.Add(ctx, 1, t.with(action, attribute.String("outcome", outcome)))
	t.builder.ReceiverAliyunkafkalagAPIRequestDuration.Record(ctx, took.Seconds(), t.with(action))
	if outcome == string(cms.KindThrottled) {
		t.builder.ReceiverAliyunkafkalagAPIThrottles.Add(ctx, 1, t.with(action))
	}
}

// received records what one read of a stream brought and what is not emitted of it.
func (t *telemetry) received(ctx context.Context, points int64, dropped map[dropReason]int64) {
	t.builder.ReceiverAliyunkafkalagPointsReceived.Add(ctx, points, t.with())
	for reason, n := range dropped {
		t.dropped(ctx, reason, n)
	}
}

func (t *telemetry) dropped(ctx context.Context, reason dropReason, points int64) {
	t.builder.ReceiverAliyunkafkalagPointsDropped.Add(ctx, points, t.with(attribute.String("reason", string(reason))))
}

// accepted records what the next consumer accepted.
func (t *telemetry) accepted(ctx context.Context, d *delivery) {
	t.builder.ReceiverAliyunkafkalagPointsEmitted.Add(ctx, d.points(), t.with())
	t.newest.Store(max(t.newest.Load(), d.newest()))
}

func (t *telemetry) shutdown() {
	t.builder.Shutdown()
}
