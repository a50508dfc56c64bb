package lag_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

// small returns a scenario of five groups, read every two minutes: the first ends, the second is not wanted.
func small(edit func(*scenario)) *scenario {
	return uniform(5, func(sc *scenario) {
		sc.interval = 2 * minute
		sc.cloud.sources[0].lives[0].to = origin
		sc.cloud.sources[1].key.Group, sc.cloud.sources[1].wanted = "other_1", false
		edit(sc)
	})
}

// TestOracle falsifies results, one way in each case, and expects the oracle to notice the promise that this breaks.
func TestOracle(t *testing.T) {
	var held []lag.Entry
	// edit returns a tamper that changes the entry of a group from a scrape on.
	edit := func(from int, group string, change func(*lag.Result, int)) func(int, *lag.Result) {
		return func(step int, r *lag.Result) {
			for i := len(r.Entries) - 1; i >= 0 && step >= from; i-- {
				if r.Entries[i].Series.Group == group {
					change(r, i)
				}
			}
		}
	}
	remove := func(r *lag.Result, i int) { r.Entries = append(r.Entries[:i:i], r.Entries[i+1:]...) }
	sample := func(i int, change func(*lag.Sample)) func(*lag.Result, int) {
		return func(r *lag.Result, at int) { change(&r.Entries[at].Samples[i]) }
	}
	for name, tc := range map[string]struct {
		promise string
		tamper  func(int, *lag.Result)
		faults  []fault
	}{
		"nothing": {},
		"a lost point": {"no loss", edit(3, "group_3", func(r *lag.Result, i int) {
			r.Entries[i].Samples = r.Entries[i].Samples[1:]
		}), nil},
		"a lost point after an outage": {"no loss", edit(5, "group_3", func(r *lag.Result, i int) {
			r.Entries[i].Samples = append(r.Entries[i].Samples[:2:2], r.Entries[i].Samples[3:]...)
		}), []fault{{kind: outage, from: 4, to: 6}}},
		"a withheld newest point": {"the present first", edit(3, "group_3", func(r *lag.Result, i int) {
			r.Entries[i].Samples = r.Entries[i].Samples[:1]
		}), nil},
		"a withheld series": {"the present first", edit(3, "group_3", remove), nil},
		"a repeated point": {"each point once, in order", edit(3, "group_3", sample(0, func(s *lag.Sample) {
			s.Timestamp -= minute
		})), nil},
		"points out of order": {"each point once, in order", edit(3, "group_3", func(r *lag.Result, i int) {
			s := r.Entries[i].Samples
			s[0], s[1] = s[1], s[0]
		}), nil},
		"an invented point":     {"only published points", edit(3, "group_3", sample(1, func(s *lag.Sample) { s.Timestamp++ })), nil},
		"a point from tomorrow": {"only published points", edit(3, "group_3", sample(1, func(s *lag.Sample) { s.Timestamp += 24 * hour })), nil},
		"another value":         {"never a wrong number", edit(3, "group_3", sample(1, func(s *lag.Sample) { s.Value++ })), nil},
		"NaN":                   {"never a wrong number", edit(3, "group_3", sample(1, func(s *lag.Sample) { s.Value = math.NaN() })), nil},
		"history after a start": {"after a start only the newest point", edit(0, "group_3", func(r *lag.Result, i int) {
			s := r.Entries[i].Samples[0]
			p, _ := small(func(*scenario) {}).cloud.sources[3].at(s.Timestamp-minute, minute)
			r.Entries[i].Samples = []lag.Sample{{Timestamp: p.ts, Value: p.value}, s}
		}), nil},
		"a group that is not wanted": {"only wanted series", func(_ int, r *lag.Result) {
			r.Entries = append(r.Entries, lag.Entry{Series: &lag.Series{Key: lag.Key{Instance: "alikafka_0", Group: "other_1"}, Metric: metrics[0]}})
		}, nil},
		"another metric":  {"only wanted series", edit(3, "group_3", func(r *lag.Result, i int) { r.Entries[i].Series.Metric = metrics[1] }), nil},
		"another account": {"only wanted series", edit(3, "group_3", func(r *lag.Result, i int) { r.Entries[i].Series.Account = "" }), nil},
		"two entries":     {"one entry a series", edit(3, "group_3", func(r *lag.Result, i int) { r.Entries = append(r.Entries, r.Entries[i]) }), nil},
		"an empty entry":  {"one entry a series", edit(3, "group_3", func(r *lag.Result, i int) { r.Entries[i].Samples = nil }), nil},
		"a false end":     {"never a false end", edit(3, "group_3", func(r *lag.Result, i int) { r.Entries[i].Stale = true }), nil},
		"no end":          {"a series that ends, ends visibly", edit(4, "group_0", remove), nil},
		"a second end": {"a series that ends, ends visibly", func(_ int, r *lag.Result) {
			for _, e := range r.Entries {
				if e.Stale {
					held = []lag.Entry{e}
					return
				}
			}
			r.Entries = append(r.Entries, held...)
		}, nil},
		"a hidden failure":     {"failures are reported", func(_ int, r *lag.Result) { r.Failures = nil }, []fault{{kind: outage, from: 4, to: 6}}},
		"an invented failure":  {"failures are reported", func(_ int, r *lag.Result) { r.Failures = []lag.Failure{{Err: errors.New("broken")}} }, nil},
		"too many live series": {"nothing grows with time", func(_ int, r *lag.Result) { r.Live++ }, nil},
		"too few live series":  {"nothing grows with time", func(step int, r *lag.Result) { r.Live -= min(step, 1) }, nil},
		"given up needlessly": {"nothing is given up while there is time", func(_ int, r *lag.Result) {
			r.GivenUp = []lag.GivenUp{{Start: origin - minute, End: origin, Points: 1}}
		}, nil},
		"given up because of an error": {"an error gives up nothing", func(_ int, r *lag.Result) {
			if len(r.Failures) > 0 {
				r.GivenUp = []lag.GivenUp{{Start: origin - minute, End: origin, Points: 1}}
			}
		}, []fault{{kind: outage, from: 4, to: 6}}},
		"an empty span": {"what is given up is said with its span", func(_ int, r *lag.Result) {
			r.GivenUp = []lag.GivenUp{{Start: origin, End: origin, Points: 1}}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			sc := small(func(sc *scenario) { sc.tamper, sc.faults = tc.tamper, tc.faults })
			v := sc.newRun(quiet).play()
			if tc.promise == "" {
				require.Nil(t, v)
				return
			}
			require.NotNil(t, v)
			assert.Equal(t, tc.promise, v.promise, v)
		})
	}
}

// TestOracleRequests feeds the oracle with requests that break a promise.
func TestOracleRequests(t *testing.T) {
	const formed = "requests are well-formed and bounded"
	present := func() *lag.Request {
		return &lag.Request{Metric: metrics[0], Instances: []string{"alikafka_0"}, Start: origin - minute, End: origin}
	}
	wide := int64(2 * time.Hour / time.Millisecond)
	for name, tc := range map[string]struct {
		promise string
		change  func(*lag.Request)
		late    bool
	}{
		"fine":                {change: func(*lag.Request) {}},
		"an unknown metric":   {promise: formed, change: func(r *lag.Request) { r.Metric = "other" }},
		"a metric too many":   {promise: formed, change: func(r *lag.Request) { r.Metric = metrics[1] }},
		"too many instances":  {promise: formed, change: func(r *lag.Request) { r.Instances = make([]string, 51) }},
		"too many names":      {promise: formed, change: func(r *lag.Request) { r.Names = make([]lag.Key, 51) }},
		"every instance":      {promise: formed, change: func(r *lag.Request) { r.Instances = nil }},
		"an empty window":     {promise: formed, change: func(r *lag.Request) { r.Start = r.End }},
		"the future":          {promise: formed, change: func(r *lag.Request) { r.End += wide }},
		"a distant past":      {promise: formed, change: func(r *lag.Request) { r.Start -= wide }},
		"an unknown name":     {promise: formed, change: func(r *lag.Request) { r.Names = []lag.Key{{Group: "nobody"}} }},
		"a name not wanted":   {promise: formed, change: func(r *lag.Request) { r.Names = []lag.Key{{Instance: "alikafka_0", Group: "other_1"}} }},
		"no time left for it": {promise: "a part is begun only if there is time for it", change: func(*lag.Request) {}, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOracle(small(func(*scenario) {}))
			o.begin(0, origin, origin)
			r := present()
			if tc.change(r); len(r.Names) > 50 {
				r.Names = r.Names[:51]
			}
			o.request(r, tc.late)
			if tc.promise == "" {
				require.Nil(t, o.broken)
				return
			}
			require.NotNil(t, o.broken)
			assert.Equal(t, tc.promise, o.broken.promise)
		})
	}
}

// TestOracleTurns has the oracle watch which streams are read.
func TestOracleTurns(t *testing.T) {
	read := func(o *oracle, step int, instances ...string) {
		o.begin(step, origin+int64(step)*minute, origin+int64(step)*minute)
		for _, name := range instances {
			q := &lag.Request{Metric: metrics[0], Instances: []string{name}, Start: o.now - minute, End: o.now}
			o.request(q, false)
			o.called(100)
			o.failed(q, false)
		}
		o.checkTurns()
		o.countCalls()
	}
	three := func() *oracle {
		return newOracle(uniform(300, func(sc *scenario) { sc.settings.BatchSize, sc.allowance = 1, 1.3 }))
	}
	t.Run("in turn", func(t *testing.T) {
		o := three()
		for step := range 30 {
			read(o, step, o.cloud.instances[step%3])
		}
		assert.Nil(t, o.broken)
	})
	t.Run("one is left out", func(t *testing.T) {
		o := three()
		for step := range 30 {
			read(o, step, o.cloud.instances[step%2])
		}
		require.NotNil(t, o.broken)
		assert.Equal(t, "each batch in turn", o.broken.promise)
		assert.Equal(t, "alikafka_2", o.broken.key.Instance)
		assert.Equal(t, 5, o.broken.step, "one of three is to be read at least every fifth scrape")
	})
	t.Run("nothing is read", func(t *testing.T) {
		o := three()
		for step := range 30 {
			read(o, step)
		}
		require.NotNil(t, o.broken)
		assert.Equal(t, "each batch in turn", o.broken.promise)
	})
	t.Run("too many calls", func(t *testing.T) {
		o := three()
		for step := range 30 {
			read(o, step, "alikafka_0", "alikafka_1", "alikafka_2", "alikafka_0", "alikafka_1")
		}
		o.end()
		require.NotNil(t, o.broken)
		assert.Equal(t, "the fewest calls possible", o.broken.promise)
		assert.Contains(t, o.broken.text, "125 calls, the least is 75")
	})
}
