package kafkalagremediationexporter

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadata"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/metadatatest"
)

// TestNextTerm: another process may have acted between two terms of a leader, so a target that was idle is read at once.
func TestNextTerm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		orders := w.cluster.add("orders")
		orders.autoscaler, orders.maximum = &fakeObject{value: 1}, 9
		const yaml = byConvention + "stages: [{scale_up: {replicas: 2}}]"
		p, other := w.process(yaml), w.process(yaml)
		p.lag(low, "orders")
		p.passes()

		w.at(10)
		other.lag(high, "orders")
		other.passes()
		require.Equal(t, int32(4), orders.autoscaler.value)

		w.at(20)
		term, end := context.WithCancel(t.Context())
		end()
		p.runner.run(term)
		p.lag(low, "orders")
		p.passes()
		assert.Equal(t, int32(1), orders.autoscaler.value)
		metadatatest.AssertEqualExporterKafkalagremediationStage(t, p.telemetry, []metricdata.DataPoint[int64]{
			stageOf("shop/Deployment/orders", 0),
		}, metricdatatest.IgnoreTimestamp())
		p.runner.run(term)
		_, err := p.telemetry.GetMetric("otelcol_exporter_kafkalagremediation_stage")
		assert.Error(t, err, "the stage is that of the next leader")
	})
}

// TestWhatOthersDidInTheirTerm: max_actions_per_hour counts it before the new leader acts.
func TestWhatOthersDidInTheirTerm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("a")
		w.cluster.add("b")
		const yaml = byConvention + "max_actions_per_hour: 1"
		p, other := w.process(yaml), w.process(yaml)
		p.lag(low, "a", "b")
		p.passes()
		w.at(10)
		other.lag(high, "b")
		other.passes()
		require.Equal(t, "restart b", w.cluster.written()[0])

		w.at(20)
		term, end := context.WithCancel(t.Context())
		end()
		p.runner.run(term)
		p.lag(high, "a", "b")
		p.passes()
		assert.Empty(t, w.cluster.written())
	})
}

// TestGoneBetweenTerms: a target that breached in the last term, and has no lag any more, does not hold back the others.
func TestGoneBetweenTerms(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("gone")
		w.cluster.add("orders")
		p := w.process(byConvention)
		p.lag(high, "gone")
		p.passes()
		require.Equal(t, "restart gone", w.cluster.written()[0])

		w.now = w.now.Add(ladder.ForgetAfter + time.Minute)
		term, end := context.WithCancel(t.Context())
		end()
		p.runner.run(term)
		p.lag(high, "orders")
		p.passes()
		assert.Equal(t, []string{"restart orders", "record orders"}, w.cluster.written())
	})
}

// TestRunMakesPasses: as often as a breach needs, and more often if the checks are close together.
func TestRunMakesPasses(t *testing.T) {
	for interval, pause := range map[string]time.Duration{"10m": longestTick, "4s": time.Second} {
		inWorld(t, func(t *testing.T, w *world) {
			w.cluster.add("orders")
			p := w.process(byConvention + "check_interval: " + interval)
			p.lag(high, "orders")
			term, end := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				p.runner.run(term)
			}()
			time.Sleep(2*pause + pause/2)
			end()
			<-ended
			assert.Equal(t, []string{"restart orders"}, w.cluster.written(), interval)
		})
	}
}

// leaseAPI is an API server that has one Lease, or is away.
type leaseAPI struct {
	t     *testing.T
	mu    sync.Mutex
	lease []byte
	away  bool
}

func (l *leaseAPI) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const path = "/apis/coordination.k8s.io/v1/namespaces/monitoring/leases"
	w.Header().Set("Content-Type", "application/json")
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		assert.NoError(l.t, err)
	}
	switch {
	case l.away:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case req.Method == http.MethodPost:
		assert.Equal(l.t, path, req.URL.Path)
		l.lease = body
	case req.Method == http.MethodPut:
		l.lease = body
	case l.lease == nil:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		return
	}
	if req.Method != http.MethodPost {
		assert.Equal(l.t, path+"/ladder", req.URL.Path)
	}
	_, _ = w.Write(l.lease)
}

func (l *leaseAPI) setAway(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

// TestElection: one of two acts. It stands for election again after the API server was away, and the other takes over at
// once when it ends.
func TestElection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.cluster.add("orders")
		api := &leaseAPI{t: t}
		client, err := kubernetes.NewForConfigAndClient(
			&rest.Config{ContentConfig: rest.ContentConfig{ContentType: "application/json"}}, &http.Client{Transport: inProcess{api}})
		require.NoError(t, err)
		elect := func(p *process) (end func()) {
			p.lag(high, "orders")
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				runElected(ctx, client, LeaderElectionConfig{Namespace: "monitoring", Lease: "ladder"}, p.runner)
			}()
			return func() {
				cancel()
				<-ended
			}
		}
		terms := func(p *process) int { return p.logs.FilterMessage("Is the leader now").Len() }
		first, second := w.process(byConvention), w.process(byConvention)
		endFirst := elect(first)
		time.Sleep(3 * longestTick)
		assert.Equal(t, 1, terms(first))
		api.setAway(true)
		time.Sleep(2 * leaseDuration)
		api.setAway(false)
		time.Sleep(2 * leaseDuration)
		assert.Equal(t, 2, terms(first))

		endSecond := elect(second)
		time.Sleep(2 * leaseDuration)
		assert.Zero(t, terms(second))
		assert.Equal(t, []string{"restart orders", "record orders"}, w.cluster.written())
		endFirst()
		time.Sleep(3 * retryPeriod)
		assert.Equal(t, 1, terms(second))
		endSecond()
	})
}

// TestDryRunNeedsNoLease: a dry run only reads, and writing the Lease would be a write. The others wait for it.
func TestDryRunNeedsNoLease(t *testing.T) {
	for dryRun, want := range map[string]string{
		"true":  "GET /apis/apps/v1/namespaces/shop/deployments/orders",
		"false": "GET /apis/coordination.k8s.io/v1/namespaces/monitoring/leases/kafkalagremediation",
	} {
		t.Run(dryRun, func(t *testing.T) {
			requests := make(chan string, 100)
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				requests <- req.Method + " " + req.URL.Path
				w.WriteHeader(http.StatusNotFound)
			}))
			t.Cleanup(api.Close)
			kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
			require.NoError(t, os.WriteFile(kubeconfig, []byte("{clusters: [{name: c, cluster: {server: '"+api.URL+"'}}], contexts: [{name: c, context: {cluster: c}}], current-context: c}"), 0o600))
			cfg := configFromYAML(t, oneTarget+"check_interval: 1s\nleader_election: {namespace: monitoring}\nkubeconfig: "+kubeconfig+"\ndry_run: "+dryRun)
			require.NoError(t, confmap.Validate(cfg))
			e, err := newExporter(cfg, exportertest.NewNopSettings(metadata.Type))
			require.NoError(t, err)
			require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
			require.NoError(t, e.ConsumeMetrics(t.Context(), gauge(metricName, func(p pmetric.NumberDataPoint) {
				p.Attributes().PutStr(attributeGroup, "orders")
				p.SetDoubleValue(low)
				p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
			})))
			assert.Equal(t, want, <-requests)
			require.NoError(t, e.Shutdown(t.Context()))
		})
	}
}

// failingLock answers with an error, if there is one.
type failingLock struct {
	resourcelock.Interface
	err error
}

func (l *failingLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return nil, nil, l.err
}

func (l *failingLock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return l.err }

func (l *failingLock) Update(context.Context, resourcelock.LeaderElectionRecord) error { return l.err }

// TestLeaseFailures: a process that cannot use the Lease does nothing, so people have to see why.
func TestLeaseFailures(t *testing.T) {
	leases := schema.GroupResource{Resource: "leases"}
	inWorld(t, func(t *testing.T, w *world) {
		p := w.process(byConvention)
		failing := &failingLock{}
		lock := &reportingLock{
			Interface: failing, lease: "monitoring/ladder", logger: p.runner.logger, telemetry: p.runner.telemetry, status: p.runner.status,
		}
		calls := func(err error) {
			failing.err = err
			_, _, _ = lock.Get(t.Context())
			_ = lock.Create(t.Context(), resourcelock.LeaderElectionRecord{})
			_ = lock.Update(t.Context(), resourcelock.LeaderElectionRecord{})
		}
		for _, usual := range []error{
			nil, apierrors.NewNotFound(leases, "ladder"), apierrors.NewConflict(leases, "ladder", errors.New("x")), apierrors.NewAlreadyExists(leases, "ladder"),
		} {
			calls(usual)
		}
		assert.Zero(t, p.logs.Len())
		assert.Empty(t, p.statuses)

		calls(apierrors.NewForbidden(leases, "ladder", errors.New("no rights")))
		logged := p.logs.TakeAll()
		require.Len(t, logged, 1, "the same error is logged once")
		assert.Equal(t, "monitoring/ladder", logged[0].ContextMap()["lease"])
		assert.Contains(t, logged[0].ContextMap()["error"], "no rights; give the collector's ServiceAccount the rights of deploy/kubernetes/components/remediation/leader-election.yaml")
		metadatatest.AssertEqualExporterKafkalagremediationFailures(t, p.telemetry, []metricdata.DataPoint[int64]{
			{Value: 3, Attributes: stageOf("", 0).Attributes},
		}, metricdatatest.IgnoreTimestamp())
		calls(nil)
		assert.Equal(t, []componentstatus.Status{
			componentstatus.StatusRecoverableError, componentstatus.StatusRecoverableError, componentstatus.StatusRecoverableError, componentstatus.StatusOK,
		}, p.statuses)

		ended, end := context.WithCancel(t.Context())
		end()
		failing.err = context.Canceled
		_, _, _ = lock.Get(ended)
		assert.Zero(t, p.logs.Len(), "a shutdown is no failure")
	})
}
