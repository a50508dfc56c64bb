package lag_test

import (
	"slices"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// entry checks what is to be delivered of one series.
func (o *oracle) entry(e lag.Entry, givenUp []lag.GivenUp) {
	s := o.cloud.byKey[e.Series.Key]
	if s == nil || !s.wanted || e.Series.Metric != metrics[s.metric] || e.Series.Account != "1234" {
		o.breaks("only wanted series", e.Series.Key, 0, "metric %q, account %q", e.Series.Metric, e.Series.Account)
		return
	}
	st := &o.states[s.id]
	if st.newest != 0 || st.ended {
		o.breaks("one entry a series", s.key, st.newest, "a second entry")
	}
	if len(e.Samples) == 0 && !e.Stale {
		o.breaks("one entry a series", s.key, 0, "an empty entry")
	}
	o.checkSamples(s, e.Samples)
	if len(e.Samples) > 0 {
		o.checkFirst(s, e.Samples)
		o.checkLoss(s, e.Samples, givenUp)
		st.newest = e.Samples[len(e.Samples)-1].Timestamp
		o.readings[o.cloud.stream(s.metric, s.instance)].delivered = true
	}
	if e.Stale {
		o.checkMarker(s, e)
	}
}

// checkSamples checks that each sample is published, has its value, may be delivered, and is newer than the one before.
func (o *oracle) checkSamples(s *source, samples []lag.Sample) {
	st := &o.states[s.id]
	before := st.watermark
	for i, sample := range samples {
		ts := sample.Timestamp
		p, ok := s.at(ts-ts%o.cloud.period, o.cloud.period)
		again := i == 0 && st.again && ts == st.watermark
		switch {
		case ts <= before && !again:
			o.breaks("each point once, in order", s.key, ts, "sample %d of %d, after %d (%s)", i, len(samples), before, clockOf(before))
		case !ok || p.ts != ts || p.seen > o.finished:
			o.breaks("only published points", s.key, ts, "not published")
		case !p.valid || sample.Value != p.value:
			o.breaks("never a wrong number", s.key, ts, "%v, published %v (and %v: %v)", sample.Value, p.value, p.twice, p.other)
		case ts < o.now-o.settings.MaxBackfill.Milliseconds():
			o.breaks("nothing older than MaxBackfill", s.key, ts, "at %s", clockOf(o.now))
		case ts > o.now+o.cloud.period:
			o.breaks("nothing in the future", s.key, ts, "at %s", clockOf(o.now))
		}
		before = ts
	}
}

// checkFirst checks the first samples of a series that is not known: of the points that were published when its stream
// was first read, only the newest may be delivered.
func (o *oracle) checkFirst(s *source, samples []lag.Sample) {
	st := &o.states[s.id]
	if st.known {
		return
	}
	first := samples[0].Timestamp
	if start := o.readings[o.cloud.stream(s.metric, s.instance)].started; len(samples) > 1 && st.presented == 0 {
		if p, ok := s.at(samples[1].Timestamp, o.cloud.period); ok && p.seen <= start {
			o.breaks("after a start only the newest point", s.key, first, "%d samples", len(samples))
		}
	}
	if st.presented == 0 || first < st.presented {
		st.presented = first
	}
}

// checkLoss checks that no point is left out that was published when the scrape began: since the watermark of a known
// series, or since what was presented first of another.
func (o *oracle) checkLoss(s *source, samples []lag.Sample, givenUp []lag.GivenUp) {
	st, period := &o.states[s.id], o.cloud.period
	reading := &o.readings[o.cloud.stream(s.metric, s.instance)]
	from := st.watermark + 1
	if !st.known {
		from = max(from, st.presented)
		if reading.started == o.started || s.seenBefore(st.presented, reading.started, period) {
			return // of what is older than the start only the newest point counts
		}
	}
	from = max(from, o.now-o.settings.MaxBackfill.Milliseconds()+period)
	for ts := from + (period-from%period)%period; ts < samples[len(samples)-1].Timestamp; ts += period {
		p, ok := s.at(ts, period)
		if !ok || !p.valid || p.seen > o.started {
			continue
		}
		at := func(g lag.GivenUp) bool { return g.Start < ts && ts <= g.End }
		if !slices.ContainsFunc(samples, func(x lag.Sample) bool { return x.Timestamp == ts }) && !slices.ContainsFunc(givenUp, at) {
			o.breaks("no loss", s.key, ts, "published at %s, watermark %s, delivered up to %s, given up %v",
				clockOf(p.seen), clockOf(st.watermark), clockOf(samples[len(samples)-1].Timestamp), givenUp)
			return
		}
	}
}

// seenBefore reports whether the point at ts was published at now.
func (s *source) seenBefore(ts, now, period int64) bool {
	p, ok := s.at(ts, period)
	return ok && p.seen <= now
}

// checkMarker checks a stale marker.
func (o *oracle) checkMarker(s *source, e lag.Entry) {
	const promise = "a series that ends, ends visibly"
	st := &o.states[s.id]
	st.ended = true
	if !st.known && len(e.Samples) == 0 {
		o.breaks(promise, s.key, 0, "the stale marker of a series that is not live")
		return
	}
	last := st.watermark
	if len(e.Samples) > 0 {
		last = max(last, e.Samples[len(e.Samples)-1].Timestamp)
	}
	if e.StaleTimestamp() != last+1 {
		o.breaks(promise, s.key, last, "the stale marker is stamped %d", e.StaleTimestamp())
	}
	p, ok := s.newest(o.started, o.cloud.period, true)
	if !ok || o.now-p.ts >= o.settings.StaleAfter.Milliseconds() {
		return
	}
	if p.ts <= last || p.ts > o.now-o.settings.MaxBackfill.Milliseconds() {
		o.breaks("never a false end", s.key, p.ts, "published at %s, scrape at %s, watermark %s",
			clockOf(p.seen), clockOf(o.started), clockOf(st.watermark))
	}
}
