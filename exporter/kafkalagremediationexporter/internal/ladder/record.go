package ladder

import (
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

// Record is the memory of a target, the value of an annotation as JSON. The workload has a copy, and so has an autoscaler
// whose minimum was raised: each action writes the copy on the object that it changes.
type Record struct {
	Version  int   `json:"version"`
	Sequence int64 `json:"sequence"` // one more with each write, so that the newest copy is known

	Episode *time.Time `json:"episode,omitempty"` // its first breach; none while idle
	Stage   int        `json:"stage"`             // how many stages of the episode are done
	Checked time.Time  `json:"checked"`           // the last judgement that was written
	Result  Reason     `json:"result"`            // of that judgement

	Actions   []time.Time `json:"actions,omitempty"`   // the newest restarts and scale-ups, over episodes, ascending
	HoldUntil *time.Time  `json:"holdUntil,omitempty"` // no action before, since the memory was in doubt
	Told      []Reason    `json:"told,omitempty"`      // what people were told in the episode, so that they are told once
	Unsent    []Reason    `json:"unsent,omitempty"`    // what they still have to be told

	// Raised is what this object was raised from and to. Only a write to the same object may clear it.
	Raised *Raised `json:"raised,omitempty"`
}

// Raised is a change of replicas, or of the minimum of an autoscaler, that has to be put back.
type Raised struct {
	From int32 `json:"from"`
	To   int32 `json:"to"`
}

// Memory is the two copies of a record.
type Memory struct {
	Workload   Record
	Autoscaler Record
}

// newest returns the copy that was written last, with the actions of both. Of two that were written at the same time, by
// two collectors that each knew nothing of the other, it is the one that did more.
func (m Memory) newest() Record {
	newest, other := m.Workload, m.Autoscaler
	if other.Sequence > newest.Sequence || other.Sequence == newest.Sequence && other.Stage > newest.Stage {
		newest, other = other, newest
	}
	newest.Actions = slices.Concat(newest.Actions, other.Actions)
	slices.SortFunc(newest.Actions, time.Time.Compare)
	newest.Actions = slices.CompactFunc(newest.Actions, time.Time.Equal)
	if newest.Sequence == other.Sequence {
		newest.Told, newest.Unsent = union(newest.Told, other.Told), union(newest.Unsent, other.Unsent)
	}
	return newest
}

func union(a, b []Reason) []Reason {
	all := slices.Clone(a)
	for _, r := range b {
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

func (r Record) inEpisode() bool { return r.Episode != nil }

// idle returns the record after the episode. The actions stay, since the cool-down goes on.
func (r Record) idle() Record {
	return Record{Version: version, Sequence: r.Sequence, Actions: r.Actions, Unsent: r.Unsent}
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

// tell adds what people have to be told.
func (r *Record) tell(what Reason) {
	r.Told = append(r.Told, what)
	r.Unsent = append(r.Unsent, what)
}

// Sent returns the record after people were told something.
func (r Record) Sent(what Reason) Record {
	r.Sequence++
	r.Unsent = slices.DeleteFunc(slices.Clone(r.Unsent), func(w Reason) bool { return w == what })
	return r
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
	case r.Stage < 0, r.Sequence <= 0, r.Stage > 0 && r.Episode == nil:
		return Record{}, errors.New("its stage, sequence and episode contradict each other")
	case r.Raised != nil && r.Raised.From >= r.Raised.To:
		return Record{}, errors.New("raised.from is not below raised.to")
	}
	return r, nil
}
