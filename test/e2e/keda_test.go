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

// TestKEDA: the shipped ScaledObjects do what the HPAs do.
func TestKEDA(t *testing.T) {
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{})}
	r.prometheus = harness.StartPrometheus(t, prometheusConfig(t, harness.FreeAddress(t), harness.FreeAddress(t)))
	r.lags = publishLags(t, r.cms)
	r.collector = harness.StartCollector(t, r.cms, "prometheus-remote-write.yaml", harness.Quick,
		"PROMETHEUS_REMOTE_WRITE_URL="+r.prometheus.URL+"/api/v1/write")
	r.ControlPlane = chain.StartControlPlane(t)
	r.StartKEDA()

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
