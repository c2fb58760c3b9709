package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// sighting is what one look at a member showed.
type sighting struct {
	// fault is why the member cannot be used; nil when it can.
	fault *memberprobe.ReasonedError
	// identity of the member; empty with a fault.
	identity memberprobe.Identity
	// collected is what the member said about its APIs and capacity; nil when it was not asked.
	collected *collection
}

// collection is what a member says about its APIs and capacity. What it did not say is nil, with the error.
type collection struct {
	discovery    *memberprobe.Discovery
	discoveryErr error
	summary      *memberprobe.Summary
	summaryErr   error
}

// nextStatus is the status after a look. What the look did not show stays as it was.
func nextStatus(cluster *v1alpha1.Cluster, seen sighting, now time.Time, t Timings) v1alpha1.ClusterStatus {
	status := *cluster.Status.DeepCopy()
	status.ObservedGeneration = cluster.Generation
	previous := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	ready, probe := settle(cluster, previous, verdictOf(seen), now, t)
	status.Probe = probe
	set(&status, ready)
	if seen.identity.Version != "" {
		status.KubernetesVersion = seen.identity.Version
	}
	if seen.collected != nil {
		keep(&status, cluster.Generation, *seen.collected, now)
	}
	set(&status, fieldsHonored(cluster, now))
	return status
}

func verdictOf(seen sighting) verdict {
	switch {
	case seen.fault == nil:
		return verdict{metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "the member answers and takes the credentials"}
	case seen.fault.Reason == v1alpha1.ReasonSyncModeNotSupported:
		return verdict{metav1.ConditionUnknown, seen.fault.Reason, seen.fault.Message}
	}
	return verdict{metav1.ConditionFalse, seen.fault.Reason, seen.fault.Message}
}

// keep takes over what a collection says.
func keep(status *v1alpha1.ClusterStatus, generation int64, c collection, now time.Time) {
	if c.summary != nil {
		status.NodeSummary = &c.summary.Nodes
		status.ResourceSummary = &c.summary.Resources
	}
	complete := condition(v1alpha1.ConditionAPIsComplete, generation, now)
	complete.Status, complete.Reason = metav1.ConditionFalse, v1alpha1.ReasonPartlyDiscovered
	switch {
	case c.discovery == nil:
		complete.Message = fmt.Sprintf("what was known before is kept: %v", c.discoveryErr)
	case len(c.discovery.Failed) > 0:
		status.APIEnablements = c.discovery.Merge(status.APIEnablements)
		complete.Message = "could not be listed, what was known of them is kept: " + strings.Join(c.discovery.Failed, ", ")
	default:
		status.APIEnablements = c.discovery.APIs
		complete.Status, complete.Reason = metav1.ConditionTrue, v1alpha1.ReasonDiscovered
		complete.Message = "every API group could be listed"
	}
	if c.summaryErr != nil {
		complete.Message += "; the capacity is not known: " + c.summaryErr.Error()
	}
	set(status, complete)
}

// fieldsHonored names the fields that are set and have no effect in this version.
func fieldsHonored(cluster *v1alpha1.Cluster, now time.Time) metav1.Condition {
	c := condition(v1alpha1.ConditionFieldsHonored, cluster.Generation, now)
	c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonAllHonored, "every field that is set has an effect"
	var idle []string
	if cluster.Spec.SyncMode == v1alpha1.Pull {
		idle = append(idle, "spec.syncMode: Pull")
	}
	for i, taint := range cluster.Spec.Taints {
		if taint.Effect == corev1.TaintEffectNoExecute {
			idle = append(idle, fmt.Sprintf("spec.taints[%d].effect: NoExecute, other than as NoSchedule", i))
		}
	}
	if len(idle) > 0 {
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonNotYetHonored
		c.Message = "has no effect in this version: " + strings.Join(idle, ", ")
	}
	if fault := modelsFault(cluster.Spec.ResourceModels); fault != "" {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalidResourceModels, fault
	}
	return c
}

// modelsFault says what makes no sense in resource models; empty when all does. (To compare quantities in the schema costs
// more than the API server allows; the schema refuses the rest.)
func modelsFault(models []v1alpha1.ResourceModel) string {
	for i := range models {
		for j, r := range models[i].Ranges {
			if r.Min.Cmp(r.Max) >= 0 {
				return fmt.Sprintf("spec.resourceModels[%d].ranges[%d]: min must be less than max", i, j)
			}
		}
	}
	return ""
}

func condition(kind string, generation int64, now time.Time) metav1.Condition {
	return metav1.Condition{Type: kind, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second))}
}

// set puts a condition in its place; its transition time counts only when its status changes. The message is
// cut to what the API takes.
func set(status *v1alpha1.ClusterStatus, c metav1.Condition) {
	c.Message = conditions.Shorten(c.Message, conditions.MaxMessage)
	meta.SetStatusCondition(&status.Conditions, c)
}

// report writes the status when it differs, and an event when Ready changed.
func (r *Reconciler) report(ctx context.Context, cluster *v1alpha1.Cluster, status v1alpha1.ClusterStatus) error {
	if apiequality.Semantic.DeepEqual(cluster.Status, status) {
		return nil
	}
	if err := objectpatch.ApplyStatus(ctx, r.client, cluster, objectpatch.ClusterOwner, &status); err != nil {
		return err
	}
	before := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	after := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	r.announce(cluster, before, after)
	return nil
}
