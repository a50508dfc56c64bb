package lag

import (
	"cmp"
	"slices"
)

// nextNames returns the next request by name, nil when there is none or no time for it.
func (s *stream) nextNames(b budget) *Request {
	for len(s.calls) > 0 && s.err == nil {
		series := s.calls[0]
		s.calls = s.calls[1:]
		if !b.enough(1) {
			continue
		}
		r := s.request(stepNames, s.now-1, s.now)
		r.asked = series
		for _, sr := range series {
			r.Names = append(r.Names, sr.Key)
			// With its last known point, so that a reply without any shows that the name was not understood.
			r.Start = min(r.Start, sr.watermark-1)
		}
		return r
	}
	return nil
}

// planNames decides which series behind the window to ask for by name: those that the window brought points of, those
// about to end, and those whose next time has come. When the first are many, reading a longer window is cheaper: then
// it is extended instead, and planNames reports true.
func (s *stream) planNames() (extended bool) {
	if s.err != nil || !s.present || s.short {
		return false
	}
	s.markNeeded()
	var needed, found, due, spare []*Series
	reach := s.from
	for _, sr := range s.list {
		switch {
		case s.covered(sr):
		case sr.needed && !sr.nameable(s.now):
			reach = min(reach, sr.watermark)
		case !sr.nameable(s.now):
		case sr.needed && sr.fresh:
			found = append(found, sr)
		case sr.needed:
			needed = append(needed, sr)
		case s.due(sr):
			due = append(due, sr)
		default:
			spare = append(spare, sr)
		}
	}
	// Newcomers in great number are taken as the window shows them.
	if s.callsFor(found) <= max(1, s.pages) {
		needed = append(needed, found...)
	}
	if s.extend(reach, needed) {
		return true
	}
	s.calls = s.group(append(needed, due...), spare)
	return false
}

// callsFor is how many calls ask for so many series by name.
func (s *stream) callsFor(series []*Series) int {
	return (len(series) + s.settings.BatchSize - 1) / s.settings.BatchSize
}

// markNeeded marks the series that have points although the time before them was not read.
func (s *stream) markNeeded() {
	for i := range s.points {
		if sr := s.points[i].series; !s.covered(sr) {
			sr.needed = true
		}
	}
}

// covered reports whether everything since the series' watermark was read, as far as its points count.
func (s *stream) covered(sr *Series) bool {
	return s.present && s.beginning(sr) >= s.from || sr.answered
}

// beginning is the time after which points of a series count.
func (s *stream) beginning(sr *Series) int64 {
	w := max(sr.watermark, s.earliest())
	if !sr.begun {
		w = max(w, s.started)
	}
	return w
}

// extend has the window read further back, for series that cannot be asked for by name or when that takes fewer calls.
func (s *stream) extend(reach int64, needed []*Series) bool {
	if s.extended {
		return false
	}
	if len(needed) > 0 {
		back := s.beginning(slices.MinFunc(needed, func(a, b *Series) int { return cmp.Compare(s.beginning(a), s.beginning(b)) }))
		if s.pagesIn(back, s.from) < s.callsFor(needed) {
			reach = min(reach, back)
		}
	}
	if reach >= s.from {
		return false
	}
	s.extended = true
	s.target = max(reach, s.earliest())
	return true
}

// group makes calls of the series that have to be asked for, and fills the calls up with others that are about to be.
// The series of a call lie at similar distances, since all of them are read from the furthest on.
func (s *stream) group(series, spare []*Series) [][]*Series {
	byWatermark := func(a, b *Series) int { return cmp.Compare(a.watermark, b.watermark) }
	slices.SortStableFunc(series, byWatermark)
	slices.SortFunc(spare, func(a, b *Series) int { return cmp.Or(cmp.Compare(a.next, b.next), a.Key.Compare(b.Key)) })
	var calls [][]*Series
	for len(series) > 0 {
		room := s.settings.PageLength / 2 // points that are known already
		fits := func(sr *Series, n int) bool {
			room -= 1 + int(max(0, sr.watermark-series[0].watermark)/s.period())
			return n < s.settings.BatchSize && room >= 0
		}
		n := 1
		for n < len(series) && fits(series[n], n) {
			n++
		}
		call := slices.Clone(series[:n])
		for len(spare) > 0 && n == len(series) && spare[0].watermark >= series[0].watermark && fits(spare[0], len(call)) {
			call, spare = append(call, spare[0]), spare[1:]
		}
		calls, series = append(calls, call), series[n:]
	}
	// What was found is held back until its gap is read, so it comes first.
	slices.SortStableFunc(calls, func(a, b []*Series) int { return cmp.Compare(countNeeded(b), countNeeded(a)) })
	return calls
}

func countNeeded(series []*Series) int {
	n := 0
	for _, sr := range series {
		if sr.needed {
			n++
		}
	}
	return n
}
