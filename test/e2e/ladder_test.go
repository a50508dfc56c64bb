package e2e

import (
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

const (
	recordAnnotation = "kafkalagremediation/record"
	high, low        = 200_000, 1_000
)

var administrator = pkix.Name{CommonName: "ladder", Organization: []string{"system:masters"}}

// TestLadder runs the remediation exporter on a real API server.
func TestLadder(t *testing.T) {
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{})}
	r.lags = publishLags(t, r.cms)
	r.ControlPlane = chain.StartControlPlane(t)
	r.actAsKubelet()
	run := func(name string, test func(*ladderRig)) {
		t.Run(name, func(t *testing.T) {
			test(&ladderRig{rig: r.forTest(t), name: "ladder-" + strings.ReplaceAll(name, " ", "-")})
		})
	}
	run("replicas", (*ladderRig).replicasOfAWorkload)
	run("autoscaler", (*ladderRig).minimumOfAnAutoscaler)
	run("stateful set", (*ladderRig).statefulSet)
	run("killed", (*ladderRig).killedBetweenRequests)
	run("two collectors", (*ladderRig).twoCollectors)
	run("random deaths", (*ladderRig).randomDeaths)
	run("leader", (*ladderRig).leaderElection)
	run("undone", (*ladderRig).rolloutUndone)
	run("reverted", (*ladderRig).revertedFromOutside)
	run("away", (*ladderRig).apiServerAway)
	run("no rights", (*ladderRig).withoutRights)
	run("dry run", (*ladderRig).dryRun)
	run("left alone", (*ladderRig).leftAlone)
	run("too many", (*ladderRig).tooManyAtOnce)
	run("confirm", (*ladderRig).secondOpinion)
}

// actAsKubelet makes all pods ready until the test ends.
func (r *rig) actAsKubelet() {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			pods, _ := r.Try("get", "pods", "--field-selector=status.phase=Pending", "-o", "name") // the API server may just be stopped
			for pod := range strings.FieldsSeq(pods) {
				if strings.HasPrefix(pod, "pod/") {
					r.makePodReady("default", pod)
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond): // a period, nothing waits for it
			}
		}
	}()
	r.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// ladderRig is a consumer whose group has the name of its Deployment.
type ladderRig struct {
	*rig
	name  string
	robot *signedRobot
}

// start starts a collector with the exporter for the consumer, quickened.
func (l *ladderRig) start(api *chain.APIProxy, keys string) *harness.Collector {
	l.t.Helper()
	if l.robot == nil {
		l.robot = startSignedRobot(l.t)
	}
	settings := map[string]any{}
	for _, text := range []string{fmt.Sprintf(`
dry_run: false
check_interval: 2s
cooldown: 1s
max_actions_per_hour: 100
stages: [restart, scale_up: {replicas: 2, max_replicas: 8}, notify]
targets: [{group_regexp: "^(%s.*)$", namespace: default, deployment: $1}]
notifications: {language: en, dingtalk: {url: "%s", secret: "%s"}}
kubeconfig: "%s"
`, l.name, l.robot.url, l.robot.secret, api.Kubeconfig), keys} {
		require.NoError(l.t, yaml.Unmarshal([]byte(text), &settings))
	}
	config, err := yaml.Marshal(map[string]any{
		"exporters": map[string]any{"kafkalagremediation": settings},
		"service":   map[string]any{"pipelines": map[string]any{"metrics": map[string]any{"exporters": []string{"kafkalagremediation"}}}},
	})
	require.NoError(l.t, err)
	return harness.StartCollector(l.t, l.cms, "prometheus-scrape.yaml", harness.Quick+string(config), "METRICS_ENDPOINT=127.0.0.1:0")
}

// deploy creates consumers with two replicas, and waits until they are ready. They stay: their names are this subtest's.
func (l *ladderRig) deploy(names ...string) {
	l.t.Helper()
	for _, name := range names {
		l.Apply(consumer{name: name, replicas: 2}.deployment())
	}
	for _, name := range names {
		l.Kubectl("rollout", "status", "--timeout=60s", "deployment/"+name)
	}
	l.t.Cleanup(l.lags.clear)
}

// autoscale creates an autoscaler without a metric: it keeps to its minimum, 2, and its maximum.
func (l *ladderRig) autoscale(maximum int) {
	l.t.Helper()
	l.Apply(fmt.Sprintf(`
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: %[1]s}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s}
  minReplicas: 2
  maxReplicas: %[2]d
  behavior: {scaleUp: {tolerance: "0.05", stabilizationWindowSeconds: 7}, scaleDown: {selectPolicy: Disabled}}
  metrics: [{type: External, external: {metric: {name: none}, target: {type: AverageValue, averageValue: "1"}}}]
`, l.name, maximum))
}

type ladderRecord struct {
	Episode string
	Stage   int
	Result  string
	Opinion string
	Raised  *struct{ From, To int }
	Unsent  []any
}

// record is the record of an object, such as deployment/name.
func (l *ladderRig) record(object string) (r ladderRecord) {
	l.t.Helper()
	if text := l.annotations(object)[recordAnnotation]; text != "" {
		require.NoError(l.t, json.Unmarshal([]byte(text), &r), text)
	}
	return r
}

func (l *ladderRig) annotations(object string) map[string]string {
	l.t.Helper()
	var o struct {
		Metadata struct{ Annotations map[string]string }
	}
	l.get(&o, object)
	return o.Metadata.Annotations
}

func (l *ladderRig) awaitStage(name string, stage int) {
	l.t.Helper()
	harness.Eventually(l.t, func() bool { return l.record("deployment/"+name).Stage == stage }, "%s is at stage %d", name, stage)
}

func (l *ladderRig) awaitRecovery(name string) {
	l.t.Helper()
	harness.Eventually(l.t, func() bool { return l.record("deployment/"+name).Result == "recovered" }, "%s has recovered", name)
}

// act is a write that did something.
type act struct {
	path    string
	restart bool
	value   float64 // of replicas or a minimum
	record  ladderRecord
}

// acts returns what was done, and fails the test if a stage was done twice in an episode, or a write named no version.
func (l *ladderRig) acts(proxies ...*chain.APIProxy) (all []act) {
	l.t.Helper()
	seen := map[string]bool{}
	for _, p := range proxies {
		for _, w := range p.Writes() {
			if strings.Contains(w.Path, "/leases") {
				continue
			}
			require.Equal(l.t, http.MethodPatch, w.Method, w.Path)
			var patch struct {
				Metadata struct {
					ResourceVersion string
					UID             string
					Annotations     map[string]string
				}
				Spec map[string]any
			}
			require.NoError(l.t, json.Unmarshal(w.Body, &patch))
			require.NotEmpty(l.t, patch.Metadata.ResourceVersion, "%s", w.Body)
			require.NotEmpty(l.t, patch.Metadata.UID, "%s", w.Body)
			if w.Status != http.StatusOK || patch.Spec == nil {
				continue
			}
			a := act{path: w.Path, restart: patch.Spec["template"] != nil}
			for _, key := range []string{"replicas", "minReplicas", "minReplicaCount"} {
				if v, ok := patch.Spec[key].(float64); ok {
					a.value = v
				}
			}
			require.NoError(l.t, json.Unmarshal([]byte(patch.Metadata.Annotations[recordAnnotation]), &a.record))
			key := fmt.Sprintf("%s %s %d", l.name, a.record.Episode, a.record.Stage)
			assert.False(l.t, seen[key] && a.record.Stage > 0, "a stage is done twice: %s", key)
			seen[key] = true
			all = append(all, a)
		}
	}
	return all
}

// replicasOfAWorkload climbs the whole ladder, twice, without an autoscaler. A workload beside it stays as it is.
func (l *ladderRig) replicasOfAWorkload() {
	l.deploy(l.name, "unrelated")
	before := l.Kubectl("get", "deployment", "unrelated", "-o", "jsonpath={.metadata.annotations}{.spec}")
	l.lags.set(instance, l.name, high)
	l.lags.set(instance, "someone-else", high)
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "")
	l.awaitStage(l.name, 3)
	assert.Equal(l.t, 4, l.replicas()[l.name].spec)
	harness.Eventually(l.t, func() bool { return collector.CountLog("All stages are done") >= 2 }, "nothing more is done")
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	assert.Equal(l.t, 2, l.replicas()[l.name].spec)
	harness.Eventually(l.t, func() bool { return len(l.record("deployment/"+l.name).Unsent) == 0 }, "people are told")

	l.lags.set(instance, l.name, high)
	l.awaitStage(l.name, 2)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)

	acts := l.acts(api)
	require.Len(l.t, acts, 6)
	assert.True(l.t, acts[0].restart && acts[3].restart)
	assert.InDelta(l.t, 4, acts[1].value, 0)
	assert.InDelta(l.t, 2, acts[2].value, 0)
	assert.Equal(l.t, before, l.Kubectl("get", "deployment", "unrelated", "-o", "jsonpath={.metadata.annotations}{.spec}"))
	describe := l.Kubectl("describe", "deployment", l.name)
	for _, want := range []string{recordAnnotation, "LadderRestarted", "LadderScaledUp", "LadderWarned", "LadderRecovered", "replicas were raised from 2 to 4"} {
		assert.Contains(l.t, describe, want)
	}
	for _, want := range []string{"restarted", "raised from 2 to 4", "please look into it", "put back from 4 to 2"} {
		l.robot.await(l.t, l.name, want)
	}
	assert.NotContains(l.t, collector.Log(), l.robot.secret)
	assert.NotContains(l.t, collector.Log(), "access_token")
}

// minimumOfAnAutoscaler raises the minimum, never over the maximum, and puts it back.
func (l *ladderRig) minimumOfAnAutoscaler() {
	l.deploy(l.name)
	l.autoscale(3)
	before := l.Kubectl("get", "hpa", l.name, "-o", "jsonpath={.spec}")
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, administrator)
	l.start(api, "")
	l.awaitStage(l.name, 2)
	assert.Equal(l.t, "3", l.Kubectl("get", "hpa", l.name, "-o", "jsonpath={.spec.minReplicas}"))
	harness.Eventually(l.t, func() bool { return l.replicas()[l.name].spec == 3 }, "the autoscaler follows")
	l.awaitStage(l.name, 3)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	assert.Equal(l.t, before, l.Kubectl("get", "hpa", l.name, "-o", "jsonpath={.spec}"), "nothing else has changed")
	for _, a := range l.acts(api) {
		assert.True(l.t, a.restart || strings.Contains(a.path, "/horizontalpodautoscalers/"), "replicas are the autoscaler's: %s", a.path)
	}
}

// statefulSet climbs the ladder with a StatefulSet.
func (l *ladderRig) statefulSet() {
	l.Apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: %[1]s}
spec:
  replicas: 2
  serviceName: none
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: consumer, image: consumer}]}
`, l.name))
	l.t.Cleanup(l.lags.clear)
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, administrator)
	l.start(api, fmt.Sprintf("targets: [{group: %[1]s, namespace: default, statefulset: %[1]s}]", l.name))
	object := "statefulset/" + l.name
	harness.Eventually(l.t, func() bool { return l.record(object).Stage == 3 }, "all stages are done")
	l.lags.set(instance, l.name, low)
	harness.Eventually(l.t, func() bool { return l.record(object).Result == "recovered" }, "it has recovered")
	acts := l.acts(api)
	require.Len(l.t, acts, 3)
	assert.InDelta(l.t, 4, acts[1].value, 0)
	assert.InDelta(l.t, 2, acts[2].value, 0)
}

// killedBetweenRequests kills the collector before or after each of its requests, until the ladder is climbed.
func (l *ladderRig) killedBetweenRequests() {
	l.deploy(l.name)
	l.autoscale(8)
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, administrator)
	for life := range 16 {
		kill, killed := make(chan struct{}), make(chan struct{})
		var requests atomic.Int32
		api.Around(func(after bool) {
			if after == (life%2 == 1) && requests.Add(1) == int32(1+life/2) { //nolint:gosec // a small number
				close(kill)
				<-killed
			}
		})
		collector := l.start(api, "")
		select {
		case <-kill:
		case <-time.After(time.Minute):
			assert.Fail(l.t, "the collector makes too few requests")
		}
		collector.Kill()
		close(killed)
	}
	api.Around(nil)
	l.start(api, "")
	l.awaitStage(l.name, 3)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	assert.Equal(l.t, "2", l.Kubectl("get", "hpa", l.name, "-o", "jsonpath={.spec.minReplicas}"))
	l.acts(api)
}

// twoCollectors climb the ladder together, and do each stage once.
func (l *ladderRig) twoCollectors() {
	l.deploy(l.name)
	l.autoscale(8)
	l.lags.set(instance, l.name, high)
	a, b := l.StartAPIProxy(l.t, administrator), l.StartAPIProxy(l.t, administrator)
	l.start(a, "")
	l.start(b, "")
	l.awaitStage(l.name, 3)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	l.lags.set(instance, l.name, high)
	l.awaitStage(l.name, 3)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	assert.Equal(l.t, "2", l.Kubectl("get", "hpa", l.name, "-o", "jsonpath={.spec.minReplicas}"))
	acts := l.acts(a, b)
	restarts := 0
	for _, a := range acts {
		if a.restart {
			restarts++
		}
	}
	assert.Equal(l.t, 2, restarts)
}

// randomDeaths: two collectors die at random times, one after the other.
func (l *ladderRig) randomDeaths() {
	l.deploy(l.name)
	l.autoscale(8)
	l.lags.set(instance, l.name, high)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the times of deaths
	proxies := []*chain.APIProxy{l.StartAPIProxy(l.t, administrator), l.StartAPIProxy(l.t, administrator)}
	living := []*harness.Collector{l.start(proxies[0], ""), l.start(proxies[1], "")}
	for death := range 12 {
		select {
		case <-l.t.Context().Done():
		case <-time.After(time.Duration(random.IntN(3000)) * time.Millisecond):
		}
		living[death%2].Kill()
		living[death%2] = l.start(proxies[death%2], "")
	}
	l.awaitStage(l.name, 3)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	assert.Equal(l.t, "2", l.Kubectl("get", "hpa", l.name, "-o", "jsonpath={.spec.minReplicas}"))
	l.acts(proxies...)
}

// leaderElection: of two collectors one acts, and the other when that one is gone.
func (l *ladderRig) leaderElection() {
	l.deploy(l.name)
	l.lags.set(instance, l.name, high)
	first, second := l.StartAPIProxy(l.t, administrator), l.StartAPIProxy(l.t, administrator)
	const election = "leader_election: {namespace: default, lease: ladder}"
	collector := l.start(first, election)
	l.awaitStage(l.name, 1)
	l.start(second, election)
	l.awaitStage(l.name, 2)
	assert.Empty(l.t, l.acts(second))
	collector.Stop()
	l.awaitStage(l.name, 3)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	require.Len(l.t, l.acts(first, second), 3)
}

// rolloutUndone: kubectl rollout undo puts old annotations back, and no stage is repeated.
func (l *ladderRig) rolloutUndone() {
	l.deploy(l.name)
	l.Kubectl("set", "image", "deployment/"+l.name, "consumer=consumer:2")
	l.Kubectl("rollout", "status", "--timeout=60s", "deployment/"+l.name)
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "stages: [restart, notify]")
	l.awaitStage(l.name, 2)
	collector.Stop() // the record must do without the memory of the process
	l.Kubectl("rollout", "undo", "deployment/"+l.name)
	l.Kubectl("rollout", "status", "--timeout=60s", "deployment/"+l.name)
	require.Less(l.t, l.record("deployment/"+l.name).Stage, 2, "the record is an old one")
	collector = l.start(api, "stages: [restart, notify]")
	harness.Eventually(l.t, func() bool { return collector.CountLog("All stages are done") >= 1 }, "it knows what was done")
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	require.Len(l.t, l.acts(api), 1)
}

// revertedFromOutside: what somebody takes back is reported once, and not raised again.
func (l *ladderRig) revertedFromOutside() {
	l.deploy(l.name)
	l.autoscale(8)
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, administrator)
	l.start(api, "stages: [scale_up: {replicas: 2}, scale_up: {replicas: 2}, notify]")
	l.awaitStage(l.name, 1)
	l.Kubectl("patch", "hpa", l.name, "--type=merge", `--patch={"spec":{"minReplicas":2}}`)
	l.awaitStage(l.name, 3)
	l.robot.await(l.t, l.name, "changed from outside")
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	assert.Equal(l.t, "2", l.Kubectl("get", "hpa", l.name, "-o", "jsonpath={.spec.minReplicas}"))
	raised := 0
	for _, a := range l.acts(api) {
		if a.record.Stage > 0 {
			raised++
		}
	}
	assert.Equal(l.t, 1, raised, "it does not fight")
}

// apiServerAway: nothing is forgotten while the API server does not answer.
func (l *ladderRig) apiServerAway() {
	l.deploy(l.name)
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "")
	l.awaitStage(l.name, 1)
	api.SetAway(true)
	harness.Eventually(l.t, func() bool { return collector.CountLog("could not be checked", "away") == 1 }, "it says so once")
	api.SetAway(false)
	l.awaitStage(l.name, 3)
	l.acts(api)
}

// withoutRights: the right that is missing is named, and all goes on when it is there. The rights that deploy/ gives are
// enough for all that the ladder does.
func (l *ladderRig) withoutRights() {
	l.deploy(l.name)
	l.autoscale(8)
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, pkix.Name{CommonName: l.name})
	l.grant("leader-election.yaml", "kafkalagremediation-leader-election")
	collector := l.start(api, "leader_election: {namespace: default}")
	harness.Eventually(l.t, func() bool {
		return collector.CountLog("could not be checked", `cannot get resource \"deployments\"`, "deploy/kubernetes/components/remediation") == 1
	}, "it names the right")
	l.grant("consumers.yaml", "kafkalagremediation")
	l.awaitStage(l.name, 3)
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	require.Len(l.t, l.acts(api), 3)
	harness.Eventually(l.t, func() bool {
		return strings.Contains(l.Kubectl("describe", "deployment", l.name), "LadderRecovered")
	}, "it may write Events")
}

// grant gives the rights of a file of the component to the user of the test.
func (l *ladderRig) grant(file, role string) {
	l.t.Helper()
	l.Kubectl("apply", "-n", "default", "-f", deployFile("kubernetes", "components", "remediation", file))
	l.Kubectl("create", "rolebinding", l.name+"-"+role, "-n", "default", "--role="+role, "--user="+l.name)
}

// dryRun climbs the ladder without a write.
func (l *ladderRig) dryRun() {
	l.deploy(l.name)
	l.autoscale(8)
	l.lags.set(instance, l.name, high)
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "dry_run: true")
	for _, want := range []string{"The pods would be restarted", "The minimum of the autoscaler would be raised from 2 to 4", "All stages are done"} {
		harness.Eventually(l.t, func() bool { return collector.CountLog(want) > 0 }, "%s", want)
	}
	l.lags.set(instance, l.name, low)
	harness.Eventually(l.t, func() bool { return collector.CountLog("would be put back from 4 to 2") == 1 }, "it would be put back")
	l.robot.await(l.t, l.name, "[dry run]")
	assert.Empty(l.t, api.Writes())
}

// leftAlone: paused, switched off, without pods, and one whose record is corrupt.
func (l *ladderRig) leftAlone() {
	paused, off, none, corrupt := l.name+"-paused", l.name+"-off", l.name+"-none", l.name+"-corrupt"
	l.deploy(paused, off, none, corrupt)
	l.Kubectl("rollout", "pause", "deployment/"+paused)
	l.Kubectl("annotate", "deployment", off, "kafkalagremediation/disabled=true")
	l.Kubectl("scale", "deployment", none, "--replicas=0")
	l.Kubectl("annotate", "deployment", corrupt, recordAnnotation+"={")
	for _, name := range []string{paused, off, none, corrupt, l.name + "-missing"} {
		l.lags.set(instance, name, high)
	}
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "max_targets_at_once: 10")
	for _, name := range []string{paused, off, none} {
		harness.Eventually(l.t, func() bool { return collector.CountLog("It is left alone", name) >= 2 }, "%s is left alone", name)
	}
	harness.Eventually(l.t, func() bool { return collector.CountLog("could not be checked", "-missing", "correct targets") >= 1 }, "one is missing")
	harness.Eventually(l.t, func() bool { return collector.CountLog("Nothing is done yet", corrupt) >= 1 }, "a long cool-down")
	assert.Equal(l.t, "{", l.annotations("deployment/" + corrupt)["kafkalagremediation/record-set-aside"])
	assert.Empty(l.t, l.acts(api))
	l.Kubectl("annotate", "--overwrite", "deployment", corrupt, recordAnnotation+`={"version":1,"sequence":1000000}`)
	l.awaitStage(corrupt, 1) // people may make it begin anew
}

// tooManyAtOnce: then it is not the consumers that are ill.
func (l *ladderRig) tooManyAtOnce() {
	names := []string{l.name + "-a", l.name + "-b", l.name + "-c"}
	l.deploy(names...)
	for _, name := range names {
		l.lags.set(instance, name, high)
	}
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "max_targets_at_once: 2")
	l.robot.await(l.t, "3 consumers")
	harness.Eventually(l.t, func() bool { return collector.CountLog("Nothing is done: 3 targets breach at once") >= 3 }, "all are left alone")
	assert.Empty(l.t, api.Writes())
	l.lags.set(instance, names[2], low)
	l.awaitStage(names[0], 1)
}

// signedRobot stands in for a robot that demands a signature.
type signedRobot struct {
	url, secret string

	mu    sync.Mutex
	texts []string
}

func startSignedRobot(t *testing.T) *signedRobot {
	t.Helper()
	const token = "0123456789token"
	r := &signedRobot{secret: "SEC0123456789"}
	r.url = harness.Backend(t, func(w http.ResponseWriter, req *http.Request) {
		var m struct {
			MsgType string `json:"msgtype"`
			Text    struct{ Content string }
		}
		body, err := io.ReadAll(req.Body)
		if fault := verify(req, token, r.secret); fault != "" || err != nil || strict(body, &m) != nil || m.MsgType != "text" {
			answer(w, 310000, fault)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.texts = append(r.texts, m.Text.Content)
		answer(w, 0, "ok")
	}) + "/robot/send?access_token=" + token
	return r
}

// await waits for a message with all the parts.
func (r *signedRobot) await(t *testing.T, parts ...string) {
	t.Helper()
	harness.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, text := range r.texts {
			found := true
			for _, part := range parts {
				found = found && strings.Contains(text, part)
			}
			if found {
				return true
			}
		}
		return false
	}, "people read %v", parts)
}
