package aliyunkafkalagreceiver

import "time"

// window is the span (start, end] that one query asks for.
type window struct {
	start, end time.Time
}

// queryWindow is the window at now that reaches back to from, but not further than
// maxBackfill. It is never empty: CloudMonitor refuses a query whose start is not before
// its end, which a clock that was set back would otherwise cause.
func queryWindow(now, from time.Time, maxBackfill time.Duration) window {
	start := from
	if earliest := now.Add(-maxBackfill); start.Before(earliest) {
		start = earliest
	}
	if end := start.Add(time.Millisecond); end.After(now) {
		return window{start: start, end: end}
	}
	return window{start: start, end: now}
}
