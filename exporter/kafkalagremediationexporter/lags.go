package kafkalagremediationexporter

import (
	"math"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

const (
	metricName     = "kafka.consumer.message_accumulation"
	attributeGroup = "consumer_group"
	attributeID    = "instance_id"

	// maxPoints bounds what is kept of a series: points closer together than a window/maxPoints replace each other.
	maxPoints = 32

	// maxAhead is how far CloudMonitor's clock may be ahead.
	maxAhead = 2 * time.Minute
)

type point struct {
	at    time.Time
	value float64
}

// lags keeps the newest points of each series that has a target. It is safe for concurrent use.
type lags struct {
	targets *targets
	logger  *zap.Logger
	now     func() time.Time
	window  time.Duration // over which it is measured how fast a lag falls

	mu     sync.Mutex
	series map[ladder.Series]*seriesLag
	ahead  bool // a point from the future was logged
}

type seriesLag struct {
	target cluster.Target
	since  time.Time // when its first point arrived
	points []point   // ascending
}

// newLags measures how fast a lag falls over half a check interval: what happened longer ago says little about now.
func newLags(t *targets, checkInterval time.Duration, logger *zap.Logger) *lags {
	return &lags{targets: t, logger: logger, now: time.Now, window: checkInterval / 2, series: map[ladder.Series]*seriesLag{}}
}

// add takes the points of the lag out of metrics.
func (l *lags) add(metrics pmetric.Metrics) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, resource := range metrics.ResourceMetrics().All() {
		for _, scope := range resource.ScopeMetrics().All() {
			for _, m := range scope.Metrics().All() {
				if m.Name() != metricName || m.Type() != pmetric.MetricTypeGauge {
					continue
				}
				for _, p := range m.Gauge().DataPoints().All() {
					l.addPoint(p)
				}
			}
		}
	}
}

func (l *lags) addPoint(p pmetric.NumberDataPoint) {
	if p.Flags().NoRecordedValue() { // a group without lag has not recovered: its last point ages
		return
	}
	key := ladder.Series{Instance: text(p, attributeID), Group: text(p, attributeGroup)}
	value, at := p.DoubleValue(), p.Timestamp().AsTime()
	if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
		value = float64(p.IntValue())
	}
	// Neither a number that is none nor a point from the future may start a ladder.
	if key.Group == "" || math.IsNaN(value) || math.IsInf(value, 0) || l.isAhead(key, at) {
		return
	}
	s, known := l.series[key]
	if !known {
		target, found := l.targets.of(key)
		if !found {
			return
		}
		s = &seriesLag{target: target, since: l.now()}
		l.series[key] = s
	}
	s.add(point{at, value}, l.window)
}

// isAhead reports whether a point is from the future, and logs the first one.
func (l *lags) isAhead(key ladder.Series, at time.Time) bool {
	ahead := at.Sub(l.now())
	if ahead <= maxAhead {
		return false
	}
	if !l.ahead {
		l.ahead = true
		l.logger.Warn("Points from the future are ignored; check the clock of this host",
			zap.String("group", key.Group), zap.Duration("ahead", ahead))
	}
	return true
}

// text returns an attribute, empty if the point does not have it.
func text(p pmetric.NumberDataPoint, attribute string) string {
	if value, found := p.Attributes().Get(attribute); found {
		return value.AsString()
	}
	return ""
}

func (s *seriesLag) add(p point, window time.Duration) {
	n := len(s.points)
	if n > 0 && !p.at.After(s.points[n-1].at) {
		return
	}
	if n > 1 && p.at.Sub(s.points[n-2].at) < window/maxPoints {
		n--
	}
	s.points = append(s.points[:n], p)
	first := 0
	for first < len(s.points)-2 && p.at.Sub(s.points[first].at) > window { // two are needed, however far apart they are
		first++
	}
	s.points = s.points[first:]
}

// falling returns by how many messages a second the lag fell within the window, or since the point before, 0 if it did not.
func (s *seriesLag) falling() float64 {
	oldest, newest := s.points[0], s.points[len(s.points)-1]
	if newest.value >= oldest.value { // or there is only one
		return 0
	}
	return (oldest.value - newest.value) / newest.at.Sub(oldest.at).Seconds()
}

// byTarget returns what is known, by target. Nothing is known before the first point.
func (l *lags) byTarget() map[cluster.Target][]ladder.Lag {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[cluster.Target][]ladder.Lag{}
	for key, s := range l.series {
		newest := s.points[len(s.points)-1]
		if l.now().Sub(newest.at) > ladder.ForgetAfter {
			delete(l.series, key)
			continue
		}
		all[s.target] = append(all[s.target], ladder.Lag{
			Instance: key.Instance, Group: key.Group, Value: newest.value, At: newest.at, Falling: s.falling(),
			New: len(s.points) == 1 && l.now().Sub(s.since) < l.window,
		})
	}
	return all
}
