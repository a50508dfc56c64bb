package aliyunkafkalagreceiver

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/pmetrictest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/filter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
)

func testEmitter(change func(*metadata.MetricsBuilderConfig)) *emitter {
	cfg := testConfig()
	cfg.MetricsBuilder.Metrics.KafkaConsumerTopicMessageAccumulation.Enabled = true
	if change != nil {
		change(&cfg.MetricsBuilder)
	}
	return newEmitter(cfg, receivertest.NewNopSettings(metadata.Type))
}

// mixedEntries are of two accounts and both metrics, with stale markers before and behind samples.
func mixedEntries() []lag.Entry {
	of := func(account, instance, group, topic string, stale bool, samples ...lag.Sample) lag.Entry {
		metric := cms.MetricAccumulation
		if topic != "" {
			metric = cms.MetricTopicAccumulation
		}
		return lag.Entry{
			Series:  &lag.Series{Key: lag.Key{Instance: instance, Group: group, Topic: topic}, Metric: metric, Account: account},
			Samples: samples, Stale: stale,
		}
	}
	const now = 1_700_000_000_000
	return []lag.Entry{
		of("1", "i", "ending", "", true, lag.Sample{Timestamp: now - 60_000, Value: 3}),
		of("1", "i", "a", "", false, lag.Sample{Timestamp: now - 60_000, Value: 120_000.5}, lag.Sample{Timestamp: now, Value: 0}),
		of("1", "i", "a", "t", false, lag.Sample{Timestamp: now, Value: 40}),
		of("2", "j", "a", "", false, lag.Sample{Timestamp: now, Value: 7}),
		of("1", "i", "b", "", false, lag.Sample{Timestamp: now, Value: 8}),
		of("1", "i", "ending", "u", true, lag.Sample{Timestamp: now - 120_000, Value: 1}),
		of("", "k", "a", "t", true, lag.Sample{Timestamp: now, Value: 2}),
	}
}

func TestEmitGolden(t *testing.T) {
	file := filepath.Join("testdata", "golden", "emit.yaml")
	got := testEmitter(nil).emit(mixedEntries())
	want, err := golden.ReadMetrics(file)
	require.NoError(t, err)
	// Timestamps and start timestamps are compared, the order of metrics and points is not ignored.
	assert.NoError(t, pmetrictest.CompareMetrics(want, got))
	assert.Equal(t, size(mixedEntries()), got.DataPointCount())
}

// TestEmitEqualsTheGeneratedBuilder: metadata.yaml stays the only source of names and attributes.
func TestEmitEqualsTheGeneratedBuilder(t *testing.T) {
	e := testEmitter(nil)
	var samples []lag.Entry
	for _, entry := range mixedEntries() {
		if entry.Series.Account == "1" {
			entry.Stale = false
			samples = append(samples, entry)
		}
	}
	got := e.emit(samples)

	mb := metadata.NewMetricsBuilder(testEmitterConfig(), receivertest.NewNopSettings(metadata.Type), metadata.WithStartTime(0))
	for _, entry := range samples {
		for _, s := range entry.Samples {
			ts := pmetric.NewNumberDataPoint()
			describe(ts, entry.Series, s.Timestamp)
			if entry.Series.Topic != "" {
				mb.RecordKafkaConsumerTopicMessageAccumulationDataPoint(ts.Timestamp(), s.Value, entry.Series.Instance, entry.Series.Group, entry.Series.Topic)
			} else {
				mb.RecordKafkaConsumerMessageAccumulationDataPoint(ts.Timestamp(), s.Value, entry.Series.Instance, entry.Series.Group)
			}
		}
	}
	rb := mb.NewResourceBuilder()
	rb.SetCloudProvider(cloudProvider)
	rb.SetCloudRegion("cn-hangzhou")
	rb.SetCloudAccountID("1")
	assert.NoError(t, pmetrictest.CompareMetrics(mb.Emit(metadata.WithResource(rb.Emit())), got))
}

func testEmitterConfig() metadata.MetricsBuilderConfig {
	cfg := metadata.NewDefaultMetricsBuilderConfig()
	cfg.Metrics.KafkaConsumerTopicMessageAccumulation.Enabled = true
	return cfg
}

func TestEmitTwiceSharesNothing(t *testing.T) {
	e := testEmitter(nil)
	first := e.emit(mixedEntries())
	before := pmetric.NewMetrics()
	first.CopyTo(before)
	second := e.emit(mixedEntries())
	assert.NoError(t, pmetrictest.CompareMetrics(before, second))
	for _, rm := range second.ResourceMetrics().All() {
		rm.Resource().Attributes().PutStr("cloud.region", "changed")
	}
	assert.NoError(t, pmetrictest.CompareMetrics(before, first))
	assert.NoError(t, pmetrictest.CompareMetrics(before, e.emit(mixedEntries())))
}

func TestResourceAttributesOfTheConfiguration(t *testing.T) {
	t.Run("left out", func(t *testing.T) {
		e := testEmitter(func(c *metadata.MetricsBuilderConfig) {
			c.ResourceAttributes.CloudAccountID.Enabled = false
			c.ResourceAttributes.CloudProvider.Enabled = false
		})
		attributes := e.emit(mixedEntries()).ResourceMetrics().At(0).Resource().Attributes()
		assert.Equal(t, map[string]any{"cloud.region": "cn-hangzhou"}, attributes.AsRaw())
	})
	t.Run("an excluded account", func(t *testing.T) {
		e := testEmitter(func(c *metadata.MetricsBuilderConfig) {
			c.ResourceAttributes.CloudAccountID.MetricsExclude = []filter.Config{{Strict: "2"}}
		})
		assert.True(t, e.wants("1"))
		assert.False(t, e.wants("2"))
		assert.True(t, e.wants(""), "an unknown account")
	})
}

// BenchmarkEmit is the share of the metrics in a scrape.
func BenchmarkEmit(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := testEmitter(nil)
			entries := make([]lag.Entry, n)
			for i := range entries {
				entries[i] = entryOf(fmt.Sprintf("group%05d", i), 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				if e.emit(entries).DataPointCount() != n {
					b.Fatal("points are missing")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/point")
		})
	}
}
