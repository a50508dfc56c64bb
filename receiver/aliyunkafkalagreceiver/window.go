package aliyunkafkalagreceiver

import "time"

// window is the span (start, end] that one query asks for.
type window struct {
	start, end time.Time
	// sweep tells that it reaches back behind the watermarks on purpose.
	sweep bool
}

func (w window) length() time.Duration {
	return w.end.Sub(w.start)
}

// queryWindow is the window at now that reaches back to from, but not further than
// maxBackfill, and is not longer than span if there is one. It is never empty: CloudMonitor
// refuses a query whose start is not before its end.
func queryWindow(now, from time.Time, maxBackfill, span time.Duration) window {
	start, end := from, now
	if earliest := now.Add(-maxBackfill); start.Before(earliest) {
		start = earliest
	}
	if limit := start.Add(span); span > 0 && limit.Before(end) {
		end = limit
	}
	if shortest := start.Add(time.Millisecond); end.Before(shortest) {
		end = shortest
	}
	return window{start: start, end: end}
}
