package lag_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// trouble is a kind of fault.
type trouble int

const (
	outage       trouble = iota // every call fails within a second
	flaky                       // a share of the calls fails
	slow                        // calls take size times as long
	hang                        // calls for the instance fail after ten seconds
	badInstance                 // a call that contains the instance fails, because of it
	noNames                     // a share of the calls by name brings nothing
	refuseAll                   // the next consumer rejects everything temporarily
	refuseSome                  // it accepts only a share of the series; the others are to be sent again
	acceptPrefix                // it accepts only the first samples of a share of the series
	restart                     // the process begins anew, without memory, after being down for size milliseconds
	resume                      // the same, but with the watermarks
	clockStep                   // the tracker is told a time size milliseconds off
)

// fault is trouble during some scrapes.
type fault struct {
	kind     trouble
	from, to int     // scrapes, [from, to)
	instance int     // of hang and badInstance; -1 is every one
	odds     float64 // the share of what is hit
	size     int64
}

// scenario is all that a run depends on.
type scenario struct {
	seed      uint64
	settings  lag.Settings
	cloud     *cloud
	metrics   int  // how many metrics are read
	region    bool // the tracker is given no instances: every one of the region is asked for at once
	scrapes   int
	interval  int64
	budget    int64 // time for reading
	latency   int64 // of a fast call
	faults    []fault
	allowance float64                // most calls, as a multiple of the least; 0 if there is no promise
	tamper    func(int, *lag.Result) // falsifies the results, to test the oracle
}

// run is a scenario under way.
type run struct {
	*scenario
	rng      *rand.Rand
	step     int
	clock    int64 // the true time
	deadline int64
	tracker  *lag.Tracker
	oracle   *oracle
	trace    func(format string, args ...any)
}

var (
	errDeadline = errors.New("context deadline exceeded")
	errTimeout  = errors.New("request timed out")
	errServer   = errors.New("server error")
	errInstance = errors.New("instance does not exist")
)

// newRun returns a run of the scenario that has not begun.
func (sc *scenario) newRun(trace func(format string, args ...any)) *run {
	r := &run{scenario: sc, rng: rand.New(rand.NewPCG(sc.seed, 1)), trace: trace, oracle: newOracle(sc)} //nolint:gosec // not a secret: it has to be repeatable
	r.clock = origin + r.rng.Int64N(sc.cloud.period)
	trace("%+v, page %d, interval %d ms, budget %d ms, %d instances, %d series, allowance %v, faults %+v",
		sc.settings, sc.cloud.page, sc.interval, sc.budget, len(sc.cloud.instances), len(sc.cloud.sources), sc.allowance, sc.faults)
	return r
}

// play runs the scenario to its end and returns the first broken promise, or nil.
func (r *run) play() (broken *violation) {
	defer func() {
		if p := recover(); p != nil {
			broken = &violation{promise: "never panics", step: r.step, text: fmt.Sprintf("%v\n%s", p, debug.Stack())}
		}
	}()
	r.start()
	for ; r.step < r.scrapes && r.oracle.broken == nil; r.step++ {
		if f := r.hit(restart); f != nil {
			r.clock += f.size
			r.start()
		}
		if f := r.hit(resume); f != nil {
			r.clock += f.size
			r.resume()
		}
		r.scrape()
	}
	r.oracle.end()
	return r.oracle.broken
}

// start starts the process, without memory.
func (r *run) start() {
	r.tracker = lag.NewTracker(r.settings, metrics[:r.metrics], r.instances())
	r.oracle.restarted()
}

// resume starts the process with the watermarks of the one before.
func (r *run) resume() {
	before := r.tracker
	r.tracker = lag.NewTracker(r.settings, metrics[:r.metrics], r.instances())
	r.tracker.Restore(before.Watermarks(), time.UnixMilli(r.clock))
	r.oracle.resumed()
}

// instances returns what the tracker is given: none for the whole region.
func (r *run) instances() []string {
	if r.region {
		return nil
	}
	return r.cloud.instances
}

func (r *run) scrape() {
	begin, now := r.clock, r.clock
	if f := r.hit(clockStep); f != nil {
		now += f.size
	}
	r.deadline = begin + r.budget
	r.oracle.begin(r.step, begin, now)
	s := r.tracker.Begin(time.UnixMilli(now), r.left)
	for q := s.Next(); q != nil && r.oracle.broken == nil; q = s.Next() {
		r.ask(s, q)
	}
	if r.oracle.broken != nil {
		return
	}
	result := s.Finish()
	if r.tamper != nil {
		r.tamper(r.step, &result)
	}
	r.trace("scrape %d at %s: %d calls, %v left, %d entries, given up %v, failures %v, dropped %v, live %d",
		r.step, clockOf(now), r.oracle.calls, r.left(), len(result.Entries), result.GivenUp, result.Failures, result.Dropped, result.Live)
	if r.oracle.finish(result, r.clock, r.left()); r.oracle.broken != nil {
		return
	}
	r.deliver(result.Entries)
	r.clock = max(begin+r.interval, r.clock)
}

// left returns how much time the scrape has left.
func (r *run) left() time.Duration { return time.Duration(r.deadline-r.clock) * time.Millisecond }

// hit returns the fault of a kind that is under way, or nil.
func (r *run) hit(kind trouble) *fault {
	for i, f := range r.faults {
		if f.kind == kind && f.from <= r.step && r.step < f.to {
			return &r.faults[i]
		}
	}
	return nil
}

// strikes reports whether a fault of a kind is under way and hits an instance that the request asks for.
func (r *run) strikes(kind trouble, q *lag.Request) bool {
	f := r.hit(kind)
	if f == nil {
		return false
	}
	for _, i := range r.cloud.asks(q) {
		if f.instance < 0 || i == f.instance {
			return true
		}
	}
	return false
}

// ask sends a request, page by page.
func (r *run) ask(s *lag.Scrape, q *lag.Request) {
	r.oracle.request(q, r.left() <= 0)
	r.trace("  ask %s names=%d instances=%d (%s, %s]", q.Metric, len(q.Names), len(q.Instances), clockOf(q.Start), clockOf(q.End))
	for first := true; ; first = false {
		sent := r.clock
		took, split, err := r.call(q)
		r.clock += took
		r.oracle.called(took)
		if err != nil {
			r.trace("  failed: %v", err)
			r.oracle.failed(q, split)
			s.Fail(q, err, split)
			return
		}
		if first {
			r.cloud.query(q, sent, r.rng)
			if f := r.hit(noNames); f != nil && len(q.Names) > 0 && r.rng.Float64() < f.odds {
				r.cloud.rows = r.cloud.rows[:0]
			}
		}
		page, last := r.cloud.next()
		if more := s.Page(q, page, time.Duration(took)*time.Millisecond, last); last {
			r.oracle.done(q)
			return
		} else if !more {
			r.trace("  abandoned")
			return
		}
	}
}

// call returns how long one call takes, and the error it ends with: split reports whether an instance may be the cause.
func (r *run) call(q *lag.Request) (took int64, split bool, err error) {
	took = int64(float64(r.latency) * (1 + r.rng.Float64()))
	if f := r.hit(slow); f != nil {
		took *= f.size
	}
	switch {
	case r.hit(outage) != nil:
		took, err = second, errServer
	case r.strikes(hang, q):
		took, err = 10*second, errTimeout
	case r.strikes(badInstance, q):
		split, err = true, errInstance
	default:
		if f := r.hit(flaky); f != nil && r.rng.Float64() < f.odds {
			err = errServer
		}
	}
	if left := max(0, r.deadline-r.clock); took >= left {
		return left, false, errDeadline
	}
	return took, split, err
}

// deliver is the next consumer, and what a receiver makes of its answers.
func (r *run) deliver(entries []lag.Entry) {
	if r.hit(refuseAll) != nil {
		return
	}
	for _, e := range entries {
		f := r.hit(acceptPrefix)
		if n := len(e.Samples); f != nil && n > 1 && r.rng.Float64() < f.odds {
			k := 1 + r.rng.IntN(n-1)
			r.acceptSplit(e, k, r.rng.IntN(2))
			continue
		}
		if f := r.hit(refuseSome); f != nil && r.rng.Float64() < f.odds {
			continue
		}
		r.accept(e) // what is rejected permanently and given up looks the same to the tracker
	}
}

// acceptSplit accepts the first k samples of an entry, and, by way, leaves the rest for later, or gives it up too,
// in order or the other way round.
func (r *run) acceptSplit(e lag.Entry, k, way int) {
	head := lag.Entry{Series: e.Series, Samples: e.Samples[:k]}
	tail := lag.Entry{Series: e.Series, Samples: e.Samples[k:], Stale: e.Stale}
	switch way {
	case 0:
		r.accept(head)
	case 1:
		r.accept(head)
		r.accept(tail)
	case 2:
		r.accept(tail)
		r.accept(head)
	}
}

func (r *run) accept(e lag.Entry) {
	e.Accept()
	r.oracle.accepted(e)
}

// clockOf renders unix milliseconds as time since the origin.
func clockOf(ms int64) string { return fmt.Sprint(time.Duration(ms-origin) * time.Millisecond) }
