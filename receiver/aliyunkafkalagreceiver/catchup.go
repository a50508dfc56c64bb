package aliyunkafkalagreceiver

import "time"

// catchUp cuts what is too much for one scrape into windows that are not, from the oldest to
// the present. A series that publishes what lies before readTo only after that was read loses
// those points: nothing would ever end if the windows waited for every series.
// The zero value does not cut.
type catchUp struct {
	// span is the length of the next window; 0 does not limit it.
	span time.Duration
	// good is the longest window known to be read in a scrape, ceiling the shortest known not
	// to be.
	good, ceiling time.Duration
	// readTo is how far the windows were read and delivered.
	readTo time.Time
}

// failed shortens the next window after w was too much.
func (c *catchUp) failed(w window, period time.Duration) {
	c.ceiling = w.length()
	if c.good >= c.ceiling {
		c.good = 0
	}
	c.span = max(c.good, (c.ceiling / 2).Truncate(period), period)
}

// delivered goes on after w, which did not reach the present, with a window half way between
// what can be read and what cannot. The latter is tried again now and then: CloudMonitor may
// have been slow.
func (c *catchUp) delivered(w window, period time.Duration) {
	c.readTo = w.end
	c.good = w.length()
	c.ceiling += period / 10
	c.span = max(c.span, min(2*c.span, ((c.good+c.ceiling)/2).Truncate(period)))
}
