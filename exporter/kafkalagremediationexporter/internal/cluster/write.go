package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

var (
	workloads = map[string]schema.GroupVersionResource{
		Deployment:  {Group: "apps", Version: "v1", Resource: "deployments"},
		StatefulSet: {Group: "apps", Version: "v1", Resource: "statefulsets"},
	}
	horizontalPodAutoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v1", Resource: "horizontalpodautoscalers"}
	scaledObjects            = schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
)

// restartedAt is the annotation of the pod template that kubectl rollout restart sets.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// object is one that may be changed, at the version that was read.
type object struct {
	resource              schema.GroupVersionResource
	kind, namespace, name string
	uid                   types.UID
	version               string
	annotations           map[string]string
}

func objectOf(resource schema.GroupVersionResource, kind string, m metav1.ObjectMeta) object {
	return object{resource, kind, m.Namespace, m.Name, m.UID, m.ResourceVersion, m.Annotations}
}

// Write does what was decided about a target, together with the record of it. IsConflict reports whether the target has
// changed since it was read; then nothing was written.
func (c *Cluster) Write(ctx context.Context, o *Observed, d ladder.Decision) error {
	at, spec := o.workload, map[string]any(nil)
	switch d.Verb {
	case ladder.Nothing:
		return nil
	case ladder.Remember:
		if d.Reason == ladder.Doubt && o.copied != nil { // else it would stay in doubt for ever
			idle := d.Record
			idle.Raised = o.Memory.Autoscaler.Raised
			if err := c.patch(ctx, *o.copied, nil, idle); err != nil {
				return err
			}
		}
	case ladder.RestartNow:
		annotations := map[string]any{restartedAt: d.Record.Checked.Format(time.RFC3339)}
		spec = map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": annotations}}}
	case ladder.SetScale, ladder.RestoreScale:
		at = o.scaled
		spec = map[string]any{scaleKeys[at.kind]: d.Scale}
		if d.Unset {
			spec[scaleKeys[at.kind]] = nil
		}
	}
	return c.patch(ctx, at, spec, d.Record)
}

// scaleKeys are the fields of specs that SetScale changes.
var scaleKeys = map[string]string{
	Deployment: "replicas", StatefulSet: "replicas", "HorizontalPodAutoscaler": "minReplicas", "ScaledObject": "minReplicaCount",
}

// WriteRecord writes a record on the workload of a target, and nothing else.
func (c *Cluster) WriteRecord(ctx context.Context, o *Observed, r ladder.Record) error {
	return c.patch(ctx, o.workload, nil, r)
}

func (c *Cluster) patch(ctx context.Context, at object, spec map[string]any, r ladder.Record) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	annotations := map[string]any{RecordAnnotation: r.String()}
	if before := at.annotations[RecordAnnotation]; before != "" {
		if _, err := ladder.ParseRecord(before); err != nil {
			annotations[SetAsideAnnotation] = before
		}
	}
	patch := map[string]any{"metadata": map[string]any{
		"uid": at.uid, "resourceVersion": at.version, "annotations": annotations,
	}}
	if spec != nil {
		patch["spec"] = spec
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = c.dynamic.Resource(at.resource).Namespace(at.namespace).
		Patch(ctx, at.name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: "kafkalagremediation"})
	return explain(fmt.Sprintf("changing %s %s/%s", at.kind, at.namespace, at.name), err)
}

// IsConflict reports whether a write was rejected because the object has changed, or is another one of the same name.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// IsNotFound reports whether the target does not exist.
func IsNotFound(err error) bool { return apierrors.IsNotFound(err) }

// IsOfTarget reports whether an error is one of the target, such as that it does not exist, and not of the API server.
func IsOfTarget(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsConflict(err) || apierrors.IsBadRequest(err)
}

// explain says what was being done, and what to do about the error. It keeps nil.
func explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w; give the collector's ServiceAccount the rights of deploy/kubernetes/components/remediation in that namespace", doing, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w; correct targets, or create it", doing, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}
