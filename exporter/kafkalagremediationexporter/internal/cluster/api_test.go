package cluster

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	deployments  = "/apis/apps/v1/namespaces/shop/deployments/orders"
	statefulSets = "/apis/apps/v1/namespaces/shop/statefulsets/orders"
	replicaSets  = "/apis/apps/v1/namespaces/shop/replicasets"
	hpas         = "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers"
	keda         = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects"

	// ready is a Deployment with two pods that is settled.
	ready = `{"metadata":{"name":"orders","namespace":"shop","uid":"u1","resourceVersion":"11","generation":3},
		"spec":{"replicas":2,"selector":{"matchLabels":{"app":"orders"}}},
		"status":{"observedGeneration":3,"replicas":2,"updatedReplicas":2,"availableReplicas":2}}`
	hpa = `{"items":[
		{"metadata":{"name":"other"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"other"},"minReplicas":7,"maxReplicas":9}},
		{"metadata":{"name":"orders-hpa","namespace":"shop","uid":"u2","resourceVersion":"22"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"orders"},"maxReplicas":6}}]}`
	scaled = `{"kind":"ScaledObjectList","apiVersion":"keda.sh/v1alpha1","items":[{"kind":"ScaledObject","apiVersion":"keda.sh/v1alpha1",
		"metadata":{"name":"orders-so","namespace":"shop","uid":"u3","resourceVersion":"33"},"spec":{"scaleTargetRef":{"name":"orders"},"minReplicaCount":1}}]}`
)

// api is an API server with fixed answers. Lists that it has no answer for are empty, and KEDA is not installed.
type api struct {
	answers map[string]string // by path
	status  map[string]int    // by path; the answer is a Status then
	patches []patch
}

type patch struct {
	path string
	body map[string]any
}

// serve returns an API server and a client of it.
func serve(t *testing.T, answers map[string]string) (*api, *Cluster) {
	t.Helper()
	a := &api{answers: map[string]string{
		deployments: ready, replicaSets: `{"items":[]}`, hpas: `{"items":[]}`,
	}, status: map[string]int{}}
	for path, answer := range answers {
		a.answers[path] = answer
	}
	server := httptest.NewServer(a.handler(t))
	t.Cleanup(server.Close)
	c, err := forConfig(&rest.Config{
		Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return limited{t, next} },
	})
	require.NoError(t, err)
	return a, c
}

// limited checks that an API server that hangs does not hold up the ladder.
type limited struct {
	t    *testing.T
	next http.RoundTripper
}

func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	_, found := req.Context().Deadline()
	assert.True(l.t, found, "%s %s has no time limit", req.Method, req.URL.Path)
	return l.next.RoundTrip(req)
}

func (a *api) handler(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if req.URL.Path == replicaSets {
			assert.Equal(t, "app=orders", req.URL.Query().Get("labelSelector"))
		}
		answer, found := a.answers[req.URL.Path]
		status := a.status[req.Method+" "+req.URL.Path]
		if !found && status == 0 && req.Method == http.MethodGet {
			status = http.StatusNotFound
		}
		if status != 0 {
			w.WriteHeader(status)
			reason := map[int]string{403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}[status]
			answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"` + reason + `","message":"no"}`
		} else if req.Method == http.MethodPatch {
			body, err := io.ReadAll(req.Body)
			assert.NoError(t, err)
			p := patch{path: req.URL.Path}
			assert.NoError(t, json.Unmarshal(body, &p.body))
			assert.Equal(t, "application/merge-patch+json", req.Header.Get("Content-Type"))
			assert.Equal(t, "kafkalagremediation", req.URL.Query().Get("fieldManager"))
			a.patches = append(a.patches, p)
			answer = `{"kind":"Any","apiVersion":"v1"}`
		}
		_, _ = w.Write([]byte(answer))
	}
}

// orders is the target of all tests.
var orders = Target{Namespace: "shop", Kind: Deployment, Name: "orders"}
