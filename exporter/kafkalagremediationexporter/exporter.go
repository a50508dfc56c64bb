package kafkalagremediationexporter

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	corev1 "k8s.io/api/core/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
)

// longestTick is the time between two passes of the runner. A breach waits for one pass, so that the points of a scrape
// that arrive in several requests are judged together.
const longestTick = 5 * time.Second

// remediationExporter is the component. Points only fill its lags; everything else happens on the goroutine of the runner.
type remediationExporter struct {
	cfg       *Config
	set       exporter.Settings
	lags      *lags
	telemetry *telemetry

	running sync.WaitGroup
	stop    context.CancelFunc
	clients []*http.Client // whose idle connections end with the exporter
}

func newExporter(cfg *Config, set exporter.Settings) (*remediationExporter, error) {
	telemetry, err := newTelemetry(set)
	if err != nil {
		return nil, err
	}
	return &remediationExporter{
		cfg: cfg, set: set, telemetry: telemetry,
		lags: newLags(newTargets(cfg.Targets), cfg.CheckInterval, set.Logger), stop: func() {},
	}, nil
}

// Capabilities says that the metrics are only read.
func (*remediationExporter) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// ConsumeMetrics takes note of the lags. It never fails, so it never holds up a pipeline.
func (e *remediationExporter) ConsumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	e.lags.add(metrics)
	return nil
}

// Start begins to judge. An error means that the configuration or the environment is wrong; that the API server is away
// is none.
//
//nolint:contextcheck // the context of the goroutines ends with Shutdown, not with Start
func (e *remediationExporter) Start(ctx context.Context, host component.Host) error {
	kube, err := cluster.New(e.cfg.Kubeconfig)
	if err != nil {
		return err
	}
	var hook *http.Client
	if w := e.cfg.Notifications.Webhook.Get(); w != nil {
		if hook, err = e.newClient(ctx, host, w); err != nil {
			return fmt.Errorf("notifications::webhook: %w", err)
		}
		// A redirect would take the headers elsewhere, and make a GET without the message of a POST.
		hook.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	confirmer, err := e.newConfirmer(ctx, host)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.Background())
	notifier := newNotifier(run, e.cfg, hook, e.set.Logger, e.telemetry)
	broadcaster := record.NewBroadcaster(record.WithContext(run))
	if !e.cfg.DryRun {
		broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: kube.Typed().CoreV1().Events("")})
	}
	r := &runner{
		cfg: e.cfg, settings: e.cfg.ladder(), lags: e.lags, cluster: kube, notifier: notifier, telemetry: e.telemetry, confirmer: confirmer,
		logger: e.set.Logger, now: time.Now, started: time.Now(), targets: map[cluster.Target]*targetState{},
		events: broadcaster.NewRecorder(eventScheme, corev1.EventSource{Component: e.set.ID.String()}),
		status: func(event *componentstatus.Event) { componentstatus.ReportStatus(host, event) },
	}
	e.running.Go(func() {
		defer broadcaster.Shutdown()
		if election := e.cfg.LeaderElection.Get(); election != nil && !e.cfg.DryRun { // the Lease would be a write
			runElected(run, kube.Typed(), *election, r)
		} else {
			r.run(run)
		}
	})
	e.running.Go(notifier.run)
	e.stop = cancel
	return nil
}

// newClient returns a client whose idle connections are closed at Shutdown.
func (e *remediationExporter) newClient(ctx context.Context, host component.Host, cfg *confighttp.ClientConfig) (*http.Client, error) {
	settings := e.set.TelemetrySettings
	settings.TracerProvider, settings.MeterProvider = nil, nil // the wrapper of otelhttp cannot close idle connections
	client, err := cfg.ToClient(ctx, host.GetExtensions(), settings)
	if err != nil {
		return nil, err
	}
	e.clients = append(e.clients, client)
	return client, nil
}

// Shutdown ends what is under way. What people were not told yet stands in the records.
func (e *remediationExporter) Shutdown(context.Context) error {
	e.stop()
	e.running.Wait()
	for _, client := range e.clients {
		client.CloseIdleConnections()
	}
	e.telemetry.Shutdown()
	return nil
}
