package aliyunkafkalagreceiver

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// groupsCMS answers every query with one new point of each group.
type groupsCMS []cms.Point

func (g groupsCMS) DescribeMetricList(_ context.Context, q cms.Query) (cms.Page, error) {
	points := make([]cms.Point, len(g))
	copy(points, g)
	for i := range points {
		points[i].Timestamp = q.End.UnixMilli()
	}
	return cms.Page{Points: points}, nil
}

// BenchmarkScrape is a scrape at steady state without the network: one new point a group.
func BenchmarkScrape(b *testing.B) {
	for _, groups := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			fake := make(groupsCMS, groups)
			for i := range fake {
				fake[i] = cms.Point{UserID: "1", InstanceID: "i", ConsumerGroup: fmt.Sprintf("group%05d", i), Value: 1}
			}
			c := &clock{t: testNow}
			cfg := createDefaultConfig().(*Config)
			cfg.Region = "cn-hangzhou"
			s, err := newLagScraper(cfg, receivertest.NewNopSettings(metadata.Type), c.now,
				func(cms.Settings) (cms.Client, error) { return fake, nil })
			require.NoError(b, err)
			require.NoError(b, s.start(b.Context(), componenttest.NewNopHost()))
			s.reader.limiter.SetLimit(rate.Inf)
			next := &committer{Metrics: consumertest.NewNop(), scraper: s}
			b.ReportAllocs()
			for b.Loop() {
				c.advance(time.Minute)
				md, err := s.scrape(b.Context())
				require.NoError(b, err)
				require.Equal(b, groups, md.DataPointCount())
				require.NoError(b, next.ConsumeMetrics(b.Context(), md))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*groups), "ns/point")
		})
	}
}
