package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// settled is how long replicas have to stay for the controller to be through with them: it
// looks once a second.
const settled = 5 * time.Second

func TestChain(t *testing.T) {
	ding := startDingTalk(t)
	r := startRig(t, startAlertmanager(t, "dingtalk", ding.url))
	t.Run("manifests are valid", func(t *testing.T) { r.forTest(t).manifestsAreValid() })
	t.Run("dashboard has data", func(t *testing.T) { r.forTest(t).dashboardHasData() })
	t.Run("proportional", func(t *testing.T) { r.forTest(t).table("proportional.yaml", proportionalTable) })
	t.Run("rollouts", func(t *testing.T) { r.forTest(t).rollouts() })
	t.Run("rollouts of many replicas", func(t *testing.T) { r.forTest(t).rolloutsOfMany() })
	t.Run("steps", func(t *testing.T) { r.forTest(t).steps() })
	t.Run("groups are apart", func(t *testing.T) { r.forTest(t).groupsAreApart() })
	t.Run("without a value it holds", func(t *testing.T) { r.forTest(t).holds() })
	t.Run("renamed metrics", func(t *testing.T) { r.forTest(t).renamedMetrics() })
	t.Run("trouble scales nothing", func(t *testing.T) { r.forTest(t).troubleScalesNothing() })
	t.Run("rush hour", func(t *testing.T) { r.forTest(t).rushHour() })
	t.Run("value ratchets", func(t *testing.T) { r.forTest(t).valueRatchets() })
	t.Run("alert reaches DingTalk", func(t *testing.T) { r.forTest(t).alertReachesDingTalk(ding) })
}

// forTest is the rig for a subtest.
func (r *rig) forTest(t *testing.T) *rig {
	sub := *r
	sub.t = t
	sub.ControlPlane = r.With(t)
	return &sub
}

// row is what a policy makes of a lag, however many replicas there are.
type row struct {
	lag  float64
	want int
}

var proportionalTable = []row{
	{0, 2}, {20_000, 2}, {49_999, 2}, {75_000, 2}, {100_000, 2}, {100_001, 3}, {120_000, 3}, {150_001, 4}, {190_000, 4}, {200_001, 5}, {300_000, 5},
}

// table checks a policy that depends on the lag alone, from 2 to 5 replicas: each pair is a
// group and a Deployment of its own, all at once.
func (r *rig) table(hpa string, rows []row) {
	r.t.Helper()
	var consumers []consumer
	want := map[string]int{}
	for _, row := range rows {
		group := fmt.Sprintf("lag_%.0f", row.lag)
		r.lags.set(instance, group, row.lag)
		for from := 2; from <= 5; from++ {
			name := fmt.Sprintf("from-%d-at-%.0f", from, row.lag)
			consumers = append(consumers, consumer{name: name, instance: instance, group: group, replicas: from, hpa: hpa})
			want[name] = row.want
		}
	}
	r.awaitLags(rows)
	r.run(consumers...)
	defer r.remove(consumers...)
	r.awaitMetrics(consumers)
	r.expect(want)
	r.lags.clear()
}

// awaitLags waits until Prometheus has the lags, so that no autoscaler sees less.
func (r *rig) awaitLags(rows []row) {
	r.t.Helper()
	for _, row := range rows {
		harness.Eventually(r.t, func() bool {
			got := r.prometheus.Query(fmt.Sprintf(`kafka_consumer_message_accumulation{consumer_group="lag_%.0f"}`, row.lag))
			return len(got) == 1 && got[0].Samples[0].Value == row.lag
		}, "the lag of %.0f is in Prometheus", row.lag)
	}
}

// expect waits for the replicas, and that they stay.
func (r *rig) expect(want map[string]int) {
	r.t.Helper()
	wrong := func() string {
		var b strings.Builder
		got := r.replicas()
		for name, n := range want {
			if got[name].spec != n || got[name].status != n {
				fmt.Fprintf(&b, "%s has %d replicas instead of %d\n", name, got[name].spec, n)
			}
		}
		return b.String()
	}
	last := ""
	ok := assert.Eventually(r.t, func() bool { last = wrong(); return last == "" }, 2*time.Minute, 200*time.Millisecond)
	require.True(r.t, ok, last)
	for began := time.Now(); time.Since(began) < settled; {
		require.Empty(r.t, wrong(), "they stay")
	}
}

// steps walks groups up and down the ladder.
func (r *rig) steps() {
	r.t.Helper()
	type step struct {
		lag  float64
		want int
	}
	walks := map[string][]step{
		"ladder":  {{20_000, 2}, {105_000, 3}, {155_000, 4}, {120_000, 4}, {75_000, 4}, {210_000, 5}, {110_000, 5}, {40_000, 2}},
		"jump":    {{0, 2}, {300_000, 5}, {300_000, 5}, {99_000, 5}, {51_000, 5}, {49_000, 2}, {99_000, 2}, {101_000, 3}},
		"between": {{75_000, 2}, {99_000, 2}, {101_000, 3}, {99_000, 3}, {101_000, 3}, {51_000, 3}, {151_000, 4}, {51_000, 4}},
		"idle":    {{0, 2}, {0, 2}, {0, 2}, {0, 2}, {0, 2}, {0, 2}, {0, 2}, {0, 2}},
	}
	var consumers []consumer
	for name, walk := range walks {
		r.lags.set(instance, "steps_"+name, walk[0].lag)
		consumers = append(consumers, consumer{name: "steps-" + name, instance: instance, group: "steps_" + name, replicas: 2, hpa: "steps.yaml"})
	}
	r.run(consumers...)
	defer r.remove(consumers...)
	r.awaitMetrics(consumers)
	for i := range walks["ladder"] {
		want := map[string]int{}
		for name, walk := range walks {
			r.lags.set(instance, "steps_"+name, walk[i].lag)
			want["steps-"+name] = walk[i].want
		}
		r.awaitLag(instance, "steps_ladder", walks["ladder"][i].lag)
		r.expect(want)
	}
	r.lags.clear()
}

func (r *rig) awaitLag(instance, group string, lag float64) {
	r.t.Helper()
	harness.Eventually(r.t, func() bool {
		got := r.prometheus.Query(`kafka_consumer_message_accumulation{instance_id="` + instance + `",consumer_group="` + group + `"}`)
		return len(got) == 1 && got[0].Samples[0].Value == lag
	}, "the lag of %s is %v in Prometheus", group, lag)
}

// groupsAreApart: two groups, and a group of the same name on another instance.
func (r *rig) groupsAreApart() {
	r.t.Helper()
	consumers := []consumer{
		{name: "apart-a", instance: instance, group: "apart_a", replicas: 2, hpa: "proportional.yaml"},
		{name: "apart-b", instance: instance, group: "apart_b", replicas: 2, hpa: "proportional.yaml"},
		{name: "apart-c", instance: other, group: "apart_a", replicas: 2, hpa: "proportional.yaml"},
	}
	r.lags.set(instance, "apart_a", 300_000)
	r.lags.set(instance, "apart_b", 0)
	r.lags.set(other, "apart_a", 120_000)
	r.awaitLag(other, "apart_a", 120_000)
	r.run(consumers...)
	defer r.remove(consumers...)
	r.awaitMetrics(consumers)
	r.expect(map[string]int{"apart-a": 5, "apart-b": 2, "apart-c": 3})
	r.lags.clear()
}

// holds: a group that CloudMonitor does not know, and an autoscaler that forgot its
// selector, leave the replicas alone and say so.
func (r *rig) holds() {
	r.t.Helper()
	r.lags.set(instance, "someone_else", 300_000)
	r.awaitLag(instance, "someone_else", 300_000)
	r.run(consumer{name: "holds-unknown", instance: instance, group: "unknown_group", replicas: 4, hpa: "proportional.yaml"})
	forgot := consumer{name: "holds-no-selector", instance: instance, group: "x", replicas: 3, hpa: "proportional.yaml"}
	r.Apply(forgot.deployment())
	r.Apply(withoutSelector(r.t, forgot.autoscaler(r)))
	defer r.remove(consumer{name: "holds-unknown"}, forgot)

	harness.Eventually(r.t, func() bool {
		states := r.autoscalers()
		return states["holds-unknown"].reason == "FailedGetExternalMetric" && states[forgot.name].reason == "FailedGetExternalMetric"
	}, "both say that there is no metric")
	r.expect(map[string]int{"holds-unknown": 4, forgot.name: 3})
	r.lags.clear()
}

func (r *rig) renamedMetrics() {
	r.t.Helper()
	r.lags.set(instance, "cust_docking_analog", 120_000)
	r.lags.set(instance, "cd_docking_analog", 7)
	for name, want := range map[string]string{"cust_message_accumulation": `"value":"120k"`, "cd_message_accumulation": `"value":"7"`} {
		r.awaitExternalMetric("default", name, want)
	}
	r.lags.clear()
}

// awaitExternalMetric waits until the API server serves a metric, which may have a query behind it, with a value.
func (r *rig) awaitExternalMetric(namespace, metric, value string) {
	r.t.Helper()
	harness.Eventually(r.t, func() bool {
		out, err := r.Try("get", "--raw", chain.ExternalMetrics+"/namespaces/"+namespace+"/"+metric)
		return err == nil && strings.Contains(out, value)
	}, "%s is served", metric)
}

// troubleScalesNothing: neither a restart of the collector nor an outage of CloudMonitor of
// ten points is a reason to scale.
func (r *rig) troubleScalesNothing() {
	r.t.Helper()
	consumers := []consumer{
		{name: "trouble-steps", instance: instance, group: "trouble", replicas: 2, hpa: "steps.yaml"},
		{name: "trouble-proportional", instance: instance, group: "trouble", replicas: 2, hpa: "proportional.yaml"},
	}
	r.lags.set(instance, "trouble", 120_000)
	r.run(consumers...)
	defer r.remove(consumers...)
	want := map[string]int{"trouble-steps": 3, "trouble-proportional": 3}
	r.awaitMetrics(consumers)
	r.expect(want)

	r.collector.Stop()
	r.expect(want)
	*r.collector = *r.startCollector()
	r.expect(want)

	r.cms.Fail(cmssim.FaultInternalError)
	for range 2 {
		r.expect(want)
	}
	r.cms.ClearFaults()
	r.expect(want)
	for _, state := range r.autoscalers() {
		assert.Equal(r.t, "True", state.active)
	}
	r.lags.clear()
}

// valueRatchets shows why the shipped policies do not use type Value: at a constant lag of
// 60,000 it goes up and up. It counts ready pods, which there are none of without a kubelet.
func (r *rig) valueRatchets() {
	r.t.Helper()
	c := consumer{name: "ratchet", instance: instance, group: "ratchet", replicas: 2, hpa: "proportional.yaml"}
	r.lags.set(instance, c.group, 60_000)
	r.awaitLag(instance, c.group, 60_000)
	r.Apply(c.deployment())
	r.Apply(strings.NewReplacer(
		"kafka_consumer_proportional_replicas", "kafka_consumer_message_accumulation",
		`averageValue: "1"`, "value: 50k", "type: AverageValue", "type: Value",
	).Replace(c.autoscaler(r)))
	defer r.remove(c)
	seen := map[int]bool{}
	harness.Eventually(r.t, func() bool {
		r.makePodsReady("default", "-l", "app="+c.name)
		n := r.replicas()[c.name].spec
		seen[n] = true
		return n == 5
	}, "the same lag asks for more and more")
	assert.True(r.t, seen[3] || seen[4], "step by step: %v", seen)
	r.lags.set(instance, c.group, 49_000)
	r.awaitLag(instance, c.group, 49_000)
	r.makePodsReady("default", "-l", "app="+c.name)
	assert.Never(r.t, func() bool { return r.replicas()[c.name].spec != 5 }, settled, time.Second, "and it stays there")
	r.lags.clear()
}
