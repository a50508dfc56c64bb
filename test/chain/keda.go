package chain

import (
	"crypto/x509/pkix"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// StartKEDA starts KEDA's operator and metrics adapter, and registers the adapter with the
// API server. There is one provider of External metrics: prometheus-adapter or KEDA. It returns the operator.
func (c *ControlPlane) StartKEDA() *harness.Process {
	c.t.Helper()
	c.Kubectl("apply", "--server-side", "-f", c.kedaCRDs())
	address, cert, key := c.registerExternalMetrics("keda", "keda-operator-metrics-apiserver")
	certs := c.kedaCertificates()
	metricsService := harness.FreeAddress(c.t)
	env := []string{"POD_NAMESPACE=keda", "WATCH_NAMESPACE=", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda"}

	operator := harness.Start(c.t, harness.Binary(c.t, "KEDA_OPERATOR_BINARY", ".tools/keda-operator", "e2e-keda"), env,
		"--kubeconfig="+c.admin, "--cert-dir="+certs, "--enable-cert-rotation=false", "--leader-elect=false",
		"--metrics-service-bind-address="+metricsService,
		"--metrics-bind-address="+harness.FreeAddress(c.t), "--health-probe-bind-address="+harness.FreeAddress(c.t),
	)
	harness.Start(c.t, harness.Binary(c.t, "KEDA_ADAPTER_BINARY", ".tools/keda-adapter", "e2e-keda"), env,
		"--kubeconfig="+c.admin, "--lister-kubeconfig="+c.admin, "--authentication-kubeconfig="+c.admin, "--authorization-kubeconfig="+c.admin,
		"--secure-port="+port(address), "--tls-cert-file="+cert, "--tls-private-key-file="+key, "--cert-dir="+certs,
		"--metrics-service-address="+metricsService, "--metrics-service-grpc-authority=localhost",
		"--port="+port(harness.FreeAddress(c.t)),
	)
	c.awaitExternalMetrics()
	return operator
}

// kedaCertificates is the folder from which operator and adapter trust each other.
func (c *ControlPlane) kedaCertificates() string {
	c.t.Helper()
	dir := filepath.Join(c.dir, "keda")
	require.NoError(c.t, os.Mkdir(dir, 0o700))
	cert, key := c.ca.issue("keda-operator", pkix.Name{CommonName: "keda-operator"}, "localhost", "127.0.0.1")
	for name, file := range map[string]string{"ca.crt": c.ca.file(), "tls.crt": cert, "tls.key": key} {
		require.NoError(c.t, os.Symlink(file, filepath.Join(dir, name)))
	}
	return dir
}

// kedaCRDs is the folder of the CRDs in KEDA's module.
func (c *ControlPlane) kedaCRDs() string {
	c.t.Helper()
	return filepath.Join(c.moduleDir("internal/tools/keda", "github.com/kedacore/keda/v2"), "config", "crd", "bases")
}
