package lag_test

import (
	"math"
	"slices"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// batches returns the indices of the instances, as they are asked for together.
func (sc *scenario) batches() [][]int {
	all := make([]int, len(sc.cloud.instances))
	for i := range all {
		all[i] = i
	}
	if sc.region {
		return [][]int{all}
	}
	return slices.Collect(slices.Chunk(all, sc.settings.BatchSize))
}

// batchOf returns the batch of an instance.
func (o *oracle) batchOf(instance int) []int {
	return o.batches[min(instance/o.settings.BatchSize, len(o.batches)-1)]
}

// wasRead reports whether this scrape has read the stream of a series without an error.
func (o *oracle) wasRead(s *source) bool {
	r := &o.readings[o.cloud.stream(s.metric, s.instance)]
	if r.split && o.tight { // the search for a bad instance may have taken the time
		return false
	}
	for _, i := range o.batchOf(s.instance) { // an error ends the search for a bad instance, and the batch has to wait
		if other := o.readings[o.cloud.stream(s.metric, i)]; other.failed && (r.split || r.bad) {
			return false
		}
	}
	return r.oldest != always && !r.failed && !r.bad && (!r.named || o.states[s.id].known && o.states[s.id].watermark >= r.oldest)
}

// present returns the newest point of a batch of which a wanted series has published when the scrape began.
func (o *oracle) present(metric, instance int) int64 {
	batch := o.batchOf(instance)
	known := &o.presents[o.cloud.stream(metric, batch[0])]
	if *known != 0 {
		return *known
	}
	for _, i := range batch {
		for _, s := range o.cloud.streams[o.cloud.stream(metric, i)] {
			if p, ok := s.newest(o.started, o.cloud.period, true); ok && s.wanted {
				*known = max(*known, p.ts)
			}
		}
	}
	return *known
}

// checkPresence checks that the newest point of a series is delivered: at once if it was in a window, within a third of the
// distance to the newest of the batch if it is behind, within about StaleAfter if its series is new and behind.
func (o *oracle) checkPresence(s *source) {
	st := &o.states[s.id]
	if !s.wanted || !o.wasRead(s) {
		return
	}
	p, ok := s.newest(o.started, o.cloud.period, true)
	bound := min(o.settings.StaleAfter, o.settings.MaxBackfill).Milliseconds()
	if have := max(st.newest, st.watermark); !ok || p.ts <= o.now-bound || p.ts <= have && (st.known || st.newest != 0 || !st.again) {
		st.missing, st.waits, st.held = 0, 0, 0
		return
	}
	r := &o.readings[o.cloud.stream(s.metric, s.instance)]
	if o.tight && p.ts <= r.oldest {
		if st.waits++; st.waits > 5 && !r.delivered {
			o.breaks("the present first", s.key, p.ts, "its stream was read %d times without delivering anything", st.waits)
		}
		return
	}
	present := o.present(s.metric, s.instance)
	st.missing += o.interval
	if p.ts > r.oldest {
		st.held++
	}
	if st.held > 1 || st.held > 0 && o.namesWork() || r.started == o.started && !o.tight {
		o.breaks("the present first", s.key, p.ts, "published at %s, scrape at %s, the newest of its batch is %s, watermark %s",
			clockOf(p.seen), clockOf(o.started), clockOf(present), clockOf(st.watermark))
		return
	}
	allowed := (present - st.watermark) / 3
	if !st.known {
		allowed = o.settings.StaleAfter.Milliseconds() + 12*o.interval
	}
	if st.missing > allowed && !o.tight && o.namesWork() && len(s.key.Group) <= 64 {
		o.breaks("late series in time", s.key, p.ts, "missing for %d ms, allowed %d ms, the newest of its batch is %s, watermark %s, known %v",
			st.missing, allowed, clockOf(present), clockOf(st.watermark), st.known)
	}
}

// namesWork reports whether calls by name bring what they should in this scenario.
func (o *oracle) namesWork() bool {
	return !slices.ContainsFunc(o.faults, func(f fault) bool { return f.kind == noNames })
}

// checkEnd checks that a stale marker comes with the second scrape, at the latest, that could have brought it.
func (o *oracle) checkEnd(s *source) {
	st := &o.states[s.id]
	if !st.known || !o.wasRead(s) || o.tight {
		return
	}
	p, ok := s.newest(o.finished, o.cloud.period, false)
	if ok && o.now < p.ts+o.settings.StaleAfter.Milliseconds() || st.ended {
		st.due = 0
		return
	}
	if st.due++; st.due >= 2 && o.namesWork() {
		o.breaks("a series that ends, ends visibly", s.key, p.ts, "no stale marker in %d scrapes, watermark %s", st.due, clockOf(st.watermark))
	}
}

// checkFailures checks that a failure is reported if a stream could not be read, and none if all could.
func (o *oracle) checkFailures(result lag.Result) {
	aside := func(f fault) bool { return f.kind == badInstance && f.from <= o.step } // retries of it may fail quietly
	failed := slices.ContainsFunc(o.readings, func(r reading) bool { return r.missed }) && !slices.ContainsFunc(o.faults, aside)
	if failed && len(result.Failures) == 0 {
		o.breaks("failures are reported", lag.Key{}, 0, "a window failed, but no failure is reported")
	}
	if !o.failures && !o.tight && len(result.Failures) > 0 {
		o.breaks("failures are reported", lag.Key{}, 0, "nothing failed, but %v are reported", result.Failures)
	}
}

// checkTurns checks that with time for some batches only each is read in turn, and that an instance that makes the
// call fail does not hold back its neighbours.
func (o *oracle) checkTurns() {
	read := 0
	for metric := range o.metrics {
		for _, batch := range o.batches {
			if slices.ContainsFunc(batch, func(i int) bool { return o.readings[o.cloud.stream(metric, i)].tried }) {
				read++
			}
		}
	}
	for at := range o.readings {
		r := &o.readings[at]
		if at/len(o.cloud.instances) >= o.metrics {
			return
		}
		o.checkTurn(r, at, read, o.metrics*len(o.batches))
	}
}

func (o *oracle) checkTurn(r *reading, at, read, streams int) {
	instance := at % len(o.cloud.instances)
	key := lag.Key{Instance: o.cloud.instances[instance]}
	if r.tried || o.wasBad(instance) {
		r.unread, r.least = 0, streams
	} else {
		r.unread, r.least = r.unread+1, max(1, min(r.least, read))
		if most := (streams+r.least-1)/r.least + 2; r.unread > most {
			o.breaks("each batch in turn", key, 0, "not read for %d scrapes, at most %d; %d of %d streams at least were read",
				r.unread, most, r.least, streams)
		}
	}
	neighbour := func(i int) bool { return i != instance && !o.wasBad(i) }
	switch {
	case r.bad && slices.ContainsFunc(o.batchOf(instance), neighbour) && !o.others:
		if r.alone++; r.alone > 4 && o.interval <= minute {
			o.breaks("a bad instance is asked for rarely", key, 0, "it failed alone in %d scrapes in a row", r.alone)
		}
	case r.oldest != always || !r.tried || o.others: // with other errors the search may have remained inconclusive
		r.alone = 0
	}
	if r.split && r.oldest == always && !r.failed {
		if r.halved++; r.halved > 8 && !o.tight {
			o.breaks("one bad instance does not spoil the rest", key, 0, "its batch fails for %d scrapes", r.halved)
		}
	} else if r.tried {
		r.halved = 0
	}
}

// checkLive checks the number of live series.
func (o *oracle) checkLive(result lag.Result) {
	least, most := 0, 0
	for i, s := range o.cloud.sources {
		st := &o.states[i]
		if st.known && !st.ended {
			least++
		}
		p, ok := s.newest(o.finished, o.cloud.period, true)
		if st.known || st.presented != 0 || ok && s.wanted && p.ts > o.now-o.settings.StaleAfter.Milliseconds() {
			most++
		}
	}
	aside := func(f fault) bool { return f.kind == badInstance && f.from <= o.step }
	if slices.ContainsFunc(o.faults, aside) {
		least = 0 // the series of an instance that is asked for rarely may be left out
	}
	if result.Live < least || result.Live > most {
		o.breaks("nothing grows with time", lag.Key{}, 0, "%d live series, expected %d to %d", result.Live, least, most)
	}
}

// checkGivenUp checks that nothing is given up while there is time, or because of an error.
func (o *oracle) checkGivenUp(result lag.Result) {
	fine := func(r reading) bool { return r.tried && !r.failed && !r.named }
	for _, g := range result.GivenUp {
		if g.End <= o.now-o.settings.MaxBackfill.Milliseconds() {
			continue // too old to be read
		}
		if !slices.ContainsFunc(o.readings, fine) {
			o.breaks("an error gives up nothing", lag.Key{}, 0, "every stream failed, but %v is given up", result.GivenUp)
		}
		if g.Start >= g.End || g.End > o.now+o.cloud.period || g.Points < 0 {
			o.breaks("what is given up is said with its span", lag.Key{}, 0, "%+v", g)
		}
		if !o.tight && !o.failures && g.End > o.now-o.settings.MaxBackfill.Milliseconds()+o.cloud.period {
			o.breaks("nothing is given up while there is time", lag.Key{}, 0, "%+v", g)
		}
	}
}

// countCalls compares the calls with the pages of the shortest window that misses no new point of a regular series.
func (o *oracle) countCalls() {
	if o.allowance == 0 || o.step < 5 {
		return
	}
	for metric := range o.metrics {
		for _, batch := range o.batches {
			rows := o.cloud.count(metric, batch, o.oldestNew(metric, batch)-1, o.now, o.started)
			o.leastCalls += max(1, int(math.Ceil(float64(rows)/(0.9*float64(o.cloud.page))))) // the tracker can only estimate
		}
	}
	o.steadyCalls += o.calls
}

// oldestNew returns the oldest point of a regular series that was published since the scrape before, or now.
func (o *oracle) oldestNew(metric int, batch []int) int64 {
	oldest := o.now
	for _, i := range batch {
		for _, s := range o.cloud.streams[o.cloud.stream(metric, i)] {
			p, ok := s.newest(o.started, o.cloud.period, true)
			for ok && s.wanted && s.regular && p.seen > o.previous {
				oldest = min(oldest, p.ts)
				p, ok = s.newest(p.seen-1, o.cloud.period, true)
			}
		}
	}
	return oldest
}

// end checks what only the whole run can show.
func (o *oracle) end() {
	if most := o.allowance*float64(o.leastCalls) + 6; o.allowance > 0 && float64(o.steadyCalls) > most {
		o.breaks("the fewest calls possible", lag.Key{}, 0, "%d calls, the least is %d, allowed are %.0f", o.steadyCalls, o.leastCalls, most)
	}
}
