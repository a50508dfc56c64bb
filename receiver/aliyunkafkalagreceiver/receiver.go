package aliyunkafkalagreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// lagReceiver is scraperhelper's controller with a shutdown that does not wait for calls
// under way: the controller itself waits for the running scrape before it tells the
// scraper to stop.
type lagReceiver struct {
	receiver.Metrics
	cancel context.CancelFunc
}

// Shutdown cancels the calls under way and waits for the scrape to end.
func (r *lagReceiver) Shutdown(ctx context.Context) error {
	r.cancel()
	return r.Metrics.Shutdown(ctx)
}

// newClientFunc makes the client of CloudMonitor.
type newClientFunc func(cms.Settings) (cms.Client, error)

func newReceiver(cfg *Config, set receiver.Settings, next consumer.Metrics, now func() time.Time, newClient newClientFunc,
	options ...scraperhelper.ControllerOption,
) (receiver.Metrics, error) {
	s, err := newLagScraper(cfg, set, now, newClient)
	if err != nil {
		return nil, err
	}
	metrics, err := scraper.NewMetrics(s.scrape, scraper.WithStart(s.start), scraper.WithShutdown(s.shutdown))
	if err != nil {
		return nil, err
	}
	// scraperhelper logs every failed scrape. The scraper tells the same once, when it
	// begins and when it ends.
	quiet := set
	quiet.Logger = zap.NewNop()
	controller, err := scraperhelper.NewMetricsController(&scraperhelper.ControllerConfig{CollectionInterval: cfg.CollectionInterval, InitialDelay: cfg.InitialDelay, Timeout: cfg.Timeout}, quiet, &committer{Metrics: next, scraper: s},
		append(options, scraperhelper.AddMetricsScraper(metadata.Type, metrics))...)
	if err != nil {
		return nil, err
	}
	return &lagReceiver{Metrics: controller, cancel: s.cancel}, nil
}

var _ component.Component = (*lagReceiver)(nil)
