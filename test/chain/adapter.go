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
// server. Its user gets what the upstream chart grants.
func (c *ControlPlane) StartAdapter(configFile, prometheusURL string, args ...string) *harness.Process {
	c.t.Helper()
	address, cert, key := c.registerExternalMetrics("monitoring", "prometheus-adapter")
	c.Apply(adapterRoles)
	kubeconfig := c.kubeconfig("adapter", pkix.Name{CommonName: "prometheus-adapter"})
	p := harness.Start(c.t, harness.Binary(c.t, "PROMETHEUS_ADAPTER_BINARY", ".tools/prometheus-adapter", "e2e"), nil, append([]string{
		"--config=" + configFile,
		"--prometheus-url=" + prometheusURL,
		"--lister-kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--secure-port=" + port(address), "--tls-cert-file=" + cert, "--tls-private-key-file=" + key,
		"--metrics-relist-interval=2s",
	}, args...)...)
	c.awaitExternalMetrics()
	return p
}

// registerExternalMetrics tells the API server that a Service answers for External metrics,
// and returns where it has to listen and with which certificate: the API server checks it.
func (c *ControlPlane) registerExternalMetrics(namespace, service string) (address, cert, key string) {
	c.t.Helper()
	host := service + "." + namespace + ".svc"
	cert, key = c.ca.issue(service, pkix.Name{CommonName: host}, host, "localhost")
	ca, err := os.ReadFile(c.ca.file())
	require.NoError(c.t, err)
	address = harness.FreeAddress(c.t)
	c.Apply(fmt.Sprintf(externalMetricsService, namespace, service, port(address), base64.StdEncoding.EncodeToString(ca)))
	return address, cert, key
}

func (c *ControlPlane) awaitExternalMetrics() {
	c.t.Helper()
	harness.Eventually(c.t, func() bool { _, err := c.Try("get", "--raw", ExternalMetrics); return err == nil },
		"the API server serves external metrics")
}

// externalMetricsService leads the API server to a process on loopback: without a cluster
// network a Service has no endpoints.
const externalMetricsService = `
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: Service
metadata: {name: %[2]s, namespace: %[1]s}
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
  service: {name: %[2]s, namespace: %[1]s, port: %[3]s}
  caBundle: %[4]s
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

const adapterRoles = `
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
`
