package lag

import "math"

const (
	// partPages is about how many pages each part of a large window has.
	partPages = 4
	// wholePages is the largest window that is read at once, if there is plenty of time.
	wholePages = 16
	// maxFailures is how many failed parts end the reading of a stream.
	maxFailures = 3
	// maxDistances bounds the work of choosing a window.
	maxDistances = 4096
)

// windowStart returns where the window of this scrape starts: at that time, counted back from the newest point, where
// its pages plus the calls by name for the series that lie further back are fewest. Among equals it is the furthest
// back, where series may show up that nobody knows yet.
func (s *stream) windowStart() int64 {
	lowest := max(s.staleTo(), s.earliest())
	if s.newest == 0 {
		return lowest
	}
	newest := min(s.newest, s.now)
	width := max(s.period(), (s.now-s.earliest())/maxDistances)
	due, forced := s.dueByDistance(newest, width)
	lowest = max(s.earliest(), min(lowest, newest-int64(len(due)-1)*width))

	behind := 0
	for _, n := range due {
		behind += n
	}
	fewest, start := math.MaxInt, newest
	for d := 0; ; d++ {
		at := max(newest-int64(d)*width, lowest)
		if d < len(due) {
			behind -= due[d]
		}
		calls := s.pagesIn(at, s.now) + s.callsFor(behind)
		// A window that is only just one page is not made longer: one period more would be another page.
		if exact := s.leastPages(at) + s.callsFor(behind); d >= forced && (exact < fewest || calls <= fewest) {
			fewest, start = min(exact, fewest), at
		}
		if at == lowest {
			return min(start, s.now-1)
		}
	}
}

// dueByDistance counts the series that are to be asked for now, by their distance to the newest point in units of
// width. Those that cannot be asked for by name force the window to reach them, to the distance forced.
func (s *stream) dueByDistance(newest, width int64) (due []int, forced int) {
	due = make([]int, 1, 16)
	behind := int64(0)
	for _, sr := range s.list {
		behind += min(max(0, newest-sr.watermark), 2*s.period())
		if !s.due(sr) {
			continue
		}
		d := int((max(0, newest-max(sr.watermark, s.earliest())) + width - 1) / width)
		for len(due) <= d {
			due = append(due, 0)
		}
		if sr.nameable(s.now) {
			due[d]++
		} else {
			forced = max(forced, d)
		}
	}
	s.spread = behind / int64(max(1, len(s.list)))
	return due, forced
}

// due reports whether a series is to be asked for in this scrape: its time has come, or it is about to get its stale marker.
func (s *stream) due(sr *Series) bool {
	return sr.next <= s.now || sr.watermark <= s.staleTo()
}

// schedule sets when to ask for a series again whose newest point is at a time: a third of its distance to the newest of
// all later, and before its next point is too old to be read.
func (s *stream) schedule(sr *Series, newest int64) {
	wait := max(0, s.newest-newest) / 3
	if wait > 0 && sr.longName() { // a window that far is expensive
		wait = max(wait, s.settings.StaleAfter.Milliseconds()/3)
	}
	sr.next = s.now + wait
	if last := newest + s.settings.MaxBackfill.Milliseconds()*9/10; s.now < last {
		sr.next = min(sr.next, last)
	}
}

// nextPart returns the next part of the window, the newest first. It returns nil when the window is read or there is no
// time for more.
func (s *stream) nextPart(b budget) *Request {
	if s.short || s.broken || s.present && s.from <= s.target {
		return nil
	}
	start, planned := s.plan(b)
	need := planned
	if !s.present { // the present is read even if time is short
		need = 1
	}
	if !b.enough(need) {
		s.noTime()
		return nil
	}
	r := s.request(windowRequest, start, s.from)
	r.planned = planned
	switch {
	case s.starting && s.perPeriod == 0 && !s.present && s.span == 0:
		r.limit = 1 // enough for most batches, and for the others it shows how dense the points are
	case s.spanIn(r) > s.period():
		r.limit = 2*(planned+s.pagesIn(s.expected()-s.period(), s.now)) + 2
	}
	return r
}

// noTime ends the window for lack of time. After a failed part, the failure counts.
func (s *stream) noTime() {
	switch {
	case s.failures > 0:
		s.broken = true
	case !s.present:
		s.broken, s.err = true, ErrNoTime
	default:
		s.short = true
	}
}

// plan returns where the next part starts and how many pages it is expected to have. What there is plenty of time for
// is read at once.
func (s *stream) plan(b budget) (start int64, pages int) {
	pages = s.pagesIn(s.target, s.from)
	if s.span == 0 && float64(pages) <= max(partPages, min(wholePages, b.pages/8)) {
		return s.target, pages
	}
	span := s.span
	switch {
	case span > 0:
	case s.newest == 0:
		span = max(2*s.period(), s.quiet) // the last period has no points yet
	default:
		span = s.spanOf(partPages)
	}
	span = min(span, max(s.spanOf(b.pages), s.period()))
	end := s.from
	if !s.present {
		end = min(end, s.expected())
	}
	start = max(s.target, min(end-span, s.from-1))
	return start, s.pagesIn(start, s.from)
}

// spanIn is how much of r's window there may be points in.
func (s *stream) spanIn(r *Request) int64 {
	return min(r.End, s.expected()) - r.Start
}

// partRead takes note of a part of the window that was read.
func (s *stream) partRead(r *Request) {
	s.from, s.present, s.readAt, s.notOne = r.Start, true, s.now, false
	s.failures, s.err = 0, nil
	s.span = 0
	if s.perPeriod == 0 || 2*r.pages <= r.planned { // nearly empty
		s.span = 2 * s.spanIn(r)
	}
}

// cut has a part read again in smaller ones, since it is much larger than planned. It reports whether it can.
func (s *stream) cut(r *Request) bool {
	span := s.spanIn(r)
	if r.kind != windowRequest || span <= s.period() {
		return false
	}
	s.span = max(s.period(), span/2/s.period()*s.period())
	if r.limit == 1 {
		s.span = 2 * s.period()
	}
	return true
}

// nextProbe returns a request for the far end of stale_after, where series show up that are published later than all
// known ones. It returns nil when none is due: about a tenth of the pages is spent on it.
func (s *stream) nextProbe(b budget) *Request {
	if s.probed || s.broken || s.short || !s.present {
		return nil
	}
	s.probed = true
	start := max(s.staleTo(), s.earliest())
	end := min(start+s.period(), s.from)
	if start >= end {
		return nil
	}
	pages := max(1, int(math.Ceil(s.perPeriod/float64(s.settings.PageLength))))
	s.probeCredit += float64(s.pages) / 10
	if s.probeCredit < float64(pages) || !b.enough(pages) {
		return nil
	}
	s.probeCredit = 0
	return s.request(probeRequest, start, end)
}
