//go:build helm

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// shape is what has to be the same with Helm and with kustomize.
type shape struct {
	Image, Strategy, Name      string
	PodSecurity, Security      any
	Resources                  any
	Annotations                int // of the ServiceAccount
	Env                        map[string]string
	Secrets                    []string // that become environment
	Configs                    []string // beside the first
	LivenessPath               string
	Token                      bool              // of the ServiceAccount, in the pod
	Rights                     map[string]any    // of Roles, by namespace and name
	Subjects                   map[string]any    // of RoleBindings
	Ports                      []int             // of the Service
	portNames                  map[string]string // of the container
	Ingress, Egress            []string
	NameLabel, ServiceSelected string
}

// TestHelm: the values render with the chart in HELM_CHART, the API server takes the result, and it is what the overlays make.
func TestHelm(t *testing.T) {
	chart := os.Getenv("HELM_CHART")
	require.NotEmpty(t, chart, "HELM_CHART is the folder of the chart open-telemetry/opentelemetry-collector: helm pull --untar brings it")
	r := &rig{t: t, ControlPlane: chain.StartControlPlane(t)}
	for overlay, values := range map[string][]string{
		"access-key":  {"values.yaml"},
		"rrsa":        {"values.yaml", "values-rrsa.yaml"},
		"arms":        {"values.yaml", "values-rrsa.yaml", "values-arms.yaml"},
		"scrape":      {"values.yaml", "values-scrape.yaml"},
		"remediation": {"values.yaml", "values-rrsa.yaml", "values-remediation.yaml"},
	} {
		t.Run(overlay, func(t *testing.T) {
			r := r.forTest(t)
			args := []string{"template", "otelcol-aliyunkafkalag", chart, "-n", "monitoring"}
			for _, file := range values {
				args = append(args, "-f", deployFile("helm", file))
			}
			helm := exec.CommandContext(t.Context(), harness.Binary(t, "HELM_BINARY", ".tools/helm", "check-helm"), args...) //nolint:gosec // the chart is the developer's
			rendered, err := helm.Output()
			require.NoError(t, err)
			r.dryRun(overlay, string(rendered))
			want, got := shapeOf(t, r.Kubectl("kustomize", deployFile("kubernetes", "overlays", overlay))), shapeOf(t, string(rendered))
			if overlay == "scrape" { // Helm cannot take over the exporter's Deployment
				want.Name, want.Strategy, want.NameLabel = got.Name, got.Strategy, got.NameLabel
			}
			if overlay == "arms" { // here both ports outside, there those inside the cluster as well
				want.Egress = slices.DeleteFunc(want.Egress, func(port string) bool { return port == "TCP/9090" })
				delete(want.Env, "PROMETHEUS_REMOTE_WRITE_URL") // the Secret has it
			}
			assert.Equal(t, want, got)
		})
	}
}

// shapeOf looks through all objects of a manifest.
func shapeOf(t *testing.T, manifest string) (s shape) {
	t.Helper()
	s.Env, s.Rights, s.Subjects = map[string]string{}, map[string]any{}, map[string]any{}
	settings := map[string]map[string]string{}
	var objects []map[string]any
	for decoder := yaml.NewDecoder(strings.NewReader(manifest)); ; {
		var object map[string]any
		if decoder.Decode(&object) != nil {
			break
		}
		objects = append(objects, object)
	}
	into := func(object any, target any) {
		text, err := json.Marshal(object)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, target))
	}
	for _, o := range objects {
		if o["kind"] == "ConfigMap" {
			var c struct {
				Metadata struct{ Name string }
				Data     map[string]string
			}
			into(o, &c)
			settings[c.Metadata.Name] = c.Data
		}
	}
	for _, o := range objects {
		switch o["kind"] {
		case "Deployment":
			s.deployment(o, into, settings)
		case "ServiceAccount":
			var a struct {
				Metadata struct{ Annotations map[string]string }
			}
			into(o, &a)
			s.Annotations = len(a.Metadata.Annotations)
		case "Role", "RoleBinding":
			var role struct {
				Metadata        struct{ Namespace, Name string }
				Rules, Subjects any
			}
			into(o, &role)
			name := role.Metadata.Namespace + "/" + role.Metadata.Name
			if o["kind"] == "Role" {
				s.Rights[name] = role.Rules
			} else {
				s.Subjects[name] = role.Subjects
			}
		case "Service":
			var v struct {
				Spec struct{ Ports []struct{ Port int } }
			}
			into(o, &v)
			for _, p := range v.Spec.Ports {
				s.Ports = append(s.Ports, p.Port)
			}
		case "NetworkPolicy":
			type rules []struct {
				Ports []struct {
					Port     any
					Protocol string
				}
			}
			var n struct {
				Spec struct{ Ingress, Egress rules }
			}
			into(o, &n)
			list := func(r rules) (ports []string) {
				for _, rule := range r {
					for _, p := range rule.Ports {
						port := fmt.Sprint(p.Port)
						if number, ok := s.portNames[port]; ok {
							port = number
						}
						if p.Protocol == "" {
							p.Protocol = "TCP"
						}
						ports = append(ports, p.Protocol+"/"+port)
					}
				}
				slices.Sort(ports)
				return slices.Compact(ports)
			}
			s.Ingress, s.Egress = list(n.Spec.Ingress), list(n.Spec.Egress)
		}
	}
	slices.Sort(s.Ports)
	s.portNames = nil // only the numbers have to be the same
	return s
}

func (s *shape) deployment(o map[string]any, into func(any, any), settings map[string]map[string]string) {
	var d struct {
		Metadata struct{ Name string }
		Spec     struct {
			Strategy struct{ Type string }
			Template struct {
				Metadata struct{ Labels map[string]string }
				Spec     struct {
					AutomountServiceAccountToken bool
					SecurityContext              any
					Containers                   []struct {
						Image   string
						Args    []string
						Env     []envVar
						EnvFrom []struct {
							SecretRef struct {
								Name     string
								Optional bool
							}
							ConfigMapRef struct{ Name string }
						}
						SecurityContext, Resources any
						LivenessProbe              struct{ HTTPGet struct{ Path string } }
						Ports                      []containerPort
					}
				}
			}
		}
	}
	into(o, &d)
	pod := d.Spec.Template
	c := pod.Spec.Containers[0]
	s.Name, s.Strategy, s.NameLabel = d.Metadata.Name, d.Spec.Strategy.Type, pod.Metadata.Labels["app.kubernetes.io/name"]
	s.Image, s.PodSecurity, s.Security, s.Resources = c.Image, pod.Spec.SecurityContext, c.SecurityContext, c.Resources
	s.Token = pod.Spec.AutomountServiceAccountToken
	s.LivenessPath = c.LivenessProbe.HTTPGet.Path
	s.portNames = map[string]string{}
	for _, p := range c.Ports {
		s.portNames[p.Name] = strconv.Itoa(p.ContainerPort)
	}
	for _, arg := range c.Args[1:] {
		if value, ok := strings.CutPrefix(arg, "--config="); ok && strings.HasPrefix(value, "/") {
			arg = "--config=" + filepath.Base(value)
		}
		s.Configs = append(s.Configs, arg)
	}
	slices.Sort(s.Configs)
	for _, from := range c.EnvFrom {
		for key, value := range settings[from.ConfigMapRef.Name] {
			s.Env[key] = value
		}
		if from.SecretRef.Name != "" {
			s.Secrets = append(s.Secrets, fmt.Sprint(from.SecretRef.Name, " optional ", from.SecretRef.Optional))
		}
	}
	for _, v := range c.Env {
		if ref := v.ValueFrom.SecretKeyRef; ref.Name != "" {
			v.Value = fmt.Sprint("secret ", ref.Name, "/", ref.Key, " optional ", ref.Optional)
		}
		if v.Name != "MY_POD_IP" && !strings.HasPrefix(v.Name, "OTEL_K8S_") {
			s.Env[v.Name] = v.Value
		}
	}
}
