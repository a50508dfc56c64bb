package aliyunkafkalagreceiver

import (
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

const cloudProvider = "alibaba_cloud"

// endMark is the value under which the end of a series passes through the metrics builder,
// which cannot set flags. Samples are never NaN.
var endMark = math.NaN()

// emit turns deliveries into metrics: one resource an account, each series ascending.
func emit(mb *metadata.MetricsBuilder, region string, deliveries []*delivery) pmetric.Metrics {
	var accounts []string
	byAccount := map[string][]streamSeries{}
	for _, d := range deliveries {
		for i := range d.series {
			account := d.series[i].userID
			if _, known := byAccount[account]; !known {
				accounts = append(accounts, account)
			}
			byAccount[account] = append(byAccount[account], streamSeries{d, &d.series[i]})
		}
	}
	for _, account := range accounts {
		for _, s := range byAccount[account] {
			s.record(mb)
		}
		mb.EmitForResource(metadata.WithResource(resource(mb, region, account)))
	}
	md := mb.Emit()
	flagEnds(md)
	return md
}

// streamSeries is one series with the delivery it belongs to.
type streamSeries struct {
	*delivery
	*seriesDelivery
}

func (s streamSeries) record(mb *metadata.MetricsBuilder) {
	for _, sample := range s.samples {
		recordPoint(mb, s.stream.metric, sample.timestamp, sample.value, s.key)
	}
	if s.ended {
		recordPoint(mb, s.stream.metric, s.endTimestamp(s.seriesDelivery), endMark, s.key)
	}
}

func recordPoint(mb *metadata.MetricsBuilder, metric string, timestamp int64, value float64, key seriesKey) {
	ts := pcommon.NewTimestampFromTime(time.UnixMilli(timestamp))
	if metric == cms.MetricTopicAccumulation {
		mb.RecordKafkaConsumerTopicMessageAccumulationDataPoint(ts, value, key.instanceID, key.consumerGroup, key.topic)
		return
	}
	mb.RecordKafkaConsumerMessageAccumulationDataPoint(ts, value, key.instanceID, key.consumerGroup)
}

func resource(mb *metadata.MetricsBuilder, region, account string) pcommon.Resource {
	rb := mb.NewResourceBuilder()
	rb.SetCloudProvider(cloudProvider)
	rb.SetCloudRegion(region)
	if account != "" {
		rb.SetCloudAccountID(account)
	}
	return rb.Emit()
}

// flagEnds turns the end marks into points without a value and with the NoRecordedValue
// flag, which exporters for Prometheus write as a stale marker. Each becomes a metric of
// its own, behind the samples: the prometheus exporter ignores what follows such a point
// in a metric.
func flagEnds(md pmetric.Metrics) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for i := range sm.Metrics().Len() { // not those that are appended
				m := sm.Metrics().At(i)
				m.Gauge().DataPoints().RemoveIf(func(dp pmetric.NumberDataPoint) bool {
					if !math.IsNaN(dp.DoubleValue()) {
						return false
					}
					appendEnd(sm.Metrics().AppendEmpty(), m, dp)
					return true
				})
			}
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool { return m.Gauge().DataPoints().Len() == 0 })
		}
	}
}

// appendEnd makes end a metric like m with nothing but the end of dp's series.
func appendEnd(end, m pmetric.Metric, dp pmetric.NumberDataPoint) {
	end.SetName(m.Name())
	end.SetDescription(m.Description())
	end.SetUnit(m.Unit())
	point := end.SetEmptyGauge().DataPoints().AppendEmpty()
	dp.Attributes().CopyTo(point.Attributes())
	point.SetTimestamp(dp.Timestamp())
	point.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
}
