package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/multierr"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// settled is what the deliverer settled, by series: each point once, ascending. A stale marker is -1.
type settled map[string][]int64

func (s settled) accept(t *testing.T) func(lag.Entry) {
	return func(e lag.Entry) {
		key := seriesName(e.Series.Key)
		var points []int64
		for _, sample := range e.Samples {
			points = append(points, sample.Timestamp)
		}
		if e.Stale {
			points = append(points, -1)
		}
		if len(points) == 0 {
			t.Fatal("an empty entry is settled")
		}
		lag.Entry{Series: e.Series, Samples: e.Samples}.Accept() // the real one, but for forgetting the series
		s[key] = append(s[key], points...)
		samples := slices.DeleteFunc(slices.Clone(s[key]), func(ts int64) bool { return ts == -1 })
		if n := len(samples); !slices.IsSorted(samples) || len(slices.Compact(samples)) != n {
			t.Fatalf("%s is settled out of order, or twice: %v", key, s[key])
		}
	}
}

const deliveryNow = 1_000_000_000 // unix milliseconds

func newTestDeliverer(t testing.TB, next consumer.Metrics, accept func(lag.Entry)) *deliverer {
	set := receivertest.NewNopSettings(metadata.Type)
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	require.NoError(t, err)
	telemetry, err := newTelemetry(set, time.Now)
	require.NoError(t, err)
	return &deliverer{
		next: next, report: report, emitter: newEmitter(testConfig(), set), telemetry: telemetry,
		maxBackfill: time.Hour, now: func() time.Time { return time.UnixMilli(deliveryNow) }, accept: accept,
	}
}

func testConfig() *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Region = "cn-hangzhou"
	return cfg
}

// entryOf returns the samples of a group at the given timestamps, counted from deliveryNow. Their value is 1.
func entryOf(group string, timestamps ...int64) lag.Entry {
	e := lag.Entry{Series: &lag.Series{Key: lag.Key{Instance: "i", Group: group}, Metric: cms.MetricAccumulation, Account: "1"}}
	for _, ts := range timestamps {
		e.Samples = append(e.Samples, lag.Sample{Timestamp: deliveryNow + ts, Value: 1})
	}
	return e
}

func stale(e lag.Entry) lag.Entry {
	e.Stale = true
	return e
}

func deliverWithin(t *testing.T, d *deliverer, entries []lag.Entry) settlement {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return d.deliver(ctx, entries)
}

func TestDeliverFindsTheRejectedPoints(t *testing.T) {
	tests := []struct {
		name    string
		series  int
		bad     int  // how many
		block   bool // next to each other, from the first on; otherwise spread
		samples int  // of each series; the oldest of a bad series is rejected
		sends   int  // at most
	}{
		{"none", 10_000, 0, false, 1, 1},
		{"one", 10_000, 1, false, 1, 30},
		{"one, the first", 10_000, 1, true, 1, 30},
		{"ten", 10_000, 10, false, 1, 280},
		{"ten neighbours", 10_000, 10, true, 1, 280},
		{"300", 10_000, 300, false, 1, 4000},
		{"300 neighbours", 10_000, 300, true, 1, 4000},
		{"one with an hour of points", 500, 1, false, 60, 40},
		{"one series of two points", 1, 1, true, 2, 3},
		{"two series", 2, 1, true, 1, 3},
		{"five series", 5, 1, true, 1, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, done := newBackend(t), settled{}
			var entries []lag.Entry
			for i := range tt.series {
				e := entryOf(fmt.Sprintf("g%05d", i))
				for k := range tt.samples {
					e.Samples = append(e.Samples, lag.Sample{Timestamp: deliveryNow - int64(tt.samples-k)*60_000, Value: 1})
				}
				entries = append(entries, e)
			}
			bad := map[string]int64{}
			for n := range tt.bad {
				i := n
				if !tt.block {
					i = (n*7919 + 4567) % tt.series
				}
				key, oldest := seriesName(entries[i].Series.Key), entries[i].Samples[0].Timestamp
				b.stored[key] = []lag.Sample{{Timestamp: oldest, Value: 2}}
				bad[key] = oldest
			}
			s := deliverWithin(t, newTestDeliverer(t, b, done.accept(t)), entries)

			require.NoError(t, s.err)
			assert.Equal(t, tt.series*tt.samples, s.points)
			assert.Equal(t, s.points-len(bad), s.accepted)
			assert.Len(t, s.dropped, len(bad))
			for _, e := range s.dropped {
				assert.Equal(t, bad[seriesName(e.Series.Key)], timestamp(e))
			}
			assert.Len(t, done, tt.series, "all are settled")
			for key, samples := range b.stored {
				if len(samples) != tt.samples || len(done[key]) != tt.samples {
					t.Fatalf("%s: %d stored, %d settled", key, len(samples), len(done[key]))
				}
			}
			assert.LessOrEqual(t, b.requests, tt.sends)
			t.Logf("%d sends", b.requests)
		})
	}
}

func TestDeliver(t *testing.T) {
	always := func(err error) func(context.Context, int, pmetric.Metrics) error {
		return func(context.Context, int, pmetric.Metrics) error { return err }
	}
	many := func(n int) (entries []lag.Entry) {
		for i := range n {
			entries = append(entries, entryOf(fmt.Sprintf("g%05d", i), -1000))
		}
		return entries
	}
	tests := []struct {
		name     string
		entries  []lag.Entry
		backend  func(b *backend)
		sent     []int // data points of each request
		settled  settled
		accepted int
		dropped  []string
		err      error
	}{
		{name: "nothing to deliver bothers nobody", settled: settled{}},
		{
			name: "accepted", entries: []lag.Entry{entryOf("a", -2000, -1000), stale(entryOf("b", -3000))},
			sent: []int{4}, accepted: 4,
			settled: settled{"i/a": {deliveryNow - 2000, deliveryNow - 1000}, "i/b": {deliveryNow - 3000, -1}},
		},
		{
			name: "a temporary rejection settles nothing", entries: many(3), backend: func(b *backend) { b.answer = always(errOverloaded) },
			sent: []int{3}, settled: settled{}, err: errOverloaded,
		},
		{
			name: "nothing accepted settles nothing: the fault is the backend's", entries: many(3),
			backend: func(b *backend) { b.answer = always(errBadRequest) },
			sent:    []int{3, 1, 1, 1}, settled: settled{}, err: errBadRequest,
		},
		{
			name: "the search ends after 16 rejections in a row", entries: many(10_000),
			backend: func(b *backend) { b.answer = always(errBadRequest) },
			sent:    []int{10_000, 2500, 625, 157, 40, 10, 3, 1, 1, 1, 3, 1, 1, 1, 2, 1}, settled: settled{}, err: errBadRequest,
		},
		{
			name: "what was accepted before a temporary rejection stays accepted", entries: many(5),
			backend: func(b *backend) {
				b.answer = func(_ context.Context, n int, _ pmetric.Metrics) error {
					return map[int]error{1: errBadRequest, 3: errOverloaded}[n]
				}
			},
			sent: []int{5, 2, 1}, accepted: 2, err: errOverloaded,
			settled: settled{"i/g00000": {deliveryNow - 1000}, "i/g00004": {deliveryNow - 1000}},
		},
		{
			name: "a part that is at fault since the others were accepted is split without being sent",
			entries: []lag.Entry{
				entryOf("a", -1000), entryOf("b", -1000), entryOf("c", -1000), entryOf("d", -5000, -4000, -3000, -2000),
			},
			backend: func(b *backend) { b.stored["i/d"] = []lag.Sample{{Timestamp: deliveryNow - 5000, Value: 2}} },
			sent:    []int{7, 1, 1, 1, 1, 1, 1, 1}, accepted: 6, dropped: []string{"i/d at 1970-01-12T13:46:35Z"},
			settled: settled{
				"i/a": {deliveryNow - 1000}, "i/b": {deliveryNow - 1000}, "i/c": {deliveryNow - 1000},
				"i/d": {deliveryNow - 5000, deliveryNow - 4000, deliveryNow - 3000, deliveryNow - 2000},
			},
		},
		{
			name: "but a single point is sent: the request may just have been too large", entries: many(4),
			backend: func(b *backend) {
				b.answer = func(_ context.Context, _ int, md pmetric.Metrics) error {
					if md.DataPointCount() > 2 {
						return errBadRequest
					}
					return nil
				}
			},
			sent: []int{4, 1, 1, 1, 1}, accepted: 4,
			settled: settled{"i/g00000": {deliveryNow - 1000}, "i/g00001": {deliveryNow - 1000}, "i/g00002": {deliveryNow - 1000}, "i/g00003": {deliveryNow - 1000}},
		},
		{
			name:    "points rejected before the first accepted one are dropped, too, and settled before it",
			entries: []lag.Entry{entryOf("a", -4000, -3000, -2000, -1000)},
			backend: func(b *backend) { b.tooOld = deliveryNow - 3000 },
			sent:    []int{4, 1, 1, 1, 1}, accepted: 2, dropped: []string{"i/a at 1970-01-12T13:46:36Z", "i/a at 1970-01-12T13:46:37Z"},
			settled: settled{"i/a": {deliveryNow - 4000, deliveryNow - 3000, deliveryNow - 2000, deliveryNow - 1000}},
		},
		{
			name:    "a rejected stale marker",
			entries: []lag.Entry{stale(entryOf("a", -2000)), entryOf("b", -1000)},
			backend: func(b *backend) {
				b.answer = func(_ context.Context, _ int, md pmetric.Metrics) (err error) {
					eachPoint(md, func(_ string, dp pmetric.NumberDataPoint) {
						if dp.Flags().NoRecordedValue() {
							err = errBadRequest
						}
					})
					return err
				}
			},
			sent: []int{3, 2, 1, 1, 1}, accepted: 2, dropped: []string{"i/a at 1970-01-12T13:46:38Z"},
			settled: settled{"i/a": {deliveryNow - 2000, -1}, "i/b": {deliveryNow - 1000}},
		},
		{
			name:    "a point older than max_backfill is dropped though nothing is accepted",
			entries: []lag.Entry{entryOf("a", -3_600_001), entryOf("b", -3_600_000)},
			backend: func(b *backend) { b.answer = always(errBadRequest) },
			sent:    []int{2, 1, 1}, dropped: []string{"i/a at 1970-01-12T12:46:39Z"}, err: errBadRequest,
			settled: settled{"i/a": {deliveryNow - 3_600_001}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, done := newBackend(t), settled{}
			if tt.backend != nil {
				tt.backend(b)
			}
			s := deliverWithin(t, newTestDeliverer(t, b, done.accept(t)), tt.entries)
			assert.Equal(t, tt.sent, b.sent)
			assert.Equal(t, tt.settled, done)
			assert.Equal(t, tt.accepted, s.accepted)
			assert.Equal(t, tt.err, s.err)
			var dropped []string
			for _, e := range s.dropped {
				dropped = append(dropped, pointName(e))
			}
			assert.Equal(t, tt.dropped, dropped)
			if len(dropped) > 0 {
				assert.Equal(t, errBadRequest, s.rejection)
			}
		})
	}
}

// TestRejectionsAreCountedInARow: accepted parts in between begin the count anew.
func TestRejectionsAreCountedInARow(t *testing.T) {
	b, done := newBackend(t), settled{}
	var entries []lag.Entry
	for i := range 64 {
		entries = append(entries, entryOf(fmt.Sprintf("g%05d", i), -1000))
		if i%2 == 0 {
			b.bad[fmt.Sprintf("i/g%05d", i)] = true
		}
	}
	s := deliverWithin(t, newTestDeliverer(t, b, done.accept(t)), entries)
	// The even ones fill two of four parts: the first is searched in vain.
	assert.Equal(t, errBadRequest, s.err)
	assert.Equal(t, maxRejections, b.requests)

	entries = append(entries[1:], entries[0])
	b.requests = 0
	s = deliverWithin(t, newTestDeliverer(t, b, settled{}.accept(t)), entries)
	assert.Positive(t, s.accepted)
	assert.NotEmpty(t, s.dropped)
	assert.Equal(t, errBadRequest, s.err, "the rest is sent again")
}

func TestDeliverEndsWithTheContext(t *testing.T) {
	t.Run("what was accepted in time stays accepted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, done := newBackend(t), settled{}
			b.stored["i/b"] = []lag.Sample{{Timestamp: deliveryNow, Value: 2}}
			b.answer = func(context.Context, int, pmetric.Metrics) error {
				time.Sleep(25 * time.Second) // each request takes long
				return nil
			}
			s := deliverWithin(t, newTestDeliverer(t, b, done.accept(t)), []lag.Entry{entryOf("a", -1000), entryOf("b", -1000), entryOf("c", -1000)})
			assert.Equal(t, 3, b.requests, "the fourth would begin after the minute")
			assert.Equal(t, settled{"i/a": {deliveryNow - 1000}}, done)
			require.ErrorIs(t, s.err, errBadRequest)
			assert.Equal(t, 1, s.accepted)
		})
	})
	t.Run("no request begins without time", func(t *testing.T) {
		b := newBackend(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := newTestDeliverer(t, b, nil).deliver(ctx, []lag.Entry{entryOf("a", -1000)})
		assert.Zero(t, b.requests)
		assert.ErrorIs(t, s.err, context.Canceled)
	})
	t.Run("a request has the deadline of the scrape", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, began := newBackend(t), time.Now()
			b.answer = func(ctx context.Context, _ int, _ pmetric.Metrics) error {
				<-ctx.Done()
				return consumererror.NewPermanent(ctx.Err())
			}
			s := deliverWithin(t, newTestDeliverer(t, b, nil), []lag.Entry{entryOf("a", -1000)})
			assert.Equal(t, time.Minute, time.Since(began))
			assert.Equal(t, 1, b.requests)
			require.ErrorIs(t, s.err, context.DeadlineExceeded)
			assert.NoError(t, s.rejection)
		})
	})
	t.Run("a shutdown leaves a request half a second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, takes := range []time.Duration{400 * time.Millisecond, time.Hour} {
				b, done := newBackend(t), settled{}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				b.answer = func(ctx context.Context, _ int, _ pmetric.Metrics) error {
					cancel()
					select {
					case <-time.After(takes):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				began := time.Now()
				s := newTestDeliverer(t, b, done.accept(t)).deliver(ctx, []lag.Entry{entryOf("a", -1000)})
				assert.Equal(t, min(takes, shutdownGrace), time.Since(began))
				assert.Equal(t, takes > shutdownGrace, s.err != nil)
				assert.Equal(t, takes < shutdownGrace, len(done) == 1, "what is accepted is settled")
			}
		})
	})
}

func TestDeliverLeavesOutExcludedAccounts(t *testing.T) {
	b, done := newBackend(t), settled{}
	d := newTestDeliverer(t, b, done.accept(t))
	d.emitter.templates["2"] = pmetric.NewResourceMetrics()
	other := entryOf("b", -1000)
	other.Series.Account = "2"
	s := deliverWithin(t, d, []lag.Entry{other, entryOf("a", -1000)})
	assert.Equal(t, []int{1}, b.sent)
	assert.Equal(t, 1, s.points)
	assert.Len(t, done, 2, "both are settled")
}

func TestPermanent(t *testing.T) {
	forGood, passing := consumererror.NewPermanent(errors.New("400")), errors.New("503")
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"none", nil, false},
		{"temporary", passing, false},
		{"permanent", forGood, true},
		{"wrapped", fmt.Errorf("sending: %w", forGood), true},
		{"two exporters reject permanently", errors.Join(forGood, forGood), true},
		{"one of two", errors.Join(forGood, passing), false},
		{"one of two, the other way round", errors.Join(passing, forGood), false},
		{"one of two requests", multierr.Append(forGood, passing), false},
		{"all requests", multierr.Append(forGood, forGood), true},
		{"deep inside", fmt.Errorf("fan out: %w", errors.Join(forGood, fmt.Errorf("send: %w", multierr.Append(passing, forGood)))), false},
		{"deep inside, all", fmt.Errorf("fan out: %w", errors.Join(forGood, fmt.Errorf("send: %w", multierr.Append(forGood, forGood)))), true},
		{"one permanent error with two causes", consumererror.NewPermanent(fmt.Errorf("%w: %w", passing, passing)), true},
		{"downstream", consumererror.NewDownstream(forGood), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, permanent(tt.err))
		})
	}
}
