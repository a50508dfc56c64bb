package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

const apiAction = "DescribeMetricList"

// Outcomes of calls and scrapes. A call that fails has the kind of its error otherwise.
const (
	outcomeSuccess  = "success"
	outcomePartial  = "partial"
	outcomeFailed   = "failed"
	outcomeCanceled = "canceled"
	outcomeTimeout  = "timeout"
)

// Reasons for dropping points beside those of package lag.
const (
	dropMalformed lag.DropReason = "malformed" // it lacks a field or has one of a wrong type
	dropRejected  lag.DropReason = "rejected"  // the next consumer rejected it permanently
)

// telemetry is what the receiver measures of itself. Every metric carries the receiver's ID, since a collector may read
// several regions.
type telemetry struct {
	*metadata.TelemetryBuilder
	receiver attribute.KeyValue

	lastSuccess atomic.Int64 // unix s, 0 = never
	newest      atomic.Int64 // unix ms, 0 = none yet
	tracked     atomic.Int64
	setAside    atomic.Int64
}

func newTelemetry(set receiver.Settings, now func() time.Time) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{TelemetryBuilder: builder, receiver: attribute.String("receiver", set.ID.String())}
	// The gauges are read when the telemetry is collected: the age of the newest point grows even when nothing scrapes.
	if err := errors.Join(
		t.RegisterReceiverAliyunkafkalagLastSuccessCallback(func(_ context.Context, o metric.Int64Observer) error {
			if last := t.lastSuccess.Load(); last > 0 {
				o.Observe(last, t.with())
			}
			return nil
		}),
		t.RegisterReceiverAliyunkafkalagNewestPointAgeCallback(func(_ context.Context, o metric.Float64Observer) error {
			if newest := t.newest.Load(); newest > 0 {
				o.Observe(now().Sub(time.UnixMilli(newest)).Seconds(), t.with())
			}
			return nil
		}),
		t.RegisterReceiverAliyunkafkalagInstancesSetAsideCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.setAside.Load(), t.with())
			return nil
		}),
		t.RegisterReceiverAliyunkafkalagSeriesTrackedCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(t.tracked.Load(), t.with())
			return nil
		}),
	); err != nil {
		t.Shutdown()
		return nil, err
	}
	return t, nil
}

// with returns attrs with the receiver's ID.
func (t *telemetry) with(attrs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(attrs, t.receiver)...))
}

// called records one call to the API.
func (t *telemetry) called(ctx context.Context, took time.Duration, outcome string) {
	action := attribute.String("action", apiAction)
	t.ReceiverAliyunkafkalagAPIRequests.Add(ctx, 1, t.with(action, attribute.String("outcome", outcome)))
	t.ReceiverAliyunkafkalagAPIRequestDuration.Record(ctx, took.Seconds(), t.with(action))
	if outcome == string(alicloud.KindThrottled) {
		t.ReceiverAliyunkafkalagAPIThrottles.Add(ctx, 1, t.with(action))
	}
}

// dropped records points that are never delivered.
func (t *telemetry) dropped(ctx context.Context, reason lag.DropReason, points int64) {
	t.ReceiverAliyunkafkalagPointsDropped.Add(ctx, points, t.with(attribute.String("reason", string(reason))))
}

// emitted records what the next consumer accepted. newest is the timestamp of the newest sample in unix milliseconds,
// 0 if there is none.
func (t *telemetry) emitted(ctx context.Context, points int, newest int64) {
	t.ReceiverAliyunkafkalagPointsEmitted.Add(ctx, int64(points), t.with())
	t.newest.Store(max(t.newest.Load(), newest))
}

// read records what a scrape read, at now.
func (t *telemetry) read(ctx context.Context, now time.Time, result *lag.Result) {
	for reason, points := range result.Dropped {
		t.dropped(ctx, reason, points)
	}
	for _, span := range result.GivenUp {
		t.ReceiverAliyunkafkalagPointsGivenUp.Add(ctx, span.Points, t.with())
	}
	t.tracked.Store(int64(result.Live))
	t.setAside.Store(int64(len(result.Bad)))
	outcome, failed := outcomePartial, 0
	for _, f := range result.Failures {
		if !f.Present {
			failed++
		}
	}
	if failed == 0 {
		t.lastSuccess.Store(now.Unix())
	}
	switch {
	case len(result.Failures)+len(result.Bad) == 0:
		outcome = outcomeSuccess
	case failed+len(result.Bad) >= result.Streams:
		outcome = outcomeFailed
	}
	t.ReceiverAliyunkafkalagScrapes.Add(ctx, 1, t.with(attribute.String("outcome", outcome)))
}
