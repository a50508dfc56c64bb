package aliyunkafkalagreceiver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// minimalYAML scrapes at the thirtieth second of each minute, since the clock of a test starts at a full minute.
const minimalYAML = "region: cn-hangzhou\ninitial_delay: 30s\nretry_on_failure: {enabled: false}\n"

// harness is a receiver between a fake CloudMonitor and a fake backend, on the clock of a synctest bubble.
type harness struct {
	t         *testing.T
	receiver  *lagReceiver
	cms       *fakeCMS
	backend   *backend
	logs      *observer.ObservedLogs
	events    []*componentstatus.Event
	telemetry *componenttest.Telemetry
	seen      map[string]int
}

// statusHost collects the status events that the receiver reports.
type statusHost struct {
	component.Host
	h *harness
}

func (s statusHost) Report(e *componentstatus.Event) { s.h.events = append(s.h.events, e) }

// inBubble runs a test on a receiver that is created but not started.
func inBubble(t *testing.T, yaml string, test func(t *testing.T, h *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &harness{t: t, cms: &fakeCMS{}, backend: newBackend(t), telemetry: componenttest.NewTelemetry(), seen: map[string]int{}}
		defer func() { require.NoError(t, h.telemetry.Shutdown(t.Context())) }()
		h.create(yaml)
		defer func() { require.NoError(t, h.receiver.Shutdown(t.Context())) }()
		test(t, h)
	})
}

// withReceiver runs a test on a started receiver.
func withReceiver(t *testing.T, yaml string, test func(t *testing.T, h *harness)) {
	t.Helper()
	inBubble(t, yaml, func(t *testing.T, h *harness) {
		h.start()
		test(t, h)
	})
}

// create makes the receiver. A second one follows after a restart.
func (h *harness) create(yaml string) {
	core, logs := observer.New(zap.DebugLevel)
	set := receivertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	set.TelemetrySettings = h.telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)
	r, err := newReceiver(configFromYAML(h.t, yaml), set, h.backend, h.cms.client, &instanceClaims{})
	require.NoError(h.t, err)
	h.receiver, h.logs = r, logs
}

func (h *harness) start() {
	require.NoError(h.t, h.receiver.Start(h.t.Context(), statusHost{componenttest.NewNopHost(), h}))
}

// minute publishes a point of each group and waits for the scrape in this minute to be over.
func (h *harness) minute(groups ...string) {
	for _, group := range groups {
		h.cms.publish(point(group, time.Now().UnixMilli(), float64(time.Now().Minute())))
	}
	time.Sleep(time.Minute)
	synctest.Wait()
}

// received returns the samples that the backend took since the last call, by "instance/group[/topic]".
func (h *harness) received() map[string][]lag.Sample {
	out := map[string][]lag.Sample{}
	for key, samples := range h.backend.stored {
		if fresh := samples[h.seen[key]:]; len(fresh) > 0 {
			out[key] = fresh
		}
		h.seen[key] = len(samples)
	}
	return out
}

func (h *harness) logged(snippet string) int { return h.logs.FilterMessageSnippet(snippet).Len() }
