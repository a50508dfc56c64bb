package ladder

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// version of the JSON of a Record. Another one is not understood.
const version = 1

// maxActions is how many actions a record remembers, for the limit of actions an hour.
const maxActions = 8

// maxUnsent bounds the record while nobody can be told anything.
const maxUnsent = 8

// maxGroups bounds the record of a target with very many groups.
const maxGroups = 64

// maxSequence is far more than a record can reach. What is above was not written by the ladder.
const maxSequence = 1 << 53

// Record is the memory of a target, the value of an annotation as JSON. The workload has a copy, and so has an autoscaler
// whose minimum was raised: each action writes the copy on the object that it changes.
type Record struct {
	Version  int   `json:"version"`
	Sequence int64 `json:"sequence"` // one more with each decision, so that the newest copy is known
	Revision int   `json:"revision"` // one more with each write in between, which only takes messages out

	Episode *time.Time `json:"episode,omitempty"` // its first breach; none while idle
	Stage   int        `json:"stage"`             // how many stages of the episode are done
	Checked time.Time  `json:"checked"`           // the last judgement that was written
	Result  Reason     `json:"result"`            // of that judgement
	Opinion Opinion    `json:"opinion,omitempty"` // of Kafka at that judgement

	Groups []Series `json:"groups,omitempty"` // that breached in the episode, which ends when the lags of all are known and low

	Generation int64 `json:"generation,omitempty"` // of the workload at that judgement

	Actions   []time.Time `json:"actions,omitempty"`   // the newest restarts and scale-ups, over episodes, ascending
	HoldUntil *time.Time  `json:"holdUntil,omitempty"` // no action before, since the memory was in doubt
	Told      []Reason    `json:"told,omitempty"`      // what people were told in the episode, so that they are told once
	Unsent    []Message   `json:"unsent,omitempty"`    // what was not delivered yet

	// Raised is what this object was raised from and to. Only a write to the same object may clear it.
	Raised *Raised `json:"raised,omitempty"`
}

// Raised is a change of replicas, or of the minimum of an autoscaler, that has to be put back.
type Raised struct {
	From  int32 `json:"from"`
	To    int32 `json:"to"`
	Unset bool  `json:"unset,omitempty"` // From is the default, and was not written
}

// Message is what people have to be told.
type Message struct {
	Reason   Reason    `json:"reason"`
	At       time.Time `json:"at"`
	Stage    int       `json:"stage"` // stages that are done
	Instance string    `json:"instance,omitempty"`
	Group    string    `json:"group,omitempty"`
	Lag      float64   `json:"lag"`
	Opinion  Opinion   `json:"opinion,omitempty"` // of Kafka, if it was asked
	Raised   *Raised   `json:"raised,omitempty"`  // what was raised, or put back
}

func (m Message) equal(o Message) bool {
	return m.Reason == o.Reason && m.At.Equal(o.At) && m.Stage == o.Stage
}

// Memory is the two copies of a record.
type Memory struct {
	Workload   Record
	Autoscaler Record
}

// Newest returns the copy that was written last, with the actions of both. Of two that were written at the same time, by
// two collectors that each knew nothing of the other, it is the one that did more.
func (m Memory) Newest() Record {
	newest, other := m.Workload, m.Autoscaler
	if cmp.Or(cmp.Compare(other.Sequence, newest.Sequence), cmp.Compare(other.Stage, newest.Stage), cmp.Compare(other.Revision, newest.Revision)) > 0 {
		newest, other = other, newest
	}
	newest.Actions = slices.Concat(newest.Actions, other.Actions)
	slices.SortFunc(newest.Actions, time.Time.Compare)
	newest.Actions = slices.CompactFunc(newest.Actions, time.Time.Equal)
	if newest.Sequence == other.Sequence && newest.Revision == other.Revision {
		newest.Told = union(newest.Told, other.Told, func(a, b Reason) bool { return a == b })
		newest.Unsent = union(newest.Unsent, other.Unsent, Message.equal)
	}
	if newest.Episode != nil && other.Episode != nil && newest.Episode.Equal(*other.Episode) && other.Stage > newest.Stage {
		newest.Stage = other.Stage // a stage that was taken stays taken, although the later record knew nothing of it
	}
	return newest
}

func union[T any](a, b []T, equal func(T, T) bool) []T {
	all := slices.Clone(a)
	for _, x := range b {
		if !slices.ContainsFunc(all, func(y T) bool { return equal(x, y) }) {
			all = append(all, x)
		}
	}
	return all
}

// Sent returns the record to write on the workload after people were told something, or nothing: then it is only a copy of
// what stands on the autoscaler.
func (m Memory) Sent(messages ...Message) Record {
	r := m.Newest()
	r.Revision, r.Raised = r.Revision+1, m.Workload.Raised
	r.Unsent = slices.DeleteFunc(slices.Clone(r.Unsent), func(u Message) bool {
		return slices.ContainsFunc(messages, u.equal)
	})
	return r
}

// isAhead reports whether the record was written by a clock that is wrong: it would silence the ladder until then.
func (r Record) isAhead(now time.Time) bool {
	latest := now.Add(maxSkew)
	return r.Checked.After(latest) || r.lastAction().After(latest) || r.HoldUntil != nil && r.HoldUntil.After(latest.Add(doubtCooldown))
}

// concerns reports whether the end of the episode depends on the lag of a group, although it is unknown.
func (r Record) concerns(l Lag) bool {
	return len(r.Groups) == 0 || len(r.Groups) == maxGroups || slices.Contains(r.Groups, l.Series())
}

func (r Record) inEpisode() bool { return r.Episode != nil }

// idle returns the record after the episode. The actions stay, since the cool-down goes on.
func (r Record) idle() Record {
	return Record{Version: version, Sequence: r.Sequence, Actions: r.Actions, HoldUntil: r.HoldUntil, Unsent: r.Unsent}
}

func (r *Record) lastAction() (last time.Time) {
	if n := len(r.Actions); n > 0 {
		last = r.Actions[n-1]
	}
	return last
}

func (r *Record) acted(now time.Time) {
	r.Actions = append(r.Actions, now)
	r.Actions = r.Actions[max(0, len(r.Actions)-maxActions):]
}

// String returns the value of the annotation.
func (r Record) String() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // times outside the years 0 to 9999, which no clock has
	}
	return string(text)
}

// ParseRecord parses the value of an annotation. An empty one is the zero Record. The error says what is wrong with any other.
func ParseRecord(text string) (Record, error) {
	if text == "" {
		return Record{}, nil
	}
	var r Record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Record{}, fmt.Errorf("not a record: %w", err)
	}
	switch {
	case r.Version != version:
		return Record{}, fmt.Errorf("version %d, only %d is understood", r.Version, version)
	case r.Stage < 0, r.Sequence <= 0, r.Sequence > maxSequence, r.Stage > 0 && r.Episode == nil:
		return Record{}, errors.New("its stage, sequence and episode contradict each other")
	case r.Raised != nil && (r.Raised.From < 0 || r.Raised.From >= r.Raised.To):
		return Record{}, errors.New("raised.from is negative, or not below raised.to")
	case slices.ContainsFunc(r.Unsent, func(m Message) bool { return m.Stage < 0 }):
		return Record{}, errors.New("the stage of a message is negative")
	}
	return r, nil
}
