package ladder

import "time"

// StageKind says what a stage does.
type StageKind string

// The kinds of stages.
const (
	Restart StageKind = "restart"  // as kubectl rollout restart does
	ScaleUp StageKind = "scale_up" // more replicas, or a higher minimum of the autoscaler
	Notify  StageKind = "notify"   // only tell people
)

// Stage is one step of the ladder.
type Stage struct {
	Kind        StageKind
	Replicas    int32 // how many more, of ScaleUp
	MaxReplicas int32 // never more than these, of ScaleUp; 0 is no limit
}

// Settings are what the user chooses.
type Settings struct {
	Stages         []Stage
	Threshold      float64       // in messages; a lag from here on is a breach
	CheckInterval  time.Duration // time between two judgements of a target
	NoDataAfter    time.Duration // age of the newest point at which people are told
	Cooldown       time.Duration // time between two actions on a target, over episodes, too
	UnlessDraining bool          // a lag that is gone before the next check is not a breach
	Confirm        bool          // a restart needs an Opinion
}

// Lag is the newest lag of a consumer group.
type Lag struct {
	Instance string // of Kafka; not known of a group without a lag
	Group    string
	Value    float64
	At       time.Time // zero: unknown
	Falling  float64   // messages a second by which it fell within half a check interval; 0 if it did not
	New      bool      // whether it falls is not known yet
}

// Series returns whose lag it is.
func (l Lag) Series() Series { return Series{l.Instance, l.Group} }

// Series is a consumer group of an instance.
type Series struct {
	Instance string `json:"instance,omitempty"`
	Group    string `json:"group"`
}

// Opinion is what Kafka itself says of the consumers of a target.
type Opinion string

// The opinions. Without an answer the ladder goes by the lag alone.
const (
	Unasked    Opinion = ""
	Stuck      Opinion = "stuck" // offsets do not move, so a restart helps
	Slow       Opinion = "slow"  // offsets move, so a restart does not help
	Unanswered Opinion = "unanswered"
)

// Scale is what ScaleUp changes: the replicas of the workload, or the minimum of the autoscaler that owns it.
type Scale struct {
	Autoscaler bool  // Value is the minimum of an autoscaler
	Value      int32 // as it is now
	Replicas   int32 // of the workload, as they are wanted now
	Max        int32 // of the autoscaler; 0 without one
	Unset      bool  // nobody has written Value; it is the default
}

// Situation is what is known of a target at a check.
type Situation struct {
	Now        time.Time     // in UTC and whole seconds, as records keep it
	Lags       []Lag         // of all groups of the target
	Age        time.Duration // of the process, which knows no lag from before
	Memory     Memory
	Generation int64   // of the workload
	Doubt      string  // why the memory cannot be trusted, such as a corrupt record; empty if it can
	Off        string  // why the target is left alone, such as a paused rollout; empty if it is not
	Empty      bool    // the target is scaled to 0
	Unsettled  string  // why an action has to wait, such as a rollout in progress; empty if it has not
	Braked     string  // why no target is acted on now, such as too many breaches at once; empty if they may be
	Opinion    Opinion // of Kafka, if Settings.Confirm
	Scale      *Scale  // nil if there is nothing to raise, as with a paused ScaledObject

	breaching []Lag // the lags that are a breach, once breach has found them
}

// Worst returns the highest lag that is known, nil if none is.
func (now Situation) Worst() (worst *Lag) {
	for i, l := range now.Lags {
		if !l.At.IsZero() && (worst == nil || l.Value > worst.Value) {
			worst = &now.Lags[i]
		}
	}
	return worst
}

// Verb says what to write.
type Verb string

// What can be written.
const (
	Nothing      Verb = "nothing"
	Remember     Verb = "remember"      // the record, on the workload
	RestartNow   Verb = "restart"       // the restart and the record, on the workload
	SetScale     Verb = "set_scale"     // the value and the record, on what Scale describes
	RestoreScale Verb = "restore_scale" // as SetScale, with the value of before the episode
)

// Decision is what to do about a target.
type Decision struct {
	Verb   Verb
	Reason Reason
	Detail string // of the reason, in words
	Scale  int32  // the value of SetScale and RestoreScale
	Unset  bool   // RestoreScale takes the value out, since nobody had written one
	Record Record // what to write, unless Verb is Nothing
}

// Scales reports whether the decision changes what Scale describes.
func (d Decision) Scales() bool { return d.Verb == SetScale || d.Verb == RestoreScale }

// Reason says why it was decided so. It is the value of a metric's attribute and of an event's reason.
type Reason string

// The reasons of decisions.
const (
	NotDue      Reason = "not_due"
	Off         Reason = "off"
	Doubt       Reason = "doubt"
	NoData      Reason = "no_data"
	NoNewPoint  Reason = "no_new_point"
	Below       Reason = "below_threshold"
	Recovered   Reason = "recovered"
	Draining    Reason = "draining"
	Braked      Reason = "braked"
	Reverted    Reason = "reverted"
	CoolingDown Reason = "cooling_down"
	Unsettled   Reason = "unsettled"
	NoRoom      Reason = "no_room"
	Confirming  Reason = "confirming"
	Acted       Reason = "acted"
	Warned      Reason = "warned"
	Exhausted   Reason = "exhausted"
)
