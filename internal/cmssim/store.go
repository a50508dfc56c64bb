package cmssim

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"
	"sync"
	"time"
)

// maxSteps bounds how often the lag of a group can be set.
const maxSteps = 10_000

// store has all points: those that the scenario's series make up when they are asked for, and those that were added.
type store struct {
	accountID string

	mu     sync.RWMutex
	series map[string][]*series    // by metric
	points map[string][]addedPoint // by metric, sorted by timestamp, then number
	added  uint64
}

func newStore(sc Scenario, now time.Time) *store {
	s := &store{accountID: sc.AccountID, points: map[string][]addedPoint{}}
	if s.accountID == "" {
		s.accountID = defaultAccountID
	}
	s.series = compile(sc, s.accountID, now.UnixMilli())
	return s
}

func (s *store) add(points []Point) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.added + uint64(len(points)); n > maxPoints {
		return fmt.Errorf("%d points are more than the %d that can be added", n, maxPoints)
	}
	for _, p := range points {
		s.added++
		ready := p.ready(s.added)
		list := s.points[p.Metric]
		i := sort.Search(len(list), func(i int) bool { return list[i].timestamp > ready.timestamp })
		s.points[p.Metric] = slices.Insert(list, i, ready)
	}
	return nil
}

// SetLag makes lag the lag of a group from now on; points of now and before stay as they are. A group that has ended
// comes back. A group with topics needs the topic, any other must not have one. An error names what is not there.
func (s *Server) SetLag(instanceID, consumerGroup, topic string, lag float64) error {
	if !validLag(lag) {
		return fmt.Errorf("lag: %v is not a number of messages, 0 to 2^53", lag)
	}
	now := s.Now().UnixMilli()
	found, err := s.store.change(instanceID, consumerGroup, func(src *source) bool { return src.topic == topic },
		step{after: now, lag: lag})
	if err == nil && !found {
		return fmt.Errorf("topic: group %q of instance %q has no topic %q", consumerGroup, instanceID, topic)
	}
	return err
}

// EndGroup ends a group: it has no points after now. An error names what is not there.
func (s *Server) EndGroup(instanceID, consumerGroup string) error {
	_, err := s.store.change(instanceID, consumerGroup, func(*source) bool { return true },
		step{after: s.Now().UnixMilli(), ended: true})
	return err
}

// change adds a step to the sources of a group, and reports whether one was chosen.
func (s *store) change(instanceID, consumerGroup string, choose func(*source) bool, st step) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.series[MetricAccumulation], func(c *series) bool {
		return c.instanceID == instanceID && c.consumerGroup == consumerGroup
	})
	if i < 0 {
		return false, fmt.Errorf("the scenario has no group %q of instance %q", consumerGroup, instanceID)
	}
	found := false
	for _, src := range s.series[MetricAccumulation][i].sources {
		if !choose(src) {
			continue
		}
		if len(src.steps) == maxSteps {
			return false, fmt.Errorf("group %q of instance %q was changed %d times, which is the most", consumerGroup, instanceID, maxSteps)
		}
		src.steps = append(src.steps, st)
		found = true
	}
	return found, nil
}

// page returns up to q.length points, and the cursor of the next page, nil after the last.
// What was published less than late ago is left out.
func (s *store) page(q query, now time.Time, late time.Duration) (points []string, next *cursor) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := q.cursor
	if q.nextToken == "" {
		from = cursor{asOf: now.UnixMilli(), added: s.added, timestamp: q.start.UnixMilli() + 1}
	}
	asOf := from.asOf - late.Milliseconds()
	for at, point := range s.rows(q, from, asOf) {
		if at.timestamp == from.timestamp && at.row < from.row {
			continue
		}
		if len(points) == q.length {
			return points, &at
		}
		points = append(points, point())
	}
	return points, nil
}

// rows yields the visible points of a query in the order of their timestamps, from the cursor's timestamp on.
func (s *store) rows(q query, from cursor, asOf int64) iter.Seq2[cursor, func() string] {
	return func(yield func(cursor, func() string) bool) {
		step := q.period.Milliseconds()
		first := max(from.timestamp, asOf-retention(q.period).Milliseconds())
		last := q.end.UnixMilli()
		added := s.points[q.metric]
		added = added[sort.Search(len(added), func(i int) bool { return added[i].timestamp >= first }):]
		asked := s.asked(q)
		tick := (first + step - 1) / step * step
		for {
			if tick > min(last, asOf) || len(asked) == 0 {
				tick = math.MaxInt64
			}
			at := from
			at.timestamp, at.row = tick, 0
			if len(added) > 0 {
				at.timestamp = min(tick, added[0].timestamp)
			}
			if at.timestamp > last {
				return
			}
			if at.timestamp == tick {
				if !yieldSeries(asked, &at, asOf, yield) {
					return
				}
				tick += step
			}
			for ; len(added) > 0 && added[0].timestamp == at.timestamp; added = added[1:] {
				p := added[0]
				if p.published > asOf || p.number > from.added || !q.asksFor(&p.identity) {
					continue
				}
				if !yield(at, func() string { return p.json }) {
					return
				}
				at.row++
			}
		}
	}
}

// yieldSeries yields the visible points of series at a time.
func yieldSeries(asked []*series, at *cursor, asOf int64, yield func(cursor, func() string) bool) bool {
	ts := at.timestamp
	for _, c := range asked {
		value, ok := c.value(ts)
		if !ok || ts+c.delay > asOf {
			continue
		}
		if !yield(*at, func() string { return c.pointJSON(ts, value) }) {
			return false
		}
		at.row++
	}
	return true
}

// asked returns the series that a query covers.
func (s *store) asked(q query) []*series {
	var asked []*series
	for _, c := range s.series[q.metric] {
		if q.asksFor(&c.identity) {
			asked = append(asked, c)
		}
	}
	return asked
}

// retention is how long points of a period are kept (CloudMonitor DescribeMetricList).
func retention(period time.Duration) time.Duration {
	const day = 24 * time.Hour
	switch {
	case period < time.Minute:
		return 7 * day
	case period < 5*time.Minute:
		return 31 * day
	default:
		return 91 * day
	}
}
