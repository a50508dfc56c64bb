package chain

import "path/filepath"

// prometheusOperator is the module whose CRDs are installed.
const prometheusOperator = "github.com/prometheus-operator/prometheus-operator@v0.85.0"

// InstallPrometheusOperatorCRDs makes the API server know PrometheusRules and ServiceMonitors.
func (c *ControlPlane) InstallPrometheusOperatorCRDs() {
	c.t.Helper()
	dir := c.moduleDir(".", prometheusOperator)
	for _, crd := range []string{"prometheusrules", "servicemonitors"} {
		c.Kubectl("apply", "--server-side", "-f", filepath.Join(dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+crd+".yaml"))
		c.Kubectl("wait", "--for=condition=Established", "crd/"+crd+".monitoring.coreos.com")
	}
}
