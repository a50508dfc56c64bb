package aliyunkafkalagreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// shutdownGrace is how long a delivery may go on after the shutdown began. One that hangs
// would otherwise hold up the collector until the exporter's timeout.
const shutdownGrace = 500 * time.Millisecond

// committer stands between scraperhelper and the next consumer, since scraperhelper does
// not tell a scraper whether its metrics were accepted.
type committer struct {
	consumer.Metrics
	scraper *lagScraper
}

// ConsumeMetrics passes md on and tells the scraper the outcome. A scrape that brought
// nothing to pass on does not bother the next consumer.
func (c *committer) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if md.DataPointCount() == 0 {
		c.scraper.settleEmpty()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.scraper.ctx, func() { time.AfterFunc(shutdownGrace, cancel) })() //nolint:contextcheck // shutdown ends what scraperhelper's context does not

	err := c.Metrics.ConsumeMetrics(ctx, md)
	c.scraper.settle(ctx, err)
	return err
}
