package lag

import (
	"slices"
	"time"
)

const (
	// searchLimit is how many calls in a row may fail before a search ends: then it is not a single instance that is bad.
	searchLimit = 16
	// badRetry is how often a bad instance is asked for.
	badRetry = 10 * time.Minute
)

// search looks for the instance that makes the calls of its batch fail: the batch is halved until the instance is alone.
type search struct {
	failures  int  // in a row
	open      int  // parts of the batch that were not asked for yet
	succeeded bool // a part of the batch could be read
}

// conclusive reports whether the search went as far as it can.
func (f *search) conclusive() bool { return f.open == 0 || f.failures >= searchLimit }

// found takes note of a part of a searched batch that could be read.
func (sc *Scrape) found(s *stream) {
	if s.search == nil {
		return
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	s.search.failures, s.search.succeeded = 0, true
	s.search.open--
}

// searchBad halves the batch of s after its call failed. The halves are read in the same scrape.
func (sc *Scrape) searchBad(s *stream, err error) {
	if s.notOne || s.bad != nil {
		return
	}
	if s.search == nil {
		if len(s.instances) < 2 {
			return
		}
		s.search = &search{open: 1}
	}
	s.search.failures++
	switch {
	case s.search.failures >= searchLimit:
		return
	case len(s.instances) == 1:
		s.suspect = err
		s.search.open--
		return
	}
	s.search.open++
	half := len(s.instances) / 2
	a, b := s.part(s.instances[:half]), s.part(s.instances[half:])
	sc.streams = replace(sc.streams, s, a, b)
	sc.tracker.streams = replace(sc.tracker.streams, s, a, b)
}

func replace(streams []*stream, old *stream, with ...*stream) []*stream {
	i := slices.Index(streams, old)
	return slices.Replace(streams, i, i+1, with...)
}

// part returns a stream of some of the instances, with their series.
func (s *stream) part(instances []string) *stream {
	p := &stream{
		settings: s.settings, wanted: groupFilter{wanted: s.wanted.wanted}, metric: s.metric,
		instances: slices.Clone(instances), series: map[Key]*Series{},
		started: s.started, newest: s.newest, newestAt: s.newestAt, perPeriod: s.perPeriod / 2, endedTo: s.endedTo,
		begun: s.begun, search: s.search,
	}
	if s.starting {
		p.started = 0
	}
	for _, sr := range s.list {
		if !sr.ended && slices.Contains(p.instances, sr.Instance) {
			p.adopt(sr)
		}
	}
	p.begin(s.now)
	return p
}

// adopt takes over a series from another stream.
func (s *stream) adopt(sr *Series) {
	sr.stream, sr.index, sr.after = s, int32(len(s.list)), nil
	s.series[sr.Key] = sr
	s.list = append(s.list, sr)
}

// merge takes over the instances and the series of o.
func (s *stream) merge(o *stream) {
	if s.started == 0 || o.started == 0 {
		s.started = max(s.now, o.now)
	}
	s.started = max(s.started, o.started)
	s.instances = append(s.instances, o.instances...)
	s.newest, s.newestAt = max(s.newest, o.newest), max(s.newestAt, o.newestAt)
	s.perPeriod += o.perPeriod
	s.endedTo = max(s.endedTo, o.endedTo)
	s.failing = s.failing || o.failing
	for _, sr := range o.list {
		if !sr.ended {
			s.adopt(sr)
		}
	}
}

// settleSearches ends the searches of a scrape: it sets bad instances aside and puts the others together again.
func (t *Tracker) settleSearches(now int64) {
	whole := map[*search]*stream{}
	var streams []*stream
	for _, s := range t.streams {
		found := s.search
		s.search = nil
		switch {
		case found == nil:
		case found.succeeded && s.suspect != nil:
			s.bad, s.retryAt = s.suspect, now+badRetry.Milliseconds()
		case whole[found] != nil:
			whole[found].merge(s)
			continue
		default:
			s.notOne = !found.succeeded && found.conclusive()
			whole[found] = s
		}
		streams = append(streams, s)
	}
	t.streams = streams
}

// retried takes the outcome of asking for a bad instance again. One that can be read joins a batch with room.
func (t *Tracker) retried(s *stream) {
	if s.err != nil {
		s.retryAt = s.now + badRetry.Milliseconds()
		return
	}
	s.bad, s.suspect = nil, nil
	for _, o := range t.streams {
		if o != s && o.bad == nil && o.metric == s.metric && len(o.instances) < t.settings.BatchSize {
			o.merge(s)
			t.streams = slices.DeleteFunc(t.streams, func(x *stream) bool { return x == s })
			return
		}
	}
}
