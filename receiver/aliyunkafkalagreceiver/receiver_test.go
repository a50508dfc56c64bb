package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

func TestStartFails(t *testing.T) {
	tests := []struct {
		name   string
		yaml   string
		client newClientFunc
		want   string
	}{
		{"no client", minimalYAML, func(alicloud.Settings) (cms.Client, error) { return nil, errors.New("no client") }, "no client"},
		{"no HTTP client", minimalYAML + "http: {tls: {ca_file: /does/not/exist}}", (&fakeCMS{}).client, "/does/not/exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.yaml, func(t *testing.T, h *harness) {
				h.receiver.newClient = tt.client
				require.ErrorContains(t, h.receiver.Start(t.Context(), componenttest.NewNopHost()), tt.want)
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.Zero(t, h.cms.calls())
			})
		})
	}
}

func TestClientSettings(t *testing.T) {
	withReceiver(t, minimalYAML+"network: vpc\ncredentials: {type: access_key, access_key_id: id, access_key_secret: secret}\n", func(t *testing.T, h *harness) {
		got := h.cms.settings
		assert.NotNil(t, got.HTTPClient)
		got.HTTPClient = nil
		assert.Equal(t, alicloud.Settings{
			Endpoint: "https://cms-vpc.cn-hangzhou.aliyuncs.com", UserAgent: "otelcol/latest", Region: "cn-hangzhou", Network: "vpc",
			Credentials: alicloud.CredentialSettings{Type: alicloud.CredentialAccessKey, AccessKeyID: "id", AccessKeySecret: "secret"},
		}, got)
	})
}

// TestConfigReachesTheParts: what the loop is made of has the configured values.
func TestConfigReachesTheParts(t *testing.T) {
	yaml := minimalYAML + "requests_per_second: 7\nmax_concurrency: 3\nperiod: 120s\nmax_backfill: 40m\nstale_after: 20m\n" +
		"consumer_groups: {include: [{regexp: '^a'}], exclude: [{strict: ab}]}\n"
	inBubble(t, yaml, func(t *testing.T, h *harness) {
		r := h.receiver
		assert.InDelta(t, 7, float64(r.reader.limiter.Limit()), 0)
		assert.Equal(t, 1, r.reader.limiter.Burst())
		assert.Equal(t, 3, r.reader.workers)
		assert.Equal(t, 2*time.Minute, r.reader.period)
		assert.Equal(t, 40*time.Minute, r.deliverer.maxBackfill)
		bounds := r.cfg.bounds()
		for group, wanted := range map[string]bool{"a": true, "ab": false, "abc": true, "b": false} {
			assert.Equal(t, wanted, bounds.Wanted(group), group)
		}
		bounds.Wanted = nil
		assert.Equal(t, lag.Settings{
			Period: 2 * time.Minute, StaleAfter: 20 * time.Minute, MaxBackfill: 40 * time.Minute,
			PageLength: cms.PageLength, BatchSize: cms.MaxInstances,
		}, bounds)
	})
}

func TestInstancesAndMetricsReachTheQueries(t *testing.T) {
	withReceiver(t, minimalYAML+bothMetrics+"instances: [i, j]\n", func(t *testing.T, h *harness) {
		h.minute()
		require.Len(t, h.cms.queries, 2)
		metrics := map[string]bool{}
		for _, q := range h.cms.queries {
			metrics[q.MetricName] = true
			assert.Equal(t, []string{"i", "j"}, q.Instances)
		}
		assert.Len(t, metrics, 2)
	})
}

func TestTopics(t *testing.T) {
	withReceiver(t, minimalYAML+bothMetrics, func(t *testing.T, h *harness) {
		topic := point("a", time.Now().UnixMilli(), 40)
		topic.Topic = "t"
		h.cms.publish(topic)
		var names []string
		h.backend.setAnswer(func(_ context.Context, _ int, md pmetric.Metrics) error {
			for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
				names = append(names, m.Name())
			}
			return nil
		})
		h.minute("a")
		assert.Equal(t, []string{"kafka.consumer.message_accumulation", "kafka.consumer.topic.message_accumulation"}, names)
		assert.Len(t, h.received(), 2)
	})
}

func TestAnnounces(t *testing.T) {
	tests := []struct {
		name     string
		yaml     string
		warnings []string
	}{
		{"the usual", "", nil},
		{"too many calls", "collection_interval: 2s\n", []string{"exceed the account's free quota"}},
		{"series that end between two points", "period: 360s\n", []string{"stale_after is shorter"}},
		{"points that are never read", "collection_interval: 2h\n", []string{"max_backfill is shorter"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withReceiver(t, minimalYAML+tt.yaml, func(t *testing.T, h *harness) {
				var warnings []string
				for _, entry := range h.logs.All() {
					if entry.Level >= warn {
						warnings = append(warnings, entry.Message)
					}
				}
				require.Len(t, warnings, len(tt.warnings))
				for i, want := range tt.warnings {
					assert.Contains(t, warnings[i], want)
				}
				assert.Equal(t, "https://metrics.cn-hangzhou.aliyuncs.com", h.logs.All()[0].ContextMap()["endpoint"])
				assert.Equal(t, int64(1), h.logs.All()[0].ContextMap()["batches"])
			})
		})
	}
}
