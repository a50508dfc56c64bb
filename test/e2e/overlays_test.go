package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// objects are the rendered manifests of an overlay.
type objects []object

type object struct {
	Kind     string
	Metadata struct {
		Name, Namespace string
		Labels          map[string]any
		Annotations     map[string]string
	}
	Data     map[string]string // of a ConfigMap
	RoleRef  struct{ Kind, Name string }
	Subjects []struct{ Kind, Name, Namespace string }
	Spec     struct {
		Selector map[string]any // of a Service
		Ports    []struct {
			Name             string
			Port, TargetPort any
		}
		PodSelector     struct{ MatchLabels map[string]any }
		Ingress, Egress []struct {
			Ports []struct {
				Port     any
				Protocol string
			}
		}
		Template struct {
			Metadata struct{ Labels map[string]any }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	ServiceAccountName           string
	AutomountServiceAccountToken bool
	Containers                   []podContainer
	Volumes                      []struct {
		ConfigMap struct{ Name string }
		Secret    struct{ SecretName string }
	}
}

type containerPort struct {
	Name          string
	ContainerPort int
}

type envVar struct {
	Name, Value string
	ValueFrom   struct {
		SecretKeyRef struct {
			Name, Key string
			Optional  bool
		}
	}
}

type podContainer struct {
	Args    []string
	Ports   []containerPort
	Env     []envVar
	EnvFrom []struct {
		ConfigMapRef, SecretRef struct{ Name string }
	}
	StartupProbe, ReadinessProbe, LivenessProbe struct {
		HTTPGet struct{ Port any }
	}
	Resources    struct{ Limits struct{ Memory string } }
	VolumeMounts []struct{ MountPath string }
}

func render(t *testing.T, folder ...string) (all objects) {
	t.Helper()
	kubectl := exec.CommandContext(t.Context(), harness.Binary(t, "KUBECTL_BINARY", ".tools/kubectl", "e2e"), "kustomize", deployFile(folder...))
	out, err := kubectl.Output()
	require.NoError(t, err)
	for decoder := yaml.NewDecoder(strings.NewReader(string(out))); ; {
		var raw map[string]any
		if decoder.Decode(&raw) != nil {
			return all
		}
		text, err := json.Marshal(raw) // JSON does not distinguish case
		require.NoError(t, err)
		var o object
		require.NoError(t, json.Unmarshal(text, &o))
		all = append(all, o)
	}
}

func (all objects) find(kind, name string) *object {
	for i, o := range all {
		if o.Kind == kind && (name == "" || o.Metadata.Name == name) {
			return &all[i]
		}
	}
	return nil
}

// folders are the overlays, and what else is applied with kubectl apply -k.
func folders(t *testing.T) (found [][]string) {
	t.Helper()
	overlays, err := os.ReadDir(deployFile("kubernetes", "overlays"))
	require.NoError(t, err)
	require.NotEmpty(t, overlays)
	for _, overlay := range overlays {
		found = append(found, []string{"kubernetes", "overlays", overlay.Name()})
	}
	return append(found, []string{"kubernetes", "dingtalk-relay"})
}

// TestManifestsFitTogether: what the objects of an overlay say of each other is so. The API server does not check it.
func TestManifestsFitTogether(t *testing.T) {
	for _, folder := range folders(t) {
		t.Run(folder[len(folder)-1], func(t *testing.T) {
			all := render(t, folder...)
			deployment := all.find("Deployment", "")
			require.NotNil(t, deployment)
			pod := deployment.Spec.Template
			c := pod.Spec.Containers[0]
			ports := map[string]string{} // numbers by name and by number
			for _, port := range c.Ports {
				number := strconv.Itoa(port.ContainerPort)
				ports[port.Name], ports[number] = number, number
			}
			for _, probe := range []any{c.StartupProbe.HTTPGet.Port, c.ReadinessProbe.HTTPGet.Port, c.LivenessProbe.HTTPGet.Port} {
				assert.True(t, probe == nil || ports[fmt.Sprint(probe)] != "", "the port %v of a probe", probe)
			}
			if _, health, ok := strings.Cut(all.environment(c)["HEALTH_CHECK_ENDPOINT"], ":"); ok {
				assert.Equal(t, health, ports["health"], "the port of the probes")
			}
			if account := pod.Spec.ServiceAccountName; account != "" {
				assert.NotNil(t, all.find("ServiceAccount", account))
			}
			assert.Equal(t, all.find("RoleBinding", "") != nil, pod.Spec.AutomountServiceAccountToken, "a token for those who have rights")
			checkSources(t, all, pod.Spec)
			for _, o := range all {
				switch o.Kind {
				case "Service":
					assert.Subset(t, pod.Metadata.Labels, o.Spec.Selector, o.Metadata.Name)
					for _, port := range o.Spec.Ports {
						assert.Equal(t, fmt.Sprint(port.Port), ports[fmt.Sprint(port.TargetPort)], "the Service %s has the numbers of the container", o.Metadata.Name)
					}
				case "NetworkPolicy":
					assert.Subset(t, pod.Metadata.Labels, o.Spec.PodSelector.MatchLabels)
					checkNetworkPolicy(t, all, &o, c)
				case "RoleBinding":
					checkRoleBinding(t, all, &o)
				}
			}
		})
	}
}

// checkSources: the ConfigMaps are there, and the Secrets are those that users make.
func checkSources(t *testing.T, all objects, pod podSpec) {
	t.Helper()
	var configMaps, names []string
	for _, volume := range pod.Volumes {
		configMaps, names = append(configMaps, volume.ConfigMap.Name), append(names, volume.Secret.SecretName)
	}
	for _, from := range pod.Containers[0].EnvFrom {
		configMaps, names = append(configMaps, from.ConfigMapRef.Name), append(names, from.SecretRef.Name)
	}
	for _, v := range pod.Containers[0].Env {
		ref := v.ValueFrom.SecretKeyRef
		names = append(names, ref.Name)
		assert.True(t, ref.Name == "" || ref.Optional || secrets[ref.Name][ref.Key] != "", "the Secret %s has the key %s", ref.Name, ref.Key)
	}
	for _, name := range configMaps {
		assert.True(t, name == "" || all.find("ConfigMap", name) != nil, "the ConfigMap %s", name)
	}
	for _, name := range names {
		assert.True(t, name == "" || secrets[name] != nil, "the Secret %s", name)
	}
}

// checkNetworkPolicy: every port of the container is let in, and every address of its environment let out.
func checkNetworkPolicy(t *testing.T, all objects, policy *object, c podContainer) {
	t.Helper()
	var in, out, listens []string
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			in = append(in, fmt.Sprint(port.Port))
		}
	}
	for _, rule := range policy.Spec.Egress {
		for _, port := range rule.Ports {
			out = append(out, port.Protocol+fmt.Sprint(port.Port))
		}
	}
	for _, port := range c.Ports {
		listens = append(listens, port.Name)
	}
	assert.ElementsMatch(t, listens, in)
	assert.Subset(t, out, []string{"UDP53", "53", "443"}, "names, and CloudMonitor or the robot")
	for name, value := range all.environment(c) {
		u, err := url.Parse(value)
		port := map[string]string{"http": "80", "https": "443"}
		if err == nil && port[u.Scheme] != "" {
			assert.Contains(t, out, cmp.Or(u.Port(), port[u.Scheme]), name)
		}
	}
}

func checkRoleBinding(t *testing.T, all objects, binding *object) {
	t.Helper()
	role := all.find(binding.RoleRef.Kind, binding.RoleRef.Name)
	require.NotNil(t, role, binding.Metadata.Name)
	assert.Equal(t, role.Metadata.Namespace, binding.Metadata.Namespace)
	for _, subject := range binding.Subjects {
		account := all.find(subject.Kind, subject.Name)
		require.NotNil(t, account, subject.Name)
		assert.Equal(t, account.Metadata.Namespace, subject.Namespace)
	}
}

// secrets are what users put into the Secrets.
var secrets = map[string]map[string]string{
	"aliyun-access-key": {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"},
	"aliyun-secrets":    {"accessKeyID": "id", "accessKeySecret": "secret"},
	"arms-remote-write": {
		"PROMETHEUS_REMOTE_WRITE_URL": "http://arms.example.com/api/v3/write", "REMOTE_WRITE_USERNAME": "user", "REMOTE_WRITE_PASSWORD": "password",
	},
	"dingtalk-robot": {"url": "https://oapi.dingtalk.com/robot/send?access_token=token"},
}

// environment is what Kubernetes makes of the container's variables.
func (all objects) environment(c podContainer) map[string]string {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		if settings := all.find("ConfigMap", from.ConfigMapRef.Name); settings != nil && from.ConfigMapRef.Name != "" {
			maps.Copy(env, settings.Data)
		}
		maps.Copy(env, secrets[from.SecretRef.Name])
	}
	for _, v := range c.Env {
		ref := v.ValueFrom.SecretKeyRef
		value, ok := secrets[ref.Name][ref.Key]
		if ref.Name == "" {
			value, ok = os.Expand(strings.NewReplacer("$(", "${", ")", "}").Replace(v.Value), func(name string) string { return env[name] }), true
		}
		if ok {
			env[v.Name] = value
		}
	}
	return env
}

// TestOverlaysAreValid: the collector accepts its configuration with the arguments and the environment of each overlay.
func TestOverlaysAreValid(t *testing.T) {
	for _, folder := range folders(t) {
		if folder[len(folder)-1] == "dingtalk-relay" {
			continue
		}
		t.Run(folder[len(folder)-1], func(t *testing.T) {
			all := render(t, folder...)
			out, err := all.validate(t)
			require.NoError(t, err, out)
			checkDefaults(t, all)
		})
	}
}

var (
	comment = regexp.MustCompile(`#.*`)
	onHost  = regexp.MustCompile(`\$\{env:(\w+):-[^}]*localhost`)
)

// checkDefaults: a pod sets what is on localhost by default.
func checkDefaults(t *testing.T, all objects) {
	t.Helper()
	pod := all.find("Deployment", "").Spec.Template.Spec
	env := all.environment(pod.Containers[0])
	config := all.find("ConfigMap", pod.Volumes[0].ConfigMap.Name).Data[filepath.Base(pod.Containers[0].Args[0])]
	for _, match := range onHost.FindAllStringSubmatch(comment.ReplaceAllString(config, ""), -1) {
		assert.Contains(t, env, match[1])
	}
}

// TestForgottenRobot: the Secret of the robot is optional, and the collector says what is missing when its configuration has one.
func TestForgottenRobot(t *testing.T) {
	all := render(t, "kubernetes", "overlays", "remediation")
	for _, v := range all.find("Deployment", "").Spec.Template.Spec.Containers[0].Env {
		ref := v.ValueFrom.SecretKeyRef
		assert.True(t, ref.Name == "" || ref.Optional, "the pod starts without the Secret %s", ref.Name)
	}
	out, err := all.validate(t, "DINGTALK_ROBOT_URL")
	require.Error(t, err)
	assert.Contains(t, out, "notifications::dingtalk::url")
}

// validate runs the collector's validate as the Deployment runs the collector, without some variables.
func (all objects) validate(t *testing.T, without ...string) (out string, err error) {
	t.Helper()
	pod := all.find("Deployment", "").Spec.Template.Spec
	c := pod.Containers[0]
	env := all.environment(c)
	if account := all.find("ServiceAccount", pod.ServiceAccountName); account != nil && account.Metadata.Annotations["pod-identity.alibabacloud.com/role-name"] != "" {
		maps.Copy(env, map[string]string{ // what the add-on injects then
			"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p",
			"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token",
		})
	}
	dir := t.TempDir()
	for name, text := range all.find("ConfigMap", pod.Volumes[0].ConfigMap.Name).Data {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	args := []string{"validate"}
	for _, arg := range c.Args {
		args = append(args, strings.Replace(arg, c.VolumeMounts[0].MountPath, dir, 1))
	}
	collector := exec.CommandContext(t.Context(), harness.CollectorBinary(t), args...)
	collector.Env = []string{}
	for name, value := range env {
		if !slices.Contains(without, name) {
			collector.Env = append(collector.Env, name+"="+value)
		}
	}
	text, err := collector.CombinedOutput()
	return string(text), err
}

// TestMemory: GOMEMLIMIT is 80 % of the memory of the container, so that Go collects before the kernel kills.
func TestMemory(t *testing.T) {
	all := render(t, "kubernetes", "overlays", "access-key")
	c := all.find("Deployment", "").Spec.Template.Spec.Containers[0]
	var limit, memory int
	_, err := fmt.Sscanf(all.environment(c)["GOMEMLIMIT"]+" "+c.Resources.Limits.Memory, "%dMiB %dMi", &limit, &memory)
	require.NoError(t, err)
	assert.Equal(t, memory*8/10, limit)
}

// TestKEDAPolicies: a policy is the same with KEDA and with prometheus-adapter.
func TestKEDAPolicies(t *testing.T) {
	type hpa struct {
		Spec struct {
			ScaleTargetRef           struct{ Name string }
			MinReplicas, MaxReplicas int
			Metrics                  []struct {
				External struct {
					Metric struct {
						Name     string
						Selector struct{ MatchLabels map[string]string }
					}
					Target struct{ Type, AverageValue string }
				}
			}
			Behavior any
		}
	}
	type scaledObject struct {
		Spec struct {
			ScaleTargetRef                   struct{ Name string }
			MinReplicaCount, MaxReplicaCount int
			Triggers                         []struct {
				MetricType string
				Metadata   struct{ Query, Threshold, IgnoreNullValues string }
			}
			Advanced struct {
				HorizontalPodAutoscalerConfig struct{ Behavior any }
			}
		}
	}
	for _, policy := range []string{"proportional.yaml", "steps.yaml"} {
		var want hpa
		var got scaledObject
		decode(t, deployFile("hpa", policy), &want)
		decode(t, deployFile("keda", policy), &got)
		require.Len(t, want.Spec.Metrics, 1)
		require.Len(t, got.Spec.Triggers, 1)
		metric, trigger := want.Spec.Metrics[0].External, got.Spec.Triggers[0]
		assert.Equal(t, want.Spec.ScaleTargetRef, got.Spec.ScaleTargetRef, policy)
		assert.Equal(t, want.Spec.MinReplicas, got.Spec.MinReplicaCount, policy)
		assert.Equal(t, want.Spec.MaxReplicas, got.Spec.MaxReplicaCount, policy)
		assert.Equal(t, want.Spec.Behavior, got.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior, policy)
		assert.Equal(t, metric.Target.Type, trigger.MetricType, policy)
		assert.Equal(t, metric.Target.AverageValue, trigger.Metadata.Threshold, policy)
		assert.Equal(t, "false", trigger.Metadata.IgnoreNullValues, "%s holds without a lag", policy)
		assert.Contains(t, trigger.Metadata.Query, metric.Metric.Name+"{", policy)
		for key, value := range metric.Metric.Selector.MatchLabels {
			assert.Contains(t, trigger.Metadata.Query, fmt.Sprintf("%s=%q", key, value), policy)
		}
	}
}

// TestRightsWithHelm: the Roles are the same with Helm. Names of namespaces differ.
func TestRightsWithHelm(t *testing.T) {
	type role struct {
		Kind     string
		Metadata struct{ Name string }
		Rules    any
	}
	var values struct{ ExtraManifests []role }
	decode(t, deployFile("helm", "values-remediation.yaml"), &values)
	helm := map[string]any{}
	for _, r := range values.ExtraManifests {
		if r.Kind == "Role" {
			helm[r.Metadata.Name] = r.Rules
		}
	}
	kustomize := map[string]any{}
	for _, file := range []string{"consumers.yaml", "leader-election.yaml"} {
		var r role
		decode(t, deployFile("kubernetes", "components", "remediation", file), &r) // the first of its documents
		kustomize[r.Metadata.Name] = r.Rules
	}
	assert.Equal(t, kustomize, helm)
}

// decode decodes the first document of a YAML file.
func decode(t *testing.T, file string, into any) {
	t.Helper()
	var raw any
	require.NoError(t, yaml.NewDecoder(strings.NewReader(read(t, file))).Decode(&raw))
	text, err := json.Marshal(raw)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// TestAddresses: Prometheus and Alertmanager look for what the manifests create.
func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		file, address string
		folder        []string
	}{
		{deployFile("prometheus", "prometheus.yaml"), "otelcol-aliyunkafkalag.%s.svc:%v", []string{"kubernetes", "overlays", "access-key"}},
		{deployFile("alertmanager", "alertmanager.yaml"), "http://dingtalk-relay.%s.svc:%v/send", []string{"kubernetes", "dingtalk-relay"}},
	} {
		service := render(t, tt.folder...).find("Service", "")
		require.NotNil(t, service)
		require.Len(t, service.Spec.Ports, 1)
		text := read(t, tt.file)
		assert.True(t, slices.Contains(strings.Fields(strings.NewReplacer("[", " ", "]", " ").Replace(text)),
			fmt.Sprintf(tt.address, service.Metadata.Namespace, service.Spec.Ports[0].Port)), "%s has the address of the Service", tt.file)
	}
}

// TestServiceMonitor: the Prometheus Operator finds the Service of the collector by its labels, and the port by its name.
func TestServiceMonitor(t *testing.T) {
	var monitor struct {
		Spec struct {
			Selector  struct{ MatchLabels map[string]any }
			Endpoints []struct{ Port string }
		}
	}
	decode(t, deployFile("prometheus-operator", "servicemonitor.yaml"), &monitor)
	service := render(t, "kubernetes", "overlays", "access-key").find("Service", "")
	assert.Subset(t, service.Metadata.Labels, monitor.Spec.Selector.MatchLabels)
	require.Len(t, monitor.Spec.Endpoints, 1)
	assert.Equal(t, service.Spec.Ports[0].Name, monitor.Spec.Endpoints[0].Port)
}

// TestRetention: Prometheus keeps what the rules look back at.
func TestRetention(t *testing.T) {
	match := regexp.MustCompile(`retention:\n +time: (\d+)d\n`).FindStringSubmatch(read(t, deployFile("prometheus", "prometheus.yaml")))
	require.NotNil(t, match)
	retention, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	ranges := regexp.MustCompile(`\[(\d+)d\]`).FindAllStringSubmatch(read(t, deployFile("prometheus", "lag-alerts.rules.yaml")), -1)
	require.NotEmpty(t, ranges)
	for _, days := range ranges {
		n, err := strconv.Atoi(days[1])
		require.NoError(t, err)
		assert.Greater(t, retention, n)
	}
}
