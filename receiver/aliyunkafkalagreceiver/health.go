package aliyunkafkalagreceiver

import (
	"errors"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
)

// health tells the operator how the receiver fares: a log line and a status event when
// that changes, and silence while it lasts.
type health struct {
	logger *zap.Logger
	report func(*componentstatus.Event)

	state string
	since time.Time
	// kinds are the kinds of failures that were told since the failing began.
	kinds    map[string]bool
	refused  bool
	repeated bool
	dropped  map[dropReason]bool
}

const (
	stateUnknown = ""
	stateReading = "reading"
	stateEmpty   = "empty"
	stateFailing = "failing"
)

func newHealth(logger *zap.Logger) *health {
	// What fails is CloudMonitor or the configuration: a stack trace of this program helps nobody.
	logger = logger.WithOptions(zap.AddStacktrace(zapcore.DPanicLevel))
	return &health{logger: logger, report: func(*componentstatus.Event) {}, dropped: map[dropReason]bool{}, kinds: map[string]bool{}}
}

// failure is why a stream could not be read.
type failure struct {
	stream *stream
	err    error
}

// scraped takes the outcome of a scrape: the failures, out of how many streams, and the
// series that are live now.
func (h *health) scraped(now time.Time, failures []failure, streams, live int) {
	state := readingState(failures, live)
	if state == stateFailing {
		h.failing(failures, streams)
	}
	if state == h.state {
		return
	}
	before, lasted, was := h.state, now.Sub(h.since), slices.Sorted(maps.Keys(h.kinds))
	h.state, h.since = state, now

	switch {
	case state == stateFailing:
		return
	case state == stateEmpty:
		h.logger.Warn("CloudMonitor has no current point for the configured instances and consumer groups; " +
			"check region, instances and consumer_groups, that the consumers commit offsets, the clock of this host, and that stale_after is longer than CloudMonitor's delay")
	case before == stateUnknown || before == stateEmpty:
		h.logger.Info("Reading consumer lag from CloudMonitor", zap.Int("series", live))
	default:
		h.logger.Info("CloudMonitor answers again", zap.Duration("after", lasted), zap.Strings("was", was), zap.Int("series", live))
	}
	clear(h.kinds)
	h.report(componentstatus.NewEvent(componentstatus.StatusOK))
}

// failing tells of the kinds of failures that were not told of yet. One that comes and
// goes among others is said once, until all is well again.
func (h *health) failing(failures []failure, streams int) {
	fresh := h.fresh(failures)
	if len(fresh) == 0 {
		return
	}
	var errs []error
	var reading []string
	for _, f := range fresh {
		errs = append(errs, f.err)
		reading = append(reading, f.stream.String())
	}
	err := errors.Join(errs...)
	level := zapcore.WarnLevel
	if slices.ContainsFunc(fresh, needsOperator) {
		level = zapcore.ErrorLevel
	}
	h.logger.Log(level, "Reading from CloudMonitor fails; what is not read is caught up later",
		zap.Error(err), zap.Strings("reading", reading), zap.Int("failed_batches", len(failures)), zap.Int("batches", streams))
	h.report(componentstatus.NewRecoverableErrorEvent(err))
}

func readingState(failures []failure, live int) string {
	switch {
	case len(failures) > 0:
		return stateFailing
	case live == 0:
		return stateEmpty
	default:
		return stateReading
	}
}

// kindOf names the kind of a failure. What does not come from a call to CloudMonitor is a
// read that was cut short.
func kindOf(err error) string {
	if kind := cms.KindOf(err); kind != "" {
		return string(kind)
	}
	return errIncomplete.Error()
}

// needsOperator tells whether an error lasts until somebody acts.
func needsOperator(f failure) bool {
	err, ok := errors.AsType[*cms.Error](f.err)
	return ok && !err.Retryable()
}

// fresh is one failure of each kind that was not told of: a hundred batches fail for the
// same reason.
func (h *health) fresh(failures []failure) []failure {
	var fresh []failure
	for _, f := range failures {
		if kind := kindOf(f.err); !h.kinds[kind] {
			h.kinds[kind] = true
			fresh = append(fresh, f)
		}
	}
	return fresh
}

// paged takes whether paging ended at a repeated NextToken, which is said once.
func (h *health) paged(repeated bool) {
	if repeated && !h.repeated {
		h.repeated = true
		h.logger.Warn("CloudMonitor repeated a NextToken, which is taken for the end of the pages (said once)")
	}
}

// consumed takes the next consumer's answer.
func (h *health) consumed(err error, points int64, givenUp bool) {
	if givenUp {
		h.logger.Error("Gave up points that the pipeline refuses for good; check the exporter's backend",
			zap.Error(err), zap.Int64("points", points))
	}
	refused := err != nil
	if refused == h.refused {
		return
	}
	h.refused = refused
	if refused {
		h.logger.Warn("The pipeline refused the points; they are sent again with the next scrape",
			zap.Error(err), zap.Int64("points", points))
		return
	}
	h.logger.Info("The pipeline accepts points again", zap.Int64("points", points))
}

// remarkable are the reasons for a drop that an operator should hear of, once each. The
// telemetry goes on counting them.
var remarkable = map[dropReason]string{
	dropMalformed: "they lack a field or have one of a wrong type",
	dropNegative:  "the value is negative",
	dropNotFinite: "the value is not a finite number",
	dropFuture:    "they are dated more than one period ahead; check the clock of this host",
	dropTooOld:    "they are older than max_backfill",
}

// discarded takes the points that were dropped.
func (h *health) discarded(dropped map[dropReason]int64) {
	for reason, n := range dropped {
		why, ok := remarkable[reason]
		if !ok || h.dropped[reason] {
			continue
		}
		h.dropped[reason] = true
		h.logger.Warn("Dropped points that CloudMonitor sent: "+why+" (said once; see the receiver's points_dropped metric)",
			zap.String("reason", string(reason)), zap.Int64("points", n))
	}
}
