package aliyunkafkalagreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestClock(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	// at is a moment at which the wall clock is off by step since the start.
	at := func(elapsed, step time.Duration) moment {
		return moment{wall: start.Add(elapsed + step), elapsed: elapsed}
	}
	type reply struct {
		date           time.Duration // since start, by CloudMonitor's clock
		sent, received time.Duration // since start, by the monotonic clock
		step           time.Duration
	}
	const ms = time.Millisecond
	tests := []struct {
		name    string
		replies []reply
		now     moment
		want    time.Duration // since start
	}{
		{name: "without a reply it is the local clock", now: at(time.Minute, 0), want: time.Minute},
		{name: "a step of the wall clock changes nothing", now: at(time.Minute, -time.Hour), want: time.Minute},
		{
			name: "what the bounds allow is not corrected", replies: []reply{{date: 10 * time.Second, sent: 10*time.Second + 100*ms, received: 10*time.Second + 900*ms}},
			now: at(time.Minute, 0), want: time.Minute,
		},
		{
			name: "ahead: at least by the date minus the time of receiving", replies: []reply{{date: 20 * time.Second, sent: 10 * time.Second, received: 10*time.Second + 200*ms}},
			now: at(time.Minute, 0), want: time.Minute + 9800*ms,
		},
		{
			name: "behind: at least by the end of the date's second minus the time of sending", replies: []reply{{date: 5 * time.Second, sent: 10 * time.Second, received: 10*time.Second + 200*ms}},
			now: at(time.Minute, 0), want: time.Minute - 4*time.Second,
		},
		{
			name: "each reply narrows the bounds, whatever their order",
			replies: []reply{
				{date: 20 * time.Second, sent: 10*time.Second + 500*ms, received: 10*time.Second + 500*ms}, // 9.5 to 10.5
				{date: 30 * time.Second, sent: 20*time.Second + 100*ms, received: 20*time.Second + 100*ms}, // 9.9 to 10.9
				{date: 40 * time.Second, sent: 30*time.Second + 700*ms, received: 30*time.Second + 700*ms}, // 9.3 to 10.3
			},
			now: at(time.Minute, 0), want: time.Minute + 9900*ms,
		},
		{
			name: "narrowed from above",
			replies: []reply{
				{date: 0, sent: 10*time.Second + 500*ms, received: 10*time.Second + 500*ms},                // -10.5 to -9.5
				{date: 10 * time.Second, sent: 20*time.Second + 900*ms, received: 20*time.Second + 900*ms}, // -10.9 to -9.9
				{date: 20 * time.Second, sent: 30 * time.Second, received: 35 * time.Second},               // -15 to -9
			},
			now: at(time.Minute, 0), want: time.Minute - 9900*ms,
		},
		{
			name:    "replies that contradict start over from the newest",
			replies: []reply{{date: 20 * time.Second, sent: 10 * time.Second, received: 10 * time.Second}, {date: 80 * time.Second, sent: 20 * time.Second, received: 20 * time.Second}},
			now:     at(time.Minute, 0), want: 2 * time.Minute,
		},
		{
			name:    "and forget the older ones",
			replies: []reply{{date: 80 * time.Second, sent: 20 * time.Second, received: 20 * time.Second}, {date: 30 * time.Second, sent: 30 * time.Second, received: 30 * time.Second}},
			now:     at(time.Minute, 0), want: time.Minute,
		},
		{
			name:    "a date 15 minutes off is used",
			replies: []reply{{date: 15*time.Minute + 10*time.Second, sent: 10 * time.Second, received: 10 * time.Second}},
			now:     at(time.Minute, 0), want: 16 * time.Minute,
		},
		{
			name:    "one further off is not",
			replies: []reply{{date: 15*time.Minute + 11*time.Second, sent: 10 * time.Second, received: 10 * time.Second}},
			now:     at(time.Minute, 0), want: time.Minute,
		},
		{
			name:    "nor one further in the past",
			replies: []reply{{date: -15 * time.Minute, sent: time.Second, received: time.Second}},
			now:     at(time.Minute, 0), want: time.Minute,
		},
		{
			name: "and it does not undo what is known",
			replies: []reply{
				{date: 70 * time.Second, sent: 10 * time.Second, received: 10 * time.Second},
				{date: 9 * time.Hour, sent: 20 * time.Second, received: 20 * time.Second},
			},
			now: at(time.Minute, 0), want: 2 * time.Minute,
		},
		{
			name:    "a host that slept an hour: the monotonic clock did not go on, the wall clock did",
			replies: []reply{{date: time.Hour + 10*time.Second, sent: 10 * time.Second, received: 10 * time.Second, step: time.Hour}},
			now:     at(time.Minute, time.Hour), want: time.Hour + time.Minute,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock(start)
			c.observe(time.Time{}, at(0, 0), at(0, 0)) // no header
			for _, r := range tt.replies {
				c.observe(start.Add(r.date), at(r.sent, r.step), at(r.received, r.step))
			}
			assert.Equal(t, start.Add(tt.want), c.at(tt.now))
		})
	}
}
