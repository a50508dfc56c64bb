package lag_test

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// origin is the moment at which every scenario begins, in unix milliseconds; a multiple of every period.
const origin int64 = 1_700_000_040_000

// Durations in milliseconds.
const (
	second int64 = 1000
	minute       = 60 * second
	hour         = 60 * minute
	always int64 = math.MaxInt64
)

// metrics are the metrics that a scenario may read: by group, and by topic.
var metrics = []string{"lag", "topic_lag"}

// source is one series as CloudMonitor knows it. What it publishes is a function of time, so that nothing is stored.
type source struct {
	id       int
	key      lag.Key
	metric   int
	instance int
	wanted   bool
	regular  bool    // neither published minutes behind the others nor ending: it sets the least number of calls
	lives    []span  // when it has points; ascending, in timestamps
	delay    int64   // from a point's timestamp to its publication
	jitter   int64   // at most so much later; below one period, so that points stay in order
	straggle float64 // the share of points that are published up to four periods later still
	gaps     float64 // the share of timestamps without a point
	bad      float64 // the share of points without a usable value
	twice    float64 // the share of timestamps with two values
	held     span    // points of this range are published at its end, if not later
	seed     uint64
}

// span is a range of time, [from, to), in unix milliseconds.
type span struct{ from, to int64 }

// point is what a source publishes at one timestamp.
type point struct {
	ts, seen int64 // its timestamp, and when it is published
	value    float64
	other    float64 // a second, smaller value, if twice
	twice    bool
	valid    bool // whether it may be delivered
}

// draw returns a number in [0, 1) that depends on the arguments only.
func draw(seed uint64, ts int64, what uint64) float64 {
	x := seed ^ uint64(ts)*0x9e3779b97f4a7c15 ^ what*0xd6e8feb86659fd93 //nolint:gosec // timestamps are positive
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}

// at returns what the source publishes at ts, a multiple of period, and whether it publishes anything.
func (s *source) at(ts, period int64) (point, bool) {
	alive := slices.ContainsFunc(s.lives, func(l span) bool { return l.from <= ts && ts < l.to })
	if !alive || s.gaps > 0 && draw(s.seed, ts, 1) < s.gaps {
		return point{}, false
	}
	p := point{ts: ts, seen: ts + s.delay, valid: true}
	if s.jitter > 0 {
		p.seen += int64(float64(s.jitter) * draw(s.seed, ts, 2))
	}
	if s.straggle > 0 && draw(s.seed, ts, 3) < s.straggle {
		p.seen += int64(float64(4*period) * draw(s.seed, ts, 4))
	}
	if s.held.from <= ts && ts < s.held.to {
		p.seen = max(p.seen, s.held.to)
	}
	p.value = math.Floor(draw(s.seed, ts, 5)*1e6) - 1e5
	p.value = max(p.value, 0) // one in ten is zero
	if s.bad > 0 && draw(s.seed, ts, 6) < s.bad {
		p.valid = false
		p.value = []float64{math.NaN(), -1, math.Inf(1), math.Inf(-1)}[ts/period%4]
	}
	p.twice = p.valid && s.twice > 0 && draw(s.seed, ts, 7) < s.twice
	if p.twice {
		p.other, p.value = p.value, p.value+10
	}
	return p, true
}

// newest returns the source's newest point that is published at now, and whether there is one. With valid, points
// without a usable value do not count.
func (s *source) newest(now, period int64, valid bool) (point, bool) {
	for i := len(s.lives) - 1; i >= 0; i-- {
		life := s.lives[i]
		ts := min(now, life.to-1)
		for ts -= ts % period; ts >= life.from && ts > now-2*24*hour; ts -= period {
			if p, ok := s.at(ts, period); ok && p.seen <= now && (p.valid || !valid) {
				return p, true
			}
		}
	}
	return point{}, false
}

// cloud is the model of CloudMonitor.
type cloud struct {
	period    int64
	page      int // points of a full page
	shuffled  bool
	instances []string
	sources   []*source
	byKey     map[lag.Key]*source
	streams   [][]*source // by metric and instance: see stream
	rows      []row       // of the call under way
	buffer    []lag.Point // of the page that was sent last
}

// row is one point of a reply.
type row struct {
	source *source
	ts     int64
	value  float64
}

// build indexes the sources.
func (c *cloud) build() {
	c.byKey = make(map[lag.Key]*source, len(c.sources))
	c.streams = make([][]*source, len(metrics)*len(c.instances))
	for i, s := range c.sources {
		s.id = i
		c.byKey[s.key] = s
		at := c.stream(s.metric, s.instance)
		c.streams[at] = append(c.streams[at], s)
	}
}

// stream returns the index of a metric of an instance.
func (c *cloud) stream(metric, instance int) int { return metric*len(c.instances) + instance }

// asked returns the sources that a request asks for.
func (c *cloud) asked(r *lag.Request) []*source {
	var all []*source
	for _, key := range r.Names {
		if s, ok := c.byKey[key]; ok {
			all = append(all, s)
		}
	}
	if len(r.Names) > 0 {
		return all
	}
	metric := slices.Index(metrics, r.Metric)
	for _, i := range c.asks(r) {
		all = append(all, c.streams[c.stream(metric, i)]...)
	}
	return all
}

// asks returns the indices of the instances that a request asks for.
func (c *cloud) asks(r *lag.Request) []int {
	var all []int
	for _, key := range r.Names {
		if s, ok := c.byKey[key]; ok {
			all = append(all, s.instance)
		}
	}
	if len(r.Names) > 0 {
		return all
	}
	for i, name := range c.instances {
		if len(r.Instances) == 0 || slices.Contains(r.Instances, name) {
			all = append(all, i)
		}
	}
	return all
}

// query prepares the reply to a request at now: the points of (Start, End] that are published, ascending or shuffled.
func (c *cloud) query(r *lag.Request, now int64, rng *rand.Rand) {
	c.rows = c.rows[:0]
	asked := c.asked(r)
	for ts := r.Start - r.Start%c.period + c.period; ts <= r.End && ts <= now+2*c.period; ts += c.period {
		for _, s := range asked {
			p, ok := s.at(ts, c.period)
			if !ok || p.seen > now {
				continue
			}
			c.rows = append(c.rows, row{s, ts, p.value})
			if p.twice {
				c.rows = append(c.rows, row{s, ts, p.other})
			}
		}
	}
	if c.shuffled {
		rng.Shuffle(len(c.rows), func(i, j int) { c.rows[i], c.rows[j] = c.rows[j], c.rows[i] })
	}
}

// next returns the next page of the reply, valid until the following call, and whether it is the last.
func (c *cloud) next() (page []lag.Point, last bool) {
	n := min(c.page, len(c.rows))
	c.buffer = c.buffer[:0] // nobody may rely on a page after the following call
	for _, r := range c.rows[:n] {
		c.buffer = append(c.buffer, lag.Point{Key: r.source.key, Account: "1234", Timestamp: r.ts, Value: r.value})
	}
	c.rows = c.rows[n:]
	return c.buffer, len(c.rows) == 0
}

// count returns how many points of a metric of some instances are published at now and lie in (start, end].
func (c *cloud) count(metric int, instances []int, start, end, now int64) int {
	n := 0
	for ts := start - start%c.period + c.period; ts <= end; ts += c.period {
		for _, i := range instances {
			for _, s := range c.streams[c.stream(metric, i)] {
				if p, ok := s.at(ts, c.period); ok && p.seen <= now {
					n++
				}
			}
		}
	}
	return n
}
