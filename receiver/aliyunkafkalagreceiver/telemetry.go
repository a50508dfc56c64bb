package aliyunkafkalagreceiver

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
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
	// dropMalformed: the point lacks a field or has one of a wrong type.
	dropMalformed lag.DropReason = "malformed"
	// dropRejected: the next consumer rejected it permanently.
	dropRejected lag.DropReason = "rejected"
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
func (t *telemetry) called(ctx context.Context, took time.Duration, outcome string) {
	action := attribute.String("action", apiAction)
	t.builder.ReceiverAliyunkafkalagAPIRequests.Add(ctx, 1, t.with(action, attribute.String("outcome", outcome)))
	t.builder.ReceiverAliyunkafkalagAPIRequestDuration.Record(ctx, took.Seconds(), t.with(action))
	if outcome == string(cms.KindThrottled) {
		t.builder.ReceiverAliyunkafkalagAPIThrottles.Add(ctx, 1, t.with(action))
	}
}

// received records points that CloudMonitor sent.
func (t *telemetry) received(ctx context.Context, points int64) {
	t.builder.ReceiverAliyunkafkalagPointsReceived.Add(ctx, points, t.with())
}

// dropped records points that are never delivered.
func (t *telemetry) dropped(ctx context.Context, reason lag.DropReason, points int64) {
	t.builder.ReceiverAliyunkafkalagPointsDropped.Add(ctx, points, t.with(attribute.String("reason", string(reason))))
}

// emitted records what the next consumer accepted. newest is the timestamp of the newest sample in unix milliseconds,
// 0 if there is none.
func (t *telemetry) emitted(ctx context.Context, points int, newest int64) {
	t.builder.ReceiverAliyunkafkalagPointsEmitted.Add(ctx, int64(points), t.with())
	t.newest.Store(max(t.newest.Load(), newest))
}

// read records what a scrape read, at now.
func (t *telemetry) read(ctx context.Context, now time.Time, result *lag.Result) {
	for reason, points := range result.Dropped {
		t.dropped(ctx, reason, points)
	}
	for _, span := range result.GivenUp {
		t.builder.ReceiverAliyunkafkalagPointsGivenUp.Add(ctx, span.Points, t.with())
	}
	t.tracked.Store(int64(result.Live))
	outcome := outcomePartial
	switch failed := len(result.Failures); {
	case failed == 0:
		outcome = outcomeSuccess
		t.lastSuccess.Store(now.Unix())
	case failed+len(result.Bad) >= result.Streams:
		outcome = outcomeFailed
	}
	t.builder.ReceiverAliyunkafkalagScrapes.Add(ctx, 1, t.with(attribute.String("outcome", outcome)))
}

// scraped records how long a scrape took, delivery included.
func (t *telemetry) scraped(ctx context.Context, took time.Duration) {
	t.builder.ReceiverAliyunkafkalagScrapeDuration.Record(ctx, took.Seconds(), t.with())
}

func (t *telemetry) shutdown() {
	t.builder.Shutdown()
}
