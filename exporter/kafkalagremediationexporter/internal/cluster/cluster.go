// Package cluster reads and changes the targets of the ladder on Kubernetes: workloads, and the autoscalers that own their
// replicas.
//
// Each change is one merge PATCH that holds the action and its record, with metadata.resourceVersion as the precondition
// (Kubernetes API conventions, "Concurrency Control and Consistency"). The API server answers 409 if the object has changed
// since it was read, so no action happens without its record, and none happens twice.
package cluster

import (
	"context"
	"fmt"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

const (
	// RecordAnnotation holds the record, as JSON, on the workload, and on its autoscaler if that was changed.
	RecordAnnotation = "kafkalagremediation/record"
	// SetAsideAnnotation holds a record that could not be read, for people.
	SetAsideAnnotation = "kafkalagremediation/record-set-aside"
	// DisabledAnnotation on a workload, with the value "true", makes the ladder leave it alone.
	DisabledAnnotation = "kafkalagremediation/disabled"

	// callTimeout limits one call to the API server.
	callTimeout = 10 * time.Second
	// The API server is asked for a few objects of each target that breaches.
	callsPerSecond, burst = 20, 40
)

// Kinds of workloads.
const (
	Deployment  = "Deployment"
	StatefulSet = "StatefulSet"
)

// Target names a workload.
type Target struct {
	Namespace, Kind, Name string
}

func (t Target) String() string { return t.Namespace + "/" + t.Kind + "/" + t.Name }

// Cluster is a Kubernetes cluster. It is safe for concurrent use.
type Cluster struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
}

// New returns the cluster of a kubeconfig file, or the one that the process runs in if the path is empty.
func New(kubeconfig string) (*Cluster, error) {
	find := rest.InClusterConfig
	if kubeconfig != "" {
		find = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	config, err := find()
	if err != nil {
		return nil, fmt.Errorf("finding the Kubernetes API: %w; outside a cluster, set kubeconfig to a file", err)
	}
	config.QPS, config.Burst, config.UserAgent = callsPerSecond, burst, "kafkalagremediation"
	return forConfig(config)
}

func forConfig(config *rest.Config) (*Cluster, error) {
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Cluster{typed: typed, dynamic: dyn}, nil
}

// Typed returns the client for everything but targets, such as Events and Leases.
func (c *Cluster) Typed() kubernetes.Interface { return c.typed }

// Observed is a target as it was read.
type Observed struct {
	Memory     ladder.Memory
	Generation int64
	Doubt      string // as in ladder.Situation
	Off        string
	Empty      bool
	Unsettled  string
	Scale      *ladder.Scale

	UID      types.UID // of the workload
	workload object
	scaled   object  // what Scale describes; the workload itself without an autoscaler
	copied   *object // the autoscaler, if it has a record
}

// Reference returns what Events are about.
func (o *Observed) Reference() *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: "apps/v1", Kind: o.workload.kind, Namespace: o.workload.namespace, Name: o.workload.name,
		UID: o.UID, ResourceVersion: o.workload.version,
	}
}

// Read reads a target. Its errors name what could not be read, and the right that is missing, if one is.
func (c *Cluster) Read(ctx context.Context, t Target) (*Observed, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w, err := c.workload(ctx, t)
	if err != nil {
		return nil, err
	}
	o := &Observed{
		UID: w.meta.UID, Generation: w.meta.Generation, Off: w.off(), Empty: w.replicas == 0, Unsettled: w.unsettled(),
		workload: objectOf(workloads[t.Kind], t.Kind, w.meta),
	}
	if o.Memory.Workload, err = record(w.meta.Annotations); err != nil {
		o.doubt(t.Kind, err)
	}
	if err := c.readOlderCopies(ctx, o, w); err != nil {
		return nil, err
	}
	o.scaled, o.Scale = o.workload, &ladder.Scale{Value: w.replicas, Replicas: w.replicas}
	return o, c.readAutoscaler(ctx, t, o)
}

func (o *Observed) doubt(kind string, err error) {
	o.Doubt = fmt.Sprintf("the record on the %s cannot be used: %v", kind, err)
}

func record(annotations map[string]string) (ladder.Record, error) {
	return ladder.ParseRecord(annotations[RecordAnnotation])
}

// readAutoscaler finds what owns the replicas of a target.
func (c *Cluster) readAutoscaler(ctx context.Context, t Target, o *Observed) error {
	hpa, err := c.horizontalPodAutoscaler(ctx, t)
	if err != nil {
		return err
	}
	scaled, err := c.scaledObject(ctx, t)
	switch {
	case err != nil:
		return err
	case scaled != nil && hpa == nil: // paused: KEDA has deleted its HPA, and the replicas are not ours
		o.Scale = nil
		o.readMemory(scaled.object)
	case scaled != nil:
		o.scaled = scaled.object
		o.Scale = &ladder.Scale{Autoscaler: true, Value: scaled.minimum, Replicas: o.Scale.Replicas, Max: scaled.maximum, Unset: scaled.unset}
		o.readMemory(scaled.object)
	case hpa != nil:
		o.scaled = objectOf(horizontalPodAutoscalers, "HorizontalPodAutoscaler", hpa.ObjectMeta)
		o.Scale = &ladder.Scale{Autoscaler: true, Value: minimum(hpa), Replicas: o.Scale.Replicas, Max: hpa.Spec.MaxReplicas}
		o.readMemory(o.scaled)
	}
	return nil
}

// readMemory reads the record of an autoscaler.
func (o *Observed) readMemory(autoscaler object) {
	if autoscaler.annotations[RecordAnnotation] != "" {
		o.copied = &autoscaler
	}
	var err error
	if o.Memory.Autoscaler, err = record(autoscaler.annotations); err != nil {
		o.doubt(autoscaler.kind, err)
	}
}

func minimum(hpa *autoscalingv1.HorizontalPodAutoscaler) int32 {
	if hpa.Spec.MinReplicas == nil {
		return 1 // the API's default
	}
	return *hpa.Spec.MinReplicas
}
