package chain

import (
	"bytes"
	"crypto/x509/pkix"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// ControlPlane is a Kubernetes API server with the controllers that scaling needs.
type ControlPlane struct {
	t         testing.TB
	dir       string
	address   string
	ca, proxy *authority
	admin     string // kubeconfig
	APIServer *harness.Process
}

// StartControlPlane starts etcd, kube-apiserver and kube-controller-manager.
func StartControlPlane(t testing.TB) *ControlPlane {
	t.Helper()
	dir := t.TempDir()
	c := &ControlPlane{
		t: t, dir: dir, address: harness.FreeAddress(t),
		ca: newAuthority(t, dir, "ca"), proxy: newAuthority(t, dir, "front-proxy-ca"),
	}
	c.admin = c.kubeconfig("admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}})
	etcd := c.startEtcd()
	c.startAPIServer(etcd)
	harness.Eventually(t, func() bool { _, err := c.kubectl("", "get", "--raw", "/readyz"); return err == nil }, "kube-apiserver is ready")
	c.startControllerManager()
	return c
}

func (c *ControlPlane) startEtcd() (clientURL string) {
	c.t.Helper()
	clientURL, peerURL := "http://"+harness.FreeAddress(c.t), "http://"+harness.FreeAddress(c.t)
	harness.Start(c.t, harness.Binary(c.t, "ETCD_BINARY", ".tools/etcd", "e2e"), nil,
		"--data-dir="+filepath.Join(c.dir, "etcd"),
		"--listen-client-urls="+clientURL, "--advertise-client-urls="+clientURL,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=default="+peerURL,
		"--unsafe-no-fsync", "--log-level=warn",
	)
	return clientURL
}

func (c *ControlPlane) startAPIServer(etcd string) {
	c.t.Helper()
	host, port, _ := strings.Cut(c.address, ":")
	serving, servingKey := c.ca.issue("apiserver", pkix.Name{CommonName: "kube-apiserver"}, host, "localhost")
	proxy, proxyKey := c.proxy.issue("front-proxy-client", pkix.Name{CommonName: "front-proxy-client"})
	accounts := writeKey(c.t, c.dir, "service-accounts", newKey(c.t))
	c.APIServer = harness.Start(c.t, harness.Binary(c.t, "KUBE_APISERVER_BINARY", ".tools/kube-apiserver", "e2e"), nil,
		"--etcd-servers="+etcd,
		"--bind-address="+host, "--advertise-address="+host, "--secure-port="+port,
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file="+serving, "--tls-private-key-file="+servingKey, "--client-ca-file="+c.ca.file(),
		"--authorization-mode=RBAC", "--anonymous-auth=false",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+accounts, "--service-account-signing-key-file="+accounts,
		"--requestheader-client-ca-file="+c.proxy.file(), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+proxy, "--proxy-client-key-file="+proxyKey,
	)
}

func (c *ControlPlane) startControllerManager() {
	c.t.Helper()
	kubeconfig := c.kubeconfig("controller-manager", pkix.Name{CommonName: "system:kube-controller-manager"})
	harness.Start(c.t, harness.Binary(c.t, "KUBE_CONTROLLER_MANAGER_BINARY", ".tools/kube-controller-manager", "e2e"), nil,
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--service-account-private-key-file="+filepath.Join(c.dir, "service-accounts.key"), "--root-ca-file="+c.ca.file(),
		"--use-service-account-credentials=true", "--leader-elect=false", "--cert-dir="+c.dir,
		"--bind-address=127.0.0.1", "--secure-port="+port(harness.FreeAddress(c.t)),
		"--controllers=deployment-controller,replicaset-controller,statefulset-controller,horizontal-pod-autoscaler-controller,"+
			"serviceaccount-controller,namespace-controller,garbage-collector-controller",
		// Quicker than a cluster, and enough for many autoscalers at once.
		"--horizontal-pod-autoscaler-sync-period=1s", "--concurrent-horizontal-pod-autoscaler-syncs=20",
		"--kube-api-qps=500", "--kube-api-burst=1000",
	)
}

func port(address string) string {
	_, p, _ := strings.Cut(address, ":")
	return p
}

// kubeconfig writes a kubeconfig for a user, and returns its path.
func (c *ControlPlane) kubeconfig(name string, subject pkix.Name) string {
	c.t.Helper()
	cert, key := c.ca.issue(name, subject)
	file := filepath.Join(c.dir, name+".kubeconfig")
	require.NoError(c.t, os.WriteFile(file, []byte(`apiVersion: v1
kind: Config
clusters: [{name: chain, cluster: {server: "https://`+c.address+`", certificate-authority: "`+c.ca.file()+`"}}]
users: [{name: user, user: {client-certificate: "`+cert+`", client-key: "`+key+`"}}]
contexts: [{name: chain, context: {cluster: chain, user: user}}]
current-context: chain
`), 0o600))
	return file
}

func (c *ControlPlane) kubectl(stdin string, args ...string) (string, error) {
	c.t.Helper()
	binary := harness.Binary(c.t, "KUBECTL_BINARY", ".tools/kubectl", "e2e")
	cmd := exec.CommandContext(c.t.Context(), binary, append([]string{"--kubeconfig=" + c.admin}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Dir = harness.Root()
	cmd.Env = append(os.Environ(), "HOME="+c.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	return string(out) + stderr.String(), err
}

// Kubectl runs kubectl in the root of the repository and returns what it printed.
func (c *ControlPlane) Kubectl(args ...string) string {
	c.t.Helper()
	out, err := c.kubectl("", args...)
	require.NoError(c.t, err, "kubectl %s: %s", strings.Join(args, " "), out)
	return out
}

// Apply applies a manifest with server-side validation that refuses unknown fields.
func (c *ControlPlane) Apply(manifest string) {
	c.t.Helper()
	out, err := c.kubectl(manifest, "apply", "--server-side", "--validate=strict", "-f", "-")
	require.NoError(c.t, err, "%s\n%s", out, manifest)
}

// With is the control plane for a subtest.
func (c *ControlPlane) With(t testing.TB) *ControlPlane {
	sub := *c
	sub.t = t
	return &sub
}

// Try is Kubectl for a command that may fail.
func (c *ControlPlane) Try(args ...string) (string, error) {
	c.t.Helper()
	return c.kubectl("", args...)
}
