//go:build keda

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// startKEDA starts the chain with KEDA in place of prometheus-adapter, and also returns KEDA's operator.
func startKEDA(t *testing.T) (*rig, *harness.Process) {
	t.Helper()
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{})}
	r.prometheus = harness.StartPrometheus(t, prometheusConfig(t, harness.FreeAddress(t), harness.FreeAddress(t)))
	r.lags = publishLags(t, r.cms)
	r.collector = harness.StartCollector(t, r.cms, "prometheus-remote-write.yaml", harness.Quick,
		"PROMETHEUS_REMOTE_WRITE_URL="+r.prometheus.URL+"/api/v1/write")
	r.ControlPlane = chain.StartControlPlane(t)
	return r, r.StartKEDA()
}

// TestKEDA: the shipped ScaledObjects do what the HPAs do.
func TestKEDA(t *testing.T) {
	r, operator := startKEDA(t)
	t.Run("policies", func(t *testing.T) { r.forTest(t).scaledObjects(operator) })
	t.Run("rollouts", func(t *testing.T) { r.forTest(t).rolloutsOfScaledObjects() })
	t.Run("without Prometheus it holds", func(t *testing.T) { r.forTest(t).prometheusAway(operator) })
	t.Run("password", func(t *testing.T) { r.forTest(t).triggerAuthentication(operator) })
	climb := func(name string, test func(*ladderRig)) {
		t.Run(name, func(t *testing.T) {
			l := &ladderRig{rig: r.forTest(t), name: strings.ReplaceAll(name, " ", "-")}
			l.actAsKubelet()
			test(l)
		})
	}
	climb("ladder", (*ladderRig).minimumOfAScaledObject)
	climb("ladder without a minimum", (*ladderRig).noMinimumOfAScaledObject)
}

// bothPolicies returns a consumer for each ScaledObject of deploy/keda.
func bothPolicies(prefix, group string, replicas int, edits ...string) (consumers []consumer) {
	for _, policy := range []string{"proportional", "steps"} {
		consumers = append(consumers, consumer{
			name: prefix + "-" + policy, instance: instance, group: group, replicas: replicas, keda: policy + ".yaml", edits: edits,
		})
	}
	return consumers
}

// all is the same number of replicas for all consumers.
func all(consumers []consumer, replicas int) map[string]int {
	want := map[string]int{}
	for _, c := range consumers {
		want[c.name] = replicas
	}
	return want
}

// scaledObjects: both policies follow the lag, and hold without one.
func (r *rig) scaledObjects(operator *harness.Process) {
	r.t.Helper()
	unknown := bothPolicies("unknown", "unknown_group", 4)
	consumers, want := slices.Clone(unknown), all(unknown, 4)
	for lag, replicas := range map[float64]int{20_000: 2, 120_000: 3, 160_000: 4, 300_000: 5} {
		group := fmt.Sprintf("keda_%.0f", lag)
		r.lags.set(instance, group, lag)
		for _, c := range bothPolicies(fmt.Sprintf("at-%.0f", lag), group, 2) {
			consumers = append(consumers, c)
			want[c.name] = replicas
		}
	}
	r.run(consumers...)
	defer r.lags.clear()
	defer r.remove(consumers...)
	r.expect(want)
	r.awaitFailures(operator, unknown, "the result is empty")
	r.expect(want)
}

// rolloutsOfScaledObjects: no way to roll out the consumers moves the replicas.
func (r *rig) rolloutsOfScaledObjects() {
	r.t.Helper()
	r.lags.set(instance, "keda_rollout", 160_000)
	r.awaitLag(instance, "keda_rollout", 160_000)
	var consumers []consumer
	for strategy, text := range strategies {
		for _, c := range bothPolicies(strategy, "keda_rollout", 4) {
			c.strategy = text
			consumers = append(consumers, c)
		}
	}
	r.rollOut(consumers)
}

// prometheusAway: the replicas stay while Prometheus is stopped, and follow the lag again when it is back.
func (r *rig) prometheusAway(operator *harness.Process) {
	r.t.Helper()
	consumers := bothPolicies("away", "keda_away", 2)
	r.lags.set(instance, "keda_away", 120_000)
	r.run(consumers...)
	defer r.lags.clear()
	defer r.remove(consumers...)
	r.expect(all(consumers, 3))

	func() {
		r.prometheus.Stop()
		defer r.prometheus.Start() // the next subtest needs it
		r.lags.set(instance, "keda_away", 300_000)
		r.awaitFailures(operator, consumers, "connection refused")
		r.expect(all(consumers, 3))
	}()
	r.expect(all(consumers, 5))
	r.awaitReady(consumers, "True ScaledObjectReady")
}

// triggerAuthentication: KEDA reaches a Prometheus that asks for a user and a password, with the changes that
// trigger-authentication.yaml describes. While the password is wrong, the replicas stay and the ScaledObject says so.
func (r *rig) triggerAuthentication(operator *harness.Process) {
	r.t.Helper()
	const file, secret = "deploy/keda/trigger-authentication.yaml", "prometheus-auth"
	const modes, reference = "authModes: basic", "authenticationRef: {name: prometheus-auth}"
	for _, part := range []string{modes, reference, "kubectl create secret generic " + secret, "--from-literal=username=… --from-literal=password=…"} {
		require.Contains(r.t, read(r.t, deployFile("keda", "trigger-authentication.yaml")), part)
	}
	create := func(password string) {
		r.Kubectl("create", "secret", "generic", secret, "-n", "default", "--from-literal=username="+prometheusUser, "--from-literal=password="+password)
	}
	r.lags.set(instance, "keda_guarded", 120_000)
	r.awaitLag(instance, "keda_guarded", 120_000)
	create("wrong")
	r.Kubectl("apply", "-n", "default", "-f", file)
	consumers := bothPolicies("guarded", "keda_guarded", 2,
		"http://prometheus.monitoring.svc:9090", r.guard(),
		"      metadata:\n", "      "+reference+"\n      metadata:\n        "+modes+"\n",
	)
	r.run(consumers...)
	defer r.lags.clear()
	defer r.remove(consumers...)
	r.awaitFailures(operator, consumers, "status: 401")
	r.expect(all(consumers, 2))

	r.Kubectl("delete", "secret", secret)
	create(prometheusPassword)
	r.expect(all(consumers, 3))
	r.awaitReady(consumers, "True ScaledObjectReady")
}

// awaitFailures waits until ScaledObjects and HPAs say that they have no value, an event names the error, and KEDA's operator
// has met it so often that several polling intervals have passed.
func (r *rig) awaitFailures(operator *harness.Process, consumers []consumer, err string) {
	r.t.Helper()
	r.awaitReady(consumers, "False TriggerError")
	for _, c := range consumers {
		_, hpa := c.scaler()
		harness.Eventually(r.t, func() bool { return r.autoscalers()[hpa].reason == "FailedGetExternalMetric" }, "%s has no metric", hpa)
		harness.Eventually(r.t, func() bool { return strings.Contains(r.Kubectl("describe", "scaledobject", c.name), err) }, "an event names %s", err)
		harness.Eventually(r.t, func() bool {
			return operator.CountLog("error executing prometheus query", c.name, err) >= 20
		}, "KEDA asks again for %s", c.name)
	}
}

// awaitReady waits until all ScaledObjects have a status and a reason of the condition Ready.
func (r *rig) awaitReady(consumers []consumer, want string) {
	r.t.Helper()
	const ready = `.status.conditions[?(@.type=="Ready")]`
	for _, c := range consumers {
		harness.Eventually(r.t, func() bool {
			return r.Kubectl("get", "scaledobject", c.name, "-o", "jsonpath={"+ready+".status} {"+ready+".reason}") == want
		}, "%s is ready: %s", c.name, want)
	}
}

// minimumOfAScaledObject raises the minimum where KEDA takes it from, and nothing while KEDA is paused.
func (l *ladderRig) minimumOfAScaledObject() {
	collector := l.raisesAScaledObject("2")

	hpa := "hpa/keda-hpa-" + l.name
	l.Kubectl("annotate", "scaledobject", l.name, "autoscaling.keda.sh/paused=true")
	harness.Eventually(l.t, func() bool { _, err := l.Try("get", hpa); return err != nil }, "a paused ScaledObject has no autoscaler")
	replicas := l.replicas()[l.name].spec
	l.lags.set(instance, l.name, high)
	harness.Eventually(l.t, func() bool { return collector.CountLog("The replicas cannot be raised", "paused") == 1 }, "nothing is raised")
	l.awaitStage(l.name, 3)
	require.Equal(l.t, replicas, l.replicas()[l.name].spec)
}

// noMinimumOfAScaledObject: a field that was not there is not there afterwards.
func (l *ladderRig) noMinimumOfAScaledObject() {
	l.raisesAScaledObject("", "  minReplicaCount: 2\n", "")
	var spec map[string]any
	require.NoError(l.t, json.Unmarshal([]byte(l.Kubectl("get", "scaledobject", l.name, "-o", "jsonpath={.spec}")), &spec))
	assert.NotContains(l.t, spec, "minReplicaCount")
}

// raisesAScaledObject goes through an episode, and returns the collector. before is the minimum of the ScaledObject, empty
// if it has none.
func (l *ladderRig) raisesAScaledObject(before string, edits ...string) *harness.Collector {
	l.t.Cleanup(l.lags.clear)
	l.lags.set(instance, l.name, high)
	l.run(consumer{name: l.name, instance: instance, group: l.name, replicas: 2, keda: "proportional.yaml", edits: edits})
	minimum := func() string {
		return l.Kubectl("get", "scaledobject", l.name, "-o", "jsonpath={.spec.minReplicaCount}")
	}
	passedOn := func(want string) {
		harness.Eventually(l.t, func() bool {
			return l.Kubectl("get", "hpa", "keda-hpa-"+l.name, "-o", "jsonpath={.spec.minReplicas}") == want
		}, "KEDA passes it on")
	}
	harness.Eventually(l.t, func() bool { return l.replicas()[l.name].spec == 4 }, "KEDA scales by the lag")
	require.Equal(l.t, before, minimum())
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "")
	l.awaitStage(l.name, 2)
	require.Equal(l.t, "5", minimum(), "the maximum is 5")
	passedOn("5")
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	require.Equal(l.t, before, minimum())
	if before == "" {
		before = "1" // an HPA has at least one
	}
	passedOn(before)
	for _, a := range l.acts(api) {
		require.True(l.t, a.restart || strings.Contains(a.path, "/scaledobjects/"), a.path)
	}
	return collector
}
