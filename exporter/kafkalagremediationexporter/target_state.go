package kafkalagremediationexporter

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// targetState is what the process knows of a target between checks. All that matters after a restart is in its record.
type targetState struct {
	due      time.Time // of the next judgement
	breaches bool      // at the last pass
	high     bool      // at the last pass; a high lag that is draining is no breach
	idle     int       // checks to go without reading, while the lag is low
	asked    bool      // it was read, or cannot be
	off      bool      // it was left alone at the last check
	failing  bool      // at the last check

	uid      types.UID // of the workload when it was last read
	sequence int64     // the highest of its records that was seen
	actions  []time.Time

	question *question // that a restart waits for
	uncopied bool      // the record on the autoscaler has no copy on the workload yet
	noteAt   time.Time // before it, no delivered message is taken out of the record, since that failed

	dry   ladder.Memory // in a dry run
	error string        // the last one that was logged
}

func (s *targetState) isFailing() bool { return s.failing }

// skips reports whether a target need not be read: it was idle, and its lag is low.
func (s *targetState) skips(now time.Time, interval time.Duration) bool {
	if s.high || s.idle == 0 {
		return false
	}
	s.idle--
	s.due = now.Add(interval)
	return true
}

// learn takes note of what was read, and doubts a record that is older than one that was read before.
func (s *targetState) learn(now *ladder.Situation, o *cluster.Observed) {
	if s.uid != o.UID { // another workload of the same name
		s.uid, s.sequence = o.UID, 0
	}
	newest := now.Memory.Newest()
	if s.hasSeenNewer(o) && now.Doubt == "" {
		now.Doubt = fmt.Sprintf("the record is older than the one that was seen before (%d after %d), as after kubectl rollout undo", newest.Sequence, s.sequence)
	}
	if now.Doubt != "" { // the record that replaces it is newer than any copy
		now.Memory.Workload.Sequence = max(now.Memory.Workload.Sequence, s.sequence)
	}
	s.sequence = max(newest.Sequence, s.sequence)
	s.actions = newest.Actions
}

// hasSeenNewer reports whether the record of a target is older than one that was seen before.
func (s *targetState) hasSeenNewer(o *cluster.Observed) bool {
	return s.uid == o.UID && o.Memory.Newest().Sequence < s.sequence
}

// pretend makes the situation of a dry run: the memory is that of the process, and what would be raised is.
func (s *targetState) pretend(now *ladder.Situation) {
	now.Memory = s.dry
	now.Doubt = ""
	if now.Scale == nil {
		return
	}
	scale, raised := *now.Scale, s.dry.Workload.Raised
	if scale.Autoscaler {
		raised = s.dry.Autoscaler.Raised
	}
	if raised != nil {
		scale.Value, scale.Replicas = raised.To, max(scale.Replicas, raised.To)
	}
	now.Scale = &scale
}

// actionsWithinHour returns how many of the actions that stand in its record are less than an hour old.
func (s *targetState) actionsWithinHour(now time.Time) (count int) {
	for _, at := range s.actions {
		if now.Sub(at) < time.Hour {
			count++
		}
	}
	return count
}
