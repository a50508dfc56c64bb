package lag

import (
	"slices"
	"time"
)

const (
	// searchLimit is how many failures in a row end a search: then it is not a single instance that is bad.
	searchLimit = 16
	// badRetry is how often a bad instance is asked for.
	badRetry = 10 * time.Minute
)

// BadInstance is an instance that makes calls fail. It is asked for alone, and rarely.
type BadInstance struct {
	Instance string
	Err      error
}

// search looks for the instances that make the calls of their batch fail: it halves the batch until they are alone.
type search struct {
	open     [][]string // the parts of the batch that remain to be asked for
	bad      []BadInstance
	failures int  // in a row
	good     bool // a part could be read
	partial  bool // of a part that could be read, there are more pages
}

// nextSearch returns the next request of a search, nil when none is under way.
func (s *stream) nextSearch(b budget) *Request {
	n := len(s.search.open)
	if n == 0 {
		return nil
	}
	if b.noSearch || !b.enough(1) {
		s.search, s.broken = search{}, true
		return nil
	}
	r := s.request(searchRequest, s.target, s.now)
	r.Instances, r.limit = s.search.open[n-1], 1
	s.search.open = s.search.open[:n-1]
	return r
}

// halve has both halves of a part asked for.
func (f *search) halve(instances []string) {
	half := len(instances) / 2
	f.open = append(f.open, instances[half:], instances[:half])
}

// searched takes the outcome of a request of a search. single reports whether an error may be due to one instance.
func (s *stream) searched(r *Request, err error, single bool) {
	f := &s.search
	switch {
	case err == nil:
		f.failures, f.good = 0, true
	case !single: // the rest of the search has to wait
		f.open, s.broken, s.err = nil, true, err
	default:
		f.failures++
		if len(r.Instances) == 1 {
			f.bad = append(f.bad, BadInstance{r.Instances[0], err})
		} else {
			f.halve(r.Instances)
		}
	}
	switch {
	case f.failures >= searchLimit, len(f.open) == 0 && !f.good && !s.broken:
		s.search, s.broken, s.notOne = search{}, true, true
	case len(f.open) == 0 && f.good:
		if !s.broken {
			s.err, s.present = nil, !f.partial
		}
		if s.present {
			s.from, s.readAt = s.target, s.now
		}
		bad := f.bad
		s.search = search{} // a later failure of this scrape starts another search
		for _, b := range bad {
			s.aside = append(s.aside, s.setAside(b))
		}
	}
}

// setAside moves a bad instance to a stream of its own, which it returns.
func (s *stream) setAside(b BadInstance) *stream {
	alone := newStream(s.settings, s.metric, []string{b.Instance})
	alone.endedTo = s.endedTo
	if !s.starting {
		alone.started = s.started
	}
	alone.bad, alone.retryAt = b.Err, s.now+badRetry.Milliseconds()
	s.instances = slices.DeleteFunc(slices.Clone(s.instances), func(id string) bool { return id == b.Instance })
	for _, sr := range s.list {
		if sr.Instance == b.Instance {
			delete(s.series, sr.Key)
			s.forgotten++
			alone.adopt(sr)
		}
	}
	s.compact()
	return alone
}

// retried takes the outcome of asking for a bad instance again. One that can be read joins a batch with room.
func (t *Tracker) retried(s *stream) {
	if s.err != nil {
		s.retryAt = s.now + badRetry.Milliseconds()
		return
	}
	s.bad = nil
	for _, o := range t.streams {
		if o != s && o.bad == nil && o.metric == s.metric && len(o.instances) < t.settings.BatchSize {
			o.merge(s)
			t.streams = slices.DeleteFunc(t.streams, func(x *stream) bool { return x == s })
			return
		}
	}
}

// merge takes over the instances and the series of o.
func (s *stream) merge(o *stream) {
	s.instances = append(s.instances, o.instances...)
	s.started, s.endedTo = max(s.started, o.started), max(s.endedTo, o.endedTo)
	s.perPeriod += o.perPeriod
	for _, sr := range o.list {
		if sr.stream == o {
			s.adopt(sr)
		}
	}
}
