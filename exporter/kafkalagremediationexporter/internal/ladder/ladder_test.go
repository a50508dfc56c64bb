package ladder

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var usual = Settings{
	Stages: []Stage{
		{Kind: Restart}, {Kind: ScaleUp, Replicas: 2, MaxReplicas: 8}, {Kind: Notify},
	},
	Threshold: 150_000, CheckInterval: 10 * time.Minute, NoDataAfter: 15 * time.Minute, Cooldown: 10 * time.Minute, UnlessDraining: true,
}

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func lag(value float64, minutes int) []Lag { return []Lag{{Group: "g", Value: value, At: at(minutes)}} }

// TestLadder climbs the whole ladder, recovers and relapses, with an autoscaler.
func TestLadder(t *testing.T) {
	var m Memory
	minimum := int32(2)
	for _, step := range []struct {
		minute int
		lag    float64
		verb   Verb
		reason Reason
		stage  int
		scale  int32
	}{
		{0, 149_999, Nothing, Below, 0, 0},
		{10, 150_000, RestartNow, Acted, 1, 0},
		{15, 150_000, Nothing, NotDue, 0, 0},
		{20, 150_000, SetScale, Acted, 2, 5},
		{30, 150_000, Remember, Warned, 3, 0},
		{40, 150_000, Nothing, Exhausted, 0, 0},
		{50, 149_999, RestoreScale, Recovered, 0, 2},
		{60, 149_999, Nothing, Below, 0, 0},
		{70, 150_000, RestartNow, Acted, 1, 0},
	} {
		d := usual.Judge(Situation{
			Now: at(step.minute), Lags: lag(step.lag, step.minute), Memory: m,
			Scale: &Scale{Autoscaler: true, Value: minimum, Replicas: 3, Max: 6},
		})
		assert.Equal(t, step.verb, d.Verb, "minute %d", step.minute)
		assert.Equal(t, step.reason, d.Reason, "minute %d", step.minute)
		assert.Equal(t, step.stage, d.Record.Stage, "minute %d", step.minute)
		assert.Equal(t, step.scale, d.Scale, "minute %d", step.minute)
		switch d.Verb {
		case SetScale, RestoreScale:
			m.Autoscaler, minimum = d.Record, d.Scale
		case Remember, RestartNow:
			m.Workload = d.Record
		}
	}
}

func TestJudge(t *testing.T) {
	episode := at(-10)
	first := Record{Version: 1, Sequence: 1, Episode: &episode, Stage: 1, Checked: at(-10), Actions: []time.Time{at(-10)}}
	second := first
	second.Stage, second.Sequence = 2, 2
	raised := second
	raised.Raised = &Raised{From: 2, To: 5}
	high := lag(200_000, 0)
	unsettled := first
	unsettled.Result = Unsettled
	hold := at(30)
	for name, tt := range map[string]struct {
		now    Situation
		verb   Verb
		reason Reason
		unsent []Reason
		scale  int32
	}{
		"switched off":                   {now: Situation{Lags: high, Off: "annotation"}, verb: Nothing, reason: Off},
		"switched off, and in doubt":     {now: Situation{Lags: high, Off: "annotation", Doubt: "corrupt"}, verb: Nothing, reason: Off},
		"braked":                         {now: Situation{Lags: high, Braked: "4 targets"}, verb: Nothing, reason: Braked},
		"rollout in progress":            {now: Situation{Lags: high, Unsettled: "rollout"}, verb: Remember, reason: Unsettled},
		"still in progress":              {now: Situation{Lags: high, Unsettled: "rollout", Memory: Memory{Workload: unsettled}}, verb: Remember, reason: Unsettled, unsent: []Reason{Unsettled}},
		"in progress for long":           {now: Situation{Lags: high, Unsettled: "rollout", Memory: Memory{Workload: told(unsettled, Unsettled)}}, verb: Remember, reason: Unsettled},
		"no point after the check":       {now: Situation{Lags: lag(200_000, -10), Memory: Memory{Workload: first}}, verb: Nothing, reason: NoNewPoint},
		"a point from before the action": {now: Situation{Lags: []Lag{{Value: 200_000, At: at(-5).Add(-time.Second)}}, Memory: Memory{Workload: first}}, verb: Nothing, reason: NoNewPoint},
		"half a check after the action": {
			now:  Situation{Lags: lag(200_000, -5), Memory: Memory{Workload: first}, Scale: &Scale{Value: 2, Replicas: 2}},
			verb: SetScale, reason: Acted, unsent: []Reason{Acted}, scale: 4,
		},
		"a point since the last episode's end": {
			now:  Situation{Lags: lag(200_000, -9), Memory: Memory{Workload: Record{Version: 1, Sequence: 9, Checked: at(-10)}}},
			verb: RestartNow, reason: Acted, unsent: []Reason{Acted},
		},
		"old data in a young process": {now: Situation{Lags: lag(5, -15), Age: time.Minute, Memory: Memory{Workload: first}}, verb: Remember, reason: NoData, unsent: []Reason{NoData}},
		"no data while idle":          {now: Situation{}, verb: Nothing, reason: NoData},
		"no data in an episode":       {now: Situation{Memory: Memory{Workload: first}}, verb: Remember, reason: NoData, unsent: []Reason{NoData}},
		"old data in an episode":      {now: Situation{Lags: lag(5, -15), Memory: Memory{Workload: first}}, verb: Remember, reason: NoData, unsent: []Reason{NoData}},
		"no data, already told":       {now: Situation{Memory: Memory{Workload: told(first, NoData)}}, verb: Nothing, reason: NoData},
		"one group without data":      {now: Situation{Lags: append(lag(5, 0), Lag{Group: "h"}), Memory: Memory{Workload: first}}, verb: Remember, reason: NoData, unsent: []Reason{NoData}},
		"one group of two is high":    {now: Situation{Lags: append(lag(5, 0), high...)}, verb: RestartNow, reason: Acted, unsent: []Reason{Acted}},
		"drained before the next check": {
			now:  Situation{Lags: []Lag{{Value: 600_000, At: at(0), Falling: 1000}}, Memory: Memory{Workload: first}},
			verb: Remember, reason: Draining,
		},
		"draining, but not fast enough": {now: Situation{Lags: []Lag{{Value: 600_001, At: at(0), Falling: 1000}}}, verb: RestartNow, reason: Acted, unsent: []Reason{Acted}},
		"draining while idle":           {now: Situation{Lags: []Lag{{Value: 600_000, At: at(0), Falling: 1000}}}, verb: Nothing, reason: Draining},
		"the cool-down lasts over episodes": {
			now:  Situation{Lags: high, Memory: Memory{Workload: Record{Version: 1, Sequence: 9, Actions: []time.Time{at(-9)}}}},
			verb: Nothing, reason: CoolingDown,
		},
		"doubt":            {now: Situation{Lags: high, Doubt: "corrupt"}, verb: Remember, reason: Doubt, unsent: []Reason{Doubt}},
		"held after doubt": {now: Situation{Lags: high, Memory: Memory{Workload: Record{Version: 1, Sequence: 1, HoldUntil: &hold}}}, verb: Nothing, reason: CoolingDown},
		"at the autoscaler's maximum": {
			now:  Situation{Lags: high, Memory: Memory{Workload: first}, Scale: &Scale{Autoscaler: true, Value: 2, Replicas: 5, Max: 5}},
			verb: Remember, reason: NoRoom, unsent: []Reason{NoRoom},
		},
		"the minimum is as high as it would be raised": {
			now:  Situation{Lags: high, Memory: Memory{Workload: first}, Scale: &Scale{Autoscaler: true, Value: 5, Replicas: 3, Max: 9}},
			verb: Remember, reason: NoRoom, unsent: []Reason{NoRoom},
		},
		"never over the autoscaler's maximum": {
			now:  Situation{Lags: high, Memory: Memory{Workload: first}, Scale: &Scale{Autoscaler: true, Value: 2, Replicas: 5, Max: 6}},
			verb: SetScale, reason: Acted, unsent: []Reason{Acted}, scale: 6,
		},
		"never over max_replicas": {
			now:  Situation{Lags: high, Memory: Memory{Workload: first}, Scale: &Scale{Value: 7, Replicas: 7}},
			verb: SetScale, reason: Acted, unsent: []Reason{Acted}, scale: 8,
		},
		"a paused autoscaler": {now: Situation{Lags: high, Memory: Memory{Workload: first}}, verb: Remember, reason: NoRoom, unsent: []Reason{NoRoom}},
		"reverted from outside": {
			now:  Situation{Lags: high, Memory: Memory{Workload: first, Autoscaler: raised}, Scale: &Scale{Autoscaler: true, Value: 2, Replicas: 5, Max: 9}},
			verb: Remember, reason: Reverted, unsent: []Reason{Reverted},
		},
		"raised further from outside": {
			now:  Situation{Lags: high, Memory: Memory{Workload: first, Autoscaler: raised}, Scale: &Scale{Autoscaler: true, Value: 6, Replicas: 6, Max: 9}},
			verb: Remember, reason: Reverted, unsent: []Reason{Reverted},
		},
		"reverted, and told": {
			now:  Situation{Lags: high, Memory: Memory{Workload: first, Autoscaler: told(raised, Reverted)}, Scale: &Scale{Autoscaler: true, Value: 2, Replicas: 5, Max: 9}},
			verb: Remember, reason: Warned, unsent: []Reason{Warned},
		},
		"what was reverted is not raised again": {
			now:  Situation{Lags: high, Memory: Memory{Workload: told(first, Reverted)}, Scale: &Scale{Autoscaler: true, Value: 2, Replicas: 3, Max: 9}},
			verb: Remember, reason: NoRoom,
		},
		"recovered after a revert leaves the value": {
			now:  Situation{Lags: lag(5, 0), Memory: Memory{Autoscaler: raised}, Scale: &Scale{Autoscaler: true, Value: 3, Replicas: 5, Max: 9}},
			verb: RestoreScale, reason: Recovered, unsent: []Reason{Recovered}, scale: 3,
		},
		"scaled to 0":                          {now: Situation{Lags: high, Empty: true}, verb: Nothing, reason: Off},
		"scaled to 0, without data":            {now: Situation{Empty: true, Memory: Memory{Workload: first}}, verb: Nothing, reason: Off},
		"scaled to 0 ends an episode":          {now: Situation{Lags: lag(5, 0), Empty: true, Memory: Memory{Workload: first}}, verb: Remember, reason: Recovered, unsent: []Reason{Recovered}},
		"it is not known yet whether it falls": {now: Situation{Lags: []Lag{{Value: 200_000, At: at(0), New: true}}}, verb: Nothing, reason: NoNewPoint},
		"a low lag needs no second point":      {now: Situation{Lags: []Lag{{Value: 5, At: at(0), New: true}}, Memory: Memory{Workload: first}}, verb: Remember, reason: Recovered, unsent: []Reason{Recovered}},
		"a point from before the last episode's end": {
			now:  Situation{Lags: lag(200_000, -11), Memory: Memory{Workload: Record{Version: 1, Sequence: 9, Checked: at(-10)}}},
			verb: Nothing, reason: NoNewPoint,
		},
		"a slow consumer that has to wait": {
			now:  Situation{Lags: high, Unsettled: "rollout", Opinion: Slow},
			verb: Remember, reason: Unsettled,
		},
		"replicas of a workload are put back": {
			now:  Situation{Lags: lag(5, 0), Memory: Memory{Workload: raised}, Scale: &Scale{Value: 5, Replicas: 5}},
			verb: RestoreScale, reason: Recovered, unsent: []Reason{Recovered}, scale: 2,
		},
		"the copy of the autoscaler is newer": {now: Situation{Lags: high, Memory: Memory{Workload: first, Autoscaler: second}}, verb: Remember, reason: Warned, unsent: []Reason{Warned}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.now.Now = at(0)
			if tt.now.Age == 0 {
				tt.now.Age = time.Hour
			}
			d := usual.Judge(tt.now)
			assert.Equal(t, tt.verb, d.Verb)
			assert.Equal(t, tt.reason, d.Reason)
			assert.Equal(t, tt.unsent, reasons(d.Record.Unsent))
			assert.Equal(t, tt.scale, d.Scale)
			if d.Verb != Nothing {
				assert.Equal(t, d.Reason, d.Record.Result)
			}
			if tt.now.Off == "" {
				assert.Contains(t, d.Detail, tt.now.Doubt+tt.now.Unsettled, "people see why")
			}
		})
	}
}

// TestGroupThatIsAbsent: an episode does not end before the lag of each group that breached in it is known, such as after a
// restart of the process, when those of other groups arrive first.
func TestGroupThatIsAbsent(t *testing.T) {
	a, b := Lag{Group: "a", Value: 5, At: at(0)}, Lag{Group: "b", Value: 200_000, At: at(0)}
	began := usual.Judge(Situation{Now: at(0), Lags: []Lag{a, b}})
	require.Equal(t, RestartNow, began.Verb)
	draining := Lag{Group: "draining", Value: 200_000, At: at(0), Falling: 1000}
	assert.Equal(t, []Lag{b}, usual.Breaching(Situation{Now: at(0), Lags: []Lag{a, b, draining, {Group: "unknown"}}}))
	assert.Equal(t, []Series{{Group: "b"}}, began.Record.Groups)
	const young, old = time.Minute, time.Hour
	judge := func(minutes int, age time.Duration, r Record, lags ...Lag) Decision {
		for i := range lags {
			lags[i].At = at(minutes)
		}
		return usual.Judge(Situation{Now: at(minutes), Lags: lags, Age: age, Memory: Memory{Workload: r}})
	}
	assert.Equal(t, NoNewPoint, judge(10, young, began.Record, a).Reason)
	unknown := judge(10, old, began.Record, a)
	assert.Equal(t, NoData, unknown.Reason)
	assert.Equal(t, NoNewPoint, judge(48*60, young, began.Record, a).Reason, "however long ago the last check was")
	assert.Equal(t, NoData, judge(48*60, ForgetAfter-1, unknown.Record, a).Reason)
	assert.Equal(t, Recovered, judge(48*60, ForgetAfter, unknown.Record, a).Reason, "b is gone for good")

	elsewhere := a
	elsewhere.Instance, elsewhere.Group = "other", b.Group
	assert.Equal(t, NoData, judge(10, old, began.Record, a, elsewhere).Reason, "it is another group")
	assert.Empty(t, judge(10, old, began.Record).Record.Unsent[1].Group, "nothing is known of any")

	b.Value = 5
	assert.Equal(t, Recovered, judge(10, young, began.Record, a, b).Reason)
	assert.Empty(t, judge(10, young, began.Record, a, b).Record.Groups)

	a.Value = 200_000
	both := judge(10, old, began.Record, a, b)
	assert.Equal(t, []Series{{Group: "b"}, {Group: "a"}}, both.Record.Groups)

	b.Value = 5
	silent := Lag{Group: "c", At: at(-20)}
	low := usual.Judge(Situation{Now: at(10), Lags: []Lag{{Group: "b", Value: 5, At: at(10)}, silent}, Age: old, Memory: Memory{Workload: began.Record}})
	assert.Equal(t, Recovered, low.Reason, "c has not breached, so its lag does not matter")
	gone := usual.Judge(Situation{Now: at(10), Lags: []Lag{silent}, Age: ForgetAfter, Memory: Memory{Workload: began.Record}})
	assert.Equal(t, NoData, gone.Reason, "but without any lag nothing has recovered")
}

func TestGroupsAreBounded(t *testing.T) {
	var all []Lag
	for i := range 2 * maxGroups {
		all = append(all, Lag{Group: strconv.Itoa(i), Value: 200_000, At: at(0)})
	}
	began := usual.Judge(Situation{Now: at(0), Lags: all})
	assert.Len(t, began.Record.Groups, maxGroups)
	for i := range all {
		if i < maxGroups {
			all[i].Value, all[i].At = 5, at(10)
		}
	}
	ended := usual.Judge(Situation{Now: at(10), Lags: all, Age: time.Hour, Memory: Memory{Workload: began.Record}})
	assert.Equal(t, NoNewPoint, ended.Reason, "the others may have breached, too")
}

// TestDoubtIsToldOnce: the first of two copies was replaced, and the second one had changed.
func TestDoubtIsToldOnce(t *testing.T) {
	first := usual.Judge(Situation{Now: at(0), Lags: lag(5, 0), Doubt: "corrupt"})
	again := usual.Judge(Situation{Now: at(0).Add(2 * time.Second), Lags: lag(5, 0), Doubt: "corrupt", Memory: Memory{Autoscaler: first.Record}})
	assert.Equal(t, []Reason{Doubt}, reasons(again.Record.Unsent))
	later := usual.Judge(Situation{Now: at(1), Lags: lag(5, 0), Doubt: "corrupt", Memory: Memory{Autoscaler: first.Record}})
	assert.Equal(t, []Reason{Doubt, Doubt}, reasons(later.Record.Unsent))
}

// TestPausedAtRecovery: the episode ends, and what was raised is put back when the ScaledObject goes on.
func TestPausedAtRecovery(t *testing.T) {
	episode := at(-10)
	raised := Record{Version: 1, Sequence: 2, Episode: &episode, Stage: 2, Checked: at(-10), Raised: &Raised{From: 2, To: 5}}
	ended := usual.Judge(Situation{Now: at(0), Lags: lag(5, 0), Memory: Memory{Autoscaler: raised}})
	assert.Equal(t, Remember, ended.Verb)
	assert.Equal(t, Recovered, ended.Reason)
	assert.Nil(t, ended.Record.Episode)
	assert.Nil(t, ended.Record.Unsent[0].Raised)

	memory := Memory{Workload: ended.Record, Autoscaler: raised}
	assert.Equal(t, Below, usual.Judge(Situation{Now: at(10), Lags: lag(5, 10), Memory: memory}).Reason, "told once")
	relapse := usual.Judge(Situation{Now: at(10), Lags: lag(200_000, 10), Memory: memory})
	assert.Equal(t, RestartNow, relapse.Verb, "from the first stage on")

	scale := &Scale{Autoscaler: true, Value: 5, Replicas: 5, Max: 9}
	back := usual.Judge(Situation{Now: at(10), Lags: lag(5, 10), Memory: memory, Scale: scale})
	assert.Equal(t, RestoreScale, back.Verb)
	assert.Equal(t, int32(2), back.Scale)
	assert.Equal(t, &Raised{From: 2, To: 5}, back.Record.Unsent[1].Raised)
}

// TestRaisedInMessages: what was raised stands in the message about that, and in no other.
func TestRaisedInMessages(t *testing.T) {
	settings := usual
	settings.Stages = []Stage{{Kind: ScaleUp, Replicas: 2}, {Kind: Restart}}
	first := settings.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Scale: &Scale{Value: 3, Replicas: 3}})
	first.Record.Revision = 3 // people were told
	second := settings.Judge(Situation{Now: at(10), Lags: lag(200_000, 10), Scale: &Scale{Value: 5, Replicas: 5}, Memory: Memory{Workload: first.Record}})
	require.Equal(t, RestartNow, second.Verb)
	assert.Zero(t, second.Record.Revision)
	require.Len(t, second.Record.Unsent, 2)
	assert.Equal(t, &Raised{From: 3, To: 5}, second.Record.Unsent[0].Raised)
	assert.Nil(t, second.Record.Unsent[1].Raised)
	assert.Equal(t, &Raised{From: 3, To: 5}, second.Record.Raised)
	assert.Equal(t, at(0), *second.Record.Episode, "the episode is the same")
}

// TestAutoscalerTakesOver: replicas that were raised before there was an autoscaler are not put back after it is gone.
func TestAutoscalerTakesOver(t *testing.T) {
	episode := at(-10)
	raised := Record{Version: 1, Sequence: 2, Episode: &episode, Stage: 2, Checked: at(-10), Raised: &Raised{From: 3, To: 5}}
	d := usual.Judge(Situation{Now: at(0), Lags: lag(5, 0), Memory: Memory{Workload: raised}, Scale: &Scale{Autoscaler: true, Value: 1, Replicas: 5, Max: 9}})
	assert.Equal(t, Recovered, d.Reason)
	assert.Nil(t, d.Record.Raised)
	paused := usual.Judge(Situation{Now: at(0), Lags: lag(5, 0), Memory: Memory{Workload: raised}})
	assert.Nil(t, paused.Record.Raised)
}

// TestDrainingCounts: only with unless_draining does it matter whether the lag falls, or whether that is known.
func TestDrainingCounts(t *testing.T) {
	settings := usual
	settings.UnlessDraining = false
	for _, l := range []Lag{{Value: 200_000, At: at(0), New: true}, {Value: 600_000, At: at(0), Falling: 1000}} {
		assert.Equal(t, RestartNow, settings.Judge(Situation{Now: at(0), Lags: []Lag{l}}).Verb)
	}
}

// TestWhatOutlivesAnEpisode: the cool-down goes on, and so does the time after a doubt.
func TestWhatOutlivesAnEpisode(t *testing.T) {
	episode, hold := at(-10), at(60)
	r := Record{
		Version: 1, Sequence: 2, Episode: &episode, Stage: 1, Checked: at(-10), Actions: []time.Time{at(-10)}, HoldUntil: &hold,
		Raised: &Raised{From: 2, To: 5},
	}
	scale := &Scale{Value: 5, Replicas: 5}
	ended := usual.Judge(Situation{Now: at(0), Lags: lag(5, 0), Memory: Memory{Workload: r}, Scale: scale})
	assert.Equal(t, RestoreScale, ended.Verb)
	assert.Equal(t, r.Actions, ended.Record.Actions)
	assert.Equal(t, r.HoldUntil, ended.Record.HoldUntil)
	doubt := usual.Judge(Situation{Now: at(0), Lags: lag(5, 0), Memory: Memory{Workload: r}, Scale: scale, Doubt: "corrupt"})
	assert.Equal(t, r.Raised, doubt.Record.Raised, "and what was raised is still to be put back")
}

// TestSlowConsumerThatWaits: the opinion holds for one check, so the restart is not given up while nothing can be done.
func TestSlowConsumerThatWaits(t *testing.T) {
	d := usual.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Opinion: Slow, Unsettled: "rollout"})
	assert.Zero(t, d.Record.Stage)
	assert.Equal(t, at(0), *d.Record.Episode)
	low := usual.Judge(Situation{Now: at(10), Lags: lag(5, 10), Memory: Memory{Workload: d.Record}})
	assert.Equal(t, Below, low.Reason, "nothing had been done")
}

func reasons(messages []Message) (all []Reason) {
	for _, m := range messages {
		all = append(all, m.Reason)
	}
	return all
}

func told(r Record, what Reason) Record {
	r.Told = []Reason{what}
	return r
}

// TestConfirm: a restart waits for Kafka's opinion, and is left out where it does not help.
func TestConfirm(t *testing.T) {
	confirming := usual
	confirming.Confirm = true
	scale := &Scale{Value: 2, Replicas: 2}
	for opinion, want := range map[Opinion]Decision{
		Unasked:    {Verb: Nothing, Reason: Confirming},
		Stuck:      {Verb: RestartNow, Reason: Acted},
		Unanswered: {Verb: RestartNow, Reason: Acted},
		Slow:       {Verb: SetScale, Reason: Acted, Scale: 4},
	} {
		got := confirming.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Opinion: opinion, Scale: scale})
		assert.Equal(t, want.Verb, got.Verb, opinion)
		assert.Equal(t, want.Reason, got.Reason, opinion)
		assert.Equal(t, want.Scale, got.Scale, opinion)
		assert.Equal(t, opinion, got.Record.Opinion)
	}
}

// TestOnlyRestartsForASlowConsumer: people are told once that no stage helps.
func TestOnlyRestartsForASlowConsumer(t *testing.T) {
	restarts := usual
	restarts.Stages = []Stage{{Kind: Restart}, {Kind: Restart}}
	first := restarts.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Opinion: Slow})
	assert.Equal(t, Remember, first.Verb)
	assert.Equal(t, []Reason{Warned}, reasons(first.Record.Unsent))
	_, err := ParseRecord(first.Record.String())
	require.NoError(t, err)
	second := restarts.Judge(Situation{Now: at(10), Lags: lag(200_000, 10), Opinion: Slow, Memory: Memory{Workload: first.Record}})
	assert.Equal(t, Exhausted, second.Reason)
}

func TestUnsentIsBounded(t *testing.T) {
	r := Record{}
	for i := range 20 {
		(Situation{Now: at(i), Lags: []Lag{{Instance: "a", Group: "g", At: at(i)}}}).tell(&r, NoData)
	}
	assert.Len(t, r.Unsent, maxUnsent)
	assert.Equal(t, Message{Reason: NoData, At: at(19), Instance: "a", Group: "g"}, r.Unsent[maxUnsent-1], "the newest are kept")
	assert.Equal(t, []Reason{NoData}, r.Told)
}

func TestActionsAreBounded(t *testing.T) {
	r := Record{}
	for i := range 20 {
		r.acted(at(i))
	}
	assert.Len(t, r.Actions, maxActions)
	assert.Equal(t, at(19), r.lastAction(), "the newest are kept")
}

// TestClockOfAnother: a record from the future would silence the ladder until then.
func TestClockOfAnother(t *testing.T) {
	hold := at(24 * 60)
	for name, r := range map[string]Record{
		"checked": {Version: 1, Sequence: 5, Checked: at(60)},
		"acted":   {Version: 1, Sequence: 5, Actions: []time.Time{at(-5), at(60)}},
		"held":    {Version: 1, Sequence: 5, HoldUntil: &hold},
	} {
		d := usual.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Memory: Memory{Workload: r}})
		require.Equal(t, Doubt, d.Reason, name)
		if name == "acted" {
			assert.Equal(t, []time.Time{at(-5)}, d.Record.Actions, "the others count on")
		}
		again := usual.Judge(Situation{Now: at(10), Lags: lag(200_000, 10), Memory: Memory{Workload: d.Record}})
		assert.Equal(t, CoolingDown, again.Reason, name)
	}
	little := Record{Version: 1, Sequence: 5, Checked: at(10)}
	assert.Equal(t, NotDue, usual.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Memory: Memory{Workload: little}}).Reason, "clocks differ a little")
}

// TestStagesStayTaken: a later record that knew nothing of a stage does not bring it back.
func TestStagesStayTaken(t *testing.T) {
	episode := at(-20)
	m := Memory{
		Workload:   Record{Version: 1, Sequence: 7, Episode: &episode, Stage: 1},
		Autoscaler: Record{Version: 1, Sequence: 6, Episode: &episode, Stage: 2},
	}
	assert.Equal(t, 2, m.Newest().Stage)
	before := at(-90)
	m.Autoscaler.Episode = &before
	assert.Equal(t, 1, m.Newest().Stage, "but those of an older episode do")
}

// TestTwoCopies: what either copy knows of actions counts. Of two with the same sequence neither loses a message, unless the
// later one took it out.
func TestTwoCopies(t *testing.T) {
	warned, acted := Message{Reason: Warned, At: at(0)}, Message{Reason: Acted, At: at(0)}
	one := Record{Version: 1, Sequence: 7, Actions: []time.Time{at(5), at(9)}, Told: []Reason{Warned}, Unsent: []Message{warned}}
	two := Record{Version: 1, Sequence: 7, Actions: []time.Time{at(2), at(9)}, Told: []Reason{Warned, Acted}, Unsent: []Message{warned, acted}}
	for _, m := range []Memory{{one, two}, {two, one}} {
		newest := m.Newest()
		assert.Equal(t, []time.Time{at(2), at(5), at(9)}, newest.Actions)
		assert.ElementsMatch(t, []Reason{Warned, Acted}, newest.Told)
		assert.ElementsMatch(t, []Message{warned, acted}, newest.Unsent)
	}
	one.Revision = 1
	for _, m := range []Memory{{one, two}, {two, one}} {
		assert.Equal(t, []Message{warned}, m.Newest().Unsent)
	}
	two.Stage = 1
	for _, m := range []Memory{{one, two}, {two, one}} {
		assert.Equal(t, 1, m.Newest().Stage, "the one that did more")
	}
}

// TestSent: only the messages that were delivered are taken out.
func TestSent(t *testing.T) {
	m := Message{Reason: Acted, At: at(0), Stage: 1}
	reason, time, stage := m, m, m
	reason.Reason, time.At, stage.Stage = Warned, at(1), 2
	kept := []Message{reason, time, stage}
	delivered := m
	delivered.At = m.At.In(start.Local().Location())
	r := Record{Version: 1, Sequence: 1, Unsent: append([]Message{m}, kept...)}
	assert.Equal(t, kept, Memory{Workload: r}.Sent(delivered).Unsent)
	assert.Len(t, r.Unsent, 4)
	assert.Equal(t, m, r.Unsent[0], "and the record that was read is left as it is")
}

// TestUnset: where nobody has written a minimum, none is left, however often it was raised.
func TestUnset(t *testing.T) {
	settings := usual
	settings.Stages = []Stage{{Kind: ScaleUp, Replicas: 2}, {Kind: ScaleUp, Replicas: 2}}
	scale, memory := Scale{Autoscaler: true, Replicas: 2, Max: 20, Unset: true}, Memory{}
	for i := range 2 {
		d := settings.Judge(Situation{Now: at(10 * i), Lags: lag(200_000, 10*i), Scale: &scale, Memory: memory})
		require.Equal(t, SetScale, d.Verb)
		assert.False(t, d.Unset)
		parsed, err := ParseRecord(d.Record.String())
		require.NoError(t, err)
		memory.Autoscaler, scale = parsed, Scale{Autoscaler: true, Value: d.Scale, Replicas: d.Scale, Max: 20}
	}
	d := settings.Judge(Situation{Now: at(20), Lags: lag(5, 20), Scale: &scale, Memory: memory})
	assert.Equal(t, RestoreScale, d.Verb)
	assert.True(t, d.Unset)

	taken := scale // out again by somebody else
	taken.Value, taken.Unset = 0, true
	assert.True(t, settings.Judge(Situation{Now: at(20), Lags: lag(5, 20), Scale: &taken, Memory: memory}).Unset)

	scale.Value = 9 // set by somebody else
	d = settings.Judge(Situation{Now: at(20), Lags: lag(5, 20), Scale: &scale, Memory: memory})
	assert.Equal(t, int32(9), d.Scale)
	assert.False(t, d.Unset)
}

func TestDoubtIsLong(t *testing.T) {
	d := usual.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Doubt: "corrupt"})
	for _, minutes := range []int{10, 359} {
		held := usual.Judge(Situation{Now: at(minutes), Lags: lag(200_000, minutes), Memory: Memory{Workload: d.Record}})
		assert.Equal(t, CoolingDown, held.Reason)
	}
	over := usual.Judge(Situation{Now: at(360), Lags: lag(200_000, 360), Memory: Memory{Workload: d.Record}})
	assert.Equal(t, RestartNow, over.Verb)
}

func TestRecord(t *testing.T) {
	episode := at(0)
	want := Record{
		Version: 1, Sequence: 3, Episode: &episode, Stage: 2, Checked: at(10), Result: Acted, Actions: []time.Time{at(0), at(10)},
		Told: []Reason{NoData}, Unsent: []Message{{Reason: NoData, At: at(10), Stage: 2}}, Raised: &Raised{From: 2, To: 5},
	}
	got, err := ParseRecord(want.String())
	require.NoError(t, err)
	assert.Equal(t, want, got)
	sent := Memory{Workload: got}.Sent(got.Unsent...)
	assert.Empty(t, sent.Unsent)
	assert.Equal(t, int64(3), sent.Sequence, "nothing was decided")
	assert.Empty(t, Memory{Workload: sent, Autoscaler: got}.Newest().Unsent, "and the other copy does not bring them back")

	for text, problem := range map[string]string{
		`x`:                                     "not a record",
		`{"version":2,"sequence":1}`:            "version 2",
		`{"version":1}`:                         "contradict",
		`{"version":1,"sequence":1,"stage":1}`:  "contradict",
		`{"version":1,"sequence":1,"stage":-1}`: "contradict",
		`{"version":1,"sequence":1,"raised":{"from":5,"to":5}}`:  "raised.from",
		`{"version":1,"sequence":9223372036854775807}`:           "contradict",
		`{"version":1,"sequence":1,"checked":"yesterday"}`:       "not a record",
		`{"version":1,"sequence":1,"raised":{"from":-1,"to":5}}`: "raised.from",
		`{"version":1,"sequence":1,"unsent":[{"stage":-1}]}`:     "stage of a message",
	} {
		_, err := ParseRecord(text)
		require.ErrorContains(t, err, problem, text)
	}
	empty, err := ParseRecord("")
	require.NoError(t, err)
	assert.Zero(t, empty)
}

func FuzzParseRecord(f *testing.F) {
	f.Add(`{"version":1,"sequence":1,"episode":"2026-01-01T00:00:00Z","stage":1,"raised":{"from":2,"to":4}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRecord(text)
		if err != nil || text == "" {
			return
		}
		again, err := ParseRecord(r.String())
		require.NoError(t, err)
		assert.Equal(t, r.String(), again.String())
		_ = usual.Judge(Situation{Now: at(0), Lags: lag(200_000, 0), Memory: Memory{Workload: r}, Scale: &Scale{Value: 2, Replicas: 2}})
	})
}
