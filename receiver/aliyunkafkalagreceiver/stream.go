package aliyunkafkalagreceiver

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

// stream is one CloudMonitor metric read for one batch of instances. It remembers how far
// each of its series was delivered, and from that decides what to ask for and what to emit.
// It is not safe for concurrent use.
type stream struct {
	metric    string
	instances []string
	limits    limits

	series map[seriesKey]*series
	// primed is set by the first read that brought a series: until then a restart may have
	// left newer samples downstream than the reply has.
	primed bool
	// sweptAt is when a query last reached back behind the watermarks, and sweepPoints what
	// it brought.
	sweptAt     time.Time
	sweepPoints int
	catchUp     catchUp
}

// limits are the configured bounds of a stream.
type limits struct {
	period      time.Duration
	lookback    time.Duration
	maxBackfill time.Duration
	staleAfter  time.Duration
	wanted      func(consumerGroup string) bool
}

type seriesKey struct {
	instanceID, consumerGroup, topic string
}

func (k seriesKey) compare(o seriesKey) int {
	return cmp.Or(
		cmp.Compare(k.instanceID, o.instanceID),
		cmp.Compare(k.consumerGroup, o.consumerGroup),
		cmp.Compare(k.topic, o.topic),
	)
}

// series is what is remembered of one live series.
type series struct {
	userID string
	// watermark is the timestamp (unix ms) of the newest point that was delivered, or, as
	// long as none was, a time just before the first one to deliver.
	watermark int64
	delivered bool
}

func newStream(metric string, instances []string, l limits) *stream {
	return &stream{metric: metric, instances: instances, limits: l, series: map[seriesKey]*series{}}
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

// window is what to ask for at now. It starts at the oldest watermark, so that whatever
// was not delivered is asked for again. Now and then it sweeps the time behind it: a series
// that appears later than the others publish would stay before every start.
func (s *stream) window(now time.Time) window {
	from := now
	sweep := s.sweepDue(now)
	switch {
	case s.sweptAt.IsZero():
		from = now.Add(-s.limits.lookback)
	case sweep, len(s.series) == 0:
		from = now.Add(-s.limits.staleAfter)
	}
	for _, ser := range s.series {
		if w := time.UnixMilli(ser.watermark); w.Before(from) {
			from = w
		}
	}
	if s.catchUp.readTo.After(from) {
		from = s.catchUp.readTo
	}
	w := queryWindow(now, from, s.limits.maxBackfill, s.catchUp.span)
	w.sweep = sweep
	return w
}

// sweepDue tells whether to look for new series behind the watermarks, not further than
// staleAfter since older points do not begin a series. What takes more than a page is done
// once a lookback, and otherwise it is done twice in staleAfter.
func (s *stream) sweepDue(now time.Time) bool {
	every := s.limits.staleAfter / 2
	if s.sweepPoints >= cms.PageLength {
		every = s.limits.lookback
	}
	return s.catchUp.span == 0 && now.Sub(s.sweptAt) >= every
}

// narrow makes the next windows shorter: this one was too much for a scrape.
func (s *stream) narrow(w window) {
	s.catchUp.failed(w, s.limits.period)
	s.sweepPoints = cms.PageLength
	if !s.sweptAt.IsZero() {
		s.sweptAt = w.end
	}
}

// accept sorts what the read of a window at now brought into what the next consumer is to
// get. A window that does not reach the present ends no series.
func (s *stream) accept(points []cms.Point, w window, now time.Time) *delivery {
	d := &delivery{stream: s, window: w, current: !w.end.Before(now), dropped: map[dropReason]int64{}}
	arrived := map[seriesKey][]cms.Point{}
	for _, p := range points {
		if reason := s.judge(p, now); reason != "" {
			d.dropped[reason]++
			continue
		}
		key := seriesKey{p.InstanceID, p.ConsumerGroup, p.Topic}
		arrived[key] = append(arrived[key], p)
	}
	for key, ps := range arrived {
		if samples := s.admit(key, ps, now, d); len(samples) > 0 {
			d.series = append(d.series, seriesDelivery{key: key, userID: s.series[key].userID, samples: samples})
		}
	}
	if len(s.series) > 0 {
		s.primed = true
	}
	if d.current {
		s.end(d, now)
		switch {
		case w.sweep:
			s.sweptAt, s.sweepPoints = now, len(points)
		case s.sweptAt.IsZero(): // the first was read in parts
			s.sweptAt = now
		}
	}
	slices.SortFunc(d.series, func(a, b seriesDelivery) int { return a.key.compare(b.key) })
	return d
}

// judge is the reason to drop a point whatever its series, or "".
func (s *stream) judge(p cms.Point, now time.Time) dropReason {
	age := now.Sub(time.UnixMilli(p.Timestamp))
	switch {
	case !s.limits.wanted(p.ConsumerGroup):
		return dropFiltered
	case p.Value-p.Value != 0: // NaN or infinite
		return dropNotFinite
	case p.Value < 0:
		return dropNegative
	case age < -s.limits.period:
		return dropFuture
	case age > s.limits.maxBackfill:
		return dropTooOld
	default:
		return ""
	}
}

// admit is the samples of one series that were not delivered yet, ascending.
func (s *stream) admit(key seriesKey, points []cms.Point, now time.Time, d *delivery) []sample {
	slices.SortStableFunc(points, func(a, b cms.Point) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	ser, known := s.series[key]
	if !known {
		points = s.begin(points, now, d)
		if len(points) == 0 {
			return nil
		}
		ser = &series{watermark: points[0].Timestamp - 1}
		s.series[key] = ser
	}
	if userID := points[len(points)-1].UserID; userID != "" {
		ser.userID = userID
	}

	var samples []sample
	last := ser.watermark
	for _, p := range points {
		if p.Timestamp <= last {
			d.dropped[dropBehindWatermark]++
			continue
		}
		last = p.Timestamp
		samples = append(samples, sample{timestamp: p.Timestamp, value: p.Value})
	}
	return samples
}

// begin is the points with which an unknown series begins. A point as old as staleAfter
// does not bring an ended series back, and until the stream is primed only the newest
// point counts: what is older may have been delivered before a restart.
func (s *stream) begin(points []cms.Point, now time.Time, d *delivery) []cms.Point {
	first := len(points) - 1
	if s.primed {
		first = 0
	}
	d.drop(dropBeforeStart, int64(first))
	points = points[first:]
	fresh := slices.IndexFunc(points, func(p cms.Point) bool { return !s.stale(p.Timestamp, now) })
	if fresh < 0 {
		fresh = len(points)
	}
	d.drop(dropStale, int64(fresh))
	return points[fresh:]
}

func (s *stream) stale(timestamp int64, now time.Time) bool {
	return now.Sub(time.UnixMilli(timestamp)) >= s.limits.staleAfter
}

// end marks the series that have no point newer than staleAfter. A series of which
// nothing was delivered is forgotten without a mark.
func (s *stream) end(d *delivery, now time.Time) {
	arrived := make(map[seriesKey]int, len(d.series))
	for i, sd := range d.series {
		arrived[sd.key] = i
	}
	for key, ser := range s.series {
		i, ok := arrived[key]
		newest := ser.watermark
		if ok {
			newest = d.series[i].last()
		}
		if !s.stale(newest, now) {
			continue
		}
		switch {
		case ok:
			d.series[i].ended = true
		case ser.delivered:
			d.series = append(d.series, seriesDelivery{key: key, userID: ser.userID, ended: true})
		default:
			delete(s.series, key)
		}
	}
}
