package kafkalagremediationexporter

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"k8s.io/client-go/tools/record"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadata"
)

// byConvention maps each group to the Deployment of its name.
const byConvention = "dry_run: false\ntargets: [{group_regexp: '^(.+)$', namespace: shop, deployment: $1}]\n"

const (
	high = 200_000
	low  = 5
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is a cluster and its time.
type world struct {
	t       *testing.T
	cluster *fakeCluster
	now     time.Time
}

// inWorld runs a test with a cluster. Wait of synctest waits for notifications.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, &world{t: t, cluster: newFakeCluster(), now: start})
	})
}

// process is a collector that runs the ladder. Nothing moves in it but by pass.
type process struct {
	*world
	runner    *runner
	telemetry *componenttest.Telemetry
	logs      *observer.ObservedLogs
	recorder  *record.FakeRecorder
	statuses  []componentstatus.Status

	told      []ladder.Reason // what was delivered
	telling   error           // if it is set, people cannot be told
	delivered []notification
}

// process starts a collector, which ends with the test.
func (w *world) process(yaml string) *process {
	cfg := configFromYAML(w.t, yaml)
	require.NoError(w.t, confmap.Validate(cfg))
	core, logs := observer.New(zap.InfoLevel)
	p := &process{world: w, telemetry: componenttest.NewTelemetry(), logs: logs, recorder: record.NewFakeRecorder(1000)}
	set := exportertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	set.TelemetrySettings = p.telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)
	telemetry, err := newTelemetry(set)
	require.NoError(w.t, err)

	ctx, cancel := context.WithCancel(w.t.Context())
	notifier := newNotifier(ctx, cfg, nil, set.Logger, telemetry)
	notifier.add("people", p.tellPeople)
	done := make(chan struct{})
	go func() {
		defer close(done)
		notifier.run()
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
		telemetry.Shutdown()
		require.NoError(w.t, p.telemetry.Shutdown(context.WithoutCancel(ctx)))
	})
	p.runner = &runner{
		cfg: cfg, settings: cfg.ladder(), lags: newLags(newTargets(cfg.Targets), cfg.CheckInterval, zap.NewNop()), cluster: w.cluster,
		notifier: notifier, telemetry: telemetry, logger: set.Logger, events: p.recorder,
		now: func() time.Time { return w.now }, started: w.now, targets: map[cluster.Target]*targetState{},
		status: func(e *componentstatus.Event) { p.statuses = append(p.statuses, e.Status()) },
	}
	p.runner.lags.now = p.runner.now
	return p
}

func (p *process) tellPeople(_ context.Context, n notification) error {
	if p.telling != nil {
		return p.telling
	}
	p.told = append(p.told, n.Reason)
	p.delivered = append(p.delivered, n)
	return nil
}

// pass makes a pass and waits until people were told.
func (p *process) pass() {
	p.runner.pass(p.t.Context())
	synctest.Wait()
}

// passes makes as many passes as a judgement needs: a breach waits for one. A third marks what people were told.
func (p *process) passes() {
	for range 3 {
		p.pass()
	}
}

// lag adds a point of groups that is measured now. Before the first one of a group comes another, so that it is known that
// the lag does not fall.
func (p *process) lag(value float64, groups ...string) {
	for _, group := range groups {
		if p.runner.lags.series[ladder.Series{Instance: "alikafka_a", Group: group}] == nil {
			p.point(value, group, p.now.Add(-time.Minute))
		}
		p.point(value, group, p.now)
	}
}

func (p *process) point(value float64, group string, at time.Time) {
	p.runner.lags.add(gauge(metricName, func(point pmetric.NumberDataPoint) {
		point.Attributes().PutStr(attributeID, "alikafka_a")
		point.Attributes().PutStr(attributeGroup, group)
		point.SetDoubleValue(value)
		point.SetTimestamp(pcommon.NewTimestampFromTime(at))
	}))
}

// gauge returns a metric with one point.
func gauge(name string, fill func(pmetric.NumberDataPoint)) pmetric.Metrics {
	metrics := pmetric.NewMetrics()
	m := metrics.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	fill(m.SetEmptyGauge().DataPoints().AppendEmpty())
	return metrics
}

// at sets the time to some minutes after the start.
func (w *world) at(minutes int) { w.now = start.Add(time.Duration(minutes) * time.Minute) }

// news returns what people were told since the last call.
func (p *process) news() []ladder.Reason {
	all := p.told
	p.told = nil
	return all
}

// events returns the Events since the last call.
func (p *process) events() (all []string) {
	for len(p.recorder.Events) > 0 {
		all = append(all, <-p.recorder.Events)
	}
	return all
}

// logged returns the messages in the log.
func (p *process) logged() (all []string) {
	for _, entry := range p.logs.TakeAll() {
		all = append(all, entry.Message)
	}
	return all
}
