package aliyunkafkalagreceiver

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"golang.org/x/time/rate"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

// groupsCMS answers every query with the same points, one of each group.
type groupsCMS []lag.Point

func (g groupsCMS) DescribeMetricList(_ context.Context, q cms.Query) (cms.Page, error) {
	offset, _ := strconv.Atoi(q.NextToken)
	end := min(len(g), offset+cms.PageLength)
	page := cms.Page{Points: g[offset:end]}
	if end < len(g) {
		page.NextToken = strconv.Itoa(end)
	}
	return page, nil
}

// BenchmarkScrape is a scrape at steady state without the network and decoding: one new point a group.
func BenchmarkScrape(b *testing.B) {
	for _, groups := range []int{100, 10_000} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			fake := make(groupsCMS, groups)
			for i := range fake {
				fake[i] = point(fmt.Sprintf("group%05d", i), 0, 1)
			}
			r, err := newReceiver(testConfig(), receivertest.NewNopSettings(metadata.Type), consumertest.NewNop(), nil, &instanceClaims{})
			require.NoError(b, err)
			r.reader.client, r.reader.limiter = fake, rate.NewLimiter(rate.Inf, 1)
			b.ReportAllocs()
			for b.Loop() {
				r.clock.low += time.Minute // the offset of CloudMonitor's clock
				r.clock.high = r.clock.low
				newest := r.clock.now().UnixMilli() - 1000
				for i := range fake {
					fake[i].Timestamp = newest
				}
				r.scrape(b.Context())
			}
			require.Len(b, r.tracker.Watermarks(), groups)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*groups), "ns/point")
		})
	}
}
