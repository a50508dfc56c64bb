package lag

import (
	"fmt"
	"slices"
	"time"
)

// stream is one metric of one batch of instances: what is remembered of its series, and what the scrape under way has
// read. It is not safe for concurrent use.
type stream struct {
	settings  *Settings
	filter    groupFilter
	metric    string
	instances []string // empty: every instance of the region

	series    map[Key]*Series
	list      []*Series // the same series, in a stable order
	forgotten int       // how many of the list are forgotten

	// started is the time of the first scrape that read the present, or the newest watermark that was restored; 0 if
	// there is none. Of an unknown series only the newest of the points before it counts: a predecessor may have
	// delivered them.
	started int64
	// newest is the newest timestamp read, whatever the series, and readAt when the present was read last.
	newest, readAt int64
	// quiet is how long before the present there were no points, as long as none was read at all.
	quiet int64
	// perPeriod estimates how many points there are at each timestamp.
	perPeriod float64
	// probeCredit is how many pages may be spent on looking for newcomers.
	probeCredit float64
	// endedTo is the newest watermark of the series that have ended. Unknown series do not begin before it.
	endedTo int64
	// pace is how long the slowest page of the last scrape took that read any.
	pace time.Duration
	// lastScrape is the number of the last scrape that read the stream, and failing reports whether that failed.
	lastScrape uint64
	failing    bool
	// notOne is set when a search has shown that a failure is not due to single instances, until a read succeeds.
	notOne bool
	// bad is why the only instance of the stream is asked for rarely, nil if it is not. It is asked for at retryAt.
	bad     error
	retryAt int64

	pass
}

// pass is what a scrape knows of a stream.
type pass struct {
	now      int64
	starting bool          // no scrape has read the present yet
	target   int64         // where the window starts
	spread   int64         // how far the series lie behind the newest point on average: they are not published all at once
	from     int64         // once present: everything in (from, now] was read
	present  bool          // the newest part of the window was read
	short    bool          // there was no time for the rest of the window
	broken   bool          // the rest of the window could not be read
	span     int64         // how much of the window the next part has; 0 goes by the density
	pages    int           // pages read
	slowest  time.Duration // of them
	failures int           // failed parts
	err      error         // the last failure

	probed   bool
	extended int // how often the window was extended to fill gaps
	calls    []call
	search   search
	aside    []*stream // bad instances that a search found
	busy     bool      // a request is under way

	points    []point
	last      *Series // the series of the last point
	counts    []int32 // points of the request under way by period
	latest    int64   // the newest of them
	samples   []Sample
	ends      []int // where the samples of each series end
	dropped   map[DropReason]int64
	ambiguous []Key
}

// point is a point that may be delivered.
type point struct {
	series *Series
	Sample
}

func newStream(settings *Settings, metric string, instances []string) *stream {
	return &stream{
		settings: settings, filter: groupFilter{wanted: settings.Wanted}, metric: metric, instances: instances,
		series: map[Key]*Series{},
	}
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

func (s *stream) period() int64 { return s.settings.Period.Milliseconds() }

// earliest is the time before which points are not read.
func (s *stream) earliest() int64 { return s.now - s.settings.MaxBackfill.Milliseconds() }

// staleTo is the time up to which a series is stale that has no newer point.
func (s *stream) staleTo() int64 { return s.now - s.settings.StaleAfter.Milliseconds() }

// begin prepares the stream for a scrape at now.
func (s *stream) begin(now int64) {
	s.compact()
	for _, sr := range s.list {
		sr.fresh, sr.far, sr.needed, sr.asked, sr.answered, sr.held = false, false, false, false, false, false
	}
	if cap(s.points) > 1024+8*len(s.list) { // of a backlog
		s.points, s.samples = nil, nil
	}
	s.pass = pass{
		now: now, from: now, starting: s.started == 0,
		points: s.points[:0], samples: s.samples[:0], counts: s.counts[:0], ends: s.ends[:0],
		dropped: map[DropReason]int64{},
	}
	if s.starting {
		s.started = now
	}
	s.target = s.windowStart()
}

// gather takes the points of one page of r.
func (s *stream) gather(r *Request, points []Point) {
	for i := range points {
		p := &points[i]
		if r.kind != namesRequest {
			s.count(r, p.Timestamp)
		}
		if reason := s.keep(p, r.kind); reason != "" {
			s.dropped[reason]++
		}
	}
}

// keep keeps a point of a request that may be delivered, and returns why it does not keep any other.
func (s *stream) keep(p *Point, kind requestKind) DropReason {
	sr := s.lookup(p)
	if sr == nil && !s.filter.match(p.Group, s.perPeriod) {
		return DropFiltered
	}
	if kind == namesRequest && sr != nil && sr.asked && p.Timestamp >= sr.watermark {
		sr.answered = true
	}
	if reason := s.settings.dropReason(p, s.now); reason != "" {
		return reason
	}
	if sr == nil {
		floor := max(s.staleTo(), s.endedTo)
		if p.Timestamp <= floor {
			return DropStale
		}
		sr = s.add(p.Key, floor)
		sr.fresh, sr.far = true, kind == probeRequest
	}
	if p.Account != "" {
		sr.Account = p.Account
	}
	if p.Timestamp <= sr.watermark {
		return DropBehindWatermark
	}
	s.points = append(s.points, point{sr, Sample{p.Timestamp, p.Value}})
	return ""
}

// lookup returns the series of a point, nil if it is unknown.
func (s *stream) lookup(p *Point) *Series {
	if s.last != nil {
		if sr := s.last.after; sr != nil && sr.stream == s && sr.Key == p.Key {
			s.last = sr
			return sr
		}
	}
	sr := s.series[p.Key]
	if sr != nil {
		if s.last != nil {
			s.last.after = sr
		}
		s.last = sr
	}
	return sr
}

// add begins a series that has nothing to deliver up to watermark.
func (s *stream) add(key Key, watermark int64) *Series {
	sr := &Series{Key: key, Metric: s.metric, watermark: watermark}
	s.adopt(sr)
	return sr
}

// adopt takes a series into the stream.
func (s *stream) adopt(sr *Series) {
	sr.stream, sr.index, sr.after = s, len(s.list), nil
	s.series[sr.Key] = sr
	s.list = append(s.list, sr)
}

// forget drops a series whose stale marker was delivered, or of which there is nothing to deliver.
func (s *stream) forget(sr *Series) {
	sr.stream = nil
	s.forgotten++
	delete(s.series, sr.Key)
	if sr.delivered {
		s.endedTo = max(s.endedTo, sr.watermark)
	}
}

// compact removes the series that are forgotten, or went to another stream, from the list.
func (s *stream) compact() {
	if s.forgotten == 0 {
		return
	}
	s.list = slices.DeleteFunc(s.list, func(sr *Series) bool { return sr.stream != s })
	for i, sr := range s.list {
		sr.index, sr.after = i, nil
	}
	s.forgotten = 0
}
