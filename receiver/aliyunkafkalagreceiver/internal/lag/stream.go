package lag

import (
	"fmt"
	"math"
	"slices"
)

// stream is one metric of one batch of instances: what is remembered of its series, and what the scrape under way has
// read. It is not safe for concurrent use.
type stream struct {
	settings  *Settings
	wanted    groupFilter
	metric    string
	instances []string // empty: every instance of the region

	series map[Key]*Series
	list   []*Series // the same series, in a stable order
	ended  int       // how many of the list are forgotten

	// started is the time of the first scrape that read the present, 0 until then. Of an unknown series, only the
	// newest of the points before it counts: a predecessor may have delivered them.
	started int64
	// newest is the newest timestamp seen, whatever the series, and newestAt when it was seen.
	newest, newestAt int64
	// perPeriod estimates how many points there are at each timestamp.
	perPeriod float64
	// probeCredit is how many pages may be spent on looking for newcomers.
	probeCredit float64
	// endedTo is the watermark up to which series have ended. An unknown series does not begin before it.
	endedTo int64
	// begun is the number of the last scrape that began to read the stream; failing reports whether that failed.
	begun   uint64
	failing bool
	// search is the search for a bad instance that the stream takes part in, nil if there is none.
	search *search
	// notOne is set when a search found that the errors are not due to single instances, until a read succeeds.
	notOne bool
	// suspect is the error of its only instance, which a search has singled out.
	suspect error
	// bad is why its only instance is asked for rarely, nil if it is not; retryAt is when it is asked for again.
	bad     error
	retryAt int64

	pass
}

// pass is the state of one scrape of a stream.
type pass struct {
	now    int64
	step   step
	target int64 // the window starts here
	from   int64 // everything in (from, now] has been read
	points []gathered
	pages  int // pages read

	starting bool  // no scrape has read the present yet
	present  bool  // the part that ends at now was read
	parts    bool  // the window is read in parts
	longest  int64 // no part spans more
	stretch  int64 // how much longer than the density says parts may be
	short    bool  // there was no time for the rest of the window
	probed   bool
	extended bool // the window was extended to fill gaps
	named    bool // the calls by name were planned
	calls    [][]*Series
	err      error

	counts    []int32 // points by period of the request under way
	latest    int64   // the newest of them
	ends      []int32 // where the samples of each series end
	last      *Series // the series of the last point
	dropped   map[DropReason]int64
	ambiguous []Key
	samples   []Sample
}

// gathered is one point that may be delivered.
type gathered struct {
	series *Series
	Sample
}

func newStream(t *Tracker, metric string, instances []string) *stream {
	return &stream{settings: &t.settings, wanted: groupFilter{wanted: t.settings.Wanted}, metric: metric, instances: instances, series: map[Key]*Series{}}
}

// String names what the stream reads, for a log.
func (s *stream) String() string {
	switch n := len(s.instances); n {
	case 0:
		return s.metric + " of all instances"
	case 1:
		return s.metric + " of " + s.instances[0]
	default:
		return fmt.Sprintf("%s of %s and %d more", s.metric, s.instances[0], n-1)
	}
}

func (s *stream) period() int64     { return s.settings.Period.Milliseconds() }
func (s *stream) staleAfter() int64 { return s.settings.StaleAfter.Milliseconds() }

// earliest is the time before which points are not read.
func (s *stream) earliest() int64 { return s.now - s.settings.MaxBackfill.Milliseconds() }

// begin prepares the stream for a scrape at now.
func (s *stream) begin(now int64) {
	s.compact()
	for _, sr := range s.list {
		sr.fresh, sr.needed, sr.answered, sr.held = false, false, false, false
	}
	s.pass = pass{
		now: now, from: now, longest: math.MaxInt64 / 4, stretch: 1,
		points: s.points[:0], samples: s.samples[:0], counts: s.counts[:0], ends: s.ends[:0],
		dropped: map[DropReason]int64{},
	}
	if s.started == 0 {
		s.starting, s.started = true, now
		s.longest = 2 * s.period() // and twice as much with each part
	}
	s.target = s.windowStart()
}

// gather takes the points of one page of r.
func (s *stream) gather(r *Request, points []Point) {
	for i := range points {
		p := &points[i]
		s.count(r, p.Timestamp)
		if reason := s.gatherPoint(r, p); reason != "" {
			s.dropped[reason]++
		}
	}
}

// gatherPoint keeps a point that may be delivered, and returns why it does not keep any other.
func (s *stream) gatherPoint(r *Request, p *Point) DropReason {
	sr := s.lookup(p)
	if sr == nil && !s.wanted.match(p.Group) {
		return DropFiltered
	}
	if reason := s.settings.dropReason(p, s.now); reason != "" {
		return reason
	}
	if sr == nil {
		floor := max(s.now-s.staleAfter(), s.endedTo)
		if p.Timestamp <= floor {
			return DropStale
		}
		sr = s.add(p.Key, floor)
		sr.fresh = true
	}
	if p.Account != "" {
		sr.Account = p.Account
	}
	if len(r.asked) > 0 && p.Timestamp >= sr.watermark {
		sr.answered = true
	}
	if p.Timestamp <= sr.watermark {
		return DropBehindWatermark
	}
	s.points = append(s.points, gathered{sr, Sample{p.Timestamp, p.Value}})
	return ""
}

// lookup returns the series of a point, nil if it is unknown.
func (s *stream) lookup(p *Point) *Series {
	if s.last != nil && s.last.after != nil && s.last.after.Key == p.Key && !s.last.after.ended {
		s.last = s.last.after
		return s.last
	}
	sr := s.series[p.Key]
	if s.last != nil {
		s.last.after = sr
	}
	if sr != nil {
		s.last = sr
	}
	return sr
}

// add begins a series that has nothing to deliver up to watermark.
func (s *stream) add(key Key, watermark int64) *Series {
	sr := &Series{Key: key, Metric: s.metric, stream: s, watermark: watermark, index: int32(len(s.list))}
	s.series[key] = sr
	s.list = append(s.list, sr)
	return sr
}

// forget drops a series whose end was delivered, or that has nothing to deliver.
func (s *stream) forget(sr *Series) {
	if sr.ended {
		return
	}
	sr.ended = true
	s.ended++
	delete(s.series, sr.Key)
	if sr.delivered {
		s.endedTo = max(s.endedTo, sr.watermark)
	}
}

// compact removes forgotten series from the list.
func (s *stream) compact() {
	if s.ended == 0 {
		return
	}
	s.list = slices.DeleteFunc(s.list, func(sr *Series) bool { return sr.ended })
	for i, sr := range s.list {
		sr.index = int32(i)
		if sr.after != nil && sr.after.ended {
			sr.after = nil
		}
	}
	s.ended = 0
}

// maxCounts bounds the memory of counting points by period.
const maxCounts = 4096

// countWidth is the span that one count of r covers.
func (s *stream) countWidth(r *Request) int64 {
	return max(s.period(), (r.End-r.Start)/maxCounts+1)
}

// count takes the timestamp of a point of r for the estimate of the density.
func (s *stream) count(r *Request, timestamp int64) {
	if timestamp <= r.Start || timestamp > min(r.End, s.now+s.period()) || len(r.asked) > 0 {
		return
	}
	i := int((timestamp - r.Start - 1) / s.countWidth(r))
	for len(s.counts) <= i {
		s.counts = append(s.counts, 0)
	}
	s.counts[i]++
	s.latest = max(s.latest, timestamp)
}

// learn adjusts the density after r, which was read to its end or given up.
func (s *stream) learn(r *Request, complete bool) {
	if len(s.counts) == 0 {
		return
	}
	if complete && s.latest > s.newest {
		s.newest, s.newestAt = s.latest, s.now
	}
	most := float64(slices.Max(s.counts)) * float64(s.period()) / float64(s.countWidth(r))
	if complete { // what ended must not count for ever
		s.perPeriod *= 0.9
	}
	s.perPeriod = max(s.perPeriod, most, float64(len(s.series)))
	s.counts, s.latest = s.counts[:0], 0
}
