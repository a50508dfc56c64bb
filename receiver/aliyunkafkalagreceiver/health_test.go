package aliyunkafkalagreceiver

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// line is what a test wants to see of a log line.
type line struct {
	level   zapcore.Level
	message string // a part of it
	fields  map[string]any
}

type healthTest struct {
	*health
	logs   *observer.ObservedLogs
	events []*componentstatus.Event
}

func newHealthTest() *healthTest {
	core, logs := observer.New(zap.DebugLevel)
	h := &healthTest{health: newHealth(zap.New(core, zap.AddStacktrace(zapcore.WarnLevel))), logs: logs}
	h.report = func(e *componentstatus.Event) { h.events = append(h.events, e) }
	return h
}

// expect compares the lines logged since the last call.
func (h *healthTest) expect(t *testing.T, want ...line) {
	t.Helper()
	got := h.logs.TakeAll()
	require.Len(t, got, len(want), "%v", got)
	for i, w := range want {
		assert.Equal(t, w.level, got[i].Level)
		assert.Contains(t, got[i].Message, w.message)
		assert.Empty(t, got[i].Stack)
		fields := got[i].ContextMap()
		for key, value := range w.fields {
			assert.Equal(t, value, fields[key], key)
		}
	}
}

// statuses returns the status events since the last call.
func (h *healthTest) statuses() (statuses []componentstatus.Status) {
	for _, e := range h.events {
		statuses = append(statuses, e.Status())
	}
	h.events = nil
	return statuses
}

func failures(errs ...error) (list []lag.Failure) {
	for i, err := range errs {
		list = append(list, lag.Failure{Stream: fmt.Sprintf("stream %d", i), Err: err})
	}
	return list
}

const (
	info  = zapcore.InfoLevel
	warn  = zapcore.WarnLevel
	fault = zapcore.ErrorLevel
)

func TestHealthOfReading(t *testing.T) {
	throttled := &alicloud.Error{Kind: alicloud.KindThrottled}
	outOfTime := fmt.Errorf("a call was cut short: %w", errOutOfTime)
	h := newHealthTest()
	steps := []struct {
		name     string
		at       time.Duration
		result   lag.Result
		lines    []line
		statuses []componentstatus.Status
	}{
		{
			name: "nothing there", result: lag.Result{Streams: 2},
			lines:    []line{{level: warn, message: "no current point"}},
			statuses: []componentstatus.Status{componentstatus.StatusOK},
		},
		{name: "still nothing", at: 1, result: lag.Result{Streams: 2}},
		{
			name: "reading", at: 2, result: lag.Result{Streams: 2, Live: 3},
			lines:    []line{{level: info, message: "Reading consumer lag", fields: map[string]any{"series": int64(3)}}},
			statuses: []componentstatus.Status{componentstatus.StatusOK},
		},
		{name: "still reading", at: 3, result: lag.Result{Streams: 2, Live: 4}},
		{
			name: "throttled", at: 4, result: lag.Result{Streams: 3, Live: 3, Failures: failures(throttled, throttled)},
			lines: []line{{level: warn, message: "fails", fields: map[string]any{
				"streams": []any{"stream 0"}, "failed_batches": int64(2), "batches": int64(3),
			}}},
			statuses: []componentstatus.Status{componentstatus.StatusRecoverableError},
		},
		{
			name: "out of time is another kind", at: 5, result: lag.Result{Streams: 3, Live: 3, Failures: failures(throttled, outOfTime, lag.ErrNoTime)},
			lines:    []line{{level: warn, message: "fails", fields: map[string]any{"streams": []any{"stream 1"}}}},
			statuses: []componentstatus.Status{componentstatus.StatusRecoverableError},
		},
		{name: "kinds that take turns are logged once", at: 6, result: lag.Result{Streams: 3, Failures: failures(throttled)}},
		{
			name: "what lasts until somebody acts is an error", at: 7, result: lag.Result{Streams: 3, Failures: failures(throttled, errForbidden)},
			lines: []line{{level: fault, message: "fails", fields: map[string]any{
				"streams": []any{"stream 1"}, "error": errForbidden.Error(),
			}}},
			statuses: []componentstatus.Status{componentstatus.StatusRecoverableError},
		},
		{
			name: "recovered", at: 10, result: lag.Result{Streams: 3, Live: 5},
			lines: []line{{level: info, message: "answers again", fields: map[string]any{
				"after": time.Duration(6), "series": int64(5), "was": []any{"forbidden", "out_of_time", "throttled"},
			}}},
			statuses: []componentstatus.Status{componentstatus.StatusOK},
		},
		{
			name: "again", at: 11, result: lag.Result{Streams: 3, Live: 5, Failures: failures(throttled)},
			lines:    []line{{level: warn, message: "fails"}},
			statuses: []componentstatus.Status{componentstatus.StatusRecoverableError},
		},
		{
			name: "recovered without a series", at: 12, result: lag.Result{Streams: 3},
			lines:    []line{{level: warn, message: "no current point"}},
			statuses: []componentstatus.Status{componentstatus.StatusOK},
		},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			h.read(step.at, &step.result)
			h.expect(t, step.lines...)
			assert.Equal(t, step.statuses, h.statuses())
		})
	}
}

// reading is a result with nothing wrong.
func reading() lag.Result { return lag.Result{Streams: 1, Live: 1} }

func TestHealthOfGivenUpSpans(t *testing.T) {
	h := newHealthTest()
	result := reading()
	h.read(0, &result)
	h.logs.TakeAll()

	result.GivenUp = []lag.GivenUp{{Stream: "x", Start: 2000, End: 5000, Points: 7}, {Stream: "y", Start: 1000, End: 4000, Points: 8}}
	h.read(10, &result)
	h.expect(t, line{level: warn, message: "the oldest first", fields: map[string]any{
		"streams": []any{"x", "y"}, "from": time.Unix(1, 0).UTC(), "to": time.Unix(5, 0).UTC(), "points": int64(15),
	}})
	h.read(11, &result)
	h.expect(t)

	failed := reading()
	failed.Failures = failures(errServer)
	h.read(12, &failed)
	h.logs.TakeAll()
	result.GivenUp = nil
	h.read(15, &result)
	got := h.logs.TakeAll()
	require.Len(t, got, 2)
	assert.Contains(t, got[1].Message, "No more points are given up")
	assert.Equal(t, int64(30), got[1].ContextMap()["given_up"])
	assert.Equal(t, time.Duration(5), got[1].ContextMap()["after"])
	h.read(16, &result)
	h.expect(t)
	result.GivenUp = []lag.GivenUp{{Stream: "x", Start: 2000, End: 5000, Points: 7}}
	h.read(17, &result)
	h.expect(t, line{level: warn, message: "the oldest first", fields: map[string]any{"points": int64(7)}})
}

func TestHealthOfSinglePoints(t *testing.T) {
	h := newHealthTest()
	result := reading()
	h.read(0, &result)
	h.logs.TakeAll()

	result.Dropped = map[lag.DropReason]int64{lag.DropNegative: 3, lag.DropFiltered: 7, lag.DropFuture: 0}
	h.read(1, &result)
	h.expect(t, line{level: warn, message: "Dropped points that CloudMonitor sent: the value is negative", fields: map[string]any{
		"reason": "negative", "points": int64(3),
	}})
	result.Dropped = map[lag.DropReason]int64{lag.DropNegative: 3, dropMalformed: 1}
	h.read(2, &result)
	h.expect(t, line{level: warn, message: "they lack a field"})
	result.Dropped = nil

	for i := range 7 {
		result.Ambiguous = append(result.Ambiguous, lag.Key{Instance: "i", Group: fmt.Sprint(i)})
	}
	result.Ambiguous[1].Topic = "t"
	h.read(3, &result)
	h.expect(t, line{level: warn, message: "several values of one series", fields: map[string]any{
		"series": []any{"i/0", "i/1/t", "i/2", "i/3", "i/4"}, "number": int64(7),
	}})
	result.Ambiguous = nil

	h.statuses()
	result.Bad = []lag.BadInstance{{Instance: "i", Err: errForbidden}}
	h.read(4, &result)
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, h.statuses())
	h.expect(t, line{level: fault, message: "asked for alone", fields: map[string]any{"instance": "i", "error": errForbidden.Error()}})
	h.read(5, &result)
	h.expect(t)
	result.Bad = []lag.BadInstance{{Instance: "j", Err: errForbidden}}
	h.read(6, &result)
	h.expect(t, line{level: fault, message: "asked for alone", fields: map[string]any{"instance": "j"}},
		line{level: info, message: "again", fields: map[string]any{"instance": "i"}})
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError}, h.statuses())
	result.Bad = nil
	h.read(7, &result)
	h.expect(t, line{level: info, message: "again", fields: map[string]any{"instance": "j"}})
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusOK}, h.statuses())
}

func TestInstancesWithoutSeries(t *testing.T) {
	h := newHealthTest()
	known := []lag.Watermark{{Key: lag.Key{Instance: "b"}}}
	h.silent([]string{"b"}, known)
	h.silent(nil, known)
	h.silent([]string{"a", "b"}, nil) // then there is no lag at all, which is another warning
	h.expect(t)
	h.silent([]string{"a", "b", "c"}, known)
	h.expect(t, line{level: warn, message: "has no lag of these instances", fields: map[string]any{"instances": []any{"a", "c"}, "number": int64(2)}})
}

func TestHealthOfDelivering(t *testing.T) {
	h := newHealthTest()
	var dropped []lag.Entry
	for i := range 7 {
		dropped = append(dropped, entryOf(fmt.Sprint(i), 0))
	}
	steps := []struct {
		name    string
		settled settlement
		lines   []line
	}{
		{"accepted", settlement{points: 3, accepted: 3}, nil},
		{"a temporary rejection", settlement{points: 3, err: errOverloaded}, []line{{warn, "temporarily", map[string]any{
			"points": int64(3), "accepted": int64(0), "error": errOverloaded.Error(),
		}}}},
		{"still", settlement{points: 3, err: errOverloaded}, nil},
		{"nothing to deliver", settlement{}, nil},
		{"now permanently", settlement{points: 3, err: errBadRequest, rejection: errBadRequest}, []line{{fault, "permanently", nil}}},
		{"still permanently", settlement{points: 4, err: errBadRequest, rejection: errBadRequest}, nil},
		{"accepted again", settlement{points: 9, accepted: 9}, []line{{info, "accepts points again", map[string]any{"points": int64(9)}}}},
		{"still accepted", settlement{points: 9, accepted: 9}, nil},
		{"points rejected alone", settlement{points: 9, accepted: 2, dropped: dropped, rejection: errBadRequest}, []line{{
			fault, "Dropped points that the pipeline rejected permanently", map[string]any{
				"rejected": []any{"i/0 at 1970-01-12T13:46:40Z", "i/1 at 1970-01-12T13:46:40Z", "i/2 at 1970-01-12T13:46:40Z", "i/3 at 1970-01-12T13:46:40Z", "i/4 at 1970-01-12T13:46:40Z"},
				"number":   int64(7), "error": errBadRequest.Error(),
			},
		}}},
		{"out of time", settlement{points: 9, accepted: 2, err: context.DeadlineExceeded}, []line{{warn, "temporarily", nil}}},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			h.delivered(&step.settled)
			h.expect(t, step.lines...)
			assert.Empty(t, h.statuses())
		})
	}
}
