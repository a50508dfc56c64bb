package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// pod is what the tests look at in a Deployment.
type pod struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct {
		Containers []struct {
			Name, Image string
			Args        []string
			Env         []struct {
				Name, Value string
				ValueFrom   struct {
					SecretKeyRef struct{ Name, Key string } `json:"secretKeyRef" yaml:"secretKeyRef"`
				} `json:"valueFrom" yaml:"valueFrom"`
			}
			ReadinessProbe, LivenessProbe struct {
				HTTPGet struct{ Path string } `json:"httpGet"`
			}
		}
	}
}

// TestSingleFileExporter: the overlay scrape stands in for the exporter, and what its users built on it goes on working.
func TestSingleFileExporter(t *testing.T) {
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{}), ControlPlane: chain.StartControlPlane(t)}
	overlay := r.Kubectl("kustomize", deployFile("kubernetes", "overlays", "scrape"))
	for _, created := range []string{"apply", "create"} {
		t.Run("replaced after kubectl "+created, func(t *testing.T) { r.forTest(t).replaceExporter(created, overlay) })
	}
	t.Run("scrape job, adapter rules and HPA", func(t *testing.T) { r.forTest(t).exporterChain(overlay) })
}

// replaceExporter applies the overlay over the exporter's own manifests, and goes back.
func (r *rig) replaceExporter(created, overlay string) {
	r.t.Helper()
	namespace := "exporter-" + created
	file := func(name, manifest string) string {
		path := filepath.Join(r.t.TempDir(), name)
		require.NoError(r.t, os.WriteFile(path, []byte(manifest), 0o600))
		return path
	}
	old := file("old.yaml", strings.ReplaceAll(read(r.t, "testdata/single-file-exporter.yaml"), "firecloud", namespace))
	r.Kubectl("create", "namespace", namespace)
	r.Kubectl(created, "-f", old)
	harness.Eventually(r.t, func() bool { return r.deployed(namespace).Spec.Containers[0].Image == "kafka-exporter:v1" }, "the exporter is there")

	r.Kubectl("apply", "-f", file("new.yaml", strings.ReplaceAll(overlay, "namespace: monitoring", "namespace: "+namespace)))
	got := r.deployed(namespace)
	require.Len(r.t, got.Spec.Containers, 1)
	container := got.Spec.Containers[0]
	assert.Contains(r.t, container.Image, "otelcol-aliyunkafkalag:")
	assert.Equal(r.t, []string{"--config=/etc/otelcol/prometheus-scrape.yaml"}, container.Args)
	assert.Equal(r.t, "/metrics", container.ReadinessProbe.HTTPGet.Path)
	assert.Equal(r.t, "/metrics", container.LivenessProbe.HTTPGet.Path)
	for _, service := range []string{"aliyun-kafka-exporter-service", "otelcol-aliyunkafkalag"} {
		assert.Subset(r.t, got.Metadata.Labels, r.selector(namespace, service), service)
	}
	harness.Eventually(r.t, func() bool {
		return strings.Count(r.Kubectl("get", "pods", "-n", namespace, "-l", "app=aliyun-kafka-exporter", "-o", "name"), "pod/") == 1
	}, "one pod is left")

	r.Kubectl("rollout", "undo", "-n", namespace, "deployment/aliyun-kafka-exporter")
	assert.Equal(r.t, "kafka-exporter:v1", r.deployed(namespace).Spec.Containers[0].Image)
	assert.Subset(r.t, r.deployed(namespace).Metadata.Labels, r.selector(namespace, "aliyun-kafka-exporter-service"))
	r.Kubectl("apply", "-f", old)
	assert.Len(r.t, r.deployed(namespace).Spec.Containers, 1)
}

// deployed is the pod template of the Deployment.
func (r *rig) deployed(namespace string) pod {
	r.t.Helper()
	var d struct{ Spec struct{ Template pod } }
	require.NoError(r.t, json.Unmarshal([]byte(r.Kubectl("get", "deployment", "-n", namespace, "aliyun-kafka-exporter", "-o", "json")), &d))
	return d.Spec.Template
}

func (r *rig) selector(namespace, service string) map[string]string {
	r.t.Helper()
	var s struct {
		Spec struct{ Selector map[string]string }
	}
	require.NoError(r.t, json.Unmarshal([]byte(r.Kubectl("get", "service", "-n", namespace, service, "-o", "json")), &s))
	require.NotEmpty(r.t, s.Spec.Selector)
	return s.Spec.Selector
}

// exporterEnv is the environment that Kubernetes makes of the overlay's Deployment.
func exporterEnv(t *testing.T, overlay string) (env []string) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(overlay))
	for {
		var d struct {
			Kind string
			Spec struct{ Template pod }
		}
		require.NoError(t, decoder.Decode(&d))
		if d.Kind != "Deployment" {
			continue
		}
		values := map[string]string{}
		for _, v := range d.Spec.Template.Spec.Containers[0].Env {
			value := os.Expand(strings.NewReplacer("$(", "${", ")", "}").Replace(v.Value), func(name string) string { return values[name] })
			switch v.ValueFrom.SecretKeyRef {
			case struct{ Name, Key string }{"aliyun-secrets", "accessKeyID"}:
				value = cmssim.AccessKeyID
			case struct{ Name, Key string }{"aliyun-secrets", "accessKeySecret"}:
				value = cmssim.AccessKeySecret
			}
			values[v.Name] = value
			if v.Name != "HEALTH_CHECK_ENDPOINT" && v.Name != "TELEMETRY_HOST" { // here on loopback
				env = append(env, v.Name+"="+value)
			}
		}
		return env
	}
}

// exporterHPA is that of the exporter's users, without its waiting times.
const exporterHPA = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: kafka-consumer-hpa, namespace: firecloud}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: my-kafka-consumer-deployment}
  minReplicas: 2
  maxReplicas: 5
  metrics:
    - type: External
      external:
        metric: {name: cust_message_accumulation}
        target: {type: Value, value: "50000"}
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 1, periodSeconds: 1}]}
`

// exporterChain runs the collector as the overlay does, behind the exporter's scrape job, adapter rules, HPA and alert.
func (r *rig) exporterChain(overlay string) {
	r.t.Helper()
	env := exporterEnv(r.t, overlay)
	assert.Contains(r.t, env, "KAFKA_INSTANCES=["+instance+"]")
	page := harness.StartPage(r.t, r.cms, harness.Quick, env...)
	resp, err := http.Get(page.URL) //nolint:noctx // answers at once
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	assert.Equal(r.t, http.StatusOK, resp.StatusCode, "the probes pass before there is a point")
	r.lags = publishLags(r.t, r.cms)
	r.lags.set(instance, "cust_docking_analog", 200_000)
	r.lags.set(instance, "cd_docking_analog", 0)
	r.lags.set(other, "cust_docking_analog", 7)
	page.AwaitValue(instance, "cd_docking_analog", 0)

	config := filepath.Join(r.t.TempDir(), "prometheus.yaml")
	require.NoError(r.t, os.WriteFile(config, []byte(`
scrape_configs:
  - job_name: kafka-exporter
    scrape_interval: 1s
    metrics_path: /metrics
    static_configs: [{targets: ["`+strings.TrimSuffix(strings.TrimPrefix(page.URL, "http://"), "/metrics")+`"], labels: {group: kafka-exporter}}]
`), 0o600))
	r.prometheus = harness.StartPrometheus(r.t, config)
	harness.Eventually(r.t, func() bool {
		return len(r.prometheus.Query(`kafka_consumer_message_accumulation{job="kafka-exporter"} > 180000`)) == 1
	}, "the exporter's alert has a result")
	assert.Len(r.t, r.prometheus.Query(`kafka_consumer_message_accumulation`), 2, "only the instance of TARGET_INSTANCE_ID")

	r.StartAdapter("testdata/single-file-exporter-adapter.yaml", r.prometheus.URL)
	r.Apply("{apiVersion: v1, kind: Namespace, metadata: {name: firecloud}}")
	for name, value := range map[string]string{"cust_message_accumulation": `"value":"200k"`, "cd_message_accumulation": `"value":"0"`} {
		harness.Eventually(r.t, func() bool {
			out, err := r.Try("get", "--raw", chain.ExternalMetrics+"/namespaces/firecloud/"+name)
			return err == nil && strings.Contains(out, value)
		}, "%s is served", name)
	}
	r.Apply(strings.Replace(consumer{name: "my-kafka-consumer-deployment", replicas: 2}.deployment(), "metadata: {name:", "metadata: {namespace: firecloud, name:", 1))
	r.Apply(exporterHPA)
	harness.Eventually(r.t, func() bool {
		pods := strings.Fields(r.Kubectl("get", "pods", "-n", "firecloud", "-o", "name"))
		for _, pod := range pods { // Value counts pods that are ready
			_, _ = r.Try("patch", pod, "-n", "firecloud", "--subresource=status", "--type=merge", podReady)
		}
		return r.Kubectl("get", "deployment", "-n", "firecloud", "my-kafka-consumer-deployment", "-o", "jsonpath={.status.replicas}") == "5"
	}, "the HPA scales")
}
