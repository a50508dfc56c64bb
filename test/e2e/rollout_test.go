package e2e

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// strategies are the ways to roll out that must not move the replicas.
var strategies = map[string]string{
	"surge-1":    "{rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}",
	"surge-25":   "{rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}",
	"surge-100":  "{rollingUpdate: {maxSurge: 100%, maxUnavailable: 0}}",
	"recreate":   "{type: Recreate}",
	"hangs":      "{rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}",
	"hangs-down": "{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}",
}

// rollouts: while the consumers are rolled out, the replicas of both policies stay what the lag asks for, whatever the
// strategy, and also if the new pods never become ready.
func (r *rig) rollouts() {
	r.t.Helper()
	var consumers []consumer
	for lag, replicas := range map[float64]int{75_000: 2, 120_000: 3, 210_000: 5} {
		group := fmt.Sprintf("rollout_%.0f", lag)
		r.lags.set(instance, group, lag)
		r.awaitLag(instance, group, lag)
		for strategy, text := range strategies {
			for _, policy := range []string{"proportional", "steps"} {
				consumers = append(consumers, consumer{
					name: fmt.Sprintf("%s-%s-%d", strategy, policy, replicas), instance: instance, group: group,
					replicas: replicas, strategy: text, hpa: policy + ".yaml",
				})
			}
		}
	}
	r.rollOut(consumers)
}

// rolloutsOfMany: with many-replicas-patch.yaml a number over 8 is steady, too.
func (r *rig) rolloutsOfMany() {
	r.t.Helper()
	r.lags.set(instance, "rollout_many", 590_000)
	r.awaitLag(instance, "rollout_many", 590_000)
	r.rollOut([]consumer{{
		name: "many", instance: instance, group: "rollout_many", replicas: 12, strategy: strategies["surge-1"],
		hpa: "proportional.yaml", patch: "many-replicas-patch.yaml", maxReplicas: 20,
	}})
}

// rollOut rolls out all consumers at once, one pod of each after the other, and fails if the replicas of one change.
func (r *rig) rollOut(consumers []consumer) {
	r.t.Helper()
	r.run(consumers...)
	defer r.lags.clear()
	defer r.remove(consumers...)
	want := map[string]int{}
	for _, c := range consumers {
		want[c.name] = c.replicas
	}
	r.awaitMetrics(consumers)
	r.becomeReady(0)
	r.stays(want)
	for _, c := range consumers {
		r.Kubectl("patch", "deployment", c.name, "--type=merge", `--patch={"spec":{"template":{"metadata":{"annotations":{"rollout":"2"}}}}}`)
	}
	r.stays(want)
	for r.becomeReady(1) {
		r.stays(want)
	}
	for _, c := range consumers {
		assert.Equal(r.t, strings.HasPrefix(c.name, "hangs"), !r.rolledOut(c.name), "%s is rolled out", c.name)
	}
}

// stays fails if the controller wants other replicas at any time in which it looks at least twice.
func (r *rig) stays(want map[string]int) {
	r.t.Helper()
	for began := time.Now(); time.Since(began) < 3*time.Second; {
		for name, count := range r.replicas() {
			if n, ok := want[name]; ok {
				require.Equal(r.t, n, count.spec, "replicas of %s, with %d pods there", name, count.status)
			}
		}
	}
}

// becomeReady makes pods ready as a kubelet would, at most so many of each Deployment, 0 for all, and none of those whose
// rollout hangs, unless all are. It reports whether there were any.
func (r *rig) becomeReady(most int) (some bool) {
	r.t.Helper()
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string
				Labels            map[string]string
				DeletionTimestamp string
			}
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	r.get(&list, "pods")
	done := map[string]int{}
	for _, pod := range list.Items {
		app := pod.Metadata.Labels["app"]
		ready := false
		for _, c := range pod.Status.Conditions {
			ready = ready || c.Type == "Ready" && c.Status == "True"
		}
		if ready || pod.Metadata.DeletionTimestamp != "" || most > 0 && (done[app] == most || strings.HasPrefix(app, "hangs")) {
			continue
		}
		done[app]++
		some = true
		r.makePodReady("default", "pod/"+pod.Metadata.Name)
	}
	return some
}

// rolledOut reports whether all pods of a Deployment are of its newest template and ready.
func (r *rig) rolledOut(name string) bool {
	r.t.Helper()
	var d struct {
		Spec   struct{ Replicas int }
		Status struct{ Replicas, UpdatedReplicas, ReadyReplicas int }
	}
	done := func() bool {
		d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.ReadyReplicas = 0, 0, 0
		r.get(&d, "deployment", name)
		return d.Status.Replicas == d.Spec.Replicas && d.Status.UpdatedReplicas == d.Spec.Replicas && d.Status.ReadyReplicas == d.Spec.Replicas
	}
	if strings.HasPrefix(name, "hangs") {
		return done()
	}
	harness.Eventually(r.t, done, "%s is rolled out", name)
	return true
}
