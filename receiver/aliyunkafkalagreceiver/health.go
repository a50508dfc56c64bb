package aliyunkafkalagreceiver

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// maxNames is how many series or points a log line names.
const maxNames = 5

// health logs how the receiver is doing and reports it as component status, only when that changes. Times are those of
// the monotonic clock.
type health struct {
	logger *zap.Logger
	report func(*componentstatus.Event)

	found        string          // what the last scrape that did not fail found: "", "series" or "nothing"
	kinds        map[string]bool // the kinds of failures that were logged since failingSince; empty when all is well
	failingSince time.Duration
	dropped      map[lag.DropReason]bool // the reasons for dropping points that were logged
	bad          map[string]bool         // the instances that were logged because they make calls fail
	givenUp      int64                   // how many points were given up since givenUpSince
	givenUpSince time.Duration
	delivery     zapcore.Level // at which the last delivery was logged: info if it was accepted
}

func newHealth(logger *zap.Logger) *health {
	return &health{
		// Failures come from CloudMonitor or the configuration, so a stack trace would not help.
		logger:  logger.WithOptions(zap.AddStacktrace(zapcore.DPanicLevel)),
		report:  func(*componentstatus.Event) {},
		kinds:   map[string]bool{},
		dropped: map[lag.DropReason]bool{},
	}
}

// read records what a scrape read.
func (h *health) read(now time.Duration, result *lag.Result) {
	if len(result.Failures) > 0 {
		h.failing(now, result)
	} else {
		h.reading(now, result)
	}
	h.badInstances(result.Bad)
	h.drops(result.Dropped)
	h.givingUp(now, result)
	if len(result.Ambiguous) > 0 {
		h.logger.Warn("CloudMonitor sends several values of one series at one timestamp, and the largest one counts: "+
			"it may have added a dimension that this version does not know (logged once for each series)",
			zap.Strings("series", firstNames(result.Ambiguous, seriesName)), zap.Int("number", len(result.Ambiguous)))
	}
}

// reading logs what a scrape without failures found, if the one before failed or found something else.
func (h *health) reading(now time.Duration, result *lag.Result) {
	found := "series"
	if result.Live == 0 {
		found = "nothing"
	}
	if found == h.found && len(h.kinds) == 0 {
		return
	}
	switch {
	case found == "nothing":
		h.logger.Warn("CloudMonitor has no current point for the configured instances and consumer groups; " +
			"check region, instances and consumer_groups, that the consumers commit offsets, and that stale_after is longer than CloudMonitor's delay")
	case len(h.kinds) > 0:
		h.logger.Info("CloudMonitor answers again", zap.Duration("after", now-h.failingSince),
			zap.Strings("was", slices.Sorted(maps.Keys(h.kinds))), zap.Int("series", result.Live))
	default:
		h.logger.Info("Reading consumer lag from CloudMonitor", zap.Int("series", result.Live))
	}
	h.found = found
	clear(h.kinds)
	if len(result.Bad) == 0 {
		h.report(componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

// failing logs each kind of failure once, when it first appears, until all is well again.
func (h *health) failing(now time.Duration, result *lag.Result) {
	if len(h.kinds) == 0 {
		h.failingSince = now
	}
	var errs []error
	var streams []string
	level := zapcore.WarnLevel
	for _, f := range result.Failures {
		kind := cmp.Or(string(alicloud.KindOf(f.Err)), errOutOfTime.Error()) // all other errors come from a lack of time
		if h.kinds[kind] {
			continue // a hundred batches fail for the same reason
		}
		h.kinds[kind] = true
		errs, streams = append(errs, f.Err), append(streams, f.Stream)
		if err, ok := errors.AsType[*alicloud.Error](f.Err); ok && !err.Retryable() {
			level = zapcore.ErrorLevel // it lasts until somebody acts
		}
	}
	if err := errors.Join(errs...); err != nil {
		h.logger.Log(level, "Reading from CloudMonitor fails; later scrapes read what is missing", zap.Error(err),
			zap.Strings("streams", streams), zap.Int("failed_batches", len(result.Failures)), zap.Int("batches", result.Streams))
		h.report(componentstatus.NewRecoverableErrorEvent(err))
	}
}

// badInstances logs the instances that make calls fail when they are found, and when they have recovered.
func (h *health) badInstances(bad []lag.BadInstance) {
	now := map[string]bool{}
	for _, b := range bad {
		now[b.Instance] = true
		if !h.bad[b.Instance] {
			h.logger.Error("CloudMonitor rejects calls that name this instance, so it is asked for alone and rarely; check instances and the permission to read it",
				zap.String("instance", b.Instance), zap.Error(b.Err))
			h.report(componentstatus.NewRecoverableErrorEvent(fmt.Errorf("instance %s: %w", b.Instance, b.Err)))
		}
	}
	for instance := range h.bad {
		if !now[instance] {
			h.logger.Info("CloudMonitor accepts calls that name this instance again", zap.String("instance", instance))
		}
	}
	if len(h.bad) > 0 && len(now) == 0 && len(h.kinds) == 0 {
		h.report(componentstatus.NewEvent(componentstatus.StatusOK))
	}
	h.bad = now
}

// silent logs the instances of which no series is known, although all were read for some time.
func (h *health) silent(instances []string, known []lag.Watermark) {
	silent := without(instances, known, func(w lag.Watermark) string { return w.Key.Instance })
	if len(silent) > 0 && len(known) > 0 {
		h.logger.Warn("CloudMonitor has no lag of these instances; check their IDs, consumer_groups, and that their consumers commit offsets (logged once)",
			zap.Strings("instances", firstNames(silent, func(id string) string { return id })), zap.Int("number", len(silent)))
	}
}

// without returns the instances that none of the known series belongs to.
func without[T any](instances []string, known []T, instanceOf func(T) string) []string {
	return slices.DeleteFunc(slices.Clone(instances), func(id string) bool {
		return slices.ContainsFunc(known, func(k T) bool { return instanceOf(k) == id })
	})
}

// remarkable are the reasons for a drop that are logged, once each. The telemetry counts them all.
var remarkable = map[lag.DropReason]string{
	dropMalformed:     "they lack a field or have one of a wrong type",
	lag.DropNegative:  "the value is negative",
	lag.DropNotFinite: "the value is not a finite number",
	lag.DropFuture:    "they are dated more than one period ahead",
	lag.DropTooOld:    "they are older than max_backfill",
}

func (h *health) drops(dropped map[lag.DropReason]int64) {
	for reason, why := range remarkable {
		if n := dropped[reason]; n > 0 && !h.dropped[reason] {
			h.dropped[reason] = true
			h.logger.Warn("Dropped points that CloudMonitor sent: "+why+" (logged once; the receiver's metric points_dropped counts them)",
				zap.String("reason", string(reason)), zap.Int64("points", n))
		}
	}
}

// givingUp logs when points begin to be given up, and when that is over.
func (h *health) givingUp(now time.Duration, result *lag.Result) {
	if len(result.GivenUp) == 0 {
		if h.givenUp > 0 && len(result.Failures) == 0 {
			h.logger.Info("No more points are given up", zap.Int64("given_up", h.givenUp), zap.Duration("after", now-h.givenUpSince))
			h.givenUp = 0
		}
		return
	}
	start, end, points := result.GivenUp[0].Start, result.GivenUp[0].End, int64(0)
	for _, span := range result.GivenUp {
		start, end, points = min(start, span.Start), max(end, span.End), points+span.Points
	}
	if h.givenUp == 0 {
		h.givenUpSince = now
		h.logger.Warn("Points are given up, the oldest first: there is no time to read them, or they are older than max_backfill; "+
			"if it lasts, raise timeout, requests_per_second or max_concurrency, or list fewer instances",
			zap.Strings("streams", firstNames(result.GivenUp, func(s lag.GivenUp) string { return s.Stream })),
			zap.Time("from", time.UnixMilli(start).UTC()), zap.Time("to", time.UnixMilli(end).UTC()), zap.Int64("points", points))
	}
	h.givenUp += points
}

// delivered records the result of a delivery.
func (h *health) delivered(s *settlement) {
	if len(s.dropped) > 0 {
		h.logger.Error("Dropped points that the pipeline rejected permanently: the backend may have another value for them, or a newer one",
			zap.Error(s.rejection), zap.Strings("rejected", firstNames(s.dropped, pointName)), zap.Int("number", len(s.dropped)))
	}
	level, message := zapcore.InfoLevel, "The pipeline accepts points again"
	switch {
	case s.points == 0:
		return
	case s.err == nil:
	case permanent(s.err):
		level, message = zapcore.ErrorLevel, "The pipeline rejected points permanently; check the endpoint and the credentials of the exporter: "+
			"the points are sent again with each scrape until they are older than max_backfill"
	default:
		level, message = zapcore.WarnLevel, "The pipeline rejected points temporarily; they are sent again with the next scrape"
	}
	if level != h.delivery {
		h.delivery = level
		h.logger.Log(level, message, zap.Error(s.err), zap.Int("points", s.points), zap.Int("accepted", s.accepted))
	}
}

// firstNames returns the names of the first few of list.
func firstNames[T any](list []T, name func(T) string) []string {
	names := make([]string, min(maxNames, len(list)))
	for i := range names {
		names[i] = name(list[i])
	}
	return names
}

func seriesName(k lag.Key) string {
	return strings.TrimSuffix(k.Instance+"/"+k.Group+"/"+k.Topic, "/")
}

func pointName(e lag.Entry) string {
	return seriesName(e.Series.Key) + " at " + time.UnixMilli(timestamp(e)).UTC().Format(time.RFC3339)
}
