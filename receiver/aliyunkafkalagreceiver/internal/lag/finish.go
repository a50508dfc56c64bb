package lag

import (
	"slices"
	"sort"
)

// Failure is a stream that could not be read to the end.
type Failure struct {
	Stream string // what it reads, for a log
	Err    error
}

// GivenUp is a span (Start, End] that was not read for lack of time.
type GivenUp struct {
	Stream     string // what it reads, for a log
	Start, End int64  // unix milliseconds
	Points     int64  // how many points were not read, estimated
}

// BadInstance is an instance that makes calls fail. It is asked for alone, and rarely.
type BadInstance struct {
	Instance string
	Err      error
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
	if s.starting && !(s.present && (s.newest > 0 || s.from <= s.target)) {
		s.started = 0
	}
	for _, sr := range s.list {
		if !sr.begun && !sr.held {
			s.forget(sr)
		}
	}
	for reason, n := range s.dropped {
		result.Dropped[reason] += n
	}
	result.Ambiguous = append(result.Ambiguous, s.ambiguous...)
	result.Live += len(s.series)
}

func (s *stream) deliver(result *Result) {
	gap := GivenUp{Stream: s.String(), Start: s.from, End: s.from}
	ends := s.arrange()
	begin := int32(0)
	for i, sr := range s.list {
		samples := s.samples[begin:ends[i]]
		begin = ends[i]
		e := s.entry(sr, s.ascending(sr, samples), &gap)
		if len(e.Samples) > 0 || e.Stale {
			result.Entries = append(result.Entries, e)
		}
	}
	if gap.Points > 0 {
		result.GivenUp = append(result.GivenUp, gap)
	}
}

// arrange sorts the gathered points by series into s.samples and returns where each series ends.
func (s *stream) arrange() []int32 {
	s.ends = append(s.ends[:0], make([]int32, len(s.list)+1)...)
	for i := range s.points {
		s.ends[s.points[i].series.index+1]++
	}
	for i := range len(s.list) {
		s.ends[i+1] += s.ends[i]
	}
	s.samples = slices.Grow(s.samples[:0], len(s.points))[:len(s.points)]
	for i := range s.points {
		p := &s.points[i]
		s.samples[s.ends[p.series.index]] = p.Sample
		s.ends[p.series.index]++
	}
	return s.ends
}

// ascending sorts the samples of one series by time. Of two values at one timestamp the larger counts: they are never
// mixed.
func (s *stream) ascending(sr *Series, samples []Sample) []Sample {
	for i := 1; i < len(samples); i++ {
		for j := i; j > 0 && samples[j].Timestamp < samples[j-1].Timestamp; j-- {
			samples[j], samples[j-1] = samples[j-1], samples[j]
		}
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

// entry returns what is to be delivered of a series of which samples were read.
func (s *stream) entry(sr *Series, samples []Sample, gap *GivenUp) Entry {
	covered := s.covered(sr)
	if !covered {
		if sr.held || s.err != nil {
			return Entry{}
		}
		// There was no time for what lies before the window, and the present is worth more.
		samples = after(samples, s.from)
		if len(samples) > 0 && sr.begun {
			begin := s.beginning(sr)
			gap.Start = min(gap.Start, begin)
			gap.Points += max(1, (s.from-begin)/s.period())
		}
	}
	if !sr.begun && len(samples) > 0 {
		samples = s.first(sr, samples)
	}
	newest := sr.watermark
	if n := len(samples); n > 0 {
		newest = samples[n-1].Timestamp
	}
	if covered {
		sr.next = s.now + max(0, s.newest-newest)/3
	}
	e := Entry{Series: sr, Samples: samples}
	if covered && s.stale(newest) {
		e.Stale = sr.delivered || len(samples) > 0
		if !e.Stale {
			s.forget(sr)
		}
	}
	return e
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
