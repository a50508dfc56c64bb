package aliyunkafkalagreceiver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadatatest"
)

const bothMetrics = "metrics: {kafka.consumer.topic.message_accumulation: {enabled: true}}\n"

func TestScrapesEveryInterval(t *testing.T) {
	withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
		time.Sleep(29 * time.Second)
		synctest.Wait()
		assert.Zero(t, h.cms.calls(), "initial_delay")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 1, h.cms.calls())
		time.Sleep(59 * time.Second)
		synctest.Wait()
		assert.Equal(t, 1, h.cms.calls())
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 2, h.cms.calls())
		assert.Empty(t, h.backend.sent, "a scrape without news bothers nobody")
	})
}

// TestLongScrapes: with an interval shorter than a scrape, the next one begins when it is over, and none are caught up.
func TestLongScrapes(t *testing.T) {
	inBubble(t, "region: cn-hangzhou\ninitial_delay: 0s\ncollection_interval: 10s\ntimeout: 40s\nretry_on_failure: {enabled: false}\n", func(t *testing.T, h *harness) {
		began := time.Now()
		var at []time.Duration
		h.cms.setFail(func(ctx context.Context, q cms.Query) error {
			at = append(at, time.Since(began))
			if len(at) > 3 {
				return errServer
			}
			return hang(ctx, q)
		})
		h.start()
		time.Sleep(125 * time.Second)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0, 32 * time.Second, 64 * time.Second, 96 * time.Second, 100 * time.Second, 110 * time.Second, 120 * time.Second}, at)
	})
}

func TestAScrapeEndsWithItsTimeout(t *testing.T) {
	withReceiver(t, minimalYAML+bothMetrics+"timeout: 40s\n", func(t *testing.T, h *harness) {
		h.cms.setFail(func(ctx context.Context, q cms.Query) error {
			if q.MetricName == cms.MetricTopicAccumulation {
				return hang(ctx, q)
			}
			return nil
		})
		var delivered, ended time.Duration
		began := time.Now()
		h.backend.setAnswer(func(ctx context.Context, _ int, _ pmetric.Metrics) error {
			delivered = time.Since(began)
			<-ctx.Done()
			ended = time.Since(began)
			return ctx.Err()
		})
		h.minute("a")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		assert.Equal(t, 30*time.Second+32*time.Second, delivered, "four fifths are for reading")
		assert.Equal(t, 30*time.Second+40*time.Second, ended)
		assert.Equal(t, 1, h.logged("rejected points temporarily"))
		h.backend.setAnswer(nil)
		h.minute()
		assert.Len(t, h.received()["i/a"], 1, "it is sent again")
	})
}

func TestShutdown(t *testing.T) {
	hanging := func(ctx context.Context, _ int, _ pmetric.Metrics) error {
		<-ctx.Done()
		return ctx.Err()
	}
	tests := []struct {
		name  string
		begin func(h *harness)
		takes time.Duration
	}{
		{"before the first scrape", func(h *harness) { h.start() }, 0},
		{"without Start", func(*harness) {}, 0},
		{"between scrapes", func(h *harness) {
			h.start()
			h.minute("a")
		}, 0},
		{"while a call hangs", func(h *harness) {
			h.start()
			h.cms.setFail(hang)
			h.minute("a")
		}, 0},
		{"while a call waits for its retry", func(h *harness) {
			h.receiver.reader.retry.Enabled, h.receiver.reader.retry.MaxElapsedTime = true, 0
			h.start()
			h.cms.setFail(failWith(&alicloud.Error{Kind: alicloud.KindThrottled, RetryAfter: 34 * time.Second}))
			h.minute("a")
		}, 0},
		{"while a delivery hangs", func(h *harness) {
			h.start()
			h.backend.setAnswer(hanging)
			h.minute("a")
		}, shutdownGrace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, minimalYAML, func(t *testing.T, h *harness) {
				tt.begin(h)
				idle := 0
				h.receiver.closeIdle = func() { idle++ }
				began := time.Now()
				require.NoError(t, h.receiver.Shutdown(t.Context()))
				assert.Equal(t, tt.takes, time.Since(began))
				assert.Equal(t, 1, idle, "idle connections are closed")
				assert.Empty(t, h.receiver.claims.claims, "others may read the instances")
				_, err := h.telemetry.GetMetric("otelcol_receiver_aliyunkafkalag_series_tracked")
				require.Error(t, err, "its gauges are gone")
				assert.Zero(t, h.logged("fails"), "a shutdown is no failure")
				assert.Zero(t, h.logged("rejected"))
				for _, e := range h.events {
					assert.Equal(t, componentstatus.StatusOK, e.Status())
				}
				calls := h.cms.calls()
				time.Sleep(time.Hour)
				assert.Equal(t, calls, h.cms.calls())
			})
		})
	}
}

// TestEachPointOnceInOrder is the contract of a receiver in any trouble: failed reads, rejections, hanging calls. Each
// point arrives once, ascending, unless the backend rejects it alone.
func TestEachPointOnceInOrder(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // reproducible on purpose
			withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
				groups := []string{"a", "b", "c"}
				h.minute(groups...)
				const minutes = 55
				for range minutes {
					h.cms.setFail([]func(context.Context, cms.Query) error{nil, nil, nil, failWith(errServer), hang}[random.IntN(5)])
					err := []error{nil, nil, nil, errOverloaded, errBadRequest}[random.IntN(5)]
					h.backend.setAnswer(func(context.Context, int, pmetric.Metrics) error { return err })
					h.minute(groups...)
				}
				h.cms.setFail(nil)
				h.backend.setAnswer(nil)
				h.minute(groups...)
				got := h.received()
				for _, g := range groups {
					samples := got["i/"+g]
					require.Len(t, samples, minutes+2, g)
					for i := range samples {
						require.Equal(t, samples[0].Timestamp+int64(i)*60_000, samples[i].Timestamp)
					}
				}
			})
		})
	}
}

func TestAGroupThatDisappears(t *testing.T) {
	withReceiver(t, minimalYAML+"stale_after: 5m\n", func(t *testing.T, h *harness) {
		h.minute("a", "gone")
		for range 3 {
			h.minute("a")
		}
		assert.Len(t, h.received()["i/gone"], 1)
		for range 3 {
			h.minute("a")
		}
		got := h.received()["i/gone"]
		require.Len(t, got, 1)
		assert.Equal(t, lag.Sample{Timestamp: time.Now().Add(-7*time.Minute).UnixMilli() + 1, Value: staleValue}, got[0])
	})
}

func TestAWrongLocalClock(t *testing.T) {
	for _, ahead := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			inBubble(t, minimalYAML, func(t *testing.T, h *harness) {
				h.cms.ahead = ahead
				h.start()
				for range 20 {
					h.cms.publish(point("a", time.Now().Add(ahead).UnixMilli(), 1))
					h.minute()
				}
				got := h.received()["i/a"]
				assert.GreaterOrEqual(t, len(got), 19, "the first scrape does not know the time")
				for _, s := range got {
					assert.InDelta(t, 1, s.Value, 0, "nothing disappears")
				}
			})
		})
	}
}

// TestARevisedValueAfterARestart: the backend has another value, and everything else is stored at once.
func TestARevisedValueAfterARestart(t *testing.T) {
	withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
		h.minute("a", "b", "revised")
		require.NoError(t, h.receiver.Shutdown(t.Context()))
		h.received()
		for i := range h.cms.points {
			if h.cms.points[i].Group == "revised" {
				h.cms.points[i].Value = 1234
			}
		}
		h.create(minimalYAML)
		h.start()
		h.minute("a", "b")
		got := h.received()
		assert.NotEmpty(t, got["i/a"])
		assert.NotEmpty(t, got["i/b"])
		assert.Empty(t, got["i/revised"])
		rejected := h.logs.FilterMessageSnippet("Dropped points that the pipeline rejected permanently")
		require.Equal(t, 1, rejected.Len())
		assert.Equal(t, []any{"i/revised at 2000-01-01T00:00:00Z"}, rejected.All()[0].ContextMap()["rejected"])
		assert.Equal(t, int64(1), rejected.All()[0].ContextMap()["number"])
		assert.Equal(t, int64(1), counted(t, h.telemetry, "points_dropped", attribute.String("reason", "rejected")))
		h.minute("a", "b", "revised")
		assert.Len(t, h.received()["i/revised"], 1)
		assert.Equal(t, 1, h.logged("Dropped points that the pipeline rejected permanently"))
	})
}

func TestOwnTelemetry(t *testing.T) {
	withReceiver(t, minimalYAML+bothMetrics+"collection_interval: 60s\n", func(t *testing.T, h *harness) {
		h.cms.setMalformed(1)
		h.cms.publish(point("negative", time.Now().UnixMilli(), -1))
		h.cms.setFail(func(_ context.Context, q cms.Query) error {
			if q.MetricName == cms.MetricTopicAccumulation {
				return errForbidden
			}
			return nil
		})
		h.minute("a", "b") // partial
		h.cms.setFail(failWith(&alicloud.Error{Kind: alicloud.KindThrottled}))
		h.minute() // failed
		h.cms.setFail(nil)
		h.cms.setMalformed(0)
		h.backend.setAnswer(func(context.Context, int, pmetric.Metrics) error { return errOverloaded })
		h.minute("b") // success, though it is rejected
		last := time.Now().Add(-30 * time.Second)

		id := attribute.String("receiver", "aliyunkafkalag")
		ignore := metricdatatest.IgnoreTimestamp()
		sum := func(value int64, attrs ...attribute.KeyValue) metricdata.DataPoint[int64] {
			return metricdata.DataPoint[int64]{Attributes: attribute.NewSet(append(attrs, id)...), Value: value}
		}
		reason := func(r lag.DropReason) attribute.KeyValue { return attribute.String("reason", string(r)) }
		outcome := func(o string) attribute.KeyValue { return attribute.String("outcome", o) }
		metadatatest.AssertEqualReceiverAliyunkafkalagScrapes(t, h.telemetry, []metricdata.DataPoint[int64]{
			sum(1, outcome("partial")), sum(1, outcome("failed")), sum(1, outcome("success")),
		}, ignore)
		metadatatest.AssertEqualReceiverAliyunkafkalagPointsEmitted(t, h.telemetry, []metricdata.DataPoint[int64]{sum(2)}, ignore)
		metadatatest.AssertEqualReceiverAliyunkafkalagSeriesTracked(t, h.telemetry, []metricdata.DataPoint[int64]{sum(2)}, ignore)
		metadatatest.AssertEqualReceiverAliyunkafkalagLastSuccess(t, h.telemetry, []metricdata.DataPoint[int64]{sum(last.Unix())}, ignore)
		metadatatest.AssertEqualReceiverAliyunkafkalagNewestPointAge(t, h.telemetry, []metricdata.DataPoint[float64]{
			{Attributes: attribute.NewSet(id), Value: 180},
		}, ignore)
		assert.Equal(t, int64(1), counted(t, h.telemetry, "points_dropped", reason(dropMalformed)))
		assert.Positive(t, counted(t, h.telemetry, "points_dropped", reason(lag.DropNegative)))
		duration, err := h.telemetry.GetMetric("otelcol_receiver_aliyunkafkalag_scrape_duration")
		require.NoError(t, err)
		assert.Equal(t, uint64(3), duration.Data.(metricdata.Histogram[float64]).DataPoints[0].Count)

		for name, want := range map[string]int64{"accepted": 2, "refused": 1} {
			m, err := h.telemetry.GetMetric("otelcol_receiver_" + name + "_metric_points")
			require.NoError(t, err)
			assert.Equal(t, want, m.Data.(metricdata.Sum[int64]).DataPoints[0].Value, name)
		}
	})
}

func TestScrapeDuration(t *testing.T) {
	withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
		h.cms.setFail(func(context.Context, cms.Query) error {
			time.Sleep(3 * time.Second)
			return nil
		})
		h.backend.setAnswer(func(context.Context, int, pmetric.Metrics) error {
			time.Sleep(4 * time.Second)
			return nil
		})
		h.minute("a")
		duration, err := h.telemetry.GetMetric("otelcol_receiver_aliyunkafkalag_scrape_duration")
		require.NoError(t, err)
		assert.InDelta(t, 7, duration.Data.(metricdata.Histogram[float64]).DataPoints[0].Sum, 0.001)
	})
}

func TestTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.Equal(t, time.Minute, timeLeft(ctx))
		time.Sleep(20 * time.Second)
		assert.Equal(t, 40*time.Second, timeLeft(ctx))
		cancel()
		assert.Zero(t, timeLeft(ctx), "after a shutdown")
		assert.Zero(t, timeLeft(t.Context()))
	})
}

// TestProjectionOfCalls: retries of a failed scrape say nothing about the calls of a month.
func TestProjectionOfCalls(t *testing.T) {
	withReceiver(t, minimalYAML, func(t *testing.T, h *harness) {
		h.minute("a")
		h.cms.setFail(failWith(errServer))
		for range measuredScrapes {
			h.minute("a")
		}
		assert.Zero(t, h.logged("Counted the calls"))
		h.cms.setFail(nil)
		for range measuredScrapes {
			h.minute("a")
		}
		require.Equal(t, 1, h.logged("Counted the calls"))
		assert.GreaterOrEqual(t, h.logs.FilterMessageSnippet("Counted the calls").All()[0].ContextMap()["calls_per_scrape"], 1.0)
	})
}
