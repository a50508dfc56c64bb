package chain

import (
	"encoding/json"
	"os/exec"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// prometheusOperator is the module whose CRDs are installed.
const prometheusOperator = "github.com/prometheus-operator/prometheus-operator@v0.85.0"

// InstallPrometheusOperatorCRDs makes the API server know PrometheusRules and ServiceMonitors.
func (c *ControlPlane) InstallPrometheusOperatorCRDs() {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "go", "mod", "download", "-json", prometheusOperator)
	cmd.Dir = harness.Root()
	out, err := cmd.Output()
	require.NoError(c.t, err, string(out))
	var module struct{ Dir string }
	require.NoError(c.t, json.Unmarshal(out, &module))
	for _, crd := range []string{"prometheusrules", "servicemonitors"} {
		c.Kubectl("apply", "--server-side", "-f", filepath.Join(module.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+crd+".yaml"))
		c.Kubectl("wait", "--for=condition=Established", "crd/"+crd+".monitoring.coreos.com")
	}
}
