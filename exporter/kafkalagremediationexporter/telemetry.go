package kafkalagremediationexporter

import (
	"context"
	"maps"
	"sync"

	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadata"
)

// telemetry is what the exporter measures of itself.
type telemetry struct {
	*metadata.TelemetryBuilder
	exporter attribute.KeyValue

	mu     sync.Mutex
	stages map[cluster.Target]int
}

func newTelemetry(set exporter.Settings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	t := &telemetry{TelemetryBuilder: builder, exporter: attribute.String("exporter", set.ID.String()), stages: map[cluster.Target]int{}}
	return t, t.RegisterExporterKafkalagremediationStageCallback(func(_ context.Context, o metric.Int64Observer) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		for target, stage := range t.stages {
			o.Observe(int64(stage), t.with(targetAttribute(target)))
		}
		return nil
	})
}

func (t *telemetry) with(attributes ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(attributes, t.exporter)...)
}

func targetAttribute(t cluster.Target) attribute.KeyValue {
	return attribute.String("target", t.String())
}

func (t *telemetry) decided(ctx context.Context, target cluster.Target, d ladder.Decision, dryRun bool) {
	t.ExporterKafkalagremediationDecisions.Add(ctx, 1, t.with(targetAttribute(target), attribute.String("reason", string(d.Reason))))
	switch d.Verb {
	case ladder.RestartNow, ladder.SetScale, ladder.RestoreScale:
		t.ExporterKafkalagremediationActions.Add(ctx, 1,
			t.with(targetAttribute(target), attribute.String("verb", string(d.Verb)), attribute.Bool("dry_run", dryRun)))
	}
}

func (t *telemetry) failed(ctx context.Context) {
	t.ExporterKafkalagremediationFailures.Add(ctx, 1, t.with())
}

func (t *telemetry) notified(ctx context.Context, channel string, err error) {
	outcome := "success"
	if err != nil {
		outcome = "failed"
	}
	t.ExporterKafkalagremediationNotifications.Add(ctx, 1, t.with(attribute.String("channel", channel), attribute.String("outcome", outcome)))
}

// forgetStages ends the series of the targets that this process does not judge any more.
func (t *telemetry) forgetStages(gone func(cluster.Target) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.stages, func(target cluster.Target, _ int) bool { return gone(target) })
}

func (t *telemetry) setStage(target cluster.Target, stage int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stages[target] = stage
}
