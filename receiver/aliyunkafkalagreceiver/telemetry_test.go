package aliyunkafkalagreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadata"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/metadatatest"
)

// counted returns the value of a counter by the receiver's ID and the given attributes.
func counted(t *testing.T, tel *componenttest.Telemetry, metric string, attributes ...attribute.KeyValue) int64 {
	t.Helper()
	m, err := tel.GetMetric("otelcol_receiver_aliyunkafkalag_" + metric)
	require.NoError(t, err)
	want := attribute.NewSet(append(attributes, attribute.String("receiver", component.NewID(metadata.Type).String()))...)
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		if p.Attributes == want {
			return p.Value
		}
	}
	return 0
}

func TestTelemetryOfReading(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	failure := []lag.Failure{{}}
	tests := []struct {
		name    string
		result  lag.Result
		outcome string
		present bool // last_success is set
	}{
		{"all read", lag.Result{Streams: 2}, outcomeSuccess, true},
		{"one of two", lag.Result{Streams: 2, Failures: failure}, outcomePartial, false},
		{"none", lag.Result{Streams: 1, Failures: failure}, outcomeFailed, false},
		{"the present, but nothing older", lag.Result{Streams: 1, Failures: []lag.Failure{{Present: true}}}, outcomePartial, true},
		{"all but an instance that is set aside", lag.Result{Streams: 2, Bad: []lag.BadInstance{{}}}, outcomePartial, true},
		{"none but an instance that is set aside", lag.Result{Streams: 2, Failures: failure, Bad: []lag.BadInstance{{}}}, outcomeFailed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, tel := newTestReader(t, &fakeCMS{})
			tt.result.GivenUp = []lag.GivenUp{{Points: 3}, {Points: 4}}
			tt.result.Dropped = map[lag.DropReason]int64{lag.DropFuture: 5}
			r.telemetry.read(t.Context(), now, &tt.result)
			assert.Equal(t, int64(1), counted(t, tel, "scrapes", attribute.String("outcome", tt.outcome)))
			assert.Equal(t, int64(7), counted(t, tel, "points_given_up"))
			assert.Equal(t, int64(5), counted(t, tel, "points_dropped", attribute.String("reason", "future")))
			_, err := tel.GetMetric("otelcol_receiver_aliyunkafkalag_last_success")
			if !tt.present {
				require.Error(t, err, "absent until every batch was read")
				return
			}
			metadatatest.AssertEqualReceiverAliyunkafkalagLastSuccess(t, tel, []metricdata.DataPoint[int64]{{
				Value: now.Unix(), Attributes: attribute.NewSet(attribute.String("receiver", "aliyunkafkalag")),
			}}, metricdatatest.IgnoreTimestamp())
		})
	}
}
