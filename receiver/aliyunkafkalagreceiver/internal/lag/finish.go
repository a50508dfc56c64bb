package lag

import (
	"cmp"
	"slices"
	"sort"
)

// Failure is a stream that could not be read to the end.
type Failure struct {
	Stream  string // what it reads, for a log
	Present bool   // the newest points were read, and only older ones or some series are missing
	Err     error
}

// GivenUp is a span (Start, End] of points that are not read: there was no time, or they are older than MaxBackfill.
type GivenUp struct {
	Stream     string // what it reads, for a log
	Start, End int64  // unix milliseconds
	Points     int64  // how many points there are, estimated
}

// Result is what a scrape brought.
type Result struct {
	Entries   []Entry // valid until the next scrape begins
	Failures  []Failure
	GivenUp   []GivenUp
	Bad       []BadInstance // all that are known, whether they were asked for or not
	Dropped   map[DropReason]int64
	Ambiguous []Key // series that had two values at one timestamp, each named once
	Live      int   // live series
	Streams   int   // streams there are
}

// finish appends what is to be delivered of the stream to result.
func (s *stream) finish(result *Result) {
	if s.present {
		s.deliver(result)
	}
	s.pace = s.pace * 4 / 5 // otherwise one slow page would keep the stream from being read again
	if s.pages > 0 {
		s.pace = s.slowest
	}
	if s.starting && (!s.present || s.newest == 0 && s.from > s.target) {
		s.started = 0
		if s.present {
			s.quiet = s.now - s.from
		}
	}
	for _, sr := range s.list {
		if sr.stream == s && !sr.begun && !sr.held {
			s.forget(sr)
		}
	}
	for reason, n := range s.dropped {
		result.Dropped[reason] += n
	}
	result.Ambiguous = append(result.Ambiguous, s.ambiguous...)
}

func (s *stream) deliver(result *Result) {
	gap := GivenUp{Stream: s.String(), Start: s.from}
	s.arrange()
	begin := 0
	for i, sr := range s.list {
		samples := s.ascending(sr, s.samples[begin:s.ends[i]])
		begin = s.ends[i]
		if e := s.entry(sr, samples, &gap); len(e.Samples) > 0 || e.Stale {
			result.Entries = append(result.Entries, e)
		}
	}
	if gap.Points > 0 {
		result.GivenUp = append(result.GivenUp, gap)
	}
}

// arrange sorts the points by series into s.samples, and notes where each series ends.
func (s *stream) arrange() {
	s.ends = slices.Grow(s.ends, len(s.list)+1)[:len(s.list)+1]
	clear(s.ends)
	for i := range s.points {
		s.ends[s.points[i].series.index+1]++
	}
	for i := range s.list {
		s.ends[i+1] += s.ends[i]
	}
	s.samples = slices.Grow(s.samples, len(s.points))[:len(s.points)]
	for i := range s.points {
		p := &s.points[i]
		s.samples[s.ends[p.series.index]] = p.Sample
		s.ends[p.series.index]++
	}
}

// ascending sorts the samples of one series by time. Of two values at one timestamp the larger counts: they are never
// mixed.
func (s *stream) ascending(sr *Series, samples []Sample) []Sample {
	byTime := func(a, b Sample) int { return cmp.Compare(a.Timestamp, b.Timestamp) }
	if !slices.IsSortedFunc(samples, byTime) {
		slices.SortStableFunc(samples, byTime)
	}
	n := 0
	for _, sample := range samples {
		if n == 0 || samples[n-1].Timestamp != sample.Timestamp {
			samples[n] = sample
			n++
			continue
		}
		if samples[n-1].Value != sample.Value && !sr.ambiguous {
			sr.ambiguous = true
			s.ambiguous = append(s.ambiguous, sr.Key)
		}
		samples[n-1].Value = max(samples[n-1].Value, sample.Value)
	}
	return samples[:n]
}

// entry returns what is to be delivered of a series of which samples were read. What is given up of it is added to gap.
func (s *stream) entry(sr *Series, samples []Sample, gap *GivenUp) Entry {
	covered := s.covered(sr)
	if !covered {
		if sr.held || s.broken {
			return Entry{}
		}
		samples = after(samples, s.from) // there was no time for the older points: the newer ones are delivered without them
	}
	if len(samples) > 0 {
		if sr.begun {
			s.giveUp(sr, covered, gap)
		} else {
			samples = s.first(sr, samples)
		}
	}
	newest := sr.watermark
	if n := len(samples); n > 0 {
		newest = samples[n-1].Timestamp
	}
	if covered || sr.asked {
		s.schedule(sr, newest)
	}
	e := Entry{Series: sr, Samples: samples}
	if covered && newest <= s.staleTo() {
		e.Stale = sr.delivered || len(samples) > 0
		if !e.Stale {
			s.forget(sr)
		}
	}
	return e
}

// giveUp counts the points of a series that are given up, now that newer ones are delivered.
func (s *stream) giveUp(sr *Series, covered bool, gap *GivenUp) {
	end := s.from
	if covered {
		end = s.earliest()
	}
	if sr.watermark <= end-s.period() {
		gap.Start, gap.End = min(gap.Start, sr.watermark), max(gap.End, end)
		gap.Points += (end - sr.watermark) / s.period()
	}
}

// first begins a series: of the samples before the start of the stream only the newest counts, and only if there is
// none after it. A predecessor may have delivered them.
func (s *stream) first(sr *Series, samples []Sample) []Sample {
	old := len(samples) - len(after(samples, s.started))
	if old == len(samples) {
		old--
	}
	if old > 0 {
		s.dropped[DropBeforeStart] += int64(old)
	}
	sr.begun = true
	sr.watermark = samples[old].Timestamp - 1
	return samples[old:]
}

// after returns the samples after a time.
func after(samples []Sample, timestamp int64) []Sample {
	return samples[sort.Search(len(samples), func(i int) bool { return samples[i].Timestamp > timestamp }):]
}
