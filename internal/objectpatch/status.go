package objectpatch

import (
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Owner is a field manager of server-side apply: the one writer of the fields that it applies.
type Owner string

// The owners of fields on the host. ARCHITECTURE.md lists which fields each of them writes.
const (
	// PropagationOwner writes most of bindings' specs and policies' statuses.
	PropagationOwner Owner = "flotilla-propagation"
	// SchedulingOwner writes bindings' clusters and the condition Scheduled.
	SchedulingOwner Owner = "flotilla-scheduling"
	// AggregationOwner writes bindings' aggregated status and templates' status.
	AggregationOwner Owner = "flotilla-aggregation"
	// RebalanceOwner writes bindings' rescheduleTriggeredAt and WorkloadRebalancers' status.
	RebalanceOwner Owner = "flotilla-rebalance"
	// DeschedulingOwner writes bindings' replicaLimits.
	DeschedulingOwner Owner = "flotilla-descheduling"
	// EvictionOwner writes bindings' gracefulEvictionTasks.
	EvictionOwner Owner = "flotilla-eviction"
	// OverridesOwner writes override policies' status.
	OverridesOwner Owner = "flotilla-overrides"
	// InterpretationOwner writes ResourceInterpreters' status.
	InterpretationOwner Owner = "flotilla-interpretation"
	// DependenciesOwner writes bindings' requiredBy.
	DependenciesOwner Owner = "flotilla-dependencies"
	// WrappingOwner writes the conditions of ResourceTemplates and ClusterResourceTemplates.
	WrappingOwner Owner = "flotilla-wrapping"
	// ClusterOwner writes Clusters' status.
	ClusterOwner Owner = "flotilla-cluster"
	// ExecutionOwner writes the condition Remembered of Clusters.
	ExecutionOwner Owner = "flotilla-execution"
	// TaintingOwner writes the taints on Clusters that are Flotilla's own, what their status says of taints, and
	// ClusterTaintPolicies' status.
	TaintingOwner Owner = v1alpha1.TaintingManager
)

// ApplyStatus applies, as owner, exactly the fields of status that are set, and so takes back the fields
// that this owner applied before and that are not set now. Other owners' fields stay. The object must
// exist; its UID is a precondition, so that a namesake created meanwhile is not written to.
func ApplyStatus(ctx context.Context, c client.Client, obj client.Object, owner Owner, status any) error {
	_, err := ApplyStatusVersion(ctx, c, obj, owner, status)
	return err
}

// ApplyStatusVersion is ApplyStatus, and returns the resource version that the object has now.
func ApplyStatusVersion(ctx context.Context, c client.Client, obj client.Object, owner Owner, status any) (string, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status)
	if err != nil {
		return "", fmt.Errorf("converting the status of %s: %w", obj.GetName(), err)
	}
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return "", fmt.Errorf("finding the kind of %s: %w", obj.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"status": fields}}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(obj.GetNamespace())
	u.SetName(obj.GetName())
	u.SetUID(obj.GetUID())
	err = c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(owner), client.ForceOwnership)
	if err != nil {
		return "", fmt.Errorf("applying the status of %s %s: %w", gvk.Kind, client.ObjectKeyFromObject(obj), err)
	}
	return u.GetResourceVersion(), nil
}

// MergeStatus changes an object's status from what it holds to want, in one merge patch that names only
// what differs. It reports whether it wrote.
func MergeStatus(ctx context.Context, c client.Client, obj *unstructured.Unstructured, want map[string]any) (bool, error) {
	have, _, err := unstructured.NestedMap(obj.Object, "status")
	if err != nil {
		return false, fmt.Errorf("reading the status of %s: %w", obj.GetName(), err)
	}
	patch, err := mergePatch(obj.GetUID(), have, want)
	if err != nil || patch == nil {
		return false, err
	}
	target := &unstructured.Unstructured{}
	target.SetGroupVersionKind(obj.GroupVersionKind())
	target.SetNamespace(obj.GetNamespace())
	target.SetName(obj.GetName())
	if err := c.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(AggregationOwner)); err != nil {
		return false, fmt.Errorf("patching the status of %s %s: %w", obj.GetKind(), client.ObjectKeyFromObject(obj), err)
	}
	return true, nil
}

// mergePatch is nil when nothing differs. The UID makes sure that a namesake created meanwhile is not written to.
func mergePatch(uid types.UID, have, want map[string]any) ([]byte, error) {
	if have == nil {
		have = map[string]any{}
	}
	old, err := json.Marshal(map[string]any{"status": have})
	if err != nil {
		return nil, fmt.Errorf("encoding the old status: %w", err)
	}
	changed, err := json.Marshal(map[string]any{"status": want})
	if err != nil {
		return nil, fmt.Errorf("encoding the new status: %w", err)
	}
	patch, err := jsonpatch.CreateMergePatch(old, changed)
	if err != nil {
		return nil, fmt.Errorf("comparing the old and the new status: %w", err)
	}
	if string(patch) == "{}" {
		return nil, nil
	}
	return jsonpatch.MergeMergePatches(patch, fmt.Appendf(nil, `{"metadata":{"uid":%q}}`, uid))
}
