package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// freeQuota is how many calls a month CloudMonitor answers free of charge, over all its
// query APIs and everything that uses the account.
// Source: CloudMonitor DescribeMetricList, "Limits".
const freeQuota = 1_000_000

// lagScraper reads all streams once a scrape. scraperhelper calls it and the committer in
// turn from one goroutine.
type lagScraper struct {
	cfg       *Config
	set       receiver.Settings
	now       func() time.Time
	newClient newClientFunc

	streams   []*stream
	reader    *reader
	builder   *metadata.MetricsBuilder
	telemetry *telemetry
	health    *health
	closeIdle func()

	// ctx ends at shutdown, and with it every call under way.
	ctx    context.Context
	cancel context.CancelFunc
	// pending is what the last scrape emitted and the next consumer has not answered yet.
	pending []*delivery
	// latest is the time of the last scrape that read something.
	latest time.Time
	// first is the stream with which the next scrape begins, so that none is always last.
	first int
	// refusedSince is when the next consumer began to refuse for good; zero if it does not.
	refusedSince time.Time
}

func newLagScraper(cfg *Config, set receiver.Settings, now func() time.Time, newClient newClientFunc) (*lagScraper, error) {
	t, err := newTelemetry(set, now)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &lagScraper{
		cfg:       cfg,
		set:       set,
		now:       now,
		newClient: newClient,
		streams:   newStreams(cfg),
		// CloudMonitor's points lie in the past: a start timestamp would be after them.
		builder:   metadata.NewMetricsBuilder(cfg.MetricsBuilder, set, metadata.WithStartTime(0)),
		telemetry: t,
		health:    newHealth(set.Logger),
		closeIdle: func() {},
		ctx:       ctx,
		cancel:    cancel,
	}, nil
}

// newStreams makes a stream of each enabled metric for each batch of instances. No
// instances make one batch that asks for all of the region.
func newStreams(cfg *Config) []*stream {
	l := limits{
		period:      cfg.Period,
		lookback:    10 * time.Minute,
		maxBackfill: cfg.MaxBackfill,
		staleAfter:  cfg.StaleAfter,
		wanted:      cfg.ConsumerGroups.matcher(),
	}
	batches := slices.Collect(slices.Chunk(cfg.Instances, cms.MaxInstances))
	if len(batches) == 0 {
		batches = [][]string{nil}
	}
	var streams []*stream
	for _, metric := range cfg.sources() {
		for _, batch := range batches {
			streams = append(streams, newStream(metric, batch, l))
		}
	}
	return streams
}

func (s *lagScraper) start(ctx context.Context, host component.Host) error {
	httpClient, err := s.cfg.HTTP.ToClient(ctx, host.GetExtensions(), s.set.TelemetrySettings)
	if err != nil {
		return err
	}
	client, err := s.newClient(cms.Settings{
		Endpoint:    s.cfg.endpointURL(),
		UserAgent:   s.set.BuildInfo.Command + "/" + s.set.BuildInfo.Version,
		HTTPClient:  httpClient,
		Concurrency: s.cfg.MaxConcurrency,
		Credentials: s.cfg.Credentials.settings(),
	})
	if err != nil {
		return err
	}
	s.closeIdle = httpClient.CloseIdleConnections
	s.reader = &reader{
		client:    client,
		limiter:   rate.NewLimiter(rate.Limit(s.cfg.RequestsPerSecond), 1),
		retry:     s.cfg.Retry,
		telemetry: s.telemetry,
	}
	s.health.report = func(e *componentstatus.Event) { componentstatus.ReportStatus(host, e) }
	s.announce()
	if s.cfg.StaleAfter < 2*s.cfg.Period {
		s.set.Logger.Warn("stale_after is shorter than two periods: series may end between two points",
			zap.Stringer("stale_after", s.cfg.StaleAfter), zap.Stringer("period", s.cfg.Period))
	}
	if s.cfg.MaxBackfill < s.cfg.CollectionInterval {
		s.set.Logger.Warn("max_backfill is shorter than collection_interval: points between two scrapes are never read",
			zap.Stringer("max_backfill", s.cfg.MaxBackfill), zap.Stringer("collection_interval", s.cfg.CollectionInterval))
	}
	return nil
}

// announce says what the receiver is going to ask for and what that costs.
func (s *lagScraper) announce() {
	const month = 30 * 24 * time.Hour
	calls := int64(math.Ceil(float64(len(s.streams)) * float64(month) / float64(s.cfg.CollectionInterval)))
	fields := []zap.Field{
		zap.String("endpoint", s.cfg.endpointURL()),
		zap.Int("batches", len(s.streams)),
		zap.Stringer("collection_interval", s.cfg.CollectionInterval),
		zap.Int64("projected_calls_per_month", calls),
		zap.Int("free_quota_per_month", freeQuota),
	}
	if calls > freeQuota {
		s.set.Logger.Warn("The projected calls exceed the account's free quota: raise collection_interval or list fewer instances", fields...)
		return
	}
	s.set.Logger.Info("Projected calls to CloudMonitor; everything in the account shares the free quota", fields...)
}

func (s *lagScraper) shutdown(context.Context) error {
	s.cancel()
	s.closeIdle()
	s.telemetry.shutdown()
	return nil
}

// outcome is what one scrape has of one stream: a delivery, or the reason why there is none.
type outcome struct {
	delivery *delivery
	err      error
	// repeated tells that paging ended at a repeated NextToken.
	repeated bool
}

func (s *lagScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	reading, cancel := forReading(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // shutdown ends what scraperhelper's context does not

	now := s.now().Truncate(time.Millisecond)
	if now.Before(s.latest) { // a clock that was set back must not bring back what ended
		now = s.latest
	}
	outcomes := s.readAll(reading, now)
	if s.ctx.Err() != nil {
		return pmetric.NewMetrics(), s.ctx.Err()
	}
	return s.conclude(outcomes, now)
}

// forReading leaves the next consumer a fifth of the scrape's time: the timeout covers it,
// too, and one batch that hangs must not cost the others their delivery.
func forReading(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)*4/5)
}

func (s *lagScraper) readAll(ctx context.Context, now time.Time) []outcome {
	outcomes := make([]outcome, len(s.streams))
	var group errgroup.Group
	group.SetLimit(s.cfg.MaxConcurrency)
	for i := range s.streams {
		i = (s.first + i) % len(s.streams)
		group.Go(func() error {
			outcomes[i] = s.read(ctx, s.streams[i], now)
			return nil
		})
	}
	_ = group.Wait() // the errors are in the outcomes
	s.first = (s.first + 1) % len(s.streams)
	return outcomes
}

func (s *lagScraper) read(ctx context.Context, st *stream, now time.Time) outcome {
	w := st.window(now)
	got, err := s.reader.read(ctx, cms.Query{
		MetricName: st.metric,
		Period:     s.cfg.Period,
		Start:      w.start,
		End:        w.end,
		Instances:  st.instances,
	})
	if err != nil {
		if got.pages > 0 && tooMuch(ctx, err) {
			st.narrow(w)
		}
		return outcome{err: err}
	}
	d := st.accept(got.points, w, now)
	d.drop(dropMalformed, got.malformed)
	s.telemetry.received(ctx, int64(len(got.points))+got.malformed, d.dropped)
	return outcome{delivery: d, repeated: got.repeated}
}

// tooMuch tells whether a read failed because it did not fit into a scrape.
func tooMuch(ctx context.Context, err error) bool {
	return errors.Is(err, errIncomplete) || errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// conclude reports the outcomes and emits what was read.
func (s *lagScraper) conclude(outcomes []outcome, now time.Time) (pmetric.Metrics, error) {
	var failures []failure
	var errs []error
	lost, live := 0, 0
	s.pending = nil
	for i, o := range outcomes {
		live += len(s.streams[i].series)
		if o.err != nil {
			failures = append(failures, failure{s.streams[i], o.err})
			errs = append(errs, o.err)
			lost += max(1, len(s.streams[i].series))
			continue
		}
		s.pending = append(s.pending, o.delivery)
		s.health.discarded(o.delivery.dropped)
		s.health.paged(o.repeated)
	}
	if len(s.pending) > 0 {
		s.latest = now
	}
	s.health.scraped(now, failures, len(s.streams), live)
	s.telemetry.tracked.Store(int64(live))

	md := emit(s.builder, s.cfg.Region, s.pending)
	switch {
	case len(failures) == 0:
		s.telemetry.lastSuccess.Store(now.Unix())
		return md, nil
	case len(s.pending) == 0:
		s.refusedSince = time.Time{} // nothing is offered, so nothing is refused
		return md, errors.Join(errs...)
	default:
		return md, scrapererror.NewPartialScrapeError(errors.Join(errs...), lost)
	}
}

// settle takes the next consumer's answer to what the last scrape emitted. Only what was
// accepted counts as delivered. What is refused for good, as a backend does with samples
// it has already, is given up after max_backfill: sent again and again it would hold back
// the watermarks for ever.
func (s *lagScraper) settle(ctx context.Context, err error) {
	if err != nil && s.ctx.Err() != nil { // cut short by the shutdown
		return
	}
	givenUp := s.giveUp(err)
	var points int64
	for _, d := range s.pending {
		points += d.points()
		switch {
		case err == nil:
			s.telemetry.accepted(ctx, d)
			d.commit()
		case givenUp:
			s.telemetry.dropped(ctx, dropRefused, d.points())
			d.commit()
		}
	}
	s.pending = nil
	s.health.consumed(err, points, givenUp)
}

// settleEmpty settles a scrape that had nothing to pass on, or whose points a switch of the
// metrics builder keeps back.
func (s *lagScraper) settleEmpty() {
	for _, d := range s.pending {
		d.commit()
	}
	s.pending = nil
	s.refusedSince = time.Time{}
}

// giveUp tells whether the next consumer has refused for good for max_backfill.
func (s *lagScraper) giveUp(err error) bool {
	if !consumererror.IsPermanent(err) {
		s.refusedSince = time.Time{}
		return false
	}
	if s.refusedSince.IsZero() {
		s.refusedSince = s.now()
	}
	if s.now().Sub(s.refusedSince) < s.cfg.MaxBackfill {
		return false
	}
	s.refusedSince = time.Time{}
	return true
}
