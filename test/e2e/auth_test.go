package e2e

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// What a Prometheus may ask for. Shells and configurations could change such a password on its way.
const prometheusUser, prometheusPassword = "LTAIuser", `p$a$$s${s}w"ord`

// TestPrometheusWithPassword: collector and adapter reach a Prometheus that asks for a user and a password, as managed ones
// do, with the files for it.
func TestPrometheusWithPassword(t *testing.T) {
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{}), ControlPlane: chain.StartControlPlane(t)}
	r.prometheus = harness.StartPrometheus(t, prometheusConfig(t, harness.FreeAddress(t), harness.FreeAddress(t)))
	guarded := r.guard()

	collector := harness.StartCollector(t, r.cms, "prometheus-remote-write.yaml",
		harness.Quick+read(t, deployFile("kubernetes", "overlays", "arms", "basic-auth.yaml")),
		"PROMETHEUS_REMOTE_WRITE_URL="+guarded+"/api/v1/write", "REMOTE_WRITE_USERNAME="+prometheusUser, "REMOTE_WRITE_PASSWORD="+strings.ReplaceAll(prometheusPassword, "$", "$$"))
	r.lags = publishLags(t, r.cms)
	r.lags.set(instance, "guarded", 120_000)
	r.awaitLag(instance, "guarded", 120_000)
	assert.NotContains(t, collector.Log(), prometheusPassword)

	auth := filepath.Join(t.TempDir(), "auth.yaml")
	require.NoError(t, os.WriteFile(auth, []byte(`{apiVersion: v1, kind: Config, current-context: p, contexts: [{name: p, context: {cluster: p, user: p}}],
 clusters: [{name: p, cluster: {server: "https://unused"}}], users: [{name: p, user: {username: `+prometheusUser+`, password: '`+prometheusPassword+`'}}]}`), 0o600))
	r.StartAdapter(adapterConfig(t), guarded, "--prometheus-auth-config="+auth)
	r.awaitExternalMetric("default", "kafka_consumer_desired_replicas?labelSelector=consumer_group%3Dguarded", `"value":"3"`)
}

// guard returns the URL of a proxy that asks for the user and the password before it leads to Prometheus.
func (r *rig) guard() string {
	r.t.Helper()
	target, err := url.Parse(r.prometheus.URL)
	require.NoError(r.t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}
	return harness.Backend(r.t, func(w http.ResponseWriter, req *http.Request) {
		if u, p, _ := req.BasicAuth(); u != prometheusUser || p != prometheusPassword {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		assert.Equal(r.t, 1, req.ProtoMajor)
		proxy.ServeHTTP(w, req)
	})
}
