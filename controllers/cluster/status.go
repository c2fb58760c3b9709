package cluster

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/health"
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
func nextStatus(cluster *v1alpha1.Cluster, seen sighting, now time.Time, o Options) v1alpha1.ClusterStatus {
	t := o.Timings
	status := owned(cluster.Status)
	status.ObservedGeneration = cluster.Generation
	ready, probe := health.Judge(observe(cluster, seen), lastOf(cluster), health.Thresholds{Success: t.SuccessThreshold, Failure: t.FailureThreshold}, now)
	ready.ObservedGeneration = cluster.Generation
	status.Probe = probe
	set(&status, ready)
	if seen.identity.Version != "" {
		status.KubernetesVersion = seen.identity.Version
	}
	if seen.collected != nil {
		keep(&status, cluster.Generation, *seen.collected, now)
	}
	set(&status, fieldsHonored(cluster, o.Failover, now))
	return status
}

// owned is the part of a Cluster's status that this controller writes; not a part of the original.
func owned(all v1alpha1.ClusterStatus) v1alpha1.ClusterStatus {
	status := *all.DeepCopy()
	status.TaintTimes = nil
	status.Conditions = slices.DeleteFunc(status.Conditions, func(c metav1.Condition) bool {
		return c.Type != v1alpha1.ConditionReady && c.Type != v1alpha1.ConditionAPIsComplete && c.Type != v1alpha1.ConditionFieldsHonored
	})
	return status
}

func lastOf(cluster *v1alpha1.Cluster) health.Last {
	return health.Last{Ready: meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady), Probe: cluster.Status.Probe}
}

// observe is what a look says about a member's readiness.
func observe(cluster *v1alpha1.Cluster, seen sighting) health.Observation {
	o := health.Observation{Way: wayTo(cluster), Status: metav1.ConditionFalse}
	if seen.fault == nil {
		o.Status, o.Reason, o.Message = metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "the member answers and takes the credentials"
		return o
	}
	o.Reason, o.Message = seen.fault.Reason, seen.fault.Message
	if o.Reason == v1alpha1.ReasonSyncModeNotSupported {
		o.Status = metav1.ConditionUnknown
	}
	return o
}

// wayTo identifies how a member is reached, by the fields that say it. Taints, which change with its health, are not among
// them.
func wayTo(cluster *v1alpha1.Cluster) string {
	secret := ""
	if cluster.Spec.SecretRef != nil {
		secret = cluster.Spec.SecretRef.Name
	}
	hash := fnv.New64a()
	// A hash takes what it is given.
	_, _ = fmt.Fprintf(hash, "%q %q %q %t %q %q", cluster.Spec.SyncMode, cluster.Spec.APIEndpoint, secret,
		cluster.Spec.InsecureSkipTLSVerification, cluster.Spec.ProxyURL, cluster.Spec.ProxyHeader)
	return strconv.FormatUint(hash.Sum64(), 36)
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

// fieldsHonored names the fields that are set and have no effect.
func fieldsHonored(cluster *v1alpha1.Cluster, failover bool, now time.Time) metav1.Condition {
	c := condition(v1alpha1.ConditionFieldsHonored, cluster.Generation, now)
	c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonAllHonored, "every field that is set has an effect"
	var idle []string
	if cluster.Spec.SyncMode == v1alpha1.Pull {
		idle = append(idle, "spec.syncMode: Pull")
	}
	for i, taint := range cluster.Spec.Taints {
		// A drain needs no gate: somebody asked for it.
		if taint.Effect == corev1.TaintEffectNoExecute && taint.Key != v1alpha1.DrainTaint && !failover {
			idle = append(idle, fmt.Sprintf("spec.taints[%d].effect: NoExecute, other than as NoSchedule, as the feature gate Failover is off", i))
		}
	}
	if len(idle) > 0 {
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonNotYetHonored
		c.Message = "has no effect: " + strings.Join(idle, ", ")
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
	if apiequality.Semantic.DeepEqual(owned(cluster.Status), status) {
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
