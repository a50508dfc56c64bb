package lag

import (
	"cmp"
	"math"
	"slices"
)

// maxQuerySpan is how far back CloudMonitor answers (DescribeMetricList: 31 days).
const maxQuerySpan = 31 * 24 * 60 * 60 * 1000

// maxExtensions bounds how often a window is extended in one scrape: what it brings may show other gaps.
const maxExtensions = 3

// call is one call by name.
type call struct {
	series []*Series
	points int64 // how many points the reply is expected to have
}

// nextNames returns the next request by name, nil when there is none or no time for it.
func (s *stream) nextNames(b budget) *Request {
	if len(s.calls) == 0 {
		return nil
	}
	c := s.calls[0]
	pages := s.pagesOf(c)
	if !b.enough(pages) {
		s.calls, s.short = nil, true
		return nil
	}
	s.calls = s.calls[1:]
	r := s.request(namesRequest, s.now-1, s.now)
	r.series, r.planned = c.series, pages
	for _, sr := range c.series {
		sr.asked = true
		r.Names = append(r.Names, sr.Key)
		r.Start = min(r.Start, s.proof(sr))
	}
	r.Start = max(r.Start, s.now-maxQuerySpan+1)
	return r
}

// proof is where to begin to read a series by name: before its last known point, so that a reply without it shows that
// CloudMonitor did not understand the name.
func (s *stream) proof(sr *Series) int64 {
	if sr.begun {
		return sr.watermark - 1
	}
	return max(sr.watermark, s.earliest())
}

// fillGaps plans how to read series that lie behind the window: those that points were read of, those about to get
// their stale marker, and those whose time has come. They are asked for by name, or else the window is extended. fillGaps reports whether there
// is anything to ask.
func (s *stream) fillGaps() bool {
	if !s.present || s.broken || s.short {
		return false
	}
	s.markNeeded()
	var needed, found, due []*Series
	back, reach := s.from, s.from // of series that can be asked for by name, and of those that cannot
	for _, sr := range s.list {
		switch nameable := sr.nameable(s.now); {
		case s.covered(sr), sr.asked:
		case sr.needed && nameable && sr.fresh:
			found = append(found, sr)
		case sr.needed && nameable:
			needed = append(needed, sr)
			back = min(back, s.beginning(sr))
		case sr.needed && !sr.fresh:
			reach = min(reach, s.beginning(sr))
		case nameable && s.due(sr):
			due = append(due, sr)
		}
	}
	// Of many newcomers, only some are asked for by name. The others are delivered as the window shows them.
	found = found[:min(len(found), max(1, s.pages)*s.settings.BatchSize)]
	calls := s.group(append(needed, found...))
	if back < s.from && s.pagesIn(back, s.from) < s.pagesOf(calls...) {
		return s.extend(min(back, reach))
	}
	s.calls = slices.Concat(calls, s.group(due))
	if n := len(needed) + len(found) + len(due); len(s.calls) > 1 && n <= s.settings.BatchSize {
		s.calls = s.group(slices.Concat(needed, found, due))
	}
	return len(s.calls) > 0 || s.extend(reach)
}

// extend has the window read on to reach, and reports whether that is further back.
func (s *stream) extend(reach int64) bool {
	if reach >= s.from || s.extended == maxExtensions {
		return false
	}
	s.extended, s.target = s.extended+1, max(reach, s.earliest())
	return true
}

// markNeeded marks the series that points were read of although the time before them was not.
func (s *stream) markNeeded() {
	for i := range s.points {
		if sr := s.points[i].series; !s.covered(sr) {
			sr.needed = true
		}
	}
}

// covered reports whether everything since the series' watermark was read, as far as its points count.
func (s *stream) covered(sr *Series) bool {
	return sr.answered || s.present && !sr.far && s.beginning(sr) >= s.from
}

// beginning is the time after which points of a series count.
func (s *stream) beginning(sr *Series) int64 {
	w := max(sr.watermark, s.earliest())
	if !sr.begun {
		w = max(w, s.started)
	}
	return w
}

// group makes calls of series. A call is read from its furthest watermark on, so its series lie at similar distances.
func (s *stream) group(series []*Series) []call {
	slices.SortStableFunc(series, func(a, b *Series) int { return cmp.Compare(a.watermark, b.watermark) })
	var calls []call
	most := 0 // series of the last call
	for _, sr := range series {
		limit := s.settings.BatchSize
		if sr.share > 0 {
			limit = sr.share
		}
		if n := len(calls) - 1; n >= 0 && len(calls[n].series) < min(most, limit) {
			if points := calls[n].points + s.pointsOf(sr, calls[n].series[0]); points <= int64(s.perPage()) {
				calls[n].series, calls[n].points = append(calls[n].series, sr), points
				most = min(most, limit)
				continue
			}
		}
		calls = append(calls, call{[]*Series{sr}, s.pointsOf(sr, sr)})
		most = limit
	}
	return calls
}

// pointsOf estimates how many points of a series a call brings that is read from first's watermark on: those that are
// known, and of a series that goes on those that are not.
func (s *stream) pointsOf(sr, first *Series) int64 {
	points := 1 + max(0, sr.watermark-first.watermark)/s.period()
	if sr.needed {
		points += max(0, s.expected()-s.beginning(sr)) / s.period()
	}
	return points
}

// pagesOf estimates how many pages calls have.
func (s *stream) pagesOf(calls ...call) int {
	pages := 0
	for _, c := range calls {
		pages += max(1, int(math.Ceil(float64(c.points)/float64(s.settings.PageLength))))
	}
	return pages
}

// callsFor is how many calls ask for so many series by name.
func (s *stream) callsFor(series int) int {
	return (series + s.settings.BatchSize - 1) / s.settings.BatchSize
}

// namesRead takes note of a call by name. A series without a point in the reply may be unknown by its name: only a
// window shows whether it has disappeared.
func (s *stream) namesRead(r *Request) {
	for _, sr := range r.series {
		sr.share = 0
		if !sr.answered {
			sr.unnamed = s.now + nameRetry.Milliseconds()
			sr.held = sr.needed && sr.begun
		}
	}
}

// namesFailed holds back the series of a call that failed. Next time fewer of them share a call, so that one that makes
// calls fail does not hold back the others; alone, it is not asked for by name for a while.
func (s *stream) namesFailed(r *Request) {
	for _, sr := range r.series {
		sr.held, sr.answered = true, false
		sr.share = max(1, len(r.series)/2)
		if len(r.series) == 1 {
			sr.unnamed = s.now + nameRetry.Milliseconds()
		}
	}
}
