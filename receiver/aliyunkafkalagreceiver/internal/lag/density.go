package lag

import (
	"math"
	"slices"
)

const (
	// fullPage is how full pages are planned.
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
		if s.latest > s.newest {
			s.newest, s.newestAt = s.latest, s.now
		}
	}
	most := float64(slices.Max(s.counts)) * float64(s.period()) / float64(s.countWidth(r))
	s.perPeriod = max(s.perPeriod, most, float64(len(s.series)))
	s.counts, s.latest = s.counts[:0], 0
}

// expected is the newest timestamp that there may be by now. A new one comes once a period.
func (s *stream) expected() int64 {
	if s.newest == 0 {
		return s.now - s.quiet
	}
	periods := (max(0, s.now-s.newestAt) + s.period()/4) / s.period()
	return min(s.now, s.newest+periods*s.period())
}

// perPage is how many points a page is planned to have.
func (s *stream) perPage() float64 { return fullPage * float64(s.settings.PageLength) }

// pagesIn estimates how many pages the window (start, end] has, with some room for more points than expected.
func (s *stream) pagesIn(start, end int64) int { return s.pagesAt(fullPage, start, end) }

// pagesAt estimates how many pages the window (start, end] has if they are filled to full.
func (s *stream) pagesAt(full float64, start, end int64) int {
	// On average, each series has come as far as time has gone on.
	published := s.now - s.quiet
	if s.newest > 0 {
		published = min(s.now, s.newest-s.spread+max(0, s.now-s.newestAt))
	}
	span := max(0, min(end, published)-start)
	points := float64(span) / float64(s.period()) * s.perPeriod
	return max(1, int(math.Ceil(points/(full*float64(s.settings.PageLength))-1e-9)))
}

// spanOf returns the span of so many pages, at least one period.
func (s *stream) spanOf(pages float64) int64 {
	if s.perPeriod == 0 {
		return math.MaxInt64
	}
	return max(1, int64(math.Floor(pages)*s.perPage()/s.perPeriod)) * s.period()
}
