//go:build keda

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// startKEDA starts the chain with KEDA in place of prometheus-adapter.
func startKEDA(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{})}
	r.prometheus = harness.StartPrometheus(t, prometheusConfig(t, harness.FreeAddress(t), harness.FreeAddress(t)))
	r.lags = publishLags(t, r.cms)
	r.collector = harness.StartCollector(t, r.cms, "prometheus-remote-write.yaml", harness.Quick,
		"PROMETHEUS_REMOTE_WRITE_URL="+r.prometheus.URL+"/api/v1/write")
	r.ControlPlane = chain.StartControlPlane(t)
	r.StartKEDA()
	return r
}

// TestKEDA: the shipped ScaledObjects do what the HPAs do.
func TestKEDA(t *testing.T) {
	r := startKEDA(t)
	want := map[string]int{}
	for lag, replicas := range map[float64]int{20_000: 2, 120_000: 3, 160_000: 4, 300_000: 5} {
		group := fmt.Sprintf("keda_%.0f", lag)
		r.lags.set(instance, group, lag)
		for _, policy := range []string{"proportional", "steps"} {
			name := fmt.Sprintf("%s-%.0f", policy, lag)
			r.scale(name, group, policy+".yaml", 2)
			want[name] = replicas
		}
	}
	// Without a value the replicas stay, also after KEDA counted the failures of its fallback.
	for _, policy := range []string{"proportional", "steps"} {
		name := policy + "-unknown"
		r.scale(name, "unknown_group", policy+".yaml", 4)
		want[name] = 4
	}
	r.expect(want)
	for range 3 {
		r.expect(want)
	}

	t.Run("ladder", func(t *testing.T) {
		r.actAsKubelet()
		(&ladderRig{rig: r.forTest(t), name: "ladder-keda"}).minimumOfAScaledObject()
	})
}

// minimumOfAScaledObject raises the minimum where KEDA takes it from, and nothing while KEDA is paused.
func (l *ladderRig) minimumOfAScaledObject() {
	l.lags.set(instance, l.name, high)
	l.scale(l.name, l.name, "proportional.yaml", 2)
	minimum := func(object string) string {
		path := "jsonpath={.spec.minReplicas}"
		if strings.HasPrefix(object, "scaledobject/") {
			path = "jsonpath={.spec.minReplicaCount}"
		}
		return l.Kubectl("get", object, "-o", path)
	}
	scaled, hpa := "scaledobject/"+l.name, "hpa/keda-hpa-"+l.name
	harness.Eventually(l.t, func() bool { return l.replicas()[l.name].spec == 4 }, "KEDA scales by the lag")
	api := l.StartAPIProxy(l.t, administrator)
	collector := l.start(api, "")
	l.awaitStage(l.name, 2)
	require.Equal(l.t, "5", minimum(scaled), "the maximum is 5")
	harness.Eventually(l.t, func() bool { return minimum(hpa) == "5" }, "KEDA passes it on")
	l.lags.set(instance, l.name, low)
	l.awaitRecovery(l.name)
	require.Equal(l.t, "2", minimum(scaled))
	harness.Eventually(l.t, func() bool { return minimum(hpa) == "2" }, "KEDA passes it on")
	for _, a := range l.acts(api) {
		require.True(l.t, a.restart || strings.Contains(a.path, "/scaledobjects/"), a.path)
	}

	l.Kubectl("annotate", "scaledobject", l.name, "autoscaling.keda.sh/paused=true")
	harness.Eventually(l.t, func() bool { _, err := l.Try("get", hpa); return err != nil }, "a paused ScaledObject has no autoscaler")
	replicas := l.replicas()[l.name].spec
	l.lags.set(instance, l.name, high)
	harness.Eventually(l.t, func() bool { return collector.CountLog("The replicas cannot be raised", "paused") == 1 }, "nothing is raised")
	l.awaitStage(l.name, 3)
	require.Equal(l.t, replicas, l.replicas()[l.name].spec)
}

// scale creates a Deployment and its ScaledObject, without the waiting times.
func (r *rig) scale(name, group, file string, replicas int) {
	r.t.Helper()
	text := strings.NewReplacer(
		"docking-analog-consumer", name,
		"cust_docking_analog", group,
		"http://prometheus.monitoring.svc:9090", r.prometheus.URL,
	).Replace(read(r.t, deployFile("keda", file)))
	var manifest map[string]any
	require.NoError(r.t, yaml.Unmarshal([]byte(text), &manifest))
	immediately := map[string]any{"stabilizationWindowSeconds": 0}
	manifest["spec"].(map[string]any)["advanced"] = map[string]any{
		"horizontalPodAutoscalerConfig": map[string]any{"behavior": map[string]any{"scaleUp": immediately, "scaleDown": immediately}},
	}
	out, err := yaml.Marshal(manifest)
	require.NoError(r.t, err)
	r.Apply(consumer{name: name, replicas: replicas}.deployment())
	r.Apply(string(out))
}
