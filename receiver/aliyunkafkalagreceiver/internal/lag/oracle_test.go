package lag_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// violation is a broken promise.
type violation struct {
	promise string
	step    int
	key     lag.Key // the zero Key if no single series is concerned
	ts      int64   // the timestamp of the point that is concerned, or 0
	text    string
}

func (v *violation) String() string {
	s := fmt.Sprintf("promise %q broken in scrape %d", v.promise, v.step)
	if v.key != (lag.Key{}) {
		s += fmt.Sprintf(" for series %+v", v.key)
	}
	if v.ts != 0 {
		s += fmt.Sprintf(" at point %d (%s)", v.ts, clockOf(v.ts))
	}
	return s + ": " + v.text
}

// state is what the oracle knows of one series.
type state struct {
	known     bool  // it has an accepted sample and has not ended since
	watermark int64 // its newest accepted sample or stale marker; nothing at or before it may be delivered
	again     bool  // after a restart without memory: the watermark itself may be delivered once more
	presented int64 // the oldest sample that was presented and not yet accepted of an unknown series, or 0
	missing   int64 // for how long scrapes that read its stream have not brought its newest point
	held      int   // how many of them have read its newest point
	waits     int   // how many such scrapes in a row had too little time for it
	due       int   // how many such scrapes have not brought its stale marker since it was due

	// Of the current scrape.
	newest int64 // newest sample in the result, or 0
	ended  bool  // whether the result has its stale marker
}

// reading is what the oracle knows of one metric of one instance.
type reading struct {
	started   int64 // when the scrape began that read it first since the start, or 0
	delivered bool  // whether anything of it was in a result since then
	unread    int   // scrapes in a row that read something else
	least     int   // the fewest batches that one of those has read
	alone     int   // scrapes in a row in which it failed alone, because of itself
	halved    int   // scrapes in a row in which it was only part of calls that failed because of another instance

	// Of the current scrape.
	tried  bool  // whether a window was asked for
	failed bool  // whether a window could not be read
	missed bool  // whether it was one that has to be reported
	gap    span  // what was not read then
	split  bool  // whether a window of several instances could not be read because of one of them
	bad    bool  // whether a window of this instance alone could not be read because of it
	named  bool  // whether a call by name for its batch has failed
	oldest int64 // from there to the present everything was read; always if nothing was
}

// oracle checks what the tracker does against what the sources publish.
type oracle struct {
	*scenario
	states   []state   // by source
	readings []reading // by metric and instance
	batches  [][]int
	presents []int64 // see present
	broken   *violation

	// Of the current scrape.
	step                    int
	started, now            int64 // the true time at which it began, and the time that the tracker was told
	finished                int64 // the true time at which it ended
	calls                   int
	failures                bool  // whether any call failed
	others                  bool  // whether any window failed that was not due to an instance
	slowest                 int64 // how long the slowest call took
	past                    int   // how many streams had not been asked for when the first past was, or -1
	tight                   bool  // whether more than half of the time was used, or too little was left for a part
	previous                int64
	steadyCalls, leastCalls int // calls in the steady part of the run, and the least possible
}

func newOracle(sc *scenario) *oracle {
	return &oracle{
		scenario: sc,
		states:   make([]state, len(sc.cloud.sources)),
		readings: make([]reading, len(sc.cloud.streams)),
		batches:  sc.batches(),
		presents: make([]int64, len(sc.cloud.streams)),
	}
}

// breaks records the first broken promise.
func (o *oracle) breaks(promise string, key lag.Key, ts int64, format string, args ...any) {
	if o.broken == nil {
		o.broken = &violation{promise, o.step, key, ts, fmt.Sprintf(format, args...)}
	}
}

// restarted notes that the tracker was replaced by one without memory.
func (o *oracle) restarted() {
	for i := range o.states {
		st := &o.states[i]
		*st = state{watermark: st.watermark, again: st.known || st.again}
	}
	clear(o.readings)
}

// resumed notes that the tracker was replaced by one that remembers the watermarks. What is older than its start it may
// deliver, since it knows what was delivered before.
func (o *oracle) resumed() {
	for i := range o.states {
		o.states[i].presented, o.states[i].due, o.states[i].missing, o.states[i].held = 0, 0, 0, 0
	}
	for at := range o.readings {
		o.readings[at] = reading{started: 1, delivered: true}
	}
}

// begin notes that a scrape begins.
func (o *oracle) begin(step int, started, now int64) {
	o.previous = o.started
	o.step, o.started, o.now = step, started, now
	o.others = false
	o.calls, o.slowest, o.past, o.failures = 0, 0, -1, false
	clear(o.presents)
	for i := range o.states {
		o.states[i].newest, o.states[i].ended = 0, false
	}
	for i := range o.readings {
		r := &o.readings[i]
		r.tried, r.failed, r.missed, r.split, r.bad, r.named, r.oldest = false, false, false, false, false, false, always
		r.gap = span{always, 0}
	}
}

// request checks a request. late reports whether no time is left.
func (o *oracle) request(q *lag.Request, late bool) {
	const promise = "requests are well-formed and bounded"
	known := func(key lag.Key) bool { s := o.cloud.byKey[key]; return s != nil && s.wanted && len(key.Group) <= 64 }
	switch limit := o.settings.BatchSize; {
	case len(q.Instances) > limit || len(q.Names) > limit:
		o.breaks(promise, lag.Key{}, 0, "%d instances and %d names, at most %d", len(q.Instances), len(q.Names), limit)
	case !slices.Contains(metrics[:o.metrics], q.Metric):
		o.breaks(promise, lag.Key{}, 0, "unknown metric %q", q.Metric)
	case q.Start >= q.End || q.End > o.now+o.cloud.period:
		o.breaks(promise, lag.Key{}, 0, "window (%s, %s]", clockOf(q.Start), clockOf(q.End))
	case q.Start < o.reach(q):
		o.breaks(promise, lag.Key{}, 0, "window (%s, %s] with %d names reaches back further than MaxBackfill", clockOf(q.Start), clockOf(q.End), len(q.Names))
	case !o.region && len(q.Instances) == 0 && len(q.Names) == 0:
		o.breaks(promise, lag.Key{}, 0, "asks for every instance of the region")
	case o.calls > 20_000:
		o.breaks(promise, lag.Key{}, 0, "the scrape does not end")
	case late:
		o.breaks("a part is begun only if there is time for it", lag.Key{}, 0, "window (%s, %s]", clockOf(q.Start), clockOf(q.End))
	}
	if i := slices.IndexFunc(q.Names, func(k lag.Key) bool { return !known(k) }); i >= 0 {
		o.breaks(promise, q.Names[i], 0, "is asked for by name")
	}
	if o.broken != nil {
		return
	}
	o.eachReading(q, func(r *reading) {
		if r.oldest != always && o.past < 0 {
			o.past = o.untried()
		}
		r.tried = true
	})
}

// untried returns how many streams have not been asked for in this scrape.
func (o *oracle) untried() int {
	n := 0
	for at := range o.metrics * len(o.cloud.instances) {
		if !o.readings[at].tried && !o.wasBad(at%len(o.cloud.instances)) {
			n++
		}
	}
	return n
}

// wasBad reports whether an instance has made calls fail, so that it is asked for rarely.
func (o *oracle) wasBad(instance int) bool {
	return slices.ContainsFunc(o.faults, func(f fault) bool {
		return f.kind == badInstance && f.from <= o.step && f.instance == instance
	})
}

// reach returns how far back a request may reach: not further than points may be delivered, or, by name, than the last
// known point of one of its series, which shows that the name is understood.
func (o *oracle) reach(q *lag.Request) int64 {
	reach := o.now - o.settings.MaxBackfill.Milliseconds() - o.cloud.period
	for _, s := range o.cloud.asked(q) {
		st := &o.states[s.id]
		switch {
		case len(q.Names) == 0:
		case st.known:
			reach = min(reach, st.watermark-1)
		case st.presented != 0:
			reach = min(reach, st.presented-2)
		}
	}
	return reach
}

// eachReading calls f for what a request for a window reads.
func (o *oracle) eachReading(q *lag.Request, f func(*reading)) {
	if len(q.Names) > 0 {
		return
	}
	metric := slices.Index(metrics, q.Metric)
	for _, i := range o.cloud.asks(q) {
		f(&o.readings[o.cloud.stream(metric, i)])
	}
}

// called notes how long one call took.
func (o *oracle) called(took int64) {
	o.calls++
	o.slowest = max(o.slowest, took)
}

// done notes that a request was read to its end.
func (o *oracle) done(q *lag.Request) {
	o.eachReading(q, func(r *reading) {
		if q.Start <= r.gap.from && r.gap.to <= q.End {
			r.failed, r.gap = false, span{always, 0} // asked for again, and read
		}
		if q.End >= min(r.oldest, o.now) { // a probe of the past reaches nothing in between
			r.oldest = min(r.oldest, q.Start)
			r.failed, r.missed = false, false // or it was asked for again
		}
	})
}

// failed notes that a request failed; split reports whether because of one of several instances.
func (o *oracle) failed(q *lag.Request, split bool) {
	o.failures = true
	probe := q.End <= o.now-min(o.settings.StaleAfter, o.settings.MaxBackfill).Milliseconds()+o.cloud.period
	several := len(o.cloud.asks(q)) > 1
	o.eachReading(q, func(r *reading) {
		r.split = r.split || split && several
		r.bad = r.bad || split && !several
		if !split {
			o.others = true
			r.missed = r.missed || !probe // a failed probe misses nothing that is known
			r.failed, r.gap = true, span{min(r.gap.from, q.Start), max(r.gap.to, q.End)}
		}
	})
	for _, key := range q.Names { // the calls by name that were to follow are not made
		s := o.cloud.byKey[key]
		for _, i := range o.batchOf(s.instance) {
			o.readings[o.cloud.stream(s.metric, i)].named = true
		}
	}
}

// finish checks the result of a scrape.
func (o *oracle) finish(result lag.Result, now int64, left time.Duration) {
	o.finished = now
	o.tight = left.Milliseconds() < max(o.budget/2, 6*o.slowest)
	o.notesFirstRead()
	for _, e := range result.Entries {
		o.entry(e, result.GivenUp)
	}
	o.checkFailures(result)
	o.checkTurns()
	if o.past > 0 && !o.tight && !o.failures {
		o.breaks("the present of every stream before the past of any", lag.Key{}, 0, "%d streams were not asked for before", o.past)
	}
	for _, s := range o.cloud.sources {
		o.checkPresence(s)
		o.checkEnd(s)
	}
	o.checkLive(result)
	o.checkGivenUp(result)
	o.countCalls()
}

// accepted notes that the next consumer has accepted an entry, or that it was given up.
func (o *oracle) accepted(e lag.Entry) {
	st := &o.states[o.cloud.byKey[e.Series.Key].id]
	if n := len(e.Samples); n > 0 && e.Samples[n-1].Timestamp >= st.watermark {
		*st = state{known: true, watermark: e.Samples[n-1].Timestamp, newest: st.newest, ended: st.ended}
	}
	if e.Stale {
		*st = state{watermark: e.StaleTimestamp()}
	}
}

// notesFirstRead notes which streams this scrape has read for the first time.
func (o *oracle) notesFirstRead() {
	for i := range o.readings {
		if r := &o.readings[i]; r.started == 0 && r.oldest != always {
			r.started = o.started
		}
	}
}
