// Package e2e runs the shipped files of deploy/ on a real control plane: CloudMonitor
// (simulated), the collector, Prometheus, prometheus-adapter, the HPA controller and
// Alertmanager.
package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/chain"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

const (
	instance = "alikafka_post-cn-demo0001" // as in the shipped files
	other    = "alikafka_post-cn-demo0002"
)

// rig is the whole chain.
type rig struct {
	*chain.ControlPlane
	t              *testing.T
	cms            *harness.CMS
	prometheus     *harness.Prometheus
	lags           *lags
	collector      *harness.Collector
	startCollector func() *harness.Collector
}

func deployFile(path ...string) string {
	return filepath.Join(append([]string{harness.Root(), "deploy"}, path...)...)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func startRig(t *testing.T, alertmanager string) *rig {
	t.Helper()
	r := &rig{t: t, cms: harness.StartCMS(t, cmssim.Scenario{})}
	telemetry := harness.FreeAddress(t)
	r.prometheus = harness.StartPrometheus(t, prometheusConfig(t, telemetry, alertmanager))
	r.startCollector = func() *harness.Collector {
		_, port, _ := strings.Cut(telemetry, ":")
		return harness.StartCollector(t, r.cms, "prometheus-remote-write.yaml", harness.Quick,
			"PROMETHEUS_REMOTE_WRITE_URL="+r.prometheus.URL+"/api/v1/write", "TELEMETRY_PORT="+port)
	}
	r.lags = publishLags(t, r.cms)
	r.collector = r.startCollector()
	r.ControlPlane = chain.StartControlPlane(t)
	r.StartAdapter(adapterConfig(t), r.prometheus.URL)
	return r
}

// prometheusConfig is the shipped configuration with the rules beside it, on loopback and
// quicker.
func prometheusConfig(t *testing.T, telemetry, alertmanager string) string {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Glob(deployFile("prometheus", "*.rules.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, rules)
	for _, file := range rules {
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(read(t, file)), 0o600))
	}
	config := strings.NewReplacer(
		"otelcol-aliyunkafkalag.monitoring.svc:8888", telemetry,
		"alertmanager.monitoring.svc:9093", alertmanager,
		"_interval: 15s", "_interval: 1s",
	).Replace(read(t, deployFile("prometheus", "prometheus.yaml")))
	file := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	return file
}

// adapterConfig is the shipped configuration with the rules for renamed metrics appended,
// as their file says.
func adapterConfig(t *testing.T) string {
	t.Helper()
	_, renamed, ok := strings.Cut(read(t, deployFile("prometheus-adapter", "renamed-metrics.yaml")), "externalRules:\n")
	require.True(t, ok)
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(read(t, deployFile("prometheus-adapter", "config.yaml"))+renamed), 0o600))
	return file
}

// lags are the lags of consumer groups, published once a second.
type lags struct {
	mu     sync.Mutex
	values map[[2]string]float64
}

func publishLags(t *testing.T, cms *harness.CMS) *lags {
	t.Helper()
	l := &lags{values: map[[2]string]float64{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				l.publish(cms, now.Truncate(time.Millisecond))
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l
}

func (l *lags) publish(cms *harness.CMS, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	points := make([]cmssim.Point, 0, len(l.values))
	for key, lag := range l.values {
		points = append(points, cmssim.Point{
			Timestamp: now, InstanceID: key[0], ConsumerGroup: key[1], Statistics: map[string]float64{"Value": lag},
		})
	}
	if err := cms.AddPoints(points...); err != nil {
		panic(err) // the test's own points
	}
}

func (l *lags) set(instance, group string, lag float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values[[2]string{instance, group}] = lag
}

func (l *lags) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.values)
}
