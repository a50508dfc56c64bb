package aliyunkafkalagreceiver

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

var (
	errBadRequest = consumererror.NewPermanent(errors.New("remote write request failed: 400"))
	errOverloaded = errors.New("memory limit")
)

// staleValue stands for a stale marker among samples.
var staleValue = math.Inf(-1)

// backend is a next consumer that takes samples as Prometheus does: one that is older than the newest of its series, or
// too old, or another value for a stored timestamp, makes it reject the whole request.
type backend struct {
	t      *testing.T
	mu     sync.Mutex
	stored map[string][]lag.Sample
	tooOld int64 // the newest timestamp that is too old
	// answer, when it is set, may answer a request with an error before it is looked at. n counts the requests from 1.
	answer func(ctx context.Context, n int, md pmetric.Metrics) error

	requests int
	sent     []int // data points of each request
	bad      map[string]bool
}

var _ consumer.Metrics = (*backend)(nil)

func newBackend(t *testing.T) *backend {
	return &backend{t: t, stored: map[string][]lag.Sample{}, bad: map[string]bool{}}
}

// setAnswer changes answer of a backend that is in use.
func (b *backend) setAnswer(answer func(ctx context.Context, n int, md pmetric.Metrics) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

func (b *backend) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (b *backend) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	b.requests++
	b.sent = append(b.sent, md.DataPointCount())
	assert.Positive(b.t, md.DataPointCount(), "an empty request")
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, b.requests, md); err != nil {
			return err
		}
	}
	fresh := map[string][]lag.Sample{}
	ok := true
	eachPoint(md, func(key string, dp pmetric.NumberDataPoint) {
		s := sampleOf(dp)
		series := slices.Concat(b.stored[key], fresh[key])
		if n := len(series); n > 0 && (s.Timestamp < series[n-1].Timestamp || s.Timestamp == series[n-1].Timestamp && s.Value != series[n-1].Value) {
			ok = false
		}
		if s.Timestamp <= b.tooOld || b.bad[key] {
			ok = false
		}
		fresh[key] = append(fresh[key], s)
	})
	if !ok {
		return errBadRequest
	}
	for key, samples := range fresh {
		b.stored[key] = append(b.stored[key], samples...)
	}
	return nil
}

func eachPoint(md pmetric.Metrics, visit func(key string, dp pmetric.NumberDataPoint)) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				for _, dp := range m.Gauge().DataPoints().All() {
					visit(keyOf(dp), dp)
				}
			}
		}
	}
}

// keyOf returns "instance/group" or "instance/group/topic".
func keyOf(dp pmetric.NumberDataPoint) string {
	key := ""
	for _, name := range []string{"instance_id", "consumer_group", "topic"} {
		if v, ok := dp.Attributes().Get(name); ok {
			key += "/" + v.Str()
		}
	}
	return key[1:]
}

// sampleOf returns a data point as a sample, a stale marker with staleValue.
func sampleOf(dp pmetric.NumberDataPoint) lag.Sample {
	s := lag.Sample{Timestamp: dp.Timestamp().AsTime().UnixMilli(), Value: dp.DoubleValue()}
	if dp.Flags().NoRecordedValue() {
		s.Value = staleValue
	}
	return s
}
