package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workload is what a Deployment and a StatefulSet have in common.
type workload struct {
	meta     metav1.ObjectMeta
	selector *metav1.LabelSelector // of a Deployment, whose ReplicaSets hold copies of the record
	paused   bool
	partial  string // the strategy, if a new template does not restart all pods
	replicas int32

	observed, updated, available, total int64
}

func (c *Cluster) workload(ctx context.Context, t Target) (*workload, error) {
	for _, name := range []string{t.Namespace, t.Name} {
		if problems := content.IsPathSegmentName(name); name == "" || len(problems) > 0 { // client-go has no kind of error for it
			return nil, explain("reading "+t.String(), apierrors.NewBadRequest(fmt.Sprintf("%q is no name; correct targets", name)))
		}
	}
	switch t.Kind {
	case Deployment:
		d, err := c.typed.AppsV1().Deployments(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, explain("reading "+t.String(), err)
		}
		return &workload{
			meta: d.ObjectMeta, selector: d.Spec.Selector, paused: d.Spec.Paused, replicas: orOne(d.Spec.Replicas),
			observed: d.Status.ObservedGeneration, updated: int64(d.Status.UpdatedReplicas),
			available: int64(d.Status.AvailableReplicas), total: int64(d.Status.Replicas),
		}, nil
	case StatefulSet:
		s, err := c.typed.AppsV1().StatefulSets(t.Namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, explain("reading "+t.String(), err)
		}
		w := &workload{
			meta: s.ObjectMeta, replicas: orOne(s.Spec.Replicas), partial: partial(s.Spec.UpdateStrategy),
			observed: s.Status.ObservedGeneration, updated: int64(s.Status.UpdatedReplicas),
			available: int64(s.Status.AvailableReplicas), total: int64(s.Status.Replicas),
		}
		if s.Status.CurrentRevision == s.Status.UpdateRevision { // then the controller stops counting updated pods
			w.updated = w.total
		}
		return w, nil
	default:
		return nil, fmt.Errorf("%s: a target must be a Deployment or a StatefulSet", t)
	}
}

func orOne(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

// partial returns the part of a StatefulSet's strategy that keeps a new template from restarting all pods, if there is one.
func partial(s appsv1.StatefulSetUpdateStrategy) string {
	switch {
	case s.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return "OnDelete"
	case s.RollingUpdate != nil && s.RollingUpdate.Partition != nil && *s.RollingUpdate.Partition > 0:
		return "with a partition"
	default:
		return ""
	}
}

// off returns why a workload is left alone, and nothing if it is not.
func (w *workload) off() string {
	switch {
	case w.meta.Annotations[DisabledAnnotation] == "true":
		return "its annotation " + DisabledAnnotation + " says so"
	case w.meta.DeletionTimestamp != nil:
		return "it is being deleted"
	case w.paused:
		return "its rollout is paused"
	case w.partial != "":
		return "its pods are not all restarted by a new template (updateStrategy " + w.partial + ")"
	default:
		return ""
	}
}

// unsettled returns why an action has to wait, and nothing if it has not.
func (w *workload) unsettled() string {
	replicas := int64(w.replicas)
	switch {
	case w.observed < w.meta.Generation:
		return "its controller has not seen the last change"
	case w.updated < replicas || w.total > replicas:
		return fmt.Sprintf("a rollout is in progress: %d of %d pods are updated", w.updated, replicas)
	case w.available < replicas:
		return fmt.Sprintf("%d of %d pods are available", w.available, replicas)
	default:
		return ""
	}
}

// readOlderCopies looks for a newer record in the ReplicaSets of a Deployment. The controller copies the annotations of a
// Deployment to its current ReplicaSet, and kubectl rollout undo puts those of the older ReplicaSet back on the Deployment:
// the record there is an old one then, or is gone.
func (c *Cluster) readOlderCopies(ctx context.Context, o *Observed, w *workload) error {
	if w.selector == nil {
		return nil
	}
	selector := metav1.FormatLabelSelector(w.selector)
	sets, err := c.typed.AppsV1().ReplicaSets(w.meta.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return explain("listing the ReplicaSets of "+w.meta.Namespace+"/"+w.meta.Name, err)
	}
	for i := range sets.Items {
		s := &sets.Items[i]
		if !metav1.IsControlledBy(s, &w.meta) {
			continue
		}
		if r, err := record(s.Annotations); err == nil && r.Sequence > o.Memory.Workload.Sequence {
			o.Memory.Workload = r
		}
	}
	return nil
}
