package cmssim

import (
	"fmt"
	"math"
	"strconv"
)

// identity is the dimensions of a series.
type identity struct {
	userID, instanceID, consumerGroup, topic string

	json string // the dimensions as members of a point, each with a comma before it
}

func newIdentity(userID, instanceID, consumerGroup, topic string) identity {
	id := identity{userID: userID, instanceID: instanceID, consumerGroup: consumerGroup, topic: topic}
	id.json = `,"userId":` + quote(userID) + `,"instanceId":` + quote(instanceID) + `,"consumerGroup":` + quote(consumerGroup)
	if topic != "" {
		id.json += `,"topic":` + quote(topic)
	}
	return id
}

func (id *identity) dimension(key string) string {
	switch key {
	case "userId":
		return id.userID
	case "instanceId":
		return id.instanceID
	case "consumerGroup":
		return id.consumerGroup
	default:
		return id.topic
	}
}

// series is one series of a metric, whose value is the sum of its sources. Times are unix milliseconds.
type series struct {
	identity
	delay   int64 // publication delay, milliseconds
	sources []*source
}

// source is what lag comes from: a group without topics, or a topic.
type source struct {
	topic      string // empty for a group without topics
	curve      curve
	origin     int64 // when the scenario started
	start, end int64 // [start, end)
	steps      []step
}

// step is a change from outside: after the time it is the lag, or the end.
type step struct {
	after int64
	lag   float64
	ended bool
}

// value returns the lag of the series at a time, and whether there is one.
func (s *series) value(ts int64) (sum float64, ok bool) {
	for _, src := range s.sources {
		if lag, exists := src.at(ts); exists {
			sum += lag
			ok = true
		}
	}
	return sum, ok
}

func (s *source) at(ts int64) (float64, bool) {
	for i := len(s.steps) - 1; i >= 0; i-- {
		if ts > s.steps[i].after {
			return s.steps[i].lag, !s.steps[i].ended
		}
	}
	if ts < s.start || ts >= s.end {
		return 0, false
	}
	return s.curve.at(ts - s.origin), true
}

// pointJSON is a point as CloudMonitor shows it.
func (s *series) pointJSON(ts int64, value float64) string {
	return `{"timestamp":` + strconv.FormatInt(ts, 10) + s.json + `,"Value":` + number(value) + `}`
}

// compile turns a scenario that starts now into series by metric.
func compile(sc Scenario, accountID string, now int64) map[string][]*series {
	all := map[string][]*series{}
	for _, in := range sc.all() {
		for _, g := range in.Groups {
			delay := (sc.PublicationDelay + g.ExtraPublicationDelay).Milliseconds()
			group := &series{identity: newIdentity(accountID, in.ID, g.Name, ""), delay: delay}
			for _, t := range g.topics() {
				src := t.source(g, now)
				group.sources = append(group.sources, src)
				if t.Name != "" {
					topic := &series{identity: newIdentity(accountID, in.ID, g.Name, t.Name), delay: delay, sources: []*source{src}}
					all[MetricTopicAccumulation] = append(all[MetricTopicAccumulation], topic)
				}
			}
			all[MetricAccumulation] = append(all[MetricAccumulation], group)
		}
	}
	return all
}

// topics returns the topics of the group, or one without a name that has the group's own lag.
func (g Group) topics() []Topic {
	if len(g.Topics) > 0 {
		return g.Topics
	}
	return []Topic{{Lag: g.Lag, Repeat: g.Repeat}}
}

func (t Topic) source(g Group, now int64) *source {
	src := &source{
		topic:  t.Name,
		curve:  curve{t.Lag, t.Repeat},
		origin: now,
		start:  math.MinInt64,
		end:    math.MaxInt64,
	}
	if g.Start > 0 {
		src.start = now + g.Start.Milliseconds()
	}
	if g.End > 0 {
		src.end = now + g.End.Milliseconds()
	}
	return src
}

func padded(n int) string { return fmt.Sprintf("%04d", n) }
