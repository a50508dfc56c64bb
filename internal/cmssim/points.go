package cmssim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Point is a point that is added to those of the scenario. It is served for every period.
type Point struct {
	// Metric is MetricAccumulation if empty.
	Metric    string    `json:"metric,omitempty"`
	Timestamp time.Time `json:"timestamp"`
	// PublishedAt is when the point becomes visible; zero is at once.
	PublishedAt time.Time `json:"published_at,omitzero"`
	// UserID is that of the scenario's points if empty.
	UserID        string `json:"user_id,omitempty"`
	InstanceID    string `json:"instance_id"`
	ConsumerGroup string `json:"consumer_group,omitempty"`
	Topic         string `json:"topic,omitempty"`
	// Statistics are the numbers of the point by name, such as {"Value": 42}. NaN and Inf are sent as NaN and Infinity.
	Statistics map[string]float64 `json:"statistics,omitempty"`
	// Raw is sent instead of the whole point, valid JSON or not. The other fields decide which queries get it, and when.
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
	case (p.Raw == "") == (len(p.Statistics) == 0):
		return errors.New("give either statistics or raw")
	}
	return nil
}

// addedPoint is a point ready to be served.
type addedPoint struct {
	identity
	timestamp int64 // unix milliseconds
	published time.Time
	lag       float64 // the statistic Value; -1 without it
	json      string
}

func (p addedPoint) text() string { return p.json }

// isOf reports whether the point has a lag of a group, in messages.
func (p addedPoint) isOf(id groupID) bool {
	return p.instanceID == id.instance && p.consumerGroup == id.group && p.lag >= 0 && p.lag <= maxLag
}

func (p Point) ready() addedPoint {
	a := addedPoint{
		identity:  newIdentity(p.UserID, p.InstanceID, p.ConsumerGroup, p.Topic),
		timestamp: p.Timestamp.UnixMilli(),
		published: p.PublishedAt,
		lag:       -1,
		json:      p.Raw,
	}
	if lag, ok := p.Statistics["Value"]; ok {
		a.lag = lag
	}
	if p.Raw == "" {
		var numbers strings.Builder
		for _, name := range slices.Sorted(maps.Keys(p.Statistics)) {
			numbers.WriteString(`,` + quote(name) + `:` + number(p.Statistics[name]))
		}
		a.json = a.point(a.timestamp, numbers.String())
	}
	return a
}

// AddPoints adds points to those of the scenario, all or none. Its error names the point and the field that is wrong.
func (s *Server) AddPoints(points ...Point) error {
	ready := slices.Clone(points)
	for i := range ready {
		p := &ready[i]
		if p.Metric == "" {
			p.Metric = MetricAccumulation
		}
		if p.UserID == "" {
			p.UserID = accountID
		}
		if p.PublishedAt.IsZero() {
			p.PublishedAt = s.Now()
		}
		if err := p.validate(); err != nil {
			return fmt.Errorf("points[%d]: %w", i, err)
		}
	}
	s.store.add(ready)
	return nil
}
