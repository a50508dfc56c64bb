package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/config/configretry"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// requests hands out what to ask CloudMonitor for and takes the replies. It is a [lag.Scrape].
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
					requests.Fail(request, err, maybeOneInstance(err))
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
		MetricName: request.Metric,
		Period:     r.period,
		Start:      request.Start,
		End:        request.End,
		Instances:  request.Instances,
		Names:      request.Names,
	}
	seen := map[string]bool{}
	for {
		began := time.Now()
		page, err := r.page(ctx, q)
		if err != nil {
			return err
		}
		r.malformed.Add(int64(page.Malformed))
		r.telemetry.received(ctx, int64(len(page.Points)+page.Malformed))
		last := page.NextToken == ""
		if !requests.Page(request, page.Points, time.Since(began), last) || last {
			return nil
		}
		if seen[page.NextToken] {
			return &cms.Error{Kind: cms.KindMalformedReply, Message: "NextToken repeats, so the pages have no end"}
		}
		seen[page.NextToken] = true
		q.NextToken = page.NextToken
	}
}

// maybeOneInstance reports whether an error may be due to a single instance of a batch.
func maybeOneInstance(err error) bool {
	kind := cms.KindOf(err)
	return kind == cms.KindInvalidRequest || kind == cms.KindForbidden
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

	date := page.Date
	if failure, ok := errors.AsType[*cms.Error](err); ok {
		date = failure.Date
	}
	r.clock.observe(date, sent, received)
	cut := ctx.Err() != nil && errors.Is(err, ctx.Err())
	r.telemetry.called(ctx, received.elapsed-sent.elapsed, outcome(ctx, err, cut))
	if cut {
		return cms.Page{}, fmt.Errorf("%w: CloudMonitor did not answer before the time for reading was over; if it lasts, raise timeout or max_concurrency, or list fewer instances", errOutOfTime)
	}
	return page, err
}

// outcome returns how a call ended, for the telemetry. cut reports whether the end of ctx ended it.
func outcome(ctx context.Context, err error, cut bool) string {
	switch {
	case err == nil:
		return outcomeSuccess
	case !cut:
		return string(cms.KindOf(err))
	case errors.Is(ctx.Err(), context.Canceled):
		return outcomeCanceled
	default:
		return outcomeTimeout
	}
}
