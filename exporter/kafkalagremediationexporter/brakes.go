package kafkalagremediationexporter

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// breaches takes note of the targets that breach. It returns those that did not at the pass before, and why none may be
// acted on, if so many breach that it is not the consumers that are ill.
func (r *runner) breaches(all map[cluster.Target][]ladder.Lag, now time.Time) (newcomers map[cluster.Target]bool, brake string) {
	count := 0
	newcomers = map[cluster.Target]bool{}
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
		if breaches {
			count++
		}
	}
	maps.DeleteFunc(r.targets, func(t cluster.Target, s *targetState) bool { return all[t] == nil && len(s.actions) == 0 }) // gone for good
	if count <= r.cfg.MaxTargetsAtOnce {
		if r.calm.IsZero() {
			r.calm = now
		}
		return newcomers, ""
	}
	brake = fmt.Sprintf("%d targets breach at once, more than max_targets_at_once (%d)", count, r.cfg.MaxTargetsAtOnce)
	if !r.calm.IsZero() && now.Sub(r.calm) >= r.cfg.CheckInterval || !r.braked { // a number around the limit is no news each time
		r.brakeNews = &notification{Message: ladder.Message{Reason: ladder.Braked, At: now}, count: count}
		r.logger.Warn("No target is acted on", zap.String("because", brake))
	}
	if r.brakeNews != nil && now.Sub(r.brakeSent) >= r.cfg.CheckInterval { // no record holds it until it is delivered
		r.brakeSent = now
		r.notifier.enqueue(*r.brakeNews)
	}
	r.braked, r.calm = true, time.Time{}
	return newcomers, brake
}

// limit holds an action, and the question whether to act, back if there were too many in the last hour. What was raised is put back all the same.
func (r *runner) limit(now time.Time, d ladder.Decision) ladder.Decision {
	if d.Verb != ladder.RestartNow && d.Verb != ladder.SetScale && d.Reason != ladder.Confirming {
		return d
	}
	count := 0
	for _, state := range r.targets {
		for _, at := range state.actions {
			if now.Sub(at) < time.Hour {
				count++
			}
		}
	}
	if count < r.cfg.MaxActionsPerHour {
		return d
	}
	return ladder.Decision{
		Verb: ladder.Nothing, Reason: ladder.Braked,
		Detail: fmt.Sprintf("there were %d actions in the last hour (max_actions_per_hour)", count),
	}
}
