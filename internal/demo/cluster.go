package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// cluster is an imitation of the Kubernetes API on a loopback port: what the ladder reads of the
// consumers of the story. It refuses every write, and remembers the first.
type cluster struct {
	server *http.Server
	folder string // of the kubeconfig file

	once    sync.Once
	write   string        // the first one, set before written is closed
	written chan struct{} // closed after the first write
}

func startCluster(ctx context.Context) (*cluster, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", anyAddress)
	if err != nil {
		return nil, err
	}
	c := &cluster{written: make(chan struct{})}
	c.server = &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	if c.folder, err = writeKubeconfig("http://" + listener.Addr().String()); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	go func() { _ = c.server.Serve(listener) }() // ends with stop
	return c, nil
}

// kubeconfigFile is the name of the file in the folder of the cluster.
const kubeconfigFile = "kubeconfig"

// writeKubeconfig writes a kubeconfig file into a new folder, and returns the folder.
func writeKubeconfig(url string) (string, error) {
	folder, err := os.MkdirTemp("", "demo-ladder")
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: demo, cluster: {server: %q}}]
users: [{name: demo}]
contexts: [{name: demo, context: {cluster: demo, user: demo}}]
current-context: demo
`, url)
	if err := os.WriteFile(filepath.Join(folder, kubeconfigFile), []byte(text), 0o600); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	return folder, nil
}

// env is what the collector needs to know of it.
func (c *cluster) env() []string {
	return []string{"DEMO_KUBECONFIG=" + filepath.Join(c.folder, kubeconfigFile)}
}

func (c *cluster) stop() {
	_ = c.server.Close() // nothing is left to save
	_ = os.RemoveAll(c.folder)
}

// failure is an error if something was to be changed, which a dry run must not try.
func (c *cluster) failure() error {
	select {
	case <-c.written:
		return fmt.Errorf("the collector tried to change the cluster in a dry run: %s", c.write)
	default:
		return nil
	}
}

func (c *cluster) handler() http.Handler {
	reads := http.NewServeMux()
	reads.HandleFunc("/apis/apps/v1/namespaces/"+namespace+"/deployments/{name}", getDeployment)
	reads.HandleFunc("/apis/apps/v1/namespaces/"+namespace+"/replicasets", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, appsv1.ReplicaSetList{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSetList"}})
	})
	reads.HandleFunc("/apis/autoscaling/v1/namespaces/"+namespace+"/horizontalpodautoscalers", listAutoscalers)
	reads.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { // KEDA is not installed, either
		reject(w, http.StatusNotFound, metav1.StatusReasonNotFound, r.URL.Path+" is not imitated")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			c.once.Do(func() {
				c.write = r.Method + " " + r.URL.Path
				close(c.written)
			})
			reject(w, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed, "the imitation can only be read")
			return
		}
		reads.ServeHTTP(w, r)
	})
}

func getDeployment(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	for _, c := range consumers {
		if c.deployment == name {
			reply(w, http.StatusOK, c.object())
			return
		}
	}
	reject(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("deployments.apps %q not found", name))
}

func listAutoscalers(w http.ResponseWriter, _ *http.Request) {
	list := autoscalingv1.HorizontalPodAutoscalerList{
		TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v1", Kind: "HorizontalPodAutoscalerList"},
		ListMeta: metav1.ListMeta{ResourceVersion: "1"},
	}
	for _, c := range consumers {
		if c.maximum > 0 {
			list.Items = append(list.Items, c.autoscaler())
		}
	}
	reply(w, http.StatusOK, list)
}

// object is the Deployment of a consumer, all of whose pods run.
func (c consumer) object() appsv1.Deployment {
	wanted := int32(replicas)
	return appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: c.meta("deployment"),
		Spec: appsv1.DeploymentSpec{
			Replicas: &wanted,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": c.deployment}},
		},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas,
		},
	}
}

func (c consumer) autoscaler() autoscalingv1.HorizontalPodAutoscaler {
	return autoscalingv1.HorizontalPodAutoscaler{
		ObjectMeta: c.meta("autoscaler"),
		Spec: autoscalingv1.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: c.deployment},
			MinReplicas:    &c.minimum, MaxReplicas: c.maximum,
		},
	}
}

func (c consumer) meta(what string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: c.deployment, UID: types.UID(what + "-" + c.deployment), ResourceVersion: "1", Generation: 1,
	}
}

func reject(w http.ResponseWriter, code int32, reason metav1.StatusReason, message string) {
	reply(w, int(code), metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the collector has gone if that fails
}
