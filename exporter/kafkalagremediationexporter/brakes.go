package kafkalagremediationexporter

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// crowd is what is known of the times at which too many targets breach.
type crowd struct {
	known bool      // there were too many once
	calm  time.Time // since when there are not; zero while there are

	news *notification // that there are too many, until people know it
	sent time.Time     // when it was last handed to the notifier
}

// observe takes note of the targets that breach. It returns how many do, without those that are known to be left alone, and
// those that did not at the pass before.
func (r *runner) observe(all map[cluster.Target][]ladder.Lag, now time.Time) (newcomers map[cluster.Target]bool, count int) {
	newcomers, r.unread = map[cluster.Target]bool{}, 0
	for t, lags := range all {
		state := r.targets[t]
		if state == nil {
			state = &targetState{}
			r.targets[t] = state
		}
		breaches := r.settings.Breaches(lags, now)
		newcomers[t] = breaches && !state.breaches
		state.breaches = breaches
		state.high = slices.ContainsFunc(lags, func(l ladder.Lag) bool { return l.Value >= r.settings.Threshold })
		if breaches && !state.off {
			count++
		}
		if breaches && !state.asked {
			r.unread++
		}
	}
	for t, state := range r.targets {
		if all[t] == nil && state.actionsWithinHour(now) == 0 { // gone for good
			delete(r.targets, t)
			r.notifier.retain(t, nil)
		}
	}
	r.telemetry.forgetStages(func(t cluster.Target) bool { return r.targets[t] == nil })
	return newcomers, count
}

// brake returns why no target may be acted on, if so many breach that it is not the consumers that are ill.
func (r *runner) brake(breaching int, now time.Time) (reason string) {
	c := &r.crowd
	if breaching <= r.cfg.MaxTargetsAtOnce {
		if c.calm.IsZero() {
			c.calm = now
		}
		return ""
	}
	reason = fmt.Sprintf("%d targets breach at once, more than max_targets_at_once (%d)", breaching, r.cfg.MaxTargetsAtOnce)
	if r.unread > 0 { // some may be left alone, so it is no news yet
		return reason
	}
	if !c.known || !c.calm.IsZero() && now.Sub(c.calm) >= r.cfg.CheckInterval { // a number around the limit is no news each time
		c.news = &notification{Message: ladder.Message{Reason: ladder.Braked, At: now}, count: breaching}
		r.logger.Warn("No target is acted on", zap.String("because", reason))
	}
	if c.news != nil && now.Sub(c.sent) >= r.cfg.CheckInterval { // no record holds it until it is delivered
		c.sent = now
		r.notifier.enqueue(*c.news)
	}
	c.known, c.calm = true, time.Time{}
	return reason
}

// limit holds back an action, and the question whether to act, if there were too many in the last hour. What was raised is
// put back all the same. While other targets that breach were not read, neither their actions are known nor whether they are
// left alone: then the next pass decides.
func (r *runner) limit(now time.Time, state *targetState, d ladder.Decision) ladder.Decision {
	others := r.unread
	if !state.asked {
		others--
	}
	acts := d.Verb == ladder.RestartNow || d.Verb == ladder.SetScale || d.Reason == ladder.Confirming
	if others > 0 && (acts || d.Reason == ladder.Warned || d.Reason == ladder.Braked) {
		return ladder.Decision{Verb: ladder.Nothing, Reason: ladder.NotDue}
	}
	if !acts {
		return d
	}
	count := 0
	for _, state := range r.targets {
		count += state.actionsWithinHour(now)
	}
	if count < r.cfg.MaxActionsPerHour {
		return d
	}
	return ladder.Decision{
		Verb: ladder.Nothing, Reason: ladder.Braked,
		Detail: fmt.Sprintf("there were %d actions in the last hour (max_actions_per_hour)", count),
	}
}
