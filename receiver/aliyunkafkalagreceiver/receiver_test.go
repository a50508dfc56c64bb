package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

func startReceiver(t *testing.T, yaml string, f *fakeCMS, next *consumertest.MetricsSink) (receiver.Metrics, chan<- time.Time, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	ticks := make(chan time.Time)
	r, err := newReceiver(configFromYAML(t, yaml+"\ninitial_delay: 0s"), set, next, f.now, f.client, scraperhelper.WithTickerChannel(ticks))
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	return r, ticks, logs
}

func TestReceiverScrapesOnEveryTick(t *testing.T) {
	c := &clock{t: testNow}
	f := &fakeCMS{now: c.now}
	f.publish(point("a", at(1), 1), point("a", at(0), 2))
	sink := &consumertest.MetricsSink{}
	r, ticks, _ := startReceiver(t, minimalYAML, f, sink)
	ticks <- testNow // taken when the first scrape, which needs no tick, is over
	ticks <- testNow // and this one when the second is
	require.NoError(t, r.Shutdown(t.Context()))
	assert.GreaterOrEqual(t, f.calls(), 2)
	assert.Equal(t, 1, sink.DataPointCount(), "a scrape without news sends nothing")
}

func TestShutdownCancelsCallsUnderWay(t *testing.T) {
	f := &fakeCMS{now: time.Now}
	hanging := make(chan struct{})
	f.fail = func(ctx context.Context, _ cms.Query) error {
		close(hanging)
		<-ctx.Done()
		return &cms.Error{Kind: cms.KindCanceled, Err: ctx.Err()}
	}
	r, _, logs := startReceiver(t, minimalYAML, f, &consumertest.MetricsSink{})
	<-hanging
	began := time.Now()
	require.NoError(t, r.Shutdown(t.Context()))
	assert.Less(t, time.Since(began), time.Second)
	assert.Zero(t, logs.FilterMessageSnippet("fails").Len(), "a shutdown is no failure")
}

func TestShutdownCancelsADeliveryThatHangs(t *testing.T) {
	f := &fakeCMS{now: func() time.Time { return testNow }}
	f.publish(point("a", at(1), 1))
	hanging := make(chan struct{})
	next, err := consumer.NewMetrics(func(ctx context.Context, _ pmetric.Metrics) error {
		close(hanging)
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(t, err)
	r, err := newReceiver(configFromYAML(t, minimalYAML+"initial_delay: 0s"), receivertest.NewNopSettings(metadata.Type), next, f.now, f.client)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	<-hanging
	began := time.Now()
	require.NoError(t, r.Shutdown(t.Context()))
	assert.Less(t, time.Since(began), 5*time.Second)
}

func TestShutdownWithoutStart(t *testing.T) {
	r, err := NewFactory().CreateMetrics(t.Context(), receivertest.NewNopSettings(metadata.Type),
		configFromYAML(t, minimalYAML), consumertest.NewNop())
	require.NoError(t, err)
	assert.NoError(t, r.Shutdown(t.Context()))
}

func TestStartFails(t *testing.T) {
	tests := []struct {
		name   string
		yaml   string
		client newClientFunc
		want   string
	}{
		{
			name: "no client", yaml: minimalYAML, want: "no client",
			client: func(cms.Settings) (cms.Client, error) { return nil, errors.New("no client") },
		},
		{
			name: "no HTTP client", yaml: minimalYAML + "http: {tls: {ca_file: /does/not/exist}}", want: "/does/not/exist",
			client: (&fakeCMS{}).client,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := newReceiver(configFromYAML(t, tt.yaml), receivertest.NewNopSettings(metadata.Type), consumertest.NewNop(), time.Now, tt.client)
			require.NoError(t, err)
			require.ErrorContains(t, r.Start(t.Context(), componenttest.NewNopHost()), tt.want)
			require.NoError(t, r.Shutdown(t.Context()))
		})
	}
}

func TestClientSettings(t *testing.T) {
	f := &fakeCMS{now: time.Now}
	r, _, _ := startReceiver(t, minimalYAML+"network: vpc\nmax_concurrency: 3", f, &consumertest.MetricsSink{})
	require.NoError(t, r.Shutdown(t.Context()))
	assert.Equal(t, "https://cms-vpc.cn-hangzhou.aliyuncs.com", f.settings.Endpoint)
	assert.Equal(t, 3, f.settings.Concurrency)
	assert.NotNil(t, f.settings.HTTPClient)
}

// TestEachPointOnceInOrder is the contract of a receiver under arbitrary trouble: failed
// reads, refusals, late publication. Each point of a live series arrives once, ascending.
func TestEachPointOnceInOrder(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // reproducible on purpose
			h := newHarness(t, minimalYAML)
			groups := []string{"a", "b", "c"}
			h.minute(map[string]float64{"a": 0, "b": 0, "c": 0})
			require.NoError(t, h.scrape())

			publishedAt := map[string]time.Time{}
			minutes := 60
			for i := range minutes {
				h.clock.advance(time.Minute)
				for _, g := range groups {
					// A group publishes late, but its own points in order.
					visible := h.clock.now().Add(time.Duration(random.IntN(150)) * time.Second)
					if visible.Before(publishedAt[g]) {
						visible = publishedAt[g]
					}
					publishedAt[g] = visible
					h.cms.publishAt(visible, point(g, h.clock.now().UnixMilli(), float64(i+1)))
				}
				h.cms.setFail(nil)
				if random.IntN(4) == 0 {
					h.cms.setFail(failWith(&cms.Error{Kind: cms.KindServer, Status: 503}))
				}
				h.next.err = nil
				if random.IntN(4) == 0 {
					h.next.err = errors.New("refused")
				}
				_ = h.scrape()
			}
			h.cms.setFail(nil)
			h.next.err = nil
			h.clock.advance(3 * time.Minute)
			require.NoError(t, h.scrape())

			got := h.received()
			for _, g := range groups {
				samples := got["i/"+g]
				require.Len(t, samples, minutes+1, g)
				for i, s := range samples {
					assert.InDelta(t, float64(i), s.value, 0)
				}
			}
		})
	}
}
