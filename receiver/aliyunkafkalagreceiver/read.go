package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/config/configretry"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// requests hands out what to ask CloudMonitor for and takes the replies. split reports whether an error may be due to a
// single instance. It is a [lag.Scrape].
type requests interface {
	Next() *lag.Request
	Page(r *lag.Request, points []lag.Point, took time.Duration, last bool) bool
	Fail(r *lag.Request, err error, split bool)
}

// reader asks CloudMonitor: several requests at once, each page by page, each call rate limited, measured and retried.
type reader struct {
	client    cms.Client
	limiter   *rate.Limiter
	retry     configretry.BackOffConfig
	period    time.Duration
	workers   int
	clock     *clock
	telemetry *telemetry

	calls, malformed atomic.Int64
}

// read carries out all requests. It returns how many calls that took and how many malformed points the replies had.
func (r *reader) read(ctx context.Context, requests requests) (calls, malformed int64) {
	var workers sync.WaitGroup
	for range r.workers {
		workers.Go(func() {
			for request := requests.Next(); request != nil; request = requests.Next() {
				if err := r.pages(ctx, requests, request); err != nil {
					kind := alicloud.KindOf(err)
					requests.Fail(request, err, kind == alicloud.KindInvalidRequest || kind == alicloud.KindForbidden)
				}
			}
		})
	}
	workers.Wait()
	return r.calls.Swap(0), r.malformed.Swap(0)
}

// pages reads the pages of one request until the last, or until no more are wanted.
func (r *reader) pages(ctx context.Context, requests requests, request *lag.Request) error {
	q := cms.Query{
		MetricName: request.Metric, Period: r.period, Start: request.Start, End: request.End,
		Instances: request.Instances, Names: request.Names,
	}
	seen := map[string]bool{}
	for {
		began := time.Now()
		page, err := r.page(ctx, q)
		if err != nil {
			return err
		}
		r.malformed.Add(int64(page.Malformed))
		r.telemetry.ReceiverAliyunkafkalagPointsReceived.Add(ctx, int64(len(page.Points)+page.Malformed), r.telemetry.with())
		last := page.NextToken == ""
		if !requests.Page(request, page.Points, time.Since(began), last) || last {
			return nil
		}
		if seen[page.NextToken] {
			return cms.NewError(alicloud.KindMalformedReply, "NextToken repeats, so the pages have no end")
		}
		seen[page.NextToken] = true
		q.NextToken = page.NextToken
	}
}

// page reads one page and repeats a call that failed for a passing reason. It never waits beyond ctx's deadline.
func (r *reader) page(ctx context.Context, q cms.Query) (cms.Page, error) {
	waits := backoff.ExponentialBackOff{
		InitialInterval: r.retry.InitialInterval, MaxInterval: r.retry.MaxInterval,
		Multiplier: r.retry.Multiplier, RandomizationFactor: r.retry.RandomizationFactor,
	}
	waits.Reset()
	began, renewed := time.Now(), false
	var before error
	for {
		page, err := r.call(ctx, q)
		if err == nil {
			return page, nil
		}
		if errors.Is(err, errOutOfTime) && before != nil {
			return cms.Page{}, before // why the earlier calls failed says more than that the time was over
		}
		before = err
		failure, ok := errors.AsType[*alicloud.Error](err)
		if ok && failure.Renewed && !renewed {
			renewed = true
			continue
		}
		if !ok || !failure.Retryable() || !r.retry.Enabled {
			return cms.Page{}, err
		}
		wait := max(waits.NextBackOff(), failure.RetryAfter)
		limit := r.retry.MaxElapsedTime
		deadline, bounded := ctx.Deadline()
		if limit > 0 && time.Since(began)+wait > limit || bounded && time.Until(deadline) < wait || !sleep(ctx, wait) {
			return cms.Page{}, err
		}
	}
}

// errOutOfTime is a call that was not made, or not finished, because the scrape's time was over.
var errOutOfTime = errors.New("out_of_time")

// call makes one call. It returns an error without a call if there is no time for it.
func (r *reader) call(ctx context.Context, q cms.Query) (cms.Page, error) {
	if err := r.limiter.Wait(ctx); err != nil {
		return cms.Page{}, fmt.Errorf("%w: requests_per_second allows no further call in this scrape; if it lasts, raise that or timeout, or list fewer instances", errOutOfTime)
	}
	r.calls.Add(1)
	sent := r.clock.moment()
	page, err := r.client.DescribeMetricList(ctx, q)
	received := r.clock.moment()

	date, outcome := page.Date, outcomeSuccess
	if failure, ok := errors.AsType[*alicloud.Error](err); ok {
		date = failure.Date
	}
	r.clock.observe(date, sent, received)
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
		err = fmt.Errorf("%w: CloudMonitor did not answer before the time for reading was over; if it lasts, raise timeout or max_concurrency, or list fewer instances", errOutOfTime)
		outcome = outcomeTimeout
		if errors.Is(ended, context.Canceled) {
			outcome = outcomeCanceled
		}
	} else if err != nil {
		outcome = string(alicloud.KindOf(err))
	}
	r.telemetry.called(ctx, received.elapsed-sent.elapsed, outcome)
	return page, err
}

// sleep waits for d. It returns false at once when ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
