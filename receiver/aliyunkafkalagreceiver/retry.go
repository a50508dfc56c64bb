package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

// page reads one page and repeats a call that failed for a passing reason. It never waits beyond ctx's deadline.
func (r *reader) page(ctx context.Context, q cms.Query) (cms.Page, error) {
	waits := backoff.ExponentialBackOff{
		InitialInterval:     r.retry.InitialInterval,
		RandomizationFactor: r.retry.RandomizationFactor,
		Multiplier:          r.retry.Multiplier,
		MaxInterval:         r.retry.MaxInterval,
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
		failure, ok := errors.AsType[*cms.Error](err)
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
