package aliyunkafkalagreceiver

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

const cloudProvider = "alibaba_cloud"

// metricNames are the names of our metrics by CloudMonitor's.
var metricNames = map[string]string{
	cms.MetricAccumulation:      metadata.MetricsInfo.KafkaConsumerMessageAccumulation.Name,
	cms.MetricTopicAccumulation: metadata.MetricsInfo.KafkaConsumerTopicMessageAccumulation.Name,
}

// emitter turns entries into metrics. It fills the data points itself, which takes a fraction of the generated
// builder's time; resource, scope and the metrics' descriptions still come from the builder, by way of templates.
type emitter struct {
	builder   *metadata.MetricsBuilder
	region    string
	templates map[string]pmetric.ResourceMetrics // by account
}

func newEmitter(cfg *Config, set receiver.Settings) *emitter {
	builder := metadata.NewMetricsBuilder(cfg.MetricsBuilder, set)
	return &emitter{builder: builder, region: cfg.Region, templates: map[string]pmetric.ResourceMetrics{}}
}

// wants reports whether the points of an account are emitted: resource_attributes can exclude it.
func (e *emitter) wants(account string) bool {
	return e.template(account).ScopeMetrics().Len() > 0
}

// template returns the metrics of an account, without data points. It is empty if resource_attributes exclude the
// account.
func (e *emitter) template(account string) pmetric.ResourceMetrics {
	t, ok := e.templates[account]
	if ok {
		return t
	}
	t = pmetric.NewResourceMetrics()
	e.templates[account] = t

	rb := e.builder.NewResourceBuilder()
	rb.SetCloudProvider(cloudProvider)
	rb.SetCloudRegion(e.region)
	if account != "" {
		rb.SetCloudAccountID(account)
	}
	e.builder.RecordKafkaConsumerMessageAccumulationDataPoint(0, 0, "", "")
	e.builder.RecordKafkaConsumerTopicMessageAccumulationDataPoint(0, 0, "", "", "")
	e.builder.EmitForResource(metadata.WithResource(rb.Emit()))
	for _, rm := range e.builder.Emit().ResourceMetrics().All() {
		rm.MoveTo(t)
		for _, m := range t.ScopeMetrics().At(0).Metrics().All() {
			m.SetEmptyGauge()
		}
	}
	return t
}

// emit returns entries as metrics: one resource an account, each series ascending. Each stale marker is a metric of its
// own behind the samples: the prometheus exporter ignores what follows such a point in a metric.
func (e *emitter) emit(entries []lag.Entry) pmetric.Metrics {
	md, accounts, n := pmetric.NewMetrics(), map[string]pmetric.MetricSlice{}, size(entries)
	var metrics pmetric.MetricSlice
	var metric pmetric.Metric
	for i := range entries {
		s := entries[i].Series
		if i == 0 || s.Account != entries[i-1].Series.Account || s.Metric != entries[i-1].Series.Metric {
			metric, metrics = e.metric(md, accounts, s)
			metric.Gauge().DataPoints().EnsureCapacity(n)
		}
		points := metric.Gauge().DataPoints()
		for _, sample := range entries[i].Samples {
			dp := points.AppendEmpty()
			describe(dp, s, sample.Timestamp)
			dp.SetDoubleValue(sample.Value)
		}
		if entries[i].Stale {
			marker := metrics.AppendEmpty()
			marker.SetName(metric.Name())
			marker.SetDescription(metric.Description())
			marker.SetUnit(metric.Unit())
			dp := marker.SetEmptyGauge().DataPoints().AppendEmpty()
			describe(dp, s, entries[i].StaleTimestamp())
			dp.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
		}
	}
	for _, metrics := range accounts {
		metrics.RemoveIf(func(m pmetric.Metric) bool { return m.Gauge().DataPoints().Len() == 0 })
	}
	return md
}

// metric returns the metric of md that the samples of s belong to, and all metrics of its account. accounts are those that
// md has so far.
func (e *emitter) metric(md pmetric.Metrics, accounts map[string]pmetric.MetricSlice, s *lag.Series) (metric pmetric.Metric, all pmetric.MetricSlice) {
	all, ok := accounts[s.Account]
	if !ok {
		rm := md.ResourceMetrics().AppendEmpty()
		e.template(s.Account).CopyTo(rm)
		all = rm.ScopeMetrics().At(0).Metrics()
		accounts[s.Account] = all
	}
	for _, m := range all.All() {
		if m.Name() == metricNames[s.Metric] {
			return m, all
		}
	}
	return metric, all // not reached, since only what is enabled is read
}

// describe sets all of a data point but its value.
func describe(dp pmetric.NumberDataPoint, s *lag.Series, timestamp int64) {
	dp.SetTimestamp(pcommon.Timestamp(timestamp * 1_000_000)) //nolint:gosec // CloudMonitor's timestamps are positive
	attributes := dp.Attributes()
	if s.Metric == cms.MetricTopicAccumulation {
		attributes.EnsureCapacity(3)
		attributes.PutStr("topic", s.Topic)
	} else {
		attributes.EnsureCapacity(2)
	}
	attributes.PutStr("instance_id", s.Instance)
	attributes.PutStr("consumer_group", s.Group)
}
