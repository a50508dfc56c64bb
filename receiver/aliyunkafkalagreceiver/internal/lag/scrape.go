package lag

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"
)

// errTooLarge is the failure of a request that has more than maxPages pages and cannot be read in smaller parts.
var errTooLarge = errors.New("out_of_time: more than 100 pages that cannot be read in smaller parts; if it lasts, list fewer instances")

// Scrape is one reading of all streams up to the present. Its methods are safe for concurrent use.
type Scrape struct {
	tracker *Tracker
	left    func() time.Duration

	mu       sync.Mutex
	changed  *sync.Cond    // a request is done
	streams  []*stream     // those to read, in the order of reading
	underWay int           // requests
	asked    bool          // a request was made
	slowest  time.Duration // the slowest page of this scrape
	noSearch bool          // a search has shown that it is not single instances that fail
}

// Begin begins a scrape at now, CloudMonitor's time. left returns how much time the scrape has left for reading.
func (t *Tracker) Begin(now time.Time, left func() time.Duration) *Scrape {
	t.scrapes++
	sc := &Scrape{tracker: t, left: left}
	sc.changed = sync.NewCond(&sc.mu)
	for _, s := range t.streams {
		if s.bad == nil || now.UnixMilli() >= s.retryAt {
			s.begin(now.UnixMilli())
			sc.streams = append(sc.streams, s)
		}
	}
	slices.SortStableFunc(sc.streams, byNeed)
	return sc
}

// byNeed orders streams for a scrape: the one that was read longest ago goes first, and among equals one that failed
// goes last.
func byNeed(a, b *stream) int {
	failed := func(s *stream) int {
		if s.failing {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.lastScrape, b.lastScrape), cmp.Compare(failed(a), failed(b)))
}

// Next returns what to ask for next. It waits while all there is to ask depends on requests under way, and returns nil
// when there is nothing left to ask in this scrape.
func (sc *Scrape) Next() *Request {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for {
		if r := sc.pick(); r != nil {
			r.stream.busy, r.stream.lastScrape = true, sc.tracker.scrapes
			sc.underWay++
			sc.asked = true
			return r
		}
		if sc.underWay == 0 {
			return nil
		}
		sc.changed.Wait()
	}
}

// pick returns a request of the first stream that has one. The present of every stream is read before the past of any,
// and then the streams take turns.
func (sc *Scrape) pick() *Request {
	for _, present := range []bool{false, true} {
		for i, s := range sc.streams {
			if s.busy || s.present != present {
				continue
			}
			if r := s.nextRequest(sc.budget(s)); r != nil {
				if r.kind != searchRequest { // a search is soon over, and may spare others theirs
					sc.streams = append(slices.Delete(sc.streams, i, i+1), s)
				}
				return r
			}
		}
	}
	return nil
}

func (sc *Scrape) budget(s *stream) budget {
	pace := s.slowest
	if s.pages == 0 {
		pace = s.pace
		if sc.slowest > 0 { // what was slow in the last scrape may be fast again
			pace = min(pace, sc.slowest)
		}
	}
	return budget{pages: float64(max(0, sc.left())) / float64(max(1, pace)), first: !sc.asked, noSearch: sc.noSearch}
}

// nextRequest returns what the stream asks for next, nil when there is nothing or no time.
func (s *stream) nextRequest(b budget) *Request {
	if r := s.nextSearch(b); r != nil {
		return r
	}
	for {
		if r := s.nextPart(b); r != nil {
			return r
		}
		if r := s.nextNames(b); r != nil {
			return r
		}
		if !s.fillGaps() {
			return s.nextProbe(b)
		}
	}
}

// Page takes a page of a request's reply and how long it took, retries included. last reports whether it is the last
// page. Page returns whether to ask for the next page; if not, the request is done.
func (sc *Scrape) Page(r *Request, points []Point, took time.Duration, last bool) bool {
	s := r.stream
	s.slowest = max(s.slowest, took)
	s.pages++
	r.pages++
	s.gather(r, points)
	switch {
	case last:
		s.read(r)
	case r.kind == searchRequest:
		s.abandon(r)
		s.search.partial = true
		s.searched(r, nil, false)
	case r.pages < r.limit:
		return true
	default:
		s.abandon(r)
		if !s.cut(r) {
			s.failed(r, errTooLarge, false)
		}
	}
	sc.done(r)
	return false
}

// Fail takes the error that ended a request. single reports whether it may be due to one instance of the batch.
func (sc *Scrape) Fail(r *Request, err error, single bool) {
	r.stream.abandon(r)
	r.stream.failed(r, err, single)
	sc.done(r)
}

// done lets the stream of r make its next request.
func (sc *Scrape) done(r *Request) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.noSearch = sc.noSearch || r.kind == searchRequest && r.stream.notOne
	sc.slowest = max(sc.slowest, r.stream.slowest)
	r.stream.busy = false
	sc.underWay--
	sc.changed.Broadcast()
}

// read takes note of a request that was read to its end.
func (s *stream) read(r *Request) {
	s.learn(r, true)
	switch r.kind {
	case windowRequest:
		s.partRead(r)
	case namesRequest:
		s.namesRead(r)
	case searchRequest:
		s.searched(r, nil, false)
	}
}

// abandon drops what was read of a request that is not read to its end.
func (s *stream) abandon(r *Request) {
	s.learn(r, false)
	s.points = s.points[:r.mark]
}

// failed takes the error of a request. It holds back only what the request was for.
func (s *stream) failed(r *Request, err error, single bool) {
	switch {
	case r.kind == searchRequest:
		s.searched(r, err, single)
		return
	case r.kind == namesRequest:
		s.namesFailed(r)
	case r.kind == probeRequest: // nothing is missing that is known
		return
	case single && !s.present && len(s.instances) > 1 && !s.notOne:
		s.search.halve(s.instances)
	default:
		s.failures++
		s.broken = !s.present || s.failures >= maxFailures
	}
	s.err = err
}

// Finish ends the scrape. All requests must be done.
func (sc *Scrape) Finish() Result {
	t := sc.tracker
	result := Result{Entries: t.entries[:0], Dropped: map[DropReason]int64{}}
	for _, s := range sc.streams {
		s.finish(&result)
		s.failing = s.err != nil
		if s.failing && s.bad == nil {
			result.Failures = append(result.Failures, Failure{s.String(), s.present, s.err})
		}
	}
	t.entries = result.Entries
	for _, s := range sc.streams {
		if s.bad != nil {
			t.retried(s)
		}
		t.streams = append(t.streams, s.aside...)
	}
	for _, s := range t.streams {
		result.Live += len(s.series)
		if s.bad != nil {
			result.Bad = append(result.Bad, BadInstance{s.instances[0], s.bad})
		}
	}
	result.Streams = len(t.streams)
	return result
}
