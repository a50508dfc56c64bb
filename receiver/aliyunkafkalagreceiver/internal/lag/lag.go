// Package lag decides what to ask CloudMonitor for, what its replies mean, what to deliver, and what counts as
// delivered. It makes no calls and reads no clock: the caller passes in the time and the replies.
//
// # The rule
//
// Each live series has a watermark, the timestamp of its newest accepted point. Its new points, or its stale marker,
// are delivered once everything since its watermark has been asked for: by a window over its whole stream that starts
// at the watermark or earlier, or by name. Which of the two is only a question of the number of calls.
package lag

import "time"

// Key identifies a series within one metric.
type Key struct {
	Instance string // Kafka instance ID
	Group    string // consumer group
	Topic    string // empty unless the metric is per topic
}

// Point is one value that CloudMonitor reported of a series.
type Point struct {
	Key
	Account   string  // Alibaba Cloud account ID (CloudMonitor's userId); may be empty
	Timestamp int64   // unix milliseconds
	Value     float64 // messages; may be negative, NaN or infinite, which is dropped here
}

// Settings are the configured bounds of reading.
type Settings struct {
	Period      time.Duration           // CloudMonitor's statistical period
	StaleAfter  time.Duration           // age of its newest point at which a series ends
	MaxBackfill time.Duration           // age at which a point is not read any more
	Wanted      func(group string) bool // reports whether a consumer group is to be read
	PageLength  int                     // points of a full page
	BatchSize   int                     // most instances, and most series by name, that one call may ask for
}

// Request is a window (Start, End] to ask CloudMonitor for, page by page.
type Request struct {
	Metric    string
	Instances []string // at most BatchSize; empty asks for every instance of the region
	Names     []Key    // at most BatchSize; when not empty, only these series are asked for
	Start     int64    // unix milliseconds, exclusive
	End       int64    // unix milliseconds, inclusive

	// contains unexported fields
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
func (e Entry) StaleTimestamp() int64 { return 0 }

// Accept records that the next consumer has accepted the entry, or that it was given up.
func (e Entry) Accept() {}

// Series is what is remembered of one live series.
type Series struct {
	Key
	Metric  string
	Account string
}

// DropReason is why a point of CloudMonitor was not delivered.
type DropReason string

// Failure is a stream that could not be read to the end.
type Failure struct {
	Stream string // what it reads, for a log
	Err    error
}

// GivenUp is a span that was not read for lack of time.
type GivenUp struct {
	Stream     string // what it reads, for a log
	Start, End int64  // unix milliseconds
	Points     int64  // how many points were not read, estimated
}

// Result is what a scrape brought.
type Result struct {
	Entries   []Entry // ascending within a series; valid until the next scrape begins
	Failures  []Failure
	GivenUp   []GivenUp
	Dropped   map[DropReason]int64
	Ambiguous []Key // series that had two values at one timestamp, each named once
	Live      int   // live series
	Streams   int   // streams there are
}

// Tracker remembers all streams. It is not safe for concurrent use; the scrape that it begins is.
type Tracker struct{}

// NewTracker returns a tracker of the metrics of the instances. No instances means every instance of the region.
func NewTracker(s Settings, metrics, instances []string) *Tracker { return &Tracker{} }

// Begin begins a scrape at now, CloudMonitor's time. left returns how much time the scrape has left for reading.
func (t *Tracker) Begin(now time.Time, left func() time.Duration) *Scrape { return &Scrape{} }

// Scrape is one reading of all streams up to the present. Its methods are safe for concurrent use.
type Scrape struct{}

// Next returns what to ask for next. It waits while all there is to ask depends on requests under way, and returns nil
// when there is nothing left to ask in this scrape.
func (s *Scrape) Next() *Request { return nil }

// Page takes a page of a request's reply and how long the call took, retries included. last reports whether it is the last page. It returns whether to
// ask for the next page; if not, and on the last page, the request is done.
func (s *Scrape) Page(r *Request, points []Point, took time.Duration, last bool) bool { return false }

// Fail takes the error that ended a request. split reports whether the error may be due to a single instance of the batch.
func (s *Scrape) Fail(r *Request, err error, split bool) {}

// Finish ends the scrape. All requests must be done.
func (s *Scrape) Finish() Result { return Result{} }
