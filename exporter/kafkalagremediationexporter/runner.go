package kafkalagremediationexporter

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	"k8s.io/client-go/tools/record"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

const (
	// attempts is how often a target is read and judged again in a check if somebody else changes it at the same time.
	attempts = 3
	// retryAfter is the time without calls after the API server failed.
	retryAfter = 15 * time.Second
	// idleChecks is for how many checks a target that was idle is not read again while its lag is low.
	idleChecks = 6
	// resendAfter leaves a message to the collector that decided it, before another one sends it.
	resendAfter = time.Minute
	// readAgain is how old what was read may be when it is acted on, as after the process was stopped in between.
	readAgain = time.Minute
)

// targetClient is the part of cluster.Cluster that the runner needs.
type targetClient interface {
	Read(context.Context, cluster.Target) (*cluster.Observed, error)
	Write(context.Context, *cluster.Observed, ladder.Decision) error
	WriteRecord(context.Context, *cluster.Observed, ladder.Record) error
}

// runner judges all targets. One goroutine owns all its state.
type runner struct {
	cfg       *Config
	settings  ladder.Settings
	lags      *lags
	cluster   targetClient
	notifier  *notifier
	telemetry *telemetry
	events    record.EventRecorder
	confirmer *confirmer // nil unless there is one to ask
	logger    *zap.Logger
	status    func(*componentstatus.Event)
	now       func() time.Time

	started time.Time
	targets map[cluster.Target]*targetState
	crowd   crowd
	unread  int       // targets that breach and were not read before this pass
	rest    time.Time // no calls before, since the API server failed
	unwell  bool      // what was last reported of the component
	away    bool      // the API server was, at the last call
}

// run makes a pass at each tick until ctx ends. It may be called again then: meanwhile another process may have acted.
func (r *runner) run(ctx context.Context) {
	for _, state := range r.targets {
		state.due, state.idle, state.asked, state.failing = time.Time{}, 0, false, false
	}
	defer r.telemetry.forgetStages(func(cluster.Target) bool { return true })
	ticker := time.NewTicker(min(longestTick, r.cfg.CheckInterval/4))
	defer ticker.Stop()
	if r.confirmer != nil {
		defer r.confirmer.asking.Wait()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.pass(ctx)
		}
	}
}

// pass judges the targets that are due.
func (r *runner) pass(ctx context.Context) {
	now := r.clock()
	all := r.lags.byTarget()
	if len(all) > 0 && now.Sub(r.started) >= r.cfg.NoDataAfter {
		r.lags.targets.missing(all)
	}
	newcomers, breaching := r.observe(all, now)
	brake := r.brake(breaching, now)
	if now.Before(r.rest) {
		return
	}
	r.markDelivered(ctx)
	for _, t := range slices.SortedFunc(maps.Keys(all), compareTargets) {
		state := r.targets[t]
		if ctx.Err() != nil || now.Before(state.due) || newcomers[t] || state.skips(now, r.cfg.CheckInterval) {
			continue
		}
		if err := r.check(ctx, t, state, all[t], brake); !r.settle(ctx, t, state, all[t], err) {
			return
		}
	}
}

func compareTargets(a, b cluster.Target) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// clock returns the time as records keep it.
func (r *runner) clock() time.Time { return r.now().UTC().Truncate(time.Second) }

// check judges a target, and does what was decided.
func (r *runner) check(ctx context.Context, t cluster.Target, state *targetState, lags []ladder.Lag, brake string) error {
	var err error
	for range attempts {
		now := r.clock()
		var observed *cluster.Observed
		if observed, err = r.cluster.Read(ctx, t); err != nil {
			return err
		}
		situation := r.situation(now, state, observed, lags, brake)
		decision := r.judge(ctx, t, state, &situation)
		if took := r.clock().Sub(now); took > min(readAgain, r.cfg.CheckInterval/2) {
			err = fmt.Errorf("what was read is too old to act on: reading took %s", took)
			continue
		}
		if err = r.write(ctx, state, observed, situation, &decision); err == nil {
			r.after(ctx, t, state, observed, situation, decision)
			return nil
		}
		if !cluster.IsConflict(err) {
			return err
		}
	}
	return err
}

// judge decides, with the opinion of AliKafka if a restart needs it.
func (r *runner) judge(ctx context.Context, t cluster.Target, state *targetState, s *ladder.Situation) ladder.Decision {
	d := r.limit(s.Now, state, r.settings.Judge(*s))
	if d.Reason == ladder.Confirming { // so the limit allows what is asked about
		s.Opinion = r.opinion(ctx, t, state, *s)
		d = r.settings.Judge(*s)
	}
	return d
}

// opinion returns what AliKafka says of the groups of a target that breach, Unasked until it is known.
func (r *runner) opinion(ctx context.Context, t cluster.Target, state *targetState, s ladder.Situation) ladder.Opinion {
	if state.question == nil || state.question.isOutdated(s.Now.Add(-r.cfg.CheckInterval)) {
		state.question = r.confirmer.ask(ctx, t, r.settings.Breaching(s))
	}
	return state.question.opinion()
}

func (r *runner) situation(now time.Time, state *targetState, o *cluster.Observed, lags []ladder.Lag, brake string) ladder.Situation {
	s := ladder.Situation{
		Now: now, Lags: lags, Age: now.Sub(r.started), Memory: o.Memory, Generation: o.Generation,
		Doubt: o.Doubt, Off: o.Off, Empty: o.Empty, Unsettled: o.Unsettled, Braked: brake, Scale: o.Scale,
	}
	if r.cfg.DryRun {
		state.pretend(&s)
	} else {
		state.learn(&s, o)
	}
	return s
}

// write writes a decision, or only remembers it in a dry run.
func (r *runner) write(ctx context.Context, state *targetState, o *cluster.Observed, s ladder.Situation, d *ladder.Decision) error {
	if d.Verb == ladder.Nothing {
		return nil
	}
	if r.notifier.isEmpty() {
		d.Record.Unsent = nil
	}
	if r.cfg.DryRun {
		if d.Scales() && s.Scale.Autoscaler {
			state.dry.Autoscaler = d.Record
		} else {
			state.dry.Workload = d.Record
		}
	} else if err := r.cluster.Write(ctx, o, *d); err != nil {
		return err
	}
	state.sequence = max(state.sequence, d.Record.Sequence)
	state.actions = d.Record.Actions
	return nil
}

// after reports a decision and plans the next one.
func (r *runner) after(ctx context.Context, t cluster.Target, state *targetState, o *cluster.Observed, s ladder.Situation, d ladder.Decision) {
	current := s.Memory.Newest()
	written := d.Verb != ladder.Nothing
	if written {
		current = d.Record
	}
	state.due, state.idle, state.off = s.Now.Add(r.cfg.CheckInterval), 0, d.Reason == ladder.Off
	if d.Reason != ladder.Confirming {
		state.question.drop() // the next restart asks anew
		state.question = nil
	}
	switch d.Reason {
	case ladder.NotDue:
		state.due = current.Checked.Add(r.cfg.CheckInterval)
	case ladder.NoNewPoint, ladder.Confirming:
		state.due = s.Now.Add(r.cfg.CheckInterval / 20)
	case ladder.Below:
		if len(current.Unsent) == 0 && s.Memory.Autoscaler.Raised == nil { // else it is put back soon, as after a pause
			state.idle = idleChecks
		}
	}
	r.notifier.retain(t, current.Unsent)
	for _, m := range current.Unsent {
		if written || s.Now.Sub(m.At) >= resendAfter {
			r.notifier.enqueue(notification{Message: m, target: t})
		} else if resend := m.At.Add(resendAfter); resend.Before(state.due) {
			state.due = resend
		}
	}
	r.telemetry.setStage(t, current.Stage)
	r.tell(ctx, t, o, s, d)
	if state.uncopied || d.Scales() && s.Scale.Autoscaler { // in case that of the autoscaler is taken away
		state.uncopied = !r.note(ctx, t, state)
	}
}

// note writes the newest record on the workload, without the messages that were delivered, and reports whether it did.
func (r *runner) note(ctx context.Context, t cluster.Target, state *targetState, delivered ...ladder.Message) bool {
	if r.cfg.DryRun {
		state.dry.Workload = state.dry.Sent(delivered...)
		return true
	}
	for range attempts {
		o, err := r.cluster.Read(ctx, t)
		if err == nil && o.Off != "" { // and left alone, its record, too
			return false
		}
		if err == nil && o.Doubt == "" && !state.hasSeenNewer(o) { // else its sequence would make it look new
			if o.Memory.Newest().Sequence == 0 { // somebody has removed it
				return true
			}
			record := o.Memory.Sent(delivered...)
			if err = r.cluster.WriteRecord(ctx, o, record); err == nil {
				state.sequence = max(state.sequence, record.Sequence)
				return true
			}
		}
		if !cluster.IsConflict(err) {
			r.logger.Debug("The record was not written; the next check tries again", zap.Stringer("target", t), zap.Error(err))
			return cluster.IsNotFound(err) // there is nothing to wait for
		}
	}
	return false
}

// markDelivered takes what people were told out of the records.
func (r *runner) markDelivered(ctx context.Context) {
	for _, n := range r.notifier.delivered() {
		if news := r.crowd.news; news != nil && n.key() == news.key() {
			r.crowd.news = nil
		}
		state, now := r.targets[n.target], r.clock()
		switch {
		case state == nil:
			r.notifier.forget(n)
		case now.Before(state.noteAt):
		case r.note(ctx, n.target, state, n.Message):
			r.notifier.forget(n)
		default:
			state.noteAt = now.Add(min(r.cfg.CheckInterval, time.Minute))
			return // the others are not held up: the next pass goes on with them
		}
	}
}

// settle takes note of how a check ended. It reports whether the API server can be asked for the next target.
func (r *runner) settle(ctx context.Context, t cluster.Target, state *targetState, lags []ladder.Lag, err error) bool {
	now := r.clock()
	state.asked = true
	if err == nil {
		state.error, state.failing, r.away = "", false, false
		if !slices.ContainsFunc(slices.Collect(maps.Values(r.targets)), (*targetState).isFailing) {
			r.report(nil)
		}
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	r.telemetry.failed(ctx)
	state.failing = true
	r.report(err)
	known := r.away
	r.away = !cluster.IsOfTarget(err)
	if text := err.Error(); text != state.error && (!r.away || !known) { // an outage is one error, not one for each target
		state.error = text
		r.logger.Error("A target could not be checked", zap.Stringer("target", t), zap.Strings("groups", groupsOf(lags)), zap.Error(err))
	}
	if cluster.IsOfTarget(err) {
		state.due = now.Add(min(r.cfg.CheckInterval, time.Minute))
		return true
	}
	state.due = now.Add(2 * min(retryAfter, r.cfg.CheckInterval)) // others come first, in case only this one fails
	r.rest = now.Add(min(retryAfter, r.cfg.CheckInterval))
	return false
}

// report sets the status of the component.
func (r *runner) report(err error) {
	switch {
	case err != nil:
		r.unwell = true
		r.status(componentstatus.NewRecoverableErrorEvent(err))
	case r.unwell:
		r.unwell = false
		r.status(componentstatus.NewEvent(componentstatus.StatusOK))
	}
}

func groupsOf(lags []ladder.Lag) (groups []string) {
	for _, l := range lags {
		groups = append(groups, l.Group)
	}
	slices.Sort(groups)
	return groups
}
