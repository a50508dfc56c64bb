package aliyunkafkalagreceiver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

const retryYAML = "region: cn-hangzhou\n" +
	"retry_on_failure: {initial_interval: 1ms, max_interval: 1ms, max_elapsed_time: 10s}\n"

// failTimes fails the first n calls.
func failTimes(n int, err error) func(context.Context, cms.Query) error {
	return func(context.Context, cms.Query) error {
		n--
		if n >= 0 {
			return err
		}
		return nil
	}
}

func TestRetry(t *testing.T) {
	tests := []struct {
		name  string
		yaml  string
		err   error
		calls int
		fails bool
	}{
		{"a passing failure", retryYAML, &cms.Error{Kind: cms.KindServer, Status: 503}, 3, false},
		{"throttling", retryYAML, &cms.Error{Kind: cms.KindThrottled, RetryAfter: time.Millisecond}, 3, false},
		{"not without permission", retryYAML, errForbidden, 1, true},
		{"not with an exhausted quota", retryYAML, &cms.Error{Kind: cms.KindQuotaExhausted, Status: 402}, 1, true},
		{"not when it is off", minimalYAML, &cms.Error{Kind: cms.KindServer, Status: 503}, 1, true},
		{"not beyond max_elapsed_time", retryYAML, &cms.Error{Kind: cms.KindThrottled, RetryAfter: time.Minute}, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tt.yaml)
			h.cms.fail = failTimes(2, tt.err)
			err := h.scrape()
			assert.Equal(t, tt.calls, h.cms.calls())
			if tt.fails {
				assert.ErrorIs(t, err, tt.err)
				return
			}
			assert.NoError(t, err)
		})
	}
}

func TestCredentialsAreRenewedOnceACall(t *testing.T) {
	expired := &cms.Error{Kind: cms.KindExpiredToken, Renewed: true}
	for failures, calls := range map[int]int{1: 2, 9: 2} {
		h := newHarness(t, minimalYAML)
		h.cms.fail = failTimes(failures, expired)
		err := h.scrape()
		assert.Equal(t, failures > 1, err != nil)
		assert.Equal(t, calls, h.cms.calls())
	}
}

func TestRetryEndsBeforeTheScrapeTimesOut(t *testing.T) {
	h := newHarness(t, "region: cn-hangzhou\nretry_on_failure: {initial_interval: 1h, max_interval: 1h, max_elapsed_time: 2h}")
	h.cms.fail = failWith(&cms.Error{Kind: cms.KindServer, Status: 503})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := h.scraper.scrape(ctx)
	assert.Equal(t, cms.KindServer, cms.KindOf(err), "the cause, not the deadline")
	assert.Equal(t, 1, h.cms.calls())
}

func TestRateLimit(t *testing.T) {
	h := newHarness(t, "region: cn-hangzhou\nrequests_per_second: 0.001\ninstances: [a]\nmetrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := h.scraper.scrape(ctx)
	require.ErrorContains(t, err, "requests_per_second")
	assert.Equal(t, 1, h.cms.calls(), "every call is counted by one limiter")
}
