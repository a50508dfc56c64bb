package lag

import (
	"math"
	"slices"
)

const (
	// fullPage is the share of a page that planning counts on.
	fullPage = 0.95
	// maxCounts bounds the memory of counting points by period.
	maxCounts = 4096
)

// countWidth is the span that one count of r covers.
func (s *stream) countWidth(r *Request) int64 {
	return max(s.period(), (r.End-r.Start)/maxCounts+1)
}

// count takes the timestamp of a point of r for the density.
func (s *stream) count(r *Request, timestamp int64) {
	if timestamp <= r.Start || timestamp > min(r.End, s.now+s.period()) {
		return
	}
	i := int((timestamp - r.Start - 1) / s.countWidth(r))
	for len(s.counts) <= i {
		s.counts = append(s.counts, 0)
	}
	s.counts[i]++
	s.latest = max(s.latest, timestamp)
}

// learn adjusts the density after r, of which all pages were read if complete.
func (s *stream) learn(r *Request, complete bool) {
	if len(s.counts) == 0 {
		return
	}
	if complete {
		s.perPeriod *= 0.9 // what has ended must not count for ever
		s.newest = max(s.newest, s.latest)
	}
	most := float64(slices.Max(s.counts)) * float64(s.period()) / float64(s.countWidth(r))
	s.perPeriod = max(s.perPeriod, most, float64(len(s.series)))
	s.counts, s.latest = s.counts[:0], 0
}

// expected is the newest timestamp that there may be by now.
func (s *stream) expected() int64 {
	if s.newest == 0 {
		return s.now - s.quiet
	}
	return min(s.now, s.newest+max(0, s.now-s.readAt))
}

// timestampsAfter is how many timestamps there are after a time, of those that were read before.
func (s *stream) timestampsAfter(time int64) int64 {
	newest := s.newest
	if newest == 0 {
		newest = s.expected()
	}
	return (max(0, newest-time) + s.period() - 1) / s.period()
}

// newTimestamps is how many timestamps there may be that were not read before: on average, each series has come as far
// as time has gone on.
func (s *stream) newTimestamps() float64 {
	if s.newest == 0 {
		return 0
	}
	return float64(s.expected()-s.newest-s.spread) / float64(s.period())
}

// pagesIn estimates how many pages the window (start, end] has, with some room for more points than expected.
func (s *stream) pagesIn(start, end int64) int {
	return s.pagesOfPoints(start, end, math.Ceil(s.newTimestamps()), s.perPage())
}

// leastPages estimates how many pages the window from start to the present has at least.
func (s *stream) leastPages(start int64) int {
	return s.pagesOfPoints(start, s.now, s.newTimestamps(), float64(s.settings.PageLength))
}

func (s *stream) pagesOfPoints(start, end int64, fresh, perPage float64) int {
	timestamps := float64(s.timestampsAfter(start) - s.timestampsAfter(end))
	if end >= s.newest {
		timestamps += fresh
	}
	return max(1, int(math.Ceil(timestamps*s.perPeriod/perPage-1e-9)))
}

// perPage is how many points a page is planned to have.
func (s *stream) perPage() float64 { return fullPage * float64(s.settings.PageLength) }

// spanOf returns the span of so many pages, at least one period.
func (s *stream) spanOf(pages float64) int64 {
	if s.perPeriod == 0 {
		return math.MaxInt64
	}
	return max(1, int64(math.Floor(pages)*s.perPage()/s.perPeriod)) * s.period()
}
