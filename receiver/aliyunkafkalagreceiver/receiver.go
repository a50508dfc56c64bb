package aliyunkafkalagreceiver

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

type newClientFunc func(alicloud.Settings) (cms.Client, error)

// lagReceiver is the component. One goroutine of its own owns all its state; see loop.go.
type lagReceiver struct {
	cfg       *Config
	set       receiver.Settings
	newClient newClientFunc
	claims    *instanceClaims

	clock     *clock
	tracker   *lag.Tracker
	reader    *reader
	deliverer *deliverer
	health    *health
	quota     *quota
	telemetry *telemetry
	store     *watermarkStore // nil without storage

	loop                          sync.WaitGroup
	stop, closeIdle, releaseClaim func()
}

func newReceiver(cfg *Config, set receiver.Settings, next consumer.Metrics, newClient newClientFunc, claims *instanceClaims) (*lagReceiver, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	clock := newClock(time.Now())
	telemetry, err := newTelemetry(set, clock.now)
	if err != nil {
		return nil, err
	}
	nothing := func() {}
	return &lagReceiver{
		cfg: cfg, set: set, newClient: newClient, claims: claims,
		clock: clock, telemetry: telemetry, health: newHealth(set.Logger),
		quota:   &quota{logger: set.Logger, interval: cfg.CollectionInterval},
		tracker: lag.NewTracker(cfg.bounds(), cfg.sources(), cfg.Instances),
		reader: &reader{
			limiter: rate.NewLimiter(rate.Limit(cfg.RequestsPerSecond), 1), workers: cfg.MaxConcurrency,
			retry: cfg.Retry, period: cfg.Period, clock: clock, telemetry: telemetry,
		},
		deliverer: &deliverer{
			next: next, report: report, emitter: newEmitter(cfg, set), telemetry: telemetry,
			maxBackfill: cfg.MaxBackfill, now: clock.now, accept: lag.Entry.Accept,
		},
		stop: nothing, closeIdle: nothing, releaseClaim: nothing,
	}, nil
}

// bounds returns the settings of the reading algorithm.
func (cfg *Config) bounds() lag.Settings {
	return lag.Settings{
		Period: cfg.Period, StaleAfter: cfg.StaleAfter, MaxBackfill: cfg.MaxBackfill, Wanted: cfg.ConsumerGroups.matcher(),
		PageLength: cms.PageLength, BatchSize: cms.MaxInstances,
	}
}

// Start begins to scrape. It makes no call itself: an error means that the configuration or the environment is wrong.
func (r *lagReceiver) Start(ctx context.Context, host component.Host) error {
	err := r.connect(ctx, host)
	if err != nil {
		return err
	}
	if r.cfg.Storage != nil {
		if r.store, err = openStore(ctx, host, r.cfg, r.set); err != nil {
			return err
		}
		now := r.clock.now()
		r.tracker.Restore(r.store.load(ctx, now), now)
	}
	r.health.report = func(e *componentstatus.Event) { componentstatus.ReportStatus(host, e) }
	r.announce()
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.loop.Go(func() { r.run(ctx) })
	return nil
}

// connect makes the client of CloudMonitor. It makes no call.
func (r *lagReceiver) connect(ctx context.Context, host component.Host) error {
	httpClient, err := r.httpClient(ctx, host)
	if err != nil {
		return err
	}
	r.closeIdle = httpClient.CloseIdleConnections
	r.reader.client, err = r.newClient(alicloud.Settings{
		Endpoint: r.cfg.endpointURL(), Region: r.cfg.Region, Network: r.cfg.Network, HTTPClient: httpClient,
		UserAgent: r.set.BuildInfo.Command + "/" + r.set.BuildInfo.Version, Credentials: r.cfg.Credentials.Settings(),
	})
	return err
}

// httpClient returns the client of the http section. It keeps a connection for each worker.
func (r *lagReceiver) httpClient(ctx context.Context, host component.Host) (*http.Client, error) {
	cfg := r.cfg.HTTP
	// Unmarshal folds the keepalive section into the deprecated fields.
	if cfg.MaxIdleConnsPerHost == 0 { //nolint:staticcheck // see above
		cfg.MaxIdleConnsPerHost = r.cfg.MaxConcurrency //nolint:staticcheck // see above
	}
	// otelhttp's wrapper would keep the shutdown from closing idle connections. The receiver measures its calls itself.
	settings := r.set.TelemetrySettings
	settings.TracerProvider, settings.MeterProvider = nil, nil
	return cfg.ToClient(ctx, host.GetExtensions(), settings)
}

// announce logs what the receiver will do and warns about settings that are probably a mistake.
func (r *lagReceiver) announce() {
	r.quota.announce(r.cfg.endpointURL(), r.tracker.Streams())
	var overlaps []string
	if overlaps, r.releaseClaim = r.claims.claim(r.set.ID, r.cfg); len(overlaps) > 0 {
		r.set.Logger.Warn("Other receivers of this collector read the same instances: each sample is sent twice, unless their consumer_groups differ",
			zap.Strings("receivers", overlaps))
	}
	if r.cfg.StaleAfter < 2*r.cfg.Period {
		r.set.Logger.Warn("stale_after is shorter than two periods: series may end between two points",
			zap.Stringer("stale_after", r.cfg.StaleAfter), zap.Stringer("period", r.cfg.Period))
	}
	if r.cfg.MaxBackfill < r.cfg.CollectionInterval {
		r.set.Logger.Warn("max_backfill is shorter than collection_interval: points between two scrapes are never read",
			zap.Stringer("max_backfill", r.cfg.MaxBackfill), zap.Stringer("collection_interval", r.cfg.CollectionInterval))
	}
}

// Shutdown ends reading at once and a delivery within shutdownGrace. It may be called without Start.
func (r *lagReceiver) Shutdown(ctx context.Context) error {
	r.stop()
	r.loop.Wait()
	r.closeIdle()
	r.releaseClaim()
	r.telemetry.Shutdown()
	if r.store != nil {
		return r.store.client.Close(ctx)
	}
	return nil
}
