package cmssim

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
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

// has reports whether the series has all the values.
func (id *identity) has(d dimensions) bool {
	mine := [...]struct{ key, value string }{
		{"userId", id.userID}, {"instanceId", id.instanceID}, {"consumerGroup", id.consumerGroup}, {"topic", id.topic},
	}
	for _, m := range mine {
		if want, ok := d[m.key]; ok && want != m.value {
			return false
		}
	}
	return true
}

// point returns a point as CloudMonitor writes it. The numbers are JSON members, each with a comma before it.
func (id *identity) point(timestamp int64, numbers string) string {
	return `{"timestamp":` + strconv.FormatInt(timestamp, 10) + id.json + numbers + `}`
}

// series is a series of the scenario. Its value is the sum of its curves. Times are unix milliseconds.
type series struct {
	identity
	delay      int64 // until a point is published
	origin     int64 // when the scenario started
	start, end int64 // [start, end)
	curves     []curve
}

// value returns the lag at a time, and reports whether there is one.
func (s *series) value(ts int64) (sum float64, ok bool) {
	if ts < s.start || ts >= s.end {
		return 0, false
	}
	for _, c := range s.curves {
		sum += c.at(ts - s.origin)
	}
	return sum, true
}

// curve is lag over time.
type curve struct {
	points []LagAt
	repeat bool
}

// at returns the lag, in whole messages, at a time in milliseconds since the scenario's start.
func (c curve) at(ms int64) float64 {
	last := len(c.points) - 1
	if cycle := c.points[last].At.Milliseconds(); c.repeat && ms > 0 {
		ms %= cycle
	}
	if ms <= c.points[0].At.Milliseconds() {
		return math.Round(c.points[0].Lag)
	}
	for i, p := range c.points[1:] {
		if at := p.At.Milliseconds(); ms <= at {
			before := c.points[i]
			part := float64(ms-before.At.Milliseconds()) / float64(at-before.At.Milliseconds())
			return math.Round(before.Lag + part*(p.Lag-before.Lag))
		}
	}
	return math.Round(c.points[last].Lag)
}

// compile returns the series of a scenario that starts now, by metric.
func compile(sc Scenario, now time.Time) map[string][]*series {
	all := map[string][]*series{}
	add := func(metric, instanceID, topic string, g Group, curves ...curve) {
		s := &series{
			identity: newIdentity(accountID, instanceID, g.Name, topic),
			delay:    (sc.PublicationDelay + g.ExtraPublicationDelay).Milliseconds(),
			origin:   now.UnixMilli(), start: math.MinInt64, end: math.MaxInt64,
			curves: curves,
		}
		if g.Start > 0 {
			s.start = now.Add(g.Start).UnixMilli()
		}
		if g.End > 0 {
			s.end = now.Add(g.End).UnixMilli()
		}
		all[metric] = append(all[metric], s)
	}
	for _, in := range sc.all() {
		for _, g := range in.Groups {
			var curves []curve
			for _, t := range g.Topics {
				curves = append(curves, curve{t.Lag, t.Repeat})
				add(MetricTopicAccumulation, in.ID, t.Name, g, curves[len(curves)-1])
			}
			if len(g.Topics) == 0 {
				curves = []curve{{g.Lag, g.Repeat}}
			}
			add(MetricAccumulation, in.ID, "", g, curves...)
		}
	}
	return all
}

// quote returns s as a JSON string.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string can always be encoded
	return string(b)
}

// number returns a number as CloudMonitor writes it, which is JSON unless it is NaN or infinite.
func number(f float64) string {
	return strings.NewReplacer("+Inf", "Infinity", "Inf", "Infinity").Replace(strconv.FormatFloat(f, 'f', -1, 64))
}
