package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// exporterPod is what the tests look at in the pod template of the Deployment.
type exporterPod struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct{ Containers []exporterContainer }
}

type exporterContainer struct {
	Name, Image string
	Args        []string
	Ports       []struct {
		Name          string
		ContainerPort int
	}
	Env []struct {
		Name, Value string
		ValueFrom   struct {
			SecretKeyRef struct{ Name, Key string }
		}
	}
	ReadinessProbe, LivenessProbe struct {
		HTTPGet struct{ Path, Port string }
	}
}

// switchover is a way to create the exporter, to put the overlay in its place, and to go back. Each is a command of kubectl.
type switchover struct{ create, replace, back string }

// TestSingleFileExporter: the overlay scrape stands in for the exporter, and what its users built on it goes on working.
func TestSingleFileExporter(t *testing.T) {
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{}), ControlPlane: chain.StartControlPlane(t)}
	for i, way := range []switchover{
		{"create", "apply", "replace"},
		{"apply", "apply", "apply"},
		{"apply --server-side", "apply", "apply --server-side --force-conflicts"},
		{"create", "apply --server-side --force-conflicts", "replace"},
		{"apply", "apply --server-side --force-conflicts", "apply"},
	} {
		t.Run(way.create+" then "+way.replace+" then "+way.back, func(t *testing.T) {
			r.forTest(t).switchOver(fmt.Sprintf("exporter-%d", i), way)
		})
	}
	t.Run("scrape job and adapter rules and HPA", func(t *testing.T) { r.forTest(t).exporterChain() })
}

// switchOver puts the overlay in the exporter's place and goes back, twice: to the old revision, and by the old manifest.
func (r *rig) switchOver(namespace string, way switchover) {
	r.t.Helper()
	exporter, overlay := r.exporterManifests(namespace)
	r.on(exporter, way.create)
	original := r.podTemplate(namespace)
	ip := r.clusterIP(namespace)
	r.awaitPods(namespace, "kafka-exporter:v1")
	r.makePodsReady(namespace)

	r.on(overlay, way.replace)
	r.checkOverlay(namespace)
	assert.Equal(r.t, ip, r.clusterIP(namespace), "the scrape job's target")
	image := r.deployed(namespace).Spec.Containers[0].Image
	r.awaitPods(namespace, image, "kafka-exporter:v1") // it stays until the new pod is ready
	r.makePodsReady(namespace)
	r.awaitPods(namespace, image)

	// A second change, after which an undo without a revision would not go back to the exporter.
	r.Kubectl("set", "env", "-n", namespace, "deployment/aliyun-kafka-exporter", "REGION_ID=cn-beijing")
	r.Kubectl("rollout", "undo", "-n", namespace, "deployment/aliyun-kafka-exporter", "--to-revision=1")
	assert.Equal(r.t, original, r.podTemplate(namespace), "after rollout undo")
	r.on(overlay, way.replace)
	r.checkOverlay(namespace)
	r.on(exporter, way.back)
	assert.Equal(r.t, original, r.podTemplate(namespace), "after kubectl %s", way.back)
	r.Kubectl("delete", "-n", namespace, "networkpolicy,service,configmap", "-l", "app.kubernetes.io/name=otelcol-aliyunkafkalag")
	assert.Equal(r.t, ip, r.clusterIP(namespace))
}

// exporterManifests are files with the exporter's manifests and the overlay, for a namespace that is new.
func (r *rig) exporterManifests(namespace string) (exporter, overlay string) {
	r.t.Helper()
	r.Kubectl("create", "namespace", namespace)
	dir := r.t.TempDir()
	file := func(name, manifest string) string {
		path := filepath.Join(dir, name)
		require.NoError(r.t, os.WriteFile(path, []byte(manifest), 0o600))
		return path
	}
	made := r.Kubectl("kustomize", deployFile("kubernetes", "overlays", "scrape"))
	return file("exporter.yaml", strings.ReplaceAll(read(r.t, "testdata/single-file-exporter.yaml"), "namespace: firecloud", "namespace: "+namespace)),
		file("overlay.yaml", strings.ReplaceAll(made, "namespace: monitoring", "namespace: "+namespace))
}

// on runs a command of kubectl on a file.
func (r *rig) on(file, command string) {
	r.t.Helper()
	r.Kubectl(append(strings.Fields(command), "-f", file)...)
}

func (r *rig) checkOverlay(namespace string) {
	r.t.Helper()
	got := r.deployed(namespace)
	require.Len(r.t, got.Spec.Containers, 1)
	container := got.Spec.Containers[0]
	assert.Contains(r.t, container.Image, "otelcol-aliyunkafkalag:")
	assert.Equal(r.t, []string{"--config=/etc/otelcol/prometheus-scrape.yaml"}, container.Args)
	assert.Equal(r.t, "/metrics metrics", container.ReadinessProbe.HTTPGet.Path+" "+container.ReadinessProbe.HTTPGet.Port)
	assert.Equal(r.t, "/metrics metrics", container.LivenessProbe.HTTPGet.Path+" "+container.LivenessProbe.HTTPGet.Port)
	ports := map[string]int{}
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	assert.Equal(r.t, map[string]int{"metrics": 9876, "telemetry": 8888, "health": 13133}, ports)
	for _, service := range []string{"aliyun-kafka-exporter-service", "otelcol-aliyunkafkalag"} {
		var s struct {
			Spec struct{ Selector map[string]string }
		}
		r.get(&s, "-n", namespace, "service/"+service)
		require.NotEmpty(r.t, s.Spec.Selector)
		assert.Subset(r.t, got.Metadata.Labels, s.Spec.Selector, service)
	}
}

func (r *rig) deployed(namespace string) exporterPod {
	r.t.Helper()
	var d struct {
		Spec struct{ Template exporterPod }
	}
	r.get(&d, "-n", namespace, "deployment/aliyun-kafka-exporter")
	return d.Spec.Template
}

// podTemplate is all that Kubernetes knows of the pods.
func (r *rig) podTemplate(namespace string) any {
	r.t.Helper()
	var d struct{ Spec struct{ Template any } }
	r.get(&d, "-n", namespace, "deployment/aliyun-kafka-exporter")
	return d.Spec.Template
}

func (r *rig) clusterIP(namespace string) string {
	r.t.Helper()
	return r.Kubectl("get", "-n", namespace, "service/aliyun-kafka-exporter-service", "-o", "jsonpath={.spec.clusterIP}")
}

// awaitPods waits until the exporter's Service selects pods with exactly these images.
func (r *rig) awaitPods(namespace string, images ...string) {
	r.t.Helper()
	harness.Eventually(r.t, func() bool {
		got := strings.Fields(r.Kubectl("get", "pods", "-n", namespace, "-l", "app=aliyun-kafka-exporter", "-o", "jsonpath={.items[*].spec.containers[*].image}"))
		return slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(images)))
	}, "the pods are %v", images)
}

// environment is what Kubernetes makes of the container's variables: in their order, as $(NAME) has to be defined before.
func (c exporterContainer) environment() (env []string) {
	values := map[string]string{}
	for _, v := range c.Env {
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
    scaleDown: {stabilizationWindowSeconds: 0}
`

// exporterChain runs the collector as the overlay does, behind the exporter's scrape job, adapter rules, HPA and alert.
func (r *rig) exporterChain() {
	r.t.Helper()
	exporter, overlay := r.exporterManifests("firecloud")
	r.on(exporter, "create")
	r.on(overlay, "apply")
	env := r.deployed("firecloud").Spec.Containers[0].environment()
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
	for name, value := range map[string]string{"cust_message_accumulation": `"value":"200k"`, "cd_message_accumulation": `"value":"0"`} {
		r.awaitExternalMetric("firecloud", name, value)
	}
	r.Apply(strings.Replace(consumer{name: "my-kafka-consumer-deployment", replicas: 2}.deployment(), "metadata: {name:", "metadata: {namespace: firecloud, name:", 1))
	r.Apply(exporterHPA)
	r.awaitReplicas("5")
	r.lags.set(instance, "cust_docking_analog", 0) // the exporter would not show it
	r.awaitReplicas("2")
}

func (r *rig) awaitReplicas(n string) {
	r.t.Helper()
	harness.Eventually(r.t, func() bool {
		r.makePodsReady("firecloud") // Value counts pods that are ready
		return r.Kubectl("get", "deployment", "-n", "firecloud", "my-kafka-consumer-deployment", "-o", "jsonpath={.status.replicas}") == n
	}, "the HPA sets %s replicas", n)
}
