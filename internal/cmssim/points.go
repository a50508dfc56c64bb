package cmssim

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPoints bounds the memory of points that are added.
const maxPoints = 250_000

// Point is one point that is added to those of the scenario. It is served for every period.
type Point struct {
	// Metric is MetricAccumulation when empty.
	Metric string `json:"metric,omitempty"`
	// Timestamp places the point in windows.
	Timestamp time.Time `json:"timestamp"`
	// PublishedAt is when the point becomes visible; zero is at once.
	PublishedAt time.Time `json:"published_at,omitzero"`
	// UserID is the scenario's account when empty.
	UserID        string `json:"user_id,omitempty"`
	InstanceID    string `json:"instance_id"`
	ConsumerGroup string `json:"consumer_group,omitempty"`
	Topic         string `json:"topic,omitempty"`
	// Statistics are the numbers of the point by name, such as {"Value": 42}.
	Statistics map[string]float64 `json:"statistics,omitempty"`
	// Raw is sent in place of the whole point, also if it is not JSON. The other fields only tell when and for which
	// queries.
	Raw string `json:"raw,omitempty"`
}

// validate returns an error that names the field that is wrong.
func (p Point) validate() error {
	switch {
	case p.Metric != MetricAccumulation && p.Metric != MetricTopicAccumulation:
		return fmt.Errorf("metric %q is not %s or %s", p.Metric, MetricAccumulation, MetricTopicAccumulation)
	case p.Timestamp.IsZero():
		return errors.New("timestamp is missing")
	case p.InstanceID == "":
		return errors.New("instance_id is missing")
	case p.Raw != "" && len(p.Statistics) > 0:
		return errors.New("statistics and raw exclude each other")
	case p.Raw != "":
		return nil
	case p.ConsumerGroup == "":
		return errors.New("consumer_group is missing")
	case (p.Topic == "") == (p.Metric == MetricTopicAccumulation):
		return fmt.Errorf("topic %q does not fit metric %s", p.Topic, p.Metric)
	case len(p.Statistics) == 0:
		return errors.New("statistics are missing")
	}
	for name, value := range p.Statistics {
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return fmt.Errorf("statistics %s: %v cannot be written in JSON, use raw", name, value)
		}
	}
	return nil
}

// addedPoint is a point ready to be served. Times are unix milliseconds.
type addedPoint struct {
	identity
	timestamp int64
	published int64
	number    uint64 // in the order of adding, from 1
	json      string
}

func (p Point) ready(number uint64) addedPoint {
	a := addedPoint{
		identity:  newIdentity(p.UserID, p.InstanceID, p.ConsumerGroup, p.Topic),
		timestamp: p.Timestamp.UnixMilli(),
		published: p.PublishedAt.UnixMilli(),
		number:    number,
		json:      p.Raw,
	}
	if p.Raw == "" {
		a.json = p.json(a.identity)
	}
	return a
}

func (p Point) json(id identity) string {
	var b strings.Builder
	b.WriteString(`{"timestamp":` + strconv.FormatInt(p.Timestamp.UnixMilli(), 10) + id.json)
	for _, name := range slices.Sorted(maps.Keys(p.Statistics)) {
		b.WriteString(`,` + quote(name) + `:` + number(p.Statistics[name]))
	}
	b.WriteString(`}`)
	return b.String()
}

// AddPoints adds points to those of the scenario, all or none. An error names the point and the field that is wrong.
// At most 250,000 points are kept.
func (s *Server) AddPoints(points ...Point) error {
	now := s.Now()
	ready := slices.Clone(points)
	for i := range ready {
		p := &ready[i]
		if p.Metric == "" {
			p.Metric = MetricAccumulation
		}
		if p.UserID == "" {
			p.UserID = s.store.accountID
		}
		if p.PublishedAt.IsZero() {
			p.PublishedAt = now
		}
		if err := p.validate(); err != nil {
			return fmt.Errorf("points[%d]: %w", i, err)
		}
	}
	return s.store.add(ready)
}
