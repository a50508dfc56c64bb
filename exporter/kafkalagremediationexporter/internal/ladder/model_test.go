package ladder

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "play only the episode with this seed, and log it with -v")
	scenarios = flag.Uint64("scenarios", 500, "how many seeds to play")
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// object is a workload or an autoscaler as the API server keeps it: a write has to name the version it was made from.
type object struct {
	version int
	record  string
	value   int32 // replicas of the workload, or the minimum of the autoscaler
}

// world is one target, what happens to it, and what was done.
type world struct {
	t        *testing.T
	random   *rand.Rand
	settings Settings
	log      func(format string, args ...any)

	now                  time.Time
	workload, autoscaler object
	hasAutoscaler        bool
	max                  int32 // of the autoscaler
	original             int32 // what was there before the ladder
	lag                  float64
	collectors           []collector

	done     map[string]int // actions by episode and stage
	restarts int
	last     time.Time // action
}

// collector is one that runs the ladder. Between its steps others run, or it is killed.
type collector struct {
	situation *Situation
	decision  *Decision
	versions  [2]int // of workload and autoscaler, as they were read
}

func newWorld(t *testing.T, seed uint64, log func(string, ...any)) *world {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a scenario is replayed by its seed
	w := &world{
		t: t, random: random, log: log, now: start, done: map[string]int{},
		settings: Settings{
			Threshold: 150_000, CheckInterval: 10 * time.Minute, NoDataAfter: 15 * time.Minute,
			Cooldown: time.Duration(random.IntN(20)) * time.Minute, UnlessDraining: random.IntN(2) == 0,
		},
		hasAutoscaler: random.IntN(3) > 0, max: 3 + random.Int32N(6),
		collectors: make([]collector, 1+random.IntN(2)),
	}
	for range 1 + random.IntN(4) {
		w.settings.Stages = append(w.settings.Stages, [...]Stage{
			{Kind: Restart}, {Kind: ScaleUp, Replicas: 1 + random.Int32N(3), MaxReplicas: random.Int32N(8)}, {Kind: Notify},
		}[random.IntN(3)])
	}
	w.workload.value, w.autoscaler.value = 2, 2
	w.original = 2
	return w
}

// TestEpisodes plays episodes with one or two collectors that are killed, stalled and in each other's way.
func TestEpisodes(t *testing.T) {
	if *seedFlag != 0 {
		newWorld(t, *seedFlag, t.Logf).play()
		return
	}
	acted := uint64(0)
	for seed := range *scenarios {
		w := newWorld(t, seed+1, func(string, ...any) {})
		w.play()
		acted += uint64(len(w.done))
		if t.Failed() {
			t.Fatalf("replay with: go test -run TestEpisodes -v -seed=%d", seed+1)
		}
	}
	assert.Greater(t, acted, *scenarios, "the ladder acts")
}

func (w *world) play() {
	for range 3 {
		w.phase(float64(100_000+w.random.IntN(200_000)), 20+w.random.IntN(150))
	}
	w.phase(10, 60)
	w.settle()
	scaled := w.scaled()
	assert.Equal(w.t, w.original, scaled.value, "what was raised is put back")
	for _, o := range []object{w.workload, w.autoscaler} {
		r, err := ParseRecord(o.record)
		require.NoError(w.t, err)
		assert.Nil(w.t, r.Raised)
	}
}

// scaled is what the ladder may raise.
func (w *world) scaled() *object {
	if w.hasAutoscaler {
		return &w.autoscaler
	}
	return &w.workload
}

// phase lets some minutes go by with a lag.
func (w *world) phase(lag float64, minutes int) {
	w.lag = lag
	w.log("%s lag %.0f", w.now.Format(time.TimeOnly), lag)
	for range minutes {
		w.now = w.now.Add(time.Minute)
		if w.hasAutoscaler { // it follows its minimum
			w.workload.value = max(w.workload.value, w.autoscaler.value)
		}
		for range 1 + w.random.IntN(4) {
			w.step(w.random.IntN(len(w.collectors)))
		}
	}
}

// settle lets every collector come to its end without trouble.
func (w *world) settle() {
	for range 5 {
		w.now = w.now.Add(w.settings.CheckInterval)
		for i := range w.collectors {
			w.collectors[i] = collector{}
			w.read(i)
			w.judge(i)
			w.write(i)
		}
	}
}

// step takes the next step of a collector, or kills it.
func (w *world) step(i int) {
	c := &w.collectors[i]
	switch {
	case w.random.IntN(20) == 0:
		*c = collector{}
	case c.situation == nil:
		w.read(i)
	case c.decision == nil:
		w.judge(i)
	default:
		w.write(i)
	}
}

func (w *world) read(i int) {
	s := &Situation{Now: w.now}
	for object, into := range map[*object]*Record{&w.workload: &s.Memory.Workload, &w.autoscaler: &s.Memory.Autoscaler} {
		r, err := ParseRecord(object.record)
		require.NoError(w.t, err)
		*into = r
	}
	switch w.random.IntN(12) {
	case 0: // no data
	case 1:
		s.Lags = []Lag{{Group: "g", Value: w.lag, At: w.now, Falling: w.lag / 60}}
	case 2:
		s.Unsettled = "rollout in progress"
	case 3:
		s.Braked = "too many"
	default:
		s.Lags = []Lag{{Group: "g", Value: w.lag, At: w.now.Add(-time.Duration(w.random.IntN(4)) * time.Minute)}}
	}
	if s.Scale = (&Scale{Value: w.workload.value, Replicas: w.workload.value}); w.hasAutoscaler {
		s.Scale = &Scale{Autoscaler: true, Value: w.autoscaler.value, Replicas: w.workload.value, Max: w.max}
		if w.random.IntN(10) == 0 {
			s.Scale = nil
		}
	}
	w.collectors[i] = collector{situation: s, versions: [2]int{w.workload.version, w.autoscaler.version}}
}

func (w *world) judge(i int) {
	c := &w.collectors[i]
	d := w.settings.Judge(*c.situation)
	if m := c.situation.Memory; w.random.IntN(6) == 0 && m.Newest().Sequence > 0 { // instead, people were told something
		d = Decision{Verb: Remember, Reason: "sent", Record: m.Sent(m.Newest().Unsent...)}
	}
	c.decision = &d
}

// write writes a decision if the object that it changes is as it was read.
func (w *world) write(i int) {
	c := w.collectors[i]
	w.collectors[i] = collector{}
	d := c.decision
	if d.Verb == Nothing {
		return
	}
	target, version := &w.workload, c.versions[0]
	if (d.Verb == SetScale || d.Verb == RestoreScale) && w.hasAutoscaler {
		target, version = &w.autoscaler, c.versions[1]
	}
	if target.version != version {
		w.log("%s %d: %s conflicts", w.now.Format(time.TimeOnly), i, d.Verb)
		return
	}
	w.log("%s %d: %s %s %d %s", w.now.Format(time.TimeOnly), i, d.Verb, d.Reason, d.Scale, d.Record)
	target.version++
	target.record = d.Record.String()
	w.check(c, d)
	switch d.Verb {
	case SetScale, RestoreScale:
		target.value = d.Scale
		if w.hasAutoscaler && d.Verb == RestoreScale {
			w.workload.value = d.Scale // the lag is low, and the autoscaler takes its replicas back
		}
	case RestartNow:
		w.restarts++
	}
}

// check is the oracle: it looks at each action when it happens.
func (w *world) check(c collector, d *Decision) {
	if d.Verb != RestartNow && d.Verb != SetScale {
		return
	}
	key := fmt.Sprintf("%s/%d", d.Record.Episode.Format(time.RFC3339), d.Record.Stage)
	w.done[key]++
	assert.Equal(w.t, 1, w.done[key], "stage %s was taken before", key)
	assert.Empty(w.t, c.situation.Unsettled, "acts on a workload that is not settled")
	assert.Empty(w.t, c.situation.Braked, "acts although it is braked")
	assert.GreaterOrEqual(w.t, c.situation.Now.Sub(w.last), w.settings.Cooldown, "acts within the cool-down")
	w.last = c.situation.Now
	stage := w.settings.Stages[d.Record.Stage-1]
	if d.Verb == SetScale {
		assert.Equal(w.t, ScaleUp, stage.Kind)
		assert.LessOrEqual(w.t, d.Scale, c.situation.Scale.Replicas+stage.Replicas)
		assert.Greater(w.t, d.Scale, c.situation.Scale.Value)
		for _, limit := range []int32{stage.MaxReplicas, c.situation.Scale.Max} {
			assert.True(w.t, limit == 0 || d.Scale <= limit, "%d is over the limit of %d", d.Scale, limit)
		}
	}
	assert.True(w.t, slices.ContainsFunc(c.situation.Lags, func(l Lag) bool { return l.Value >= w.settings.Threshold }), "acts without a breach")
}
