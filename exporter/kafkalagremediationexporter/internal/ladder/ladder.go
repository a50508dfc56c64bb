// Package ladder decides what is done for a consumer whose lag stays high: one stage for each check, in order, and each
// stage once in an episode. An episode begins with the first breach and ends with the first check below the threshold.
//
// The package is pure. It makes no calls and reads no clock: what is known goes into Judge as a Situation, and what is to
// be done comes out as a Decision. The memory is a Record, which the caller writes in the same request as the action, so
// that neither can happen without the other.
package ladder

import (
	"fmt"
	"slices"
	"time"
)

// doubtCooldown is how long a target is left alone when its memory cannot be trusted: longer than people need to look.
const doubtCooldown = 6 * time.Hour

// ForgetAfter is how long the lag of a group may be missing before the group counts as gone for good, such as one that was
// deleted. Until then its lag is unknown.
const ForgetAfter = 24 * time.Hour

// maxSkew is how far the clock of another collector may be ahead.
const maxSkew = 10 * time.Minute

// Judge decides what is done for a target. The record of the decision must be written together with its action, and only
// if neither the workload nor the autoscaler has changed since the Situation was read.
func (s *Settings) Judge(now Situation) Decision {
	r := now.Memory.Newest()
	if now.Doubt == "" && r.isAhead(now.Now) {
		now.Doubt = "its times are in the future"
	}
	if now.Doubt == "" && now.Now.Before(r.Checked.Add(s.CheckInterval)) {
		return Decision{Verb: Nothing, Reason: NotDue}
	}
	switch {
	case now.Off != "":
		return Decision{Verb: Nothing, Reason: Off, Detail: now.Off}
	case now.Doubt != "":
		return now.doubt()
	}
	if now.Age < ForgetAfter {
		now.Lags = now.withAbsent(r.Groups)
	}
	switch state := s.state(now, r); {
	case state == below:
		return now.below()
	case now.Empty:
		return Decision{Verb: Nothing, Reason: Off, Detail: "it is scaled to 0"}
	case state == unknown:
		return now.noData()
	case state == waiting:
		return Decision{Verb: Nothing, Reason: NoNewPoint}
	case state == draining && !r.inEpisode():
		return Decision{Verb: Nothing, Reason: Draining}
	case state == draining:
		return now.remember(r, Draining)
	default:
		return s.breach(now)
	}
}

// withAbsent returns the lags, with an unknown one for each group that breached in the episode and has none: such as after a
// restart of the process, when those of other groups arrive first.
func (now Situation) withAbsent(groups []Series) []Lag {
	all := slices.Clone(now.Lags)
	for _, g := range groups {
		if !slices.ContainsFunc(now.Lags, func(l Lag) bool { return l.Series() == g }) {
			all = append(all, Lag{Instance: g.Instance, Group: g.Group})
		}
	}
	return all
}

type state int

const (
	below state = iota
	waiting
	unknown
	draining
	breach
)

// state is that of the worst group: one that breaches, else one that is drained soon, else one without data. It is unknown
// if no lag counts.
func (s *Settings) state(now Situation, r Record) state {
	worst, counts := below, false
	for _, l := range now.Lags {
		if one := s.stateOf(l, now, r); one != unknown || r.concerns(l) {
			worst, counts = max(worst, one), true
		}
	}
	if !counts {
		return unknown
	}
	return worst
}

// Breaches reports whether the lags of a target are a breach, whatever its record says.
func (s *Settings) Breaches(lags []Lag, now time.Time) bool {
	return s.state(Situation{Now: now, Lags: lags}, Record{}) == breach
}

// Breaching returns the lags that are a breach: those of the groups that a second opinion is about.
func (s *Settings) Breaching(now Situation) (lags []Lag) {
	r := now.Memory.Newest()
	for _, l := range now.Lags {
		if s.stateOf(l, now, r) == breach {
			lags = append(lags, l)
		}
	}
	return lags
}

func (s *Settings) stateOf(l Lag, now Situation, r Record) state {
	// What was measured before can neither show what the last action did nor begin an episode after the last one.
	since := r.Checked
	if r.inEpisode() {
		since = since.Add(s.CheckInterval / 2)
	}
	switch {
	case l.At.IsZero() && now.Age < s.NoDataAfter: // it may only not have arrived yet
		return waiting
	case l.At.IsZero() || now.Now.Sub(l.At) >= s.NoDataAfter:
		return unknown
	case l.At.Before(since):
		return waiting
	case l.Value < s.Threshold:
		return below
	case s.UnlessDraining && l.New:
		return waiting
	case s.UnlessDraining && l.Falling*s.CheckInterval.Seconds() >= l.Value:
		return draining
	default:
		return breach
	}
}

// doubt forgets a memory that cannot be trusted, and leaves the target alone for long enough that no stage is repeated.
func (now Situation) doubt() Decision {
	until, r := now.Now.Add(doubtCooldown), now.Memory.Newest()
	d := now.remember(r.idle(), Doubt)
	d.Record.Actions = slices.DeleteFunc(d.Record.Actions, func(at time.Time) bool { return at.After(now.Now) })
	d.Detail = now.Doubt
	d.Record.HoldUntil = &until
	if r.Result != Doubt || now.Now.Sub(r.Checked) >= time.Minute { // else only one of two copies could be replaced just now
		now.tell(&d.Record, Doubt)
	}
	return d
}

// noData keeps the record: a lag that is unknown has not recovered. People are told once an episode.
func (now Situation) noData() Decision {
	r := now.Memory.Newest()
	if !r.inEpisode() || slices.Contains(r.Told, NoData) {
		return Decision{Verb: Nothing, Reason: NoData}
	}
	d := now.remember(r, NoData)
	now.tell(&d.Record, NoData)
	return d
}

// below ends the episode, and puts back what was raised in it.
func (now Situation) below() Decision {
	r, raised := now.Memory.Newest(), now.raised()
	paused := now.Scale == nil // then what was raised is put back later
	if !r.inEpisode() && (raised == nil || paused) {
		return Decision{Verb: Nothing, Reason: Below}
	}
	d := now.remember(r.idle(), Below)
	if r.Stage == 0 && raised == nil {
		return d
	}
	d.Reason, d.Record.Result = Recovered, Recovered
	now.tell(&d.Record, Recovered)
	if raised == nil || paused {
		return d
	}
	d.Verb, d.Scale, d.Unset, d.Record.Raised = RestoreScale, raised.From, raised.Unset, nil
	if now.Scale.Value != raised.To { // somebody else has set it, and it stays
		d.Scale, d.Unset = now.Scale.Value, now.Scale.Unset
		return d
	}
	d.Record.tellOf(raised)
	return d
}

// breach climbs one stage, unless something holds it back.
func (s *Settings) breach(now Situation) Decision {
	r, raised := now.Memory.Newest(), now.raised()
	before := r
	switch {
	case now.Braked != "":
		return Decision{Verb: Nothing, Reason: Braked, Detail: now.Braked}
	case r.HoldUntil != nil && now.Now.Before(*r.HoldUntil):
		return coolingDown(*r.HoldUntil)
	case raised != nil && now.Scale != nil && now.Scale.Value != raised.To && !slices.Contains(r.Told, Reverted):
		d := now.remember(r, Reverted)
		now.tell(&d.Record, Reverted)
		return d
	}
	now.breaching = s.Breaching(now)
	if now.Opinion == Slow {
		if r.Stage = s.afterRestarts(r.Stage); before.Stage < r.Stage && r.Stage == len(s.Stages) { // nothing but restarts is left
			d := now.remember(r, Warned)
			now.beginEpisode(&d.Record)
			now.tell(&d.Record, Warned)
			return d
		}
	}
	if r.Stage >= len(s.Stages) {
		return Decision{Verb: Nothing, Reason: Exhausted}
	}
	stage := s.Stages[r.Stage]
	if stage.Kind == Notify {
		d := now.climb(r, Warned)
		now.tell(&d.Record, Warned)
		return d
	}
	switch until := r.lastAction().Add(s.Cooldown); {
	case now.Unsettled != "":
		return now.unsettled(before)
	case now.Now.Before(until):
		return coolingDown(until)
	case stage.Kind == ScaleUp:
		return now.raise(r, raised, stage)
	case s.Confirm && now.Opinion == Unasked:
		return Decision{Verb: Nothing, Reason: Confirming}
	default:
		d := now.climb(r, Acted)
		d.Verb = RestartNow
		d.Record.acted(now.Now)
		now.tell(&d.Record, Acted)
		return d
	}
}

func coolingDown(until time.Time) Decision {
	return Decision{Verb: Nothing, Reason: CoolingDown, Detail: "until " + until.Format(time.RFC3339)}
}

// afterRestarts returns the first stage from one on that is not a restart.
func (s *Settings) afterRestarts(stage int) int {
	for stage < len(s.Stages) && s.Stages[stage].Kind == Restart {
		stage++
	}
	return stage
}

// unsettled postpones an action to the next check. People are told if it has to be postponed again.
func (now Situation) unsettled(r Record) Decision {
	d := now.remember(r, Unsettled)
	d.Detail = now.Unsettled
	now.beginEpisode(&d.Record)
	if r.Result == Unsettled && !slices.Contains(r.Told, Unsettled) {
		now.tell(&d.Record, Unsettled)
	}
	return d
}

// raise raises the replicas, or the minimum of the autoscaler, as far as there is room.
func (now Situation) raise(r Record, raised *Raised, stage Stage) Decision {
	d := now.climb(r, NoRoom)
	if slices.Contains(r.Told, Reverted) {
		d.Detail = "what was raised before was taken back from outside"
		return d
	}
	if now.Scale == nil {
		d.Detail = "the autoscaler is paused"
		now.tell(&d.Record, NoRoom)
		return d
	}
	to := now.Scale.Replicas + stage.Replicas
	for _, limit := range []int32{stage.MaxReplicas, now.Scale.Max} {
		if limit > 0 {
			to = min(to, limit)
		}
	}
	if to <= now.Scale.Value || to <= now.Scale.Replicas {
		d.Detail = fmt.Sprintf("%d replicas are as many as may be", now.Scale.Replicas)
		now.tell(&d.Record, NoRoom)
		return d
	}
	d.Verb, d.Reason, d.Scale = SetScale, Acted, to
	d.Record.Result = Acted
	d.Record.acted(now.Now)
	d.Record.Raised = &Raised{From: now.Scale.Value, To: to, Unset: now.Scale.Unset}
	if raised != nil {
		d.Record.Raised.From, d.Record.Raised.Unset = raised.From, raised.Unset
	}
	now.tell(&d.Record, Acted)
	d.Record.tellOf(d.Record.Raised)
	return d
}

// raised returns what was raised and not put back, nil if nothing was. What was raised before an autoscaler took over is
// the autoscaler's business now.
func (now Situation) raised() *Raised {
	if now.Scale == nil || now.Scale.Autoscaler {
		return now.Memory.Autoscaler.Raised
	}
	return now.Memory.Workload.Raised
}

// climb remembers that one more stage was taken.
func (now Situation) climb(r Record, reason Reason) Decision {
	d := now.remember(r, reason)
	now.beginEpisode(&d.Record)
	d.Record.Stage++
	return d
}

func (now Situation) beginEpisode(r *Record) {
	if r.Episode == nil {
		r.Episode = &now.Now
	}
	var groups []Series
	for _, l := range now.breaching {
		groups = append(groups, l.Series())
	}
	r.Groups = union(r.Groups, groups, func(a, b Series) bool { return a == b })
	r.Groups = r.Groups[:min(len(r.Groups), maxGroups)]
}

// tell adds what people have to be told.
func (now Situation) tell(r *Record, what Reason) {
	m := Message{Reason: what, At: now.Now, Stage: r.Stage, Opinion: now.Opinion}
	if worst := now.Worst(); worst != nil {
		m.Instance, m.Group, m.Lag = worst.Instance, worst.Group, worst.Value
	}
	if !slices.Contains(r.Told, what) {
		r.Told = append(r.Told, what)
	}
	r.Unsent = append(r.Unsent, m)
	r.Unsent = r.Unsent[max(0, len(r.Unsent)-maxUnsent):]
}

// tellOf adds to the newest message what was raised, or put back.
func (r *Record) tellOf(raised *Raised) { r.Unsent[len(r.Unsent)-1].Raised = raised }

// remember writes a record and does nothing else.
func (now Situation) remember(r Record, reason Reason) Decision {
	r.Version, r.Sequence, r.Revision = version, r.Sequence+1, 0
	r.Checked, r.Result, r.Generation, r.Opinion = now.Now, reason, now.Generation, now.Opinion
	r.Raised = now.Memory.Workload.Raised
	if now.Scale == nil || now.Scale.Autoscaler { // the replicas are not the ladder's any more
		r.Raised = nil
	}
	r.Told, r.Unsent, r.Actions = slices.Clone(r.Told), slices.Clone(r.Unsent), slices.Clone(r.Actions)
	return Decision{Verb: Remember, Reason: reason, Record: r}
}
