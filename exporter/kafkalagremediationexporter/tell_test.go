package kafkalagremediationexporter

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadata"
)

// TestWhatIsLogged: a high lag that is left alone needs a reason in the log. A low one does not.
func TestWhatIsLogged(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		decision ladder.Decision
		lag      float64
		want     string
		level    zapcore.Level
	}{
		"draining":            {ladder.Decision{Verb: ladder.Nothing, Reason: ladder.Draining}, 200_000, "The lag will be gone before the next check", zapcore.InfoLevel},
		"switched off":        {ladder.Decision{Verb: ladder.Nothing, Reason: ladder.Off, Detail: "paused"}, 200_000, "It is left alone: paused", zapcore.InfoLevel},
		"switched off, calm":  {ladder.Decision{Verb: ladder.Nothing, Reason: ladder.Off, Detail: "paused"}, 10, "", 0},
		"calm":                {ladder.Decision{Verb: ladder.Nothing, Reason: ladder.Below}, 10, "", 0},
		"judged already":      {ladder.Decision{Verb: ladder.Nothing, Reason: ladder.NotDue}, 200_000, "", 0},
		"no newer point":      {ladder.Decision{Verb: ladder.Nothing, Reason: ladder.NoNewPoint}, 200_000, "", 0},
		"everything was done": {ladder.Decision{Verb: ladder.Nothing, Reason: ladder.Exhausted}, 200_000, "All stages are done, and the lag is still high", zapcore.WarnLevel},
		"a stage": {
			ladder.Decision{Verb: ladder.Remember, Reason: ladder.Warned, Record: ladder.Record{Stage: 3}}, 200_000, "People are warned", zapcore.WarnLevel,
		},
		"changed from outside": {
			ladder.Decision{Verb: ladder.RestoreScale, Reason: ladder.Recovered, Scale: 3},
			10,
			"The lag is below the threshold again; what was raised was changed from outside, and stays as it is", zapcore.InfoLevel,
		},
	} {
		t.Run(name, func(t *testing.T) {
			telemetry, err := newTelemetry(exportertest.NewNopSettings(metadata.Type))
			require.NoError(t, err)
			defer telemetry.Shutdown()
			core, logs := observer.New(zapcore.DebugLevel)
			cfg := createDefaultConfig().(*Config)
			r := &runner{cfg: cfg, settings: cfg.ladder(), telemetry: telemetry, logger: zap.New(core)}

			situation := ladder.Situation{Now: now, Scale: &ladder.Scale{Value: 3}, Lags: []ladder.Lag{{Group: "orders", Value: tt.lag, At: now}}}
			r.tell(t.Context(), cluster.Target{Namespace: "shop", Kind: cluster.Deployment, Name: "orders"}, nil, situation, tt.decision)
			if tt.want == "" {
				assert.Zero(t, logs.Len())
				return
			}
			require.Equal(t, 1, logs.Len())
			line := logs.All()[0]
			assert.Equal(t, tt.want, line.Message)
			assert.Equal(t, tt.level, line.Level)
			if tt.decision.Record.Stage > 0 {
				assert.Equal(t, int64(3), line.ContextMap()["stage"])
				assert.Equal(t, int64(3), line.ContextMap()["stages"])
			}
			assert.Equal(t, "orders", line.ContextMap()["group"])
			assert.Equal(t, string(tt.decision.Reason), line.ContextMap()["reason"])
		})
	}
}

// settled is a cluster whose targets have nothing to wait for.
type settled struct{ targetClient }

func (settled) Read(context.Context, cluster.Target) (*cluster.Observed, error) {
	return &cluster.Observed{Scale: &ladder.Scale{Value: 2, Replicas: 2}}, nil
}

// TestDrainingAfterCalm: a target that was calm is not read for some checks, but a high lag ends that, draining or not.
func TestDrainingAfterCalm(t *testing.T) {
	telemetry, err := newTelemetry(exportertest.NewNopSettings(metadata.Type))
	require.NoError(t, err)
	defer telemetry.Shutdown()
	core, logs := observer.New(zapcore.DebugLevel)
	cfg := createDefaultConfig().(*Config)
	cfg.Targets = []TargetConfig{{Group: "orders", Namespace: "shop", Deployment: "orders"}}
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	target := cluster.Target{Namespace: "shop", Kind: cluster.Deployment, Name: "orders"}
	orders := &seriesLag{target: target}
	r := &runner{
		cfg: cfg, settings: cfg.ladder(), lags: newLags(newTargets(cfg.Targets), cfg.CheckInterval, zap.NewNop()), cluster: settled{},
		notifier: &notifier{}, telemetry: telemetry, logger: zap.New(core), status: func(*componentstatus.Event) {},
		now: func() time.Time { return now }, started: now, targets: map[cluster.Target]*targetState{},
	}
	r.lags.now = r.now
	r.lags.series[ladder.Series{Instance: "a", Group: "orders"}] = orders
	for _, lag := range []float64{1_000, 600_000, 300_000} {
		orders.add(point{now, lag}, r.lags.window)
		if lag != 600_000 { // high, and nothing known of how it goes on: that is between two checks
			r.pass(t.Context())
		}
		now = now.Add(cfg.CheckInterval / 2)
	}
	require.Equal(t, 1, logs.Len())
	assert.Equal(t, string(ladder.Draining), logs.All()[0].ContextMap()["reason"])
}
