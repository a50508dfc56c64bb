package aliyunkafkalagreceiver

import (
	"sync"
	"time"
)

// maxClockError is how far CloudMonitor's Date may be from the local clock to be trusted. CloudMonitor itself rejects
// calls that are further off.
const maxClockError = 15 * time.Minute

// moment is a reading of the local clocks.
type moment struct {
	wall    time.Time     // may step
	elapsed time.Duration // since the start of the receiver; never steps
}

// clock estimates CloudMonitor's time from the Date headers of its replies, so that a wrong local clock neither ends
// nor repeats a series. A header is good to a second, and the reply was written some time between sending and
// receiving: each reply only bounds how far CloudMonitor's clock is ahead. It is safe for concurrent use.
type clock struct {
	start     time.Time
	mu        sync.Mutex
	low, high time.Duration // bounds of CloudMonitor's time minus local time; 0 until a reply shows a difference
}

func newClock(start time.Time) *clock { return &clock{start: start} }

// moment reads the local clocks.
func (c *clock) moment() moment {
	t := time.Now()
	return moment{wall: t.Round(0), elapsed: t.Sub(c.start)}
}

// observe takes the Date header of a reply. A zero date changes nothing, nor does one too far from the local clock.
func (c *clock) observe(date time.Time, sent, received moment) {
	if date.IsZero() || date.Sub(received.wall).Abs() > maxClockError {
		return
	}
	low, high := date.Sub(c.local(received)), date.Add(time.Second).Sub(c.local(sent))
	c.mu.Lock()
	defer c.mu.Unlock()
	if max(low, c.low) <= min(high, c.high) {
		low, high = max(low, c.low), min(high, c.high)
	}
	c.low, c.high = low, high // where they contradict, the newest reply counts
}

// at returns CloudMonitor's time at m: the local time, corrected by the smallest amount that fits the bounds.
func (c *clock) at(m moment) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local(m).Add(min(max(0, c.low), c.high))
}

// now returns CloudMonitor's time.
func (c *clock) now() time.Time { return c.at(c.moment()) }

// local returns the local time that no step of the wall clock changes.
func (c *clock) local(m moment) time.Time { return c.start.Round(0).Add(m.elapsed) }
