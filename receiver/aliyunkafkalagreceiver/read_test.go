package aliyunkafkalagreceiver

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadatatest"
)

var (
	errForbidden = &alicloud.Error{Kind: alicloud.KindForbidden, Code: "NoPermission", Status: 403}
	errServer    = &alicloud.Error{Kind: alicloud.KindServer, Status: 503}
)

// fakeRequests hands out a list of requests and records the replies.
type fakeRequests struct {
	mu     sync.Mutex
	list   []*lag.Request
	enough int // pages after which a request wants no more; 0 wants all

	pages  map[*lag.Request]int
	points int
	last   int
	took   []time.Duration
	failed map[*lag.Request]error
	split  map[*lag.Request]bool
}

func newFakeRequests(n int) *fakeRequests {
	f := &fakeRequests{pages: map[*lag.Request]int{}, failed: map[*lag.Request]error{}, split: map[*lag.Request]bool{}}
	for i := range n {
		f.list = append(f.list, &lag.Request{
			Metric: cms.MetricAccumulation, Instances: []string{fmt.Sprintf("i%d", i)},
			Names: []lag.Key{{Instance: fmt.Sprintf("i%d", i), Group: "a"}}, Start: 1, End: 100,
		})
	}
	return f
}

func (f *fakeRequests) Next() *lag.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == 0 {
		return nil
	}
	r := f.list[0]
	f.list = f.list[1:]
	return r
}

func (f *fakeRequests) Page(r *lag.Request, points []lag.Point, took time.Duration, last bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages[r]++
	f.points += len(points)
	f.took = append(f.took, took)
	if last {
		f.last++
	}
	return f.pages[r] != f.enough
}

func (f *fakeRequests) Fail(r *lag.Request, err error, split bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed[r], f.split[r] = err, split
}

// failures returns the errors of the failed requests.
func (f *fakeRequests) failures() (errs []error) {
	for _, err := range f.failed {
		errs = append(errs, err)
	}
	return errs
}

// newTestReader returns a reader without a rate limit and without retries.
func newTestReader(t *testing.T, f *fakeCMS) (*reader, *componenttest.Telemetry) {
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.WithoutCancel(t.Context()))) })
	set := receivertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	telemetry, err := newTelemetry(set, time.Now)
	require.NoError(t, err)
	t.Cleanup(telemetry.Shutdown)
	return &reader{
		client: f, limiter: rate.NewLimiter(rate.Inf, 1), period: time.Minute, workers: 1,
		clock: newClock(time.Now()), telemetry: telemetry,
	}, tel
}

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

func point(group string, timestamp int64, value float64) lag.Point {
	return lag.Point{Key: lag.Key{Instance: "i", Group: group}, Account: "1", Timestamp: timestamp, Value: value}
}

func TestReadPages(t *testing.T) {
	tests := []struct {
		name   string
		enough int
		token  func(cms.Query) string
		calls  int
		pages  int
		last   int
		fails  string
	}{
		{name: "all", calls: 3, pages: 3, last: 1},
		{name: "no more than wanted", enough: 2, calls: 2, pages: 2},
		{
			name: "a repeated token is an error", token: func(cms.Query) string { return "again" },
			calls: 2, pages: 2, fails: "NextToken repeats",
		},
		{
			name: "tokens that take turns, too", calls: 3, pages: 3, fails: "NextToken repeats",
			token: func(q cms.Query) string { return map[string]string{"": "x", "x": "y", "y": "x"}[q.NextToken] },
		},
		{
			name: "a repeated token of a request that is done does not matter", enough: 2,
			token: func(cms.Query) string { return "again" }, calls: 2, pages: 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, requests := &fakeCMS{token: tt.token, malformed: 1}, newFakeRequests(1)
			for range 2*cms.PageLength + 10 {
				f.publish(lag.Point{Key: lag.Key{Instance: "i0", Group: "a"}, Timestamp: 2})
			}
			requests.enough = tt.enough
			request := requests.list[0]
			r, tel := newTestReader(t, f)
			calls, malformed := r.read(t.Context(), requests)
			metadatatest.AssertEqualReceiverAliyunkafkalagPointsReceived(t, tel, []metricdata.DataPoint[int64]{{
				Value: int64(requests.points + tt.pages), Attributes: attribute.NewSet(attribute.String("receiver", metadata.Type.String())),
			}}, metricdatatest.IgnoreTimestamp())
			assert.Equal(t, int64(tt.calls), calls)
			assert.Equal(t, int64(tt.pages), malformed)
			assert.Equal(t, tt.pages, requests.pages[request])
			assert.Equal(t, tt.last, requests.last)
			if tt.fails != "" {
				require.ErrorContains(t, requests.failed[request], tt.fails)
				assert.Equal(t, alicloud.KindMalformedReply, alicloud.KindOf(requests.failed[request]))
				assert.False(t, requests.split[request])
				return
			}
			assert.Empty(t, requests.failed)
			assert.Equal(t, cms.Query{
				MetricName: cms.MetricAccumulation, Period: time.Minute, Start: 1, End: 100, Instances: []string{"i0"},
				Names: []lag.Key{{Instance: "i0", Group: "a"}},
			}, f.queries[0])
			calls, malformed = r.read(t.Context(), newFakeRequests(0))
			assert.Zero(t, calls+malformed, "each read counts anew")
		})
	}
}

func TestFailuresThatMayBeDueToOneInstance(t *testing.T) {
	for kind, split := range map[alicloud.Kind]bool{
		alicloud.KindInvalidRequest: true, alicloud.KindForbidden: true,
		alicloud.KindServer: false, alicloud.KindThrottled: false, alicloud.KindBadCredentials: false, alicloud.KindNetwork: false,
	} {
		t.Run(string(kind), func(t *testing.T) {
			requests := newFakeRequests(2)
			failing := requests.list[0]
			r, _ := newTestReader(t, &fakeCMS{fail: failTimes(1, &alicloud.Error{Kind: kind})})
			r.read(t.Context(), requests)
			require.Len(t, requests.failed, 1, "the other is read")
			assert.Equal(t, kind, alicloud.KindOf(requests.failed[failing]))
			assert.Equal(t, split, requests.split[failing])
		})
	}
}

func TestReadRunsRequestsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests, f := newFakeRequests(6), &fakeCMS{fail: func(context.Context, cms.Query) error {
			time.Sleep(time.Second)
			return nil
		}}
		r, _ := newTestReader(t, f)
		r.workers = 3
		began := time.Now()
		r.read(t.Context(), requests)
		assert.Equal(t, 2*time.Second, time.Since(began))
		assert.Len(t, requests.pages, 6)
	})
}

func TestRetry(t *testing.T) {
	retry := configretry.BackOffConfig{Enabled: true, InitialInterval: time.Second, Multiplier: 2, MaxInterval: 3 * time.Second, MaxElapsedTime: 20 * time.Second}
	off := retry
	off.Enabled = false
	endless := retry
	endless.MaxElapsedTime = 0
	throttled := &alicloud.Error{Kind: alicloud.KindThrottled}
	asked := &alicloud.Error{Kind: alicloud.KindThrottled, RetryAfter: 7 * time.Second}
	renewed := &alicloud.Error{Kind: alicloud.KindExpiredToken, Renewed: true}
	tests := []struct {
		name     string
		retry    configretry.BackOffConfig
		err      error
		failures int
		timeout  time.Duration
		calls    int64
		took     time.Duration
		fails    error
	}{
		{name: "a passing failure", retry: retry, err: errServer, failures: 2, calls: 3, took: 3 * time.Second},
		{name: "waits grow up to max_interval", retry: retry, err: errServer, failures: 4, calls: 5, took: (1 + 2 + 3 + 3) * time.Second},
		{name: "as long as the service asks for", retry: retry, err: asked, failures: 1, calls: 2, took: 7 * time.Second},
		{name: "not beyond max_elapsed_time", retry: retry, err: asked, failures: 9, calls: 3, took: 14 * time.Second, fails: asked},
		{name: "without max_elapsed_time until the deadline", retry: endless, err: asked, failures: 99, calls: 9, took: 56 * time.Second, fails: asked},
		{name: "not beyond the deadline", retry: retry, err: asked, failures: 9, timeout: 6 * time.Second, calls: 1, fails: asked},
		{name: "not when it is off", retry: off, err: throttled, failures: 9, calls: 1, fails: throttled},
		{name: "not without permission", retry: retry, err: errForbidden, failures: 9, calls: 1, fails: errForbidden},
		{name: "renewed credentials at once, even when it is off", retry: off, err: renewed, failures: 1, calls: 2},
		{name: "but once", retry: retry, err: renewed, failures: 9, calls: 2, fails: renewed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := newFakeRequests(1)
				r, _ := newTestReader(t, &fakeCMS{fail: failTimes(tt.failures, tt.err)})
				r.retry = tt.retry
				if tt.timeout == 0 {
					tt.timeout = time.Minute
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				began := time.Now()
				calls, _ := r.read(ctx, requests)
				assert.Equal(t, tt.calls, calls)
				assert.Equal(t, tt.took, time.Since(began))
				if tt.fails != nil {
					assert.Equal(t, []error{tt.fails}, requests.failures())
					return
				}
				assert.Empty(t, requests.failed)
				assert.Equal(t, []time.Duration{tt.took}, requests.took, "the pace counts the retries")
			})
		})
	}
}

// TestOutOfTime: a call that the end of the time cut short, or prevented, is no fault of CloudMonitor.
func TestOutOfTime(t *testing.T) {
	outcome := func(t *testing.T, tel *componenttest.Telemetry, want map[string]int64) {
		var points []metricdata.DataPoint[int64]
		for outcome, n := range want {
			points = append(points, metricdata.DataPoint[int64]{Value: n, Attributes: attribute.NewSet(
				attribute.String("action", apiAction), attribute.String("outcome", outcome), attribute.String("receiver", metadata.Type.String()))})
		}
		metadatatest.AssertEqualReceiverAliyunkafkalagAPIRequests(t, tel, points, metricdatatest.IgnoreTimestamp())
	}
	run := func(t *testing.T, f *fakeCMS, n int, cancel bool, change func(*reader)) (*fakeRequests, *componenttest.Telemetry) {
		requests := newFakeRequests(n)
		r, tel := newTestReader(t, f)
		change(r)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if cancel {
			time.AfterFunc(time.Second, stop)
		}
		r.read(ctx, requests)
		return requests, tel
	}
	nothing := func(*reader) {}
	tests := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"the deadline strikes inside a call", func(t *testing.T) {
			requests, tel := run(t, &fakeCMS{fail: hang}, 1, false, nothing)
			require.Len(t, requests.failures(), 1)
			require.ErrorIs(t, requests.failures()[0], errOutOfTime)
			outcome(t, tel, map[string]int64{"timeout": 1})
		}},
		{"the shutdown", func(t *testing.T) {
			_, tel := run(t, &fakeCMS{fail: hang}, 1, true, nothing)
			outcome(t, tel, map[string]int64{"canceled": 1})
		}},
		{"a timeout of the call itself", func(t *testing.T) {
			timeout := &alicloud.Error{Kind: alicloud.KindNetwork, Err: context.DeadlineExceeded}
			requests, tel := run(t, &fakeCMS{fail: failTimes(1, timeout)}, 1, false, nothing)
			assert.Equal(t, []error{timeout}, requests.failures())
			outcome(t, tel, map[string]int64{"network": 1})
		}},
		{"an answer at the last moment is what it is", func(t *testing.T) {
			throttled := &alicloud.Error{Kind: alicloud.KindThrottled}
			requests, tel := run(t, &fakeCMS{fail: func(ctx context.Context, _ cms.Query) error {
				<-ctx.Done()
				return throttled
			}}, 1, false, nothing)
			assert.Equal(t, []error{throttled}, requests.failures())
			outcome(t, tel, map[string]int64{"throttled": 1})
		}},
		{"an earlier failure says more", func(t *testing.T) {
			n := 0
			requests, tel := run(t, &fakeCMS{fail: func(ctx context.Context, q cms.Query) error {
				if n++; n == 1 {
					return errServer
				}
				return hang(ctx, q)
			}}, 1, false, func(r *reader) {
				r.retry = configretry.BackOffConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: time.Second}
			})
			assert.Equal(t, []error{errServer}, requests.failures())
			outcome(t, tel, map[string]int64{"server_error": 1, "timeout": 1})
		}},
		{"throttles are those of CloudMonitor only", func(t *testing.T) {
			_, tel := run(t, &fakeCMS{fail: failTimes(2, &alicloud.Error{Kind: alicloud.KindThrottled})}, 3, false, nothing)
			outcome(t, tel, map[string]int64{"throttled": 2, "success": 1})
			metadatatest.AssertEqualReceiverAliyunkafkalagAPIThrottles(t, tel, []metricdata.DataPoint[int64]{{Value: 2, Attributes: attribute.NewSet(
				attribute.String("action", apiAction), attribute.String("receiver", metadata.Type.String()))}}, metricdatatest.IgnoreTimestamp())
		}},
		{"no time to wait for the rate limit", func(t *testing.T) {
			requests, tel := run(t, &fakeCMS{}, 3, false, func(r *reader) { r.limiter = rate.NewLimiter(0.01, 1) })
			require.Len(t, requests.failures(), 2)
			require.ErrorIs(t, requests.failures()[0], errOutOfTime)
			require.ErrorContains(t, requests.failures()[0], "requests_per_second")
			outcome(t, tel, map[string]int64{"success": 1})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { synctest.Test(t, tt.run) })
	}
}

func TestEveryReplySetsTheClock(t *testing.T) {
	dates := map[string]*fakeCMS{"a page": {ahead: time.Minute}, "an error": {}}
	dates["an error"].fail = func(context.Context, cms.Query) error {
		return &alicloud.Error{Kind: alicloud.KindForbidden, Date: time.Now().Add(time.Minute)}
	}
	for name, f := range dates {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := newTestReader(t, f)
				r.read(t.Context(), newFakeRequests(1))
				assert.Equal(t, time.Minute, time.Until(r.clock.now()))
			})
		})
	}
}
