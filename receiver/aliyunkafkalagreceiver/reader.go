package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/collector/config/configretry"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

// maxPages bounds the calls and the memory of one read: 144,000 points.
const maxPages = 100

// errIncomplete tells that a read was cut short by a limit of this receiver.
var errIncomplete = errors.New("incomplete")

// reader reads whole windows: page by page, each call rate limited, measured and retried.
type reader struct {
	client    cms.Client
	limiter   *rate.Limiter
	retry     configretry.BackOffConfig
	telemetry *telemetry
}

// reading is what a read brought.
type reading struct {
	points    []cms.Point
	malformed int64
	pages     int
	// repeated tells that paging ended at a NextToken that was given out before.
	repeated bool
}

// read reads all pages of a query. On an error the points are not to be used: pages come in
// no promised order, so a part could hide older points of a series behind newer ones.
func (r *reader) read(ctx context.Context, q cms.Query) (reading, error) {
	var got reading
	asked := map[string]struct{}{}
	for {
		page, err := r.page(ctx, q)
		if err != nil {
			return got, err
		}
		got.pages++
		got.points = append(got.points, page.Points...)
		got.malformed += int64(page.Malformed)
		if page.NextToken == "" {
			return got, nil
		}
		asked[q.NextToken] = struct{}{}
		q.NextToken = page.NextToken
		if _, got.repeated = asked[q.NextToken]; got.repeated {
			return got, nil
		}
		if got.pages == maxPages {
			return got, fmt.Errorf("%w: more than %d pages; what is missing is read in smaller parts", errIncomplete, maxPages)
		}
	}
}

// page reads one page and repeats a call that failed for a passing reason.
func (r *reader) page(ctx context.Context, q cms.Query) (cms.Page, error) {
	waits := backoff.ExponentialBackOff{
		InitialInterval:     r.retry.InitialInterval,
		RandomizationFactor: r.retry.RandomizationFactor,
		Multiplier:          r.retry.Multiplier,
		MaxInterval:         r.retry.MaxInterval,
	}
	waits.Reset()
	began := time.Now()
	renewed := false
	for {
		page, err := r.call(ctx, q)
		if err == nil {
			return page, nil
		}
		failure, ok := errors.AsType[*cms.Error](err)
		if ok && failure.Renewed && !renewed {
			renewed = true
			continue
		}
		if !ok || !failure.Retryable() || !r.retry.Enabled {
			return cms.Page{}, err
		}
		wait := max(waits.NextBackOff(), failure.RetryAfter)
		if r.retry.MaxElapsedTime > 0 && time.Since(began)+wait > r.retry.MaxElapsedTime {
			return cms.Page{}, err
		}
		// The error says more than that there was no time left to repeat the call.
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait || !sleep(ctx, wait) {
			return cms.Page{}, err
		}
	}
}

func (r *reader) call(ctx context.Context, q cms.Query) (cms.Page, error) {
	if ctx.Err() != nil {
		return cms.Page{}, fmt.Errorf("%w: no time left in this scrape; if it lasts, raise timeout or max_concurrency, or list fewer instances: %w", errIncomplete, ctx.Err())
	}
	if err := r.limiter.Wait(ctx); err != nil {
		return cms.Page{}, fmt.Errorf("%w: no time left to wait for requests_per_second; if it lasts, raise that or timeout, or list fewer instances: %w", errIncomplete, err)
	}
	began := time.Now()
	page, err := r.client.DescribeMetricList(ctx, q)
	r.telemetry.called(ctx, time.Since(began), err)
	return page, err
}

// sleep waits for d and tells whether it did; the end of ctx ends it early.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
