package lag

import (
	"math"
)

const (
	// partPages is how large the parts of a window are that is too large for one.
	partPages = 4
	// fullPage is how full pages are planned.
	fullPage = 0.95
	// maxStretch bounds how much longer than planned a part may be when the parts before were nearly empty.
	maxStretch = 1024
	// maxDistances bounds the memory of choosing a window.
	maxDistances = 4096
)

// expected is the newest timestamp there may be by now.
func (s *stream) expected() int64 {
	if s.newest == 0 {
		return s.now
	}
	return min(s.now, s.newest+max(0, s.now-s.newestAt))
}

// pagesIn estimates how many pages the window (start, end] has.
func (s *stream) pagesIn(start, end int64) int {
	span := max(0, min(end, s.expected())-start)
	points := float64(span) / float64(s.period()) * s.perPeriod
	return max(1, int(math.Ceil(points/(fullPage*float64(s.settings.PageLength))-1e-9)))
}

// windowStart returns where the window of this scrape starts: at that time, counted back from the newest point, where
// its pages and the calls by name for the series that lie further back cost least. Among equals it is the furthest, for
// series that nobody knows yet.
func (s *stream) windowStart() int64 {
	lowest := max(s.now-s.staleAfter(), s.earliest())
	if s.newest == 0 {
		return lowest
	}
	width := max(s.period(), (s.now-s.earliest())/maxDistances)
	named, covered := s.dueByDistance(width)
	lowest = max(min(lowest, s.newest-int64(len(named)-1)*width), s.earliest())

	behind := 0
	for _, n := range named {
		behind += n
	}
	best, start := math.MaxInt, s.newest
	for d := 0; ; d++ {
		at := max(s.newest-int64(d)*width, lowest)
		if d < len(named) {
			behind -= named[d]
		}
		if cost := s.pagesIn(at, s.now) + (behind+s.settings.BatchSize-1)/s.settings.BatchSize; d >= covered && cost <= best {
			best, start = cost, at
		}
		if at == lowest {
			break
		}
	}
	return min(start, s.now-1)
}

// dueByDistance counts the series that are to be asked for now by their distance to the newest point, in units of
// width. Those of a distance below covered cannot be asked for by name, so the window has to reach there.
func (s *stream) dueByDistance(width int64) (named []int, covered int) {
	named = make([]int, 1, 16)
	for _, sr := range s.list {
		if !s.due(sr) {
			continue
		}
		d := int(max(0, s.newest-max(sr.watermark, s.earliest())+width-1) / width)
		for len(named) <= d {
			named = append(named, 0)
		}
		if sr.nameable(s.now) {
			named[d]++
		} else {
			covered = max(covered, d)
		}
	}
	return named, covered
}

// due reports whether a series is to be asked for in this scrape.
func (s *stream) due(sr *Series) bool {
	return sr.next <= s.now || s.stale(sr.watermark)
}

func (s *stream) stale(timestamp int64) bool {
	return s.now-timestamp >= s.staleAfter()
}

// nextPart returns the next part of the window, the newest first. It returns nil when the window is read or there is no
// time for more.
func (s *stream) nextPart(b budget) *Request {
	if s.err != nil || s.short || s.present && s.from <= s.target {
		return nil
	}
	start, planned := s.plan(b)
	if !b.enough(planned) {
		s.short = true
		if !s.present {
			s.err = ErrNoTime
		}
		return nil
	}
	r := s.request(stepWindow, start, s.from)
	r.planned, r.limit = planned, 2*planned+2
	switch {
	case s.perPeriod == 0 && !s.parts:
		r.limit = 1 // enough for most batches, and else it tells how dense the points are
	case s.span(r) <= s.period():
		r.limit = maxPages
	}
	return r
}

// span is how much of a request's window there may be points in.
func (s *stream) span(r *Request) int64 {
	return min(r.End, s.expected()) - r.Start
}

// plan returns where the next part starts and how many pages it is expected to have.
func (s *stream) plan(b budget) (start int64, pages int) {
	pages = s.pagesIn(s.target, s.from)
	if !s.parts && (pages <= partPages || float64(pages) <= b.pages/2) {
		return s.target, pages
	}
	s.parts = true
	span := s.longest
	if s.perPeriod > 0 {
		most := fullPage * float64(s.settings.PageLength) * max(1, min(partPages, b.pages))
		span = min(span, max(1, int64(most/s.perPeriod))*s.period()*s.stretch)
	}
	end := s.from
	if !s.present {
		end = min(end, s.expected())
	}
	start = max(s.target, min(end-span, s.from-1))
	return start, s.pagesIn(start, s.from)
}

// cut has the window read in smaller parts, after r turned out much larger than planned. It reports whether it can.
func (s *stream) cut(r *Request) bool {
	span := s.span(r)
	if r.step != stepWindow || span <= s.period() {
		return false
	}
	s.parts = true
	s.longest = max(s.period(), min(s.longest, span/2/s.period()*s.period()))
	return true
}

// request returns a request for the whole stream.
func (s *stream) request(at step, start, end int64) *Request {
	return &Request{Metric: s.metric, Instances: s.instances, Start: start, End: end, stream: s, step: at, limit: maxPages, mark: len(s.points)}
}

// probe returns a request for the far end of stale_after, where series show up that are published later than all known
// ones. At most a tenth of the pages is spent on it. It returns nil when it is not due.
func (s *stream) probe(b budget) *Request {
	if s.probed || s.err != nil || s.short {
		return nil
	}
	s.probed = true
	start := max(s.now-s.staleAfter(), s.earliest())
	end := start + s.period()
	if end >= s.from {
		return nil
	}
	pages := max(1, int(math.Ceil(s.perPeriod/float64(s.settings.PageLength))))
	s.probeCredit += float64(s.pages) / 10
	if s.probeCredit < float64(pages) || !b.enough(pages) {
		return nil
	}
	s.probeCredit = 0
	return s.request(stepProbe, start, end)
}
