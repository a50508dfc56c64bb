// Package lag decides what to ask CloudMonitor for, what its replies mean, what to deliver, and what counts as
// delivered. It makes no calls and reads no clock: the caller passes in the time and the replies.
//
// # The rule
//
// Each live series has a watermark, the timestamp of its newest accepted point. Its new points, or its stale marker,
// are delivered once everything since its watermark has been asked for: by a window over its whole stream that starts
// at the watermark or earlier, or by name. Which of the two is only a question of the number of calls.
//
// Nothing is remembered of what a scrape could not read. The watermarks are enough for the next one to ask again.
package lag

import (
	"cmp"
	"errors"
	"math"
	"time"
)

// ErrNoTime is the failure of a stream that was not read because the scrape had no time left for it.
var ErrNoTime = errors.New("out_of_time: no time left in this scrape; if it lasts, raise timeout, requests_per_second or max_concurrency, or list fewer instances")

// Key identifies a series within one metric.
type Key struct {
	Instance string // Kafka instance ID
	Group    string // consumer group
	Topic    string // empty unless the metric is per topic
}

// Compare orders keys by instance, group and topic.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Instance, o.Instance), cmp.Compare(k.Group, o.Group), cmp.Compare(k.Topic, o.Topic))
}

// Point is one value that CloudMonitor reported of a series.
type Point struct {
	Key
	Account   string  // Alibaba Cloud account ID (CloudMonitor's userId); may be empty
	Timestamp int64   // unix milliseconds
	Value     float64 // messages; negative, NaN and infinite values are dropped here
}

// Settings are the configured bounds of reading.
type Settings struct {
	Period      time.Duration           // CloudMonitor's statistical period
	StaleAfter  time.Duration           // age of its newest point at which a series gets its stale marker
	MaxBackfill time.Duration           // age at which a point is not read any more
	Wanted      func(group string) bool // reports whether a consumer group is to be read; it has to be safe for concurrent use
	PageLength  int                     // points of a full page
	BatchSize   int                     // most instances, and most series by name, that one call may ask for
}

// DropReason is why a point of CloudMonitor was not delivered.
type DropReason string

// The reasons.
const (
	// DropFiltered: Settings.Wanted does not want the consumer group.
	DropFiltered DropReason = "filtered"
	// DropNegative and DropNotFinite: the value would break a scaler.
	DropNegative  DropReason = "negative"
	DropNotFinite DropReason = "not_finite"
	// DropFuture: dated more than one period ahead.
	DropFuture DropReason = "future"
	// DropTooOld: older than Settings.MaxBackfill.
	DropTooOld DropReason = "too_old"
	// DropBehindWatermark: read before, or published after a newer point of its own series.
	DropBehindWatermark DropReason = "behind_watermark"
	// DropBeforeStart: older than the newest point of its series at the start.
	DropBeforeStart DropReason = "before_start"
	// DropStale: as old as Settings.StaleAfter, of a series that is not live.
	DropStale DropReason = "stale"
)

// dropReason returns why a point is dropped whatever its series, or "".
func (s *Settings) dropReason(p *Point, now int64) DropReason {
	age := now - p.Timestamp
	switch {
	case math.IsNaN(p.Value) || math.IsInf(p.Value, 0):
		return DropNotFinite
	case p.Value < 0:
		return DropNegative
	case age < -s.Period.Milliseconds():
		return DropFuture
	case age > s.MaxBackfill.Milliseconds():
		return DropTooOld
	default:
		return ""
	}
}
