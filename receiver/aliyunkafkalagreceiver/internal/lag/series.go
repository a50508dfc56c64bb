package lag

// maxNameLength is the longest dimension value that is asked for by name. CloudMonitor's older documents
// (DescribeMetricData) say that it cuts longer ones.
const maxNameLength = 64

// Series is what is remembered of one live series.
type Series struct {
	Key
	Metric  string // CloudMonitor's metric
	Account string // Alibaba Cloud account ID; may be empty

	stream *stream
	// watermark is the timestamp of the newest accepted point. As long as none was accepted, it is a time before the
	// first point to deliver.
	watermark int64
	// next is when to ask for the series by name again, in unix milliseconds of CloudMonitor's time.
	next int64
	// unnamed is until when the series is not asked for by name, since CloudMonitor did not know it by its name.
	unnamed int64
	// after is the series whose point followed last time: replies tend to keep their order.
	after *Series
	// index is the place in the stream's list.
	index int32

	begun     bool // its first point was chosen
	delivered bool // a point was accepted
	ambiguous bool // it had two values at one timestamp
	ended     bool // it is forgotten; the list still has it

	// What the scrape under way knows.
	fresh    bool // it was found in this scrape
	needed   bool // the window has points of it, and the time before the window was not read
	answered bool // a reply by name had a point of it
	held     bool // asking for its gap failed: nothing of it is delivered
}

func (sr *Series) nameable(now int64) bool {
	return now >= sr.unnamed && max(len(sr.Instance), len(sr.Group), len(sr.Topic)) <= maxNameLength
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

// Accept records that the next consumer has accepted the entry, or that it was given up. The entries of one series
// have to be accepted in ascending order.
func (e Entry) Accept() {
	if n := len(e.Samples); n > 0 {
		e.Series.watermark = e.Samples[n-1].Timestamp
		e.Series.delivered = true
	}
	if e.Stale {
		e.Series.stream.forget(e.Series)
	}
}
