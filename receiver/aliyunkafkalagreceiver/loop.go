package aliyunkafkalagreceiver

import (
	"context"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// run waits for initial_delay and then scrapes once every collection_interval until ctx ends. After a scrape that took
// longer the next one begins at once; missed scrapes are not repeated.
func (r *lagReceiver) run(ctx context.Context) {
	if !sleep(ctx, r.cfg.InitialDelay) {
		return
	}
	ticker := time.NewTicker(r.cfg.CollectionInterval)
	defer ticker.Stop()
	for {
		r.scrape(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// scrape reads every stream up to the present, delivers what is new and settles it by the next consumer's answer. It
// takes no longer than timeout. What it does not settle is read again by the next scrape.
func (r *lagReceiver) scrape(stopped context.Context) {
	ctx, cancel := context.WithTimeout(stopped, r.cfg.Timeout)
	defer cancel()
	began := r.clock.moment()

	result := r.read(ctx)
	if stopped.Err() != nil {
		return // the shutdown cut the reading short, so there is nothing to say about it
	}
	r.telemetry.read(ctx, r.clock.now(), &result)
	r.health.read(r.clock.moment().elapsed, &result)

	settled := r.deliverer.deliver(ctx, result.Entries)
	if r.store != nil {
		r.store.save(ctx, r.tracker.Watermarks())
	}
	if stopped.Err() == nil {
		r.health.delivered(&settled)
	}
	took := r.clock.moment().elapsed - began.elapsed
	r.telemetry.ReceiverAliyunkafkalagScrapeDuration.Record(ctx, took.Seconds(), r.telemetry.with())
}

// read reads every stream. It may take four fifths of the scrape's time, so that a batch that hangs leaves the others
// time to be delivered.
func (r *lagReceiver) read(ctx context.Context) lag.Result {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout*4/5)
	defer cancel()

	result, calls := r.readStreams(ctx)
	if len(result.Failures) == 0 && r.quota.scraped(calls) {
		r.health.silent(r.cfg.Instances, r.tracker.Watermarks())
	}
	return result
}

// readStreams reads every stream until ctx ends. It returns the result and how many calls that took.
func (r *lagReceiver) readStreams(ctx context.Context) (result lag.Result, calls int64) {
	scrape := r.tracker.Begin(r.clock.now(), func() time.Duration { return timeLeft(ctx) })
	calls, malformed := r.reader.read(ctx, scrape)
	result = scrape.Finish()
	if malformed > 0 {
		result.Dropped[dropMalformed] = malformed
	}
	return result, calls
}

// timeLeft returns how long ctx lasts, and nothing once it has ended.
func timeLeft(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil {
		return time.Until(deadline)
	}
	return 0
}
