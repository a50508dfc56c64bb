package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// manifestsAreValid applies every manifest of deploy/ to the API server, which refuses
// fields it does not know. Nothing is kept.
func (r *rig) manifestsAreValid() {
	r.t.Helper()
	overlays, err := filepath.Glob(deployFile("kubernetes", "overlays", "*"))
	require.NoError(r.t, err)
	require.NotEmpty(r.t, overlays)
	for _, overlay := range append(overlays, deployFile("kubernetes", "dingtalk-relay")) {
		r.dryRun(filepath.Base(overlay), r.Kubectl("kustomize", overlay))
	}
	r.InstallPrometheusOperatorCRDs()
	r.dryRun("prometheus-operator", r.Kubectl("kustomize", deployFile("prometheus-operator")))
	for _, hpa := range []string{"proportional.yaml", "steps.yaml"} {
		r.dryRun(hpa, read(r.t, deployFile("hpa", hpa)))
	}
}

func (r *rig) dryRun(name, manifest string) {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "manifest.yaml")
	require.NoError(r.t, os.WriteFile(file, []byte(manifest), 0o600))
	// A dry run of objects in a namespace needs the namespace.
	r.createNamespaces(manifest)
	out, err := r.Try("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", file)
	require.NoError(r.t, err, "%s: %s", name, out)
	assert.NotContains(r.t, out, "Warning", name)
}

func (r *rig) createNamespaces(manifest string) {
	r.t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(manifest))
	for {
		var object struct {
			Metadata struct{ Namespace string }
		}
		if decoder.Decode(&object) != nil {
			return
		}
		if ns := object.Metadata.Namespace; ns != "" {
			// Pods that are not as restricted as they could be are warned of.
			r.Apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + ns + ", labels: {pod-security.kubernetes.io/warn: restricted}}}")
		}
	}
}

// TestAdapterRulesAreTheSame: the values for the two charts and the plain configuration.
func TestAdapterRulesAreTheSame(t *testing.T) {
	var values struct{ Rules struct{ External []any } }
	var config struct {
		ExternalRules []any `yaml:"externalRules"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, deployFile("prometheus-adapter", "values.yaml"))), &values))
	require.NoError(t, yaml.Unmarshal([]byte(read(t, deployFile("prometheus-adapter", "config.yaml"))), &config))
	require.NotEmpty(t, config.ExternalRules)
	assert.Equal(t, config.ExternalRules, values.Rules.External)

	var ack struct {
		Adapter struct{ Rules struct{ Custom []any } }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, deployFile("prometheus-adapter", "ack-values.yaml"))), &ack))
	assert.Equal(t, config.ExternalRules, ack.Adapter.Rules.Custom)
}

// slowQueries have no data here: the trend needs ten minutes, nothing is wrong, there is no
// kube-state-metrics, and the ladder is another test's.
var slowQueries = regexp.MustCompile(`kafka_consumer_lag_|points_dropped|points_given_up|refused_metric_points|kube_deployment|kafkalagremediation`)

// dashboardHasData: every query of the dashboard parses, and returns something if it can.
func (r *rig) dashboardHasData() {
	r.t.Helper()
	r.lags.set(instance, "dashboard", 120_000)
	defer r.lags.clear()
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	require.NoError(r.t, json.Unmarshal([]byte(read(r.t, deployFile("grafana", "dashboard.json"))), &dashboard))
	queries := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries++
			expr := strings.NewReplacer("$instance_id", ".*", "$consumer_group", ".*", "$deployment", ".*", "$__rate_interval", "5m").Replace(target.Expr)
			if slowQueries.MatchString(expr) {
				r.prometheus.Query(expr) // fails if it does not parse
				continue
			}
			harness.Eventually(r.t, func() bool { return len(r.prometheus.Query(expr)) > 0 }, "%s has data", expr)
		}
	}
	assert.NotZero(r.t, queries)
}

// TestTelemetryExists: the collector's own metrics that rules and dashboard ask for are documented. The documents are made of
// what the code registers.
func TestTelemetryExists(t *testing.T) {
	documented := read(t, filepath.Join(harness.Root(), "receiver", "aliyunkafkalagreceiver", "documentation.md")) +
		read(t, filepath.Join(harness.Root(), "exporter", "kafkalagremediationexporter", "documentation.md"))
	ours := regexp.MustCompile(`otelcol_(receiver_aliyunkafkalag|exporter_kafkalagremediation)_\w+`)
	for _, file := range []string{"grafana/dashboard.json", "prometheus/lag-alerts.rules.yaml"} {
		found := ours.FindAllString(read(t, deployFile(file)), -1)
		assert.NotEmpty(t, found, file)
		for _, metric := range found {
			assert.Contains(t, documented, "### "+metric+"\n", file)
		}
	}
}

// withoutSelector is the manifest of an autoscaler whose metric has no selector.
func withoutSelector(t *testing.T, manifest string) string {
	t.Helper()
	var hpa map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(manifest), &hpa))
	for _, metric := range hpa["spec"].(map[string]any)["metrics"].([]any) {
		delete(metric.(map[string]any)["external"].(map[string]any)["metric"].(map[string]any), "selector")
	}
	out, err := yaml.Marshal(hpa)
	require.NoError(t, err)
	return string(out)
}

// podReady is what a kubelet reports of a pod that is ready.
const podReady = `--patch={"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`

// makePodsReady says of all pods of a namespace, or of those that are selected, what a kubelet would.
func (r *rig) makePodsReady(namespace string, selector ...string) {
	r.t.Helper()
	for _, pod := range strings.Fields(r.Kubectl(append([]string{"get", "pods", "-n", namespace, "-o", "name"}, selector...)...)) {
		r.makePodReady(namespace, pod)
	}
}

func (r *rig) makePodReady(namespace, pod string) {
	r.t.Helper()
	_, _ = r.Try("patch", pod, "-n", namespace, "--subresource=status", "--type=merge", podReady) // it may just have been deleted
}
