package descheduling

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// maxMessage is the longest message of a limit, in bytes; the schema says so.
const maxMessage = 1024

// stuck is what waits for room in one cluster because of one binding.
type stuck struct {
	// pods is how many of them have waited longer than the threshold.
	pods int32
	// since is how long the first of them has waited.
	since time.Time
	// message is what that cluster's scheduler says about it.
	message string
}

// facts is what is known about one binding.
type facts struct {
	spec     *v1alpha1.BindingSpec
	reports  []v1alpha1.AggregatedStatusItem
	stuck    map[string]stuck // by cluster
	clusters sets.Set[string] // that exist
	now      time.Time
	coolDown time.Duration
}

// limits is what the binding's spec.replicaLimits should be, by cluster. Its own result leads to the same result
// until the cool-down is over or what is known changes.
func limits(f facts) []v1alpha1.ReplicaLimit {
	if !divided(f.spec) {
		return nil
	}
	var wanted []v1alpha1.ReplicaLimit
	needed := f.needed()
	for _, old := range f.spec.ReplicaLimits {
		limit, need := needed[old.Cluster]
		switch {
		case !f.clusters.Has(old.Cluster):
		case f.holds(old) && (!need || old.MaxReplicas <= limit.MaxReplicas):
			wanted = append(wanted, old)
		case need:
			wanted = append(wanted, limit)
		}
		delete(needed, old.Cluster)
	}
	for _, limit := range needed {
		wanted = append(wanted, limit)
	}
	slices.SortFunc(wanted, func(a, b v1alpha1.ReplicaLimit) int { return strings.Compare(a.Cluster, b.Cluster) })
	return wanted
}

// divided says whether the replicas that a cluster cannot take can go to another one. Static weights are the user's
// word, and the parts of a workload with several stay together.
func divided(spec *v1alpha1.BindingSpec) bool {
	return spec.Replicas != nil && len(spec.Components) <= 1 && schedule.UsesRoom(spec)
}

// holds says whether the time of an old limit is not up yet. A template that is to be placed anew is placed without
// the limits from before.
func (f facts) holds(limit v1alpha1.ReplicaLimit) bool {
	request := f.spec.RescheduleTriggeredAt
	return f.now.Before(limit.Since.Add(f.coolDown)) && (request == nil || !request.After(limit.Since.Time))
}

// needed are the limits that what is stuck now calls for, by cluster.
func (f facts) needed() map[string]v1alpha1.ReplicaLimit {
	needed := map[string]v1alpha1.ReplicaLimit{}
	for _, target := range f.spec.Clusters {
		waiting, assigned := f.stuck[target.Name], ptr.Deref(target.Replicas, 0)
		there, reported := f.report(target.Name)
		if waiting.pods == 0 || !reported || !f.clusters.Has(target.Name) {
			continue
		}
		// Pods beyond what is assigned are about to go, or come and go with a rollout. Should they be the stuck ones,
		// nothing that was assigned lacks room.
		lacking := waiting.pods - max(there.pods()-assigned, 0)
		most := max(assigned-lacking, there.ready(), 0)
		if most >= assigned {
			continue
		}
		needed[target.Name] = v1alpha1.ReplicaLimit{
			Cluster: target.Name, MaxReplicas: most, Since: metav1.NewTime(f.now.Truncate(time.Second)),
			Message: conditions.Shorten(fmt.Sprintf("%d of %d replicas had no room since %s: %s",
				min(lacking, assigned), assigned, waiting.since.UTC().Format(time.RFC3339), waiting.message), maxMessage),
		}
	}
	return needed
}

// counts are the numbers of pods in the status of a workload. Kinds name them differently; a Job has active and
// ready ones, the others have replicas.
type counts struct {
	Replicas      int32 `json:"replicas"`
	ReadyReplicas int32 `json:"readyReplicas"`
	Active        int32 `json:"active"`
	Ready         int32 `json:"ready"`
}

func (c counts) pods() int32  { return max(c.Replicas, c.Active) }
func (c counts) ready() int32 { return max(c.ReadyReplicas, c.Ready) }

// report is what a cluster says about its pods. Without a status nobody knows what is ready there; nor when these
// fields of a kind that Flotilla does not know mean something else.
func (f facts) report(cluster string) (counts, bool) {
	for _, item := range f.reports {
		if item.ClusterName != cluster || item.Status == nil {
			continue
		}
		var c counts
		return c, json.Unmarshal(item.Status.Raw, &c) == nil
	}
	return counts{}, false
}
