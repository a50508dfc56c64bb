package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// consumer is a Deployment with an autoscaler made of a shipped manifest.
type consumer struct {
	name            string
	instance, group string
	replicas        int
	strategy        string   // of the Deployment, in YAML; empty is the default of Kubernetes
	hpa             string   // file in deploy/hpa
	patch           string   // file in deploy/hpa, if any
	maxReplicas     int      // instead of that of the file, if not 0
	keda            string   // file in deploy/keda, instead of hpa
	edits           []string // what else is replaced in the text of keda, in pairs of old and new
}

// scaler is what the manifest of the autoscaler creates, and hpa the name of the HPA that comes of it.
func (c consumer) scaler() (kind, hpa string) {
	if c.keda != "" {
		return "scaledobject", "keda-hpa-" + c.name
	}
	return "hpa", c.name
}

// deployment is the manifest of the consumer's Deployment.
func (c consumer) deployment() string {
	strategy := c.strategy
	if strategy == "" {
		strategy = "{}"
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[2]d
  strategy: %[3]s
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: consumer, image: consumer}]}
`, c.name, c.replicas, strategy)
}

// run creates the Deployments and then their autoscalers.
func (r *rig) run(consumers ...consumer) {
	r.t.Helper()
	var deployments, autoscalers []string
	for _, c := range consumers {
		deployments = append(deployments, c.deployment())
		autoscalers = append(autoscalers, c.autoscaler(r))
	}
	r.Apply(strings.Join(deployments, "---"))
	harness.Eventually(r.t, func() bool {
		for _, c := range consumers {
			if r.replicas()[c.name].status != c.replicas {
				return false
			}
		}
		return true
	}, "all replicas exist")
	r.Apply(strings.Join(autoscalers, "---\n"))
}

// remove deletes the autoscalers and then the Deployments.
func (r *rig) remove(consumers ...consumer) {
	r.t.Helper()
	var scalers, deployments []string
	for _, c := range consumers {
		kind, _ := c.scaler()
		scalers = append(scalers, kind+"/"+c.name)
		deployments = append(deployments, "deployment/"+c.name)
	}
	r.Kubectl(append([]string{"delete", "--wait=true"}, scalers...)...)
	r.Kubectl(append([]string{"delete", "--wait=true"}, deployments...)...)
}

// autoscaler is the shipped manifest for the consumer, without the waiting times.
func (c consumer) autoscaler(r *rig) string {
	r.t.Helper()
	if c.keda != "" {
		return c.scaledObject(r)
	}
	text := strings.NewReplacer(
		"docking-analog-consumer", c.name,
		"instance_id: "+instance, "instance_id: "+c.instance,
		"cust_docking_analog", c.group,
	).Replace(read(r.t, deployFile("hpa", c.hpa)))
	var manifest map[string]any
	require.NoError(r.t, yaml.Unmarshal([]byte(text), &manifest))
	behavior := map[string]any{}
	if c.patch != "" {
		var patch struct {
			Spec struct{ Behavior map[string]any }
		}
		require.NoError(r.t, yaml.Unmarshal([]byte(read(r.t, deployFile("hpa", c.patch))), &patch))
		behavior = patch.Spec.Behavior
	}
	spec := manifest["spec"].(map[string]any)
	spec["behavior"] = withoutWaiting(behavior)
	if c.maxReplicas != 0 {
		spec["maxReplicas"] = c.maxReplicas
	}
	out, err := yaml.Marshal(manifest)
	require.NoError(r.t, err)
	return string(out)
}

// scaledObject is the shipped manifest of KEDA for the consumer, without the waiting times.
func (c consumer) scaledObject(r *rig) string {
	r.t.Helper()
	text := read(r.t, deployFile("keda", c.keda))
	for edit := range slices.Chunk(c.edits, 2) {
		require.Contains(r.t, text, edit[0])
		text = strings.Replace(text, edit[0], edit[1], 1)
	}
	text = strings.NewReplacer(
		"docking-analog-consumer", c.name,
		instance, c.instance,
		"cust_docking_analog", c.group,
		"http://prometheus.monitoring.svc:9090", r.prometheus.URL,
	).Replace(text)
	var manifest map[string]any
	require.NoError(r.t, yaml.Unmarshal([]byte(text), &manifest))
	spec := manifest["spec"].(map[string]any)
	spec["pollingInterval"] = 1
	spec["advanced"] = map[string]any{
		"horizontalPodAutoscalerConfig": map[string]any{"behavior": withoutWaiting(map[string]any{})},
	}
	out, err := yaml.Marshal(manifest)
	require.NoError(r.t, err)
	return string(out)
}

// withoutWaiting lets an autoscaler go all the way at once, and keeps what else its behavior says.
func withoutWaiting(behavior map[string]any) map[string]any {
	for _, direction := range []string{"scaleUp", "scaleDown"} {
		rules, ok := behavior[direction].(map[string]any)
		if !ok {
			rules = map[string]any{}
		}
		rules["stabilizationWindowSeconds"] = 0
		rules["policies"] = []any{map[string]any{"type": "Pods", "value": 10, "periodSeconds": 1}}
		behavior[direction] = rules
	}
	return behavior
}

type replicaCount struct{ spec, status int }

// replicas are the replicas of all Deployments.
func (r *rig) replicas() map[string]replicaCount {
	r.t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ Replicas int }
			Status   struct{ Replicas int }
		}
	}
	r.get(&list, "deployments")
	counts := map[string]replicaCount{}
	for _, d := range list.Items {
		counts[d.Metadata.Name] = replicaCount{d.Spec.Replicas, d.Status.Replicas}
	}
	return counts
}

type autoscalerState struct {
	metrics int
	reason  string // of the condition ScalingActive
	active  string
}

func (r *rig) autoscalers() map[string]autoscalerState {
	r.t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				CurrentMetrics []any
				Conditions     []struct{ Type, Status, Reason string }
			}
		}
	}
	r.get(&list, "hpa")
	states := map[string]autoscalerState{}
	for _, hpa := range list.Items {
		state := autoscalerState{metrics: len(hpa.Status.CurrentMetrics)}
		for _, c := range hpa.Status.Conditions {
			if c.Type == "ScalingActive" {
				state.active, state.reason = c.Status, c.Reason
			}
		}
		states[hpa.Metadata.Name] = state
	}
	return states
}

// get decodes what kubectl gets.
func (r *rig) get(into any, what ...string) {
	r.t.Helper()
	require.NoError(r.t, json.Unmarshal([]byte(r.Kubectl(append([]string{"get", "-o", "json"}, what...)...)), into))
}

// awaitMetrics waits until every autoscaler has read its metric.
func (r *rig) awaitMetrics(consumers []consumer) {
	r.t.Helper()
	harness.Eventually(r.t, func() bool {
		states := r.autoscalers()
		for _, c := range consumers {
			_, hpa := c.scaler()
			if s := states[hpa]; s.active != "True" || s.metrics == 0 {
				return false
			}
		}
		return true
	}, "all autoscalers read their metric")
}
