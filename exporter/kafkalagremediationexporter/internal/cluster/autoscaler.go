package cluster

import (
	"context"
	"math"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// kedaMaximum is KEDA's maxReplicaCount where none is written (KEDA, "ScaledObject specification").
const kedaMaximum = 100

// horizontalPodAutoscaler returns the HPA of a target, nil without one. autoscaling/v1 is served by every release of
// Kubernetes, and has all that is needed.
func (c *Cluster) horizontalPodAutoscaler(ctx context.Context, t Target) (*autoscalingv1.HorizontalPodAutoscaler, error) {
	list, err := c.typed.AutoscalingV1().HorizontalPodAutoscalers(t.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, explain("listing the HorizontalPodAutoscalers of "+t.Namespace, err)
	}
	for i := range list.Items {
		if ref := list.Items[i].Spec.ScaleTargetRef; ref.Kind == t.Kind && ref.Name == t.Name {
			return &list.Items[i], nil
		}
	}
	return nil, nil
}

type scaledObject struct {
	object           object
	minimum, maximum int32
	unset            bool // nobody has written a minimum
}

// scaledObject returns KEDA's ScaledObject of a target, nil without one or without KEDA. KEDA puts the spec of its HPA back,
// so it is the ScaledObject whose minimum has to be raised.
func (c *Cluster) scaledObject(ctx context.Context, t Target) (*scaledObject, error) {
	list, err := c.dynamic.Resource(scaledObjects).Namespace(t.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil // KEDA is not installed
	}
	if err != nil {
		return nil, explain("listing the ScaledObjects of "+t.Namespace, err)
	}
	for _, item := range list.Items {
		kind, _, _ := unstructured.NestedString(item.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(item.Object, "spec", "scaleTargetRef", "name")
		if name != t.Name || kind != t.Kind && (kind != "" || t.Kind != Deployment) {
			continue
		}
		minimum, found := count(item, "minReplicaCount")
		maximum, limited := count(item, "maxReplicaCount")
		if !limited {
			maximum = kedaMaximum
		}
		return &scaledObject{
			object: object{
				scaledObjects, item.GetKind(), item.GetNamespace(), item.GetName(), item.GetUID(), item.GetResourceVersion(), item.GetAnnotations(),
			},
			minimum: minimum, maximum: maximum, unset: !found,
		}, nil
	}
	return nil, nil
}

// count returns a number of replicas of a ScaledObject, and false if there is none.
func count(scaled unstructured.Unstructured, key string) (int32, bool) {
	n, found, err := unstructured.NestedInt64(scaled.Object, "spec", key)
	if err != nil || !found || n < 0 || n > math.MaxInt32 {
		return 0, false
	}
	return int32(n), true
}
