package chain

import (
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"os"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// ExternalMetrics is where the API server serves External metrics.
const ExternalMetrics = "/apis/external.metrics.k8s.io/v1beta1"

// StartAdapter starts prometheus-adapter on a configuration and registers it with the API
// server, which checks its certificate.
func (c *ControlPlane) StartAdapter(configFile, prometheusURL string, args ...string) *harness.Process {
	c.t.Helper()
	const service = "prometheus-adapter.monitoring.svc"
	cert, key := c.ca.issue("adapter-serving", pkix.Name{CommonName: service}, service, "localhost")
	kubeconfig := c.kubeconfig("adapter", pkix.Name{CommonName: "prometheus-adapter"})
	address := harness.FreeAddress(c.t)

	ca, err := os.ReadFile(c.ca.file())
	require.NoError(c.t, err)
	c.Apply(fmt.Sprintf(adapterManifests, port(address), base64.StdEncoding.EncodeToString(ca)))
	p := harness.Start(c.t, harness.Binary(c.t, "PROMETHEUS_ADAPTER_BINARY", ".tools/prometheus-adapter", "e2e"), nil, append([]string{
		"--config=" + configFile,
		"--prometheus-url=" + prometheusURL,
		"--lister-kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--secure-port=" + port(address), "--tls-cert-file=" + cert, "--tls-private-key-file=" + key,
		"--metrics-relist-interval=2s",
	}, args...)...)
	harness.Eventually(c.t, func() bool { _, err := c.kubectl("", "get", "--raw", ExternalMetrics); return err == nil },
		"the API server serves external metrics")
	return p
}

// adapterManifests lead the API server to a process on loopback: a Service without a
// cluster would have no endpoints. The adapter's user gets what the upstream chart grants.
const adapterManifests = `
apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
---
apiVersion: v1
kind: Service
metadata: {name: prometheus-adapter, namespace: monitoring}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  group: external.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {name: prometheus-adapter, namespace: monitoring, port: %s}
  caBundle: %s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: adapter-delegates-authentication}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: prometheus-adapter}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: adapter-reads-authentication, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: prometheus-adapter}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: adapter-lists}
rules: [{apiGroups: [""], resources: [namespaces, pods, services, configmaps], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: adapter-lists}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: adapter-lists}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: prometheus-adapter}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: external-metrics-reader}
rules: [{apiGroups: [external.metrics.k8s.io], resources: ["*"], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: hpa-reads-external-metrics}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: external-metrics-reader}
subjects: [{kind: ServiceAccount, name: horizontal-pod-autoscaler, namespace: kube-system}]
`
