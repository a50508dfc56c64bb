package lag

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"sync"
	"time"
)

// step is what a stream reads at the moment.
type step int

const (
	stepWindow step = iota
	stepProbe
	stepNames
	stepDone
)

var errTooLarge = errors.New("one period has more points than 100 pages hold; list fewer instances")

// Scrape is one reading of all streams up to the present. Its methods are safe for concurrent use.
type Scrape struct {
	tracker *Tracker
	left    func() time.Duration

	mu      sync.Mutex
	changed *sync.Cond
	streams []*stream // those to read, in the order of reading
	busy    map[*stream]bool
	begun   bool // a request was made
}

// Next returns what to ask for next. It waits while all there is to ask depends on requests under way, and returns nil
// when there is nothing left to ask in this scrape.
func (sc *Scrape) Next() *Request {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for {
		if r := sc.pick(); r != nil {
			sc.busy[r.stream] = true
			sc.begun = true
			return r
		}
		if len(sc.busy) == 0 {
			return nil
		}
		sc.changed.Wait()
	}
}

// pick returns a request of the first stream that has one. The present of every stream is read before the past of any.
func (sc *Scrape) pick() *Request {
	for _, past := range []bool{false, true} {
		for _, s := range sc.streams {
			if sc.busy[s] || s.present != past {
				continue
			}
			if r := s.nextRequest(sc.budget()); r != nil {
				s.begun = sc.tracker.scrapes
				return r
			}
		}
	}
	return nil
}

func (sc *Scrape) budget() budget {
	left := max(0, sc.left())
	return budget{pages: float64(left) / float64(max(1, sc.tracker.pace)), first: !sc.begun}
}

// nextRequest returns what the stream asks for next: its window, a probe, series by name.
func (s *stream) nextRequest(b budget) *Request {
	for s.step != stepDone {
		var r *Request
		switch s.step {
		case stepWindow:
			r = s.nextPart(b)
		case stepProbe:
			r = s.probe(b)
		case stepNames:
			if !s.named && s.planNames() {
				s.step = stepWindow
				continue
			}
			s.named = true
			r = s.nextNames(b)
		}
		if r != nil {
			return r
		}
		s.step++
	}
	return nil
}

// Page takes a page of a request's reply and how long it took, retries included. last reports whether it is the last
// page. Page returns whether to ask for the next page; if not, the request is done.
func (sc *Scrape) Page(r *Request, points []Point, took time.Duration, last bool) bool {
	r.stream.gather(r, points)
	r.stream.pages++
	r.pages++
	more := !last && r.pages < r.limit
	if more {
		sc.paced(took)
		return true
	}
	switch s := r.stream; {
	case last:
		s.done(r)
		sc.found(s)
	default:
		s.abandon(r)
		if !s.cut(r) && s.err == nil {
			s.fail(r, errTooLarge, false)
		}
	}
	sc.paced(took)
	sc.release(r)
	return false
}

// Fail takes the error that ended a request. single reports whether it may be due to one instance of the batch.
func (sc *Scrape) Fail(r *Request, err error, single bool) {
	s := r.stream
	s.abandon(r)
	s.fail(r, err, single)
	if single && r.step == stepWindow && !s.present {
		sc.mu.Lock()
		sc.searchBad(s, err)
		sc.mu.Unlock()
	}
	sc.release(r)
}

// paced remembers the slowest page of late.
func (sc *Scrape) paced(took time.Duration) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.tracker.pace = max(took, sc.tracker.pace*9/10)
}

func (sc *Scrape) release(r *Request) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	delete(sc.busy, r.stream)
	sc.changed.Broadcast()
}

// done takes note of a request that was read to its end.
func (s *stream) done(r *Request) {
	s.learn(r, true)
	switch r.step {
	case stepWindow:
		s.from, s.present = r.Start, true
		s.stretch = min(2*s.stretch, maxStretch)
		if 2*r.pages > r.planned {
			s.stretch = 1
		}
		s.longest = min(2*s.longest, math.MaxInt64/4)
		s.notOne = false
	case stepNames:
		for _, sr := range r.asked {
			if !sr.answered {
				sr.unnamed = s.now + s.staleAfter()
				sr.held = sr.needed
			}
		}
	}
}

// abandon drops what was read of a request that will not be read to its end.
func (s *stream) abandon(r *Request) {
	s.learn(r, false)
	s.points = s.points[:r.mark]
	for _, sr := range r.asked {
		sr.answered = false
	}
}

// fail takes the error of a request. Series that may have caused it are not asked for by name again.
func (s *stream) fail(r *Request, err error, single bool) {
	for _, sr := range r.asked {
		sr.held = true
		if single {
			sr.unnamed = s.now + s.staleAfter()
		}
	}
	if s.err == nil {
		s.err = err
	}
}

// Finish ends the scrape. All requests must be done.
func (sc *Scrape) Finish() Result {
	t := sc.tracker
	result := Result{Entries: t.entries[:0], Dropped: map[DropReason]int64{}}
	failed := map[*search]bool{}
	for _, s := range sc.streams {
		s.failing = s.err != nil
		s.finish(&result)
		switch {
		case s.bad != nil:
			t.retried(s)
		case s.err == nil || s.suspect != nil && s.search.succeeded || failed[s.search]:
		default:
			failed[s.search] = s.search != nil && !s.search.succeeded
			result.Failures = append(result.Failures, Failure{s.String(), s.err})
		}
	}
	if len(sc.streams) > 0 {
		t.settleSearches(sc.streams[0].now)
	}
	for _, s := range t.streams {
		if s.bad != nil {
			result.Bad = append(result.Bad, BadInstance{s.instances[0], s.bad})
		}
	}
	result.Streams = len(t.streams)
	t.entries = result.Entries
	return result
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
	return cmp.Or(cmp.Compare(a.begun, b.begun), cmp.Compare(failed(a), failed(b)))
}

// Begin begins a scrape at now, CloudMonitor's time. left returns how much time the scrape has left for reading.
func (t *Tracker) Begin(now time.Time, left func() time.Duration) *Scrape {
	t.scrapes++
	sc := &Scrape{tracker: t, left: left, busy: map[*stream]bool{}}
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
