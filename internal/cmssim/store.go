package cmssim

import (
	"iter"
	"slices"
	"sort"
	"sync"
	"time"
)

// store has all points: those of the scenario, which are computed on demand, and those that were added.
type store struct {
	series map[string][]*series // by metric
	origin int64                // when the scenario started, in unix milliseconds

	mu     sync.RWMutex
	points map[string][]addedPoint // by metric, sorted by timestamp
	stuck  map[groupID]int64       // when groups stopped reading, in unix milliseconds
}

// groupID names a consumer group.
type groupID struct{ instance, group string }

func newStore(sc Scenario, now time.Time) *store {
	s := &store{series: compile(sc, now), origin: now.UnixMilli(), points: map[string][]addedPoint{}, stuck: map[groupID]int64{}}
	for _, in := range sc.Instances {
		for _, g := range in.Groups {
			if g.Consumer == ConsumerStuck {
				s.stuck[groupID{in.ID, g.Name}] = s.origin
			}
		}
	}
	return s
}

func (s *store) add(points []Point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range points {
		ready, list := p.ready(), s.points[p.Metric]
		i := sort.Search(len(list), func(i int) bool { return list[i].timestamp > ready.timestamp })
		s.points[p.Metric] = slices.Insert(list, i, ready)
	}
}

// page returns up to q.length points, and the cursor of the next page, nil after the last.
// Points that were published less than late ago are left out.
func (s *store) page(q query, now time.Time, late time.Duration) (points []string, next *cursor) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at := q.cursor
	if q.nextToken == "" {
		at.asOf = now.UnixNano()
	}
	skip := at.offset
	for point := range s.visible(q, time.Unix(0, at.asOf).Add(-late)) {
		if skip > 0 {
			skip--
			continue
		}
		if len(points) == q.length {
			return points, &cursor{asOf: at.asOf, offset: at.offset + len(points)}
		}
		points = append(points, point())
	}
	return points, nil
}

// visible yields the points of a query that were published as of a time, in the order of their timestamps.
func (s *store) visible(q query, asOf time.Time) iter.Seq[func() string] {
	return func(yield func(func() string) bool) {
		series := s.asked(q)
		added := s.addedIn(q, asOf)
		step := q.period.Milliseconds()
		last := min(q.end.UnixMilli(), asOf.UnixMilli())
		for ts := (q.start.UnixMilli()/step + 1) * step; ts <= last; ts += step {
			for ; len(added) > 0 && added[0].timestamp < ts; added = added[1:] {
				if !yield(added[0].text) {
					return
				}
			}
			for _, c := range series {
				value, ok := c.value(ts)
				if ok && ts+c.delay <= asOf.UnixMilli() && !yield(func() string { return c.point(ts, `,"Value":`+number(value)) }) {
					return
				}
			}
		}
		for _, p := range added {
			if !yield(p.text) {
				return
			}
		}
	}
}

// asked returns the series of the scenario that a query covers.
func (s *store) asked(q query) []*series {
	var asked []*series
	for _, c := range s.series[q.metric] {
		if q.asksFor(&c.identity) {
			asked = append(asked, c)
		}
	}
	return asked
}

// addedIn returns the added points of a query that were published as of a time.
func (s *store) addedIn(q query, asOf time.Time) []addedPoint {
	var in []addedPoint
	all := s.points[q.metric]
	for _, p := range all[sort.Search(len(all), func(i int) bool { return all[i].timestamp > q.start.UnixMilli() }):] {
		if p.timestamp > q.end.UnixMilli() {
			break
		}
		if !p.published.After(asOf) && q.asksFor(&p.identity) {
			in = append(in, p)
		}
	}
	return in
}
