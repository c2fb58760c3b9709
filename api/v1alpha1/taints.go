package v1alpha1

import (
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Keys of taints on Clusters that Flotilla itself writes. A toleration for one of them, in a placement's clusterTolerations,
// works as for any other taint.
const (
	// NotReadyTaint is on clusters that answer, but cannot be used.
	NotReadyTaint = "cluster.flotilla.dev/not-ready"
	// UnreachableTaint is on clusters that do not answer.
	UnreachableTaint = "cluster.flotilla.dev/unreachable"
	// UnschedulableTaint is what `kubectl flotilla cordon` puts on a cluster, with the effect NoSchedule.
	UnschedulableTaint = "cluster.flotilla.dev/unschedulable"
	// DrainTaint is what `kubectl flotilla drain` puts on a cluster, with the effect NoExecute.
	DrainTaint = "cluster.flotilla.dev/drain"
)

// IsHealthTaint is true for the keys that the manager writes by itself, because of a cluster's health.
func IsHealthTaint(key string) bool { return key == NotReadyTaint || key == UnreachableTaint }

// TaintingManager is the field manager with which the manager applies taints to Clusters.
const TaintingManager = "flotilla-tainting"

// TaintKey is what tells the taints of a cluster apart.
// +kubebuilder:object:generate=false
type TaintKey struct {
	// Key of the taint.
	Key string
	// Effect of the taint.
	Effect corev1.TaintEffect
}

// OwnTaints reads from the managedFields which taints the manager itself has put on this Cluster. Whose a taint is cannot be told by its
// key: policies and users may name any, and a Cluster that was restored from a backup brings those along that it had then.
func (c *Cluster) OwnTaints() map[TaintKey]bool {
	owned := map[TaintKey]bool{}
	for _, entry := range c.ManagedFields {
		if entry.Manager != TaintingManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var set struct {
			Spec struct {
				Taints map[string]json.RawMessage `json:"f:taints"`
			} `json:"f:spec"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set) != nil {
			continue // the API server writes nothing that cannot be read
		}
		for name := range set.Spec.Taints {
			// The name of an item of a list is "k:" and its keys: k:{"effect":"NoSchedule","key":"a"}.
			var key struct {
				Key    string             `json:"key"`
				Effect corev1.TaintEffect `json:"effect"`
			}
			if text, isItem := strings.CutPrefix(name, "k:"); isItem && json.Unmarshal([]byte(text), &key) == nil {
				owned[TaintKey{Key: key.Key, Effect: key.Effect}] = true
			}
		}
	}
	return owned
}

// GivenUp is true when one of the manager's own taints (OwnTaints) evicts what is in this Cluster because of its health.
func (c *Cluster) GivenUp(own map[TaintKey]bool) bool {
	for i := range c.Spec.Taints {
		t := &c.Spec.Taints[i]
		if t.Effect == corev1.TaintEffectNoExecute && IsHealthTaint(t.Key) && own[TaintKey{t.Key, t.Effect}] {
			return true
		}
	}
	return false
}

// TaintedSince is when a taint of this Cluster began: its timeAdded, or else when the manager first saw it. False for one that
// has no timeAdded and that the manager has not seen yet.
func (c *Cluster) TaintedSince(taint *corev1.Taint) (time.Time, bool) {
	if taint.TimeAdded != nil {
		return taint.TimeAdded.Time, true
	}
	for i := range c.Status.TaintTimes {
		if seen := &c.Status.TaintTimes[i]; seen.Key == taint.Key && seen.Effect == taint.Effect {
			return seen.Since.Time, true
		}
	}
	return time.Time{}, false
}
