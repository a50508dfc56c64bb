package lag

import "time"

const (
	// maxNameLength is the longest dimension value that is asked for by name. CloudMonitor's older documents
	// (DescribeMetricData) say that it cuts longer ones.
	maxNameLength = 64
	// nameRetry is how long a series is not asked for by name after CloudMonitor did not know it.
	nameRetry = 10 * time.Minute
)

// Series is what is remembered of one live series.
type Series struct {
	Key
	Metric  string // CloudMonitor's metric
	Account string // Alibaba Cloud account ID; may be empty

	stream *stream // nil once the series is forgotten
	// watermark is the timestamp of the newest accepted point. As long as none was accepted, it is a time before the
	// first point to deliver.
	watermark int64
	// next is when to ask for the series again if it lies behind the window, in CloudMonitor's time.
	next int64
	// unnamed is until when the series is not asked for by name.
	unnamed int64
	// after is the series whose point followed last time: replies tend to keep their order.
	after *Series
	index int // its place in the stream's list
	share int // how many series may share a call by name, 0 for as many as fit

	begun     bool // its first point was chosen
	delivered bool // a point was accepted
	ambiguous bool // it had two values at one timestamp

	// What the scrape under way knows.
	fresh    bool // it was found in this scrape
	far      bool // it was found by a probe: it may have newer points before the window
	needed   bool // points of it were read, and the time before them was not
	asked    bool // it was asked for by name
	answered bool // the reply by name had a point of it
	held     bool // it could not be asked for by name: nothing of it is delivered
}

// nameable reports whether the series may be asked for by name.
func (sr *Series) nameable(now int64) bool { return now >= sr.unnamed && !sr.longName() }

func (sr *Series) longName() bool {
	return max(len(sr.Instance), len(sr.Group), len(sr.Topic)) > maxNameLength
}

// Sample is one value of a series that is to be delivered.
type Sample struct {
	Timestamp int64 // unix milliseconds
	Value     float64
}

// Entry is what is to be delivered of one series: samples, ascending, then a stale marker if Stale.
type Entry struct {
	Series  *Series
	Samples []Sample
	Stale   bool
}

// StaleTimestamp returns the timestamp of the stale marker, in unix milliseconds: 1 ms after the last sample of the
// series, so that nothing that arrives later is out of order.
func (e Entry) StaleTimestamp() int64 {
	if n := len(e.Samples); n > 0 {
		return e.Samples[n-1].Timestamp + 1
	}
	return e.Series.watermark + 1
}

// Accept records that the next consumer has accepted the entry, or that it was dropped. The entries of one series
// have to be accepted in ascending order.
func (e Entry) Accept() {
	if n := len(e.Samples); n > 0 {
		e.Series.watermark = e.Samples[n-1].Timestamp
		e.Series.delivered = true
	}
	if e.Stale && e.Series.stream != nil {
		e.Series.stream.forget(e.Series)
	}
}
