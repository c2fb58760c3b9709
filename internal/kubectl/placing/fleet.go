package placing

import (
	"cmp"
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// fleet is what a calculation sees of the clusters.
type fleet struct {
	clusters []*v1alpha1.Cluster
	// tables are what is free; a cluster without one has endless room.
	tables map[string]*capacity.Table
}

// subject is one template in a calculation. Its spec is what its binding says, or would say; the clusters in it are
// those that have the template now.
type subject struct {
	spec *v1alpha1.BindingSpec
	// memory is the scheduler's, as the binding keeps it.
	memory string
}

func (s *subject) namespace() string { return s.spec.Resource.Namespace }

// decide asks the scheduler's own engine. others are all subjects, the one itself may be among them.
func (f *fleet) decide(s *subject, others []*subject, now time.Time) schedule.Decision {
	memory, err := schedule.ParseMemory(s.memory)
	if err != nil {
		memory = schedule.Memory{} // the scheduler forgets it too
	}
	return schedule.Decide(schedule.Input{
		Binding: s.spec, Clusters: f.clusters, Memory: memory, Room: f.room(s.spec), Neighbours: neighbours(s, others), Now: now,
	})
}

// afresh is what the engine would say if somebody asked it now to decide anew, as a WorkloadRebalancer does.
func (f *fleet) afresh(s *subject, others []*subject, now time.Time) schedule.Decision {
	asked := *s
	asked.spec = s.spec.DeepCopy()
	asked.spec.RescheduleTriggeredAt = &metav1.Time{Time: now}
	return f.decide(&asked, others, now)
}

// room is how much more of a template each cluster has room for; nil when its placement does not ask.
func (f *fleet) room(spec *v1alpha1.BindingSpec) map[string]schedule.Room {
	if !schedule.UsesRoom(spec) {
		return nil
	}
	rooms := make(map[string]schedule.Room, len(f.tables))
	class, parts := capacity.Compile(spec.ReplicaRequirements), capacity.PartsOf(spec)
	for name, table := range f.tables {
		var room schedule.Room
		if len(parts) > 0 {
			room.Replicas, room.Shortage = table.Sets(parts, capacity.MaxSets)
		} else {
			room.Replicas, room.Shortage = table.Room(class, math.MaxInt32)
		}
		rooms[name] = room
	}
	return rooms
}

// take gives a template the clusters of a decision. The room that it takes there is no longer free for others; what it
// leaves elsewhere is still in use until it is healthy in its new place.
func (f *fleet) take(s *subject, clusters []v1alpha1.TargetCluster) {
	before := replicasOf(s.spec.Clusters)
	s.spec.Clusters = clusters
	for _, target := range clusters {
		table := f.tables[target.Name]
		if table == nil {
			continue
		}
		old, there := before[target.Name]
		for _, part := range s.added(replicaCount(target.Replicas)-replicaCount(old), there) {
			table, _ = table.Place(part.Class, part.Replicas)
		}
		f.tables[target.Name] = table
	}
}

// added is what a cluster gets anew: so many replicas more, or a whole set of components where there was none.
func (s *subject) added(more int32, there bool) []capacity.Part {
	switch {
	case len(s.spec.Components) > 1 && !there:
		return capacity.PartsOf(s.spec)
	case len(s.spec.Components) > 1 || more <= 0:
		return nil
	}
	return []capacity.Part{{Class: capacity.Compile(s.spec.ReplicaRequirements), Replicas: more}}
}

func replicasOf(clusters []v1alpha1.TargetCluster) map[string]*int32 {
	replicas := make(map[string]*int32, len(clusters))
	for i := range clusters {
		replicas[clusters[i].Name] = clusters[i].Replicas
	}
	return replicas
}

func replicaCount(n *int32) int32 { return ptr.Deref(n, 0) }

// neighbours are where the other templates of a subject's workload affinity groups are. Groups are within a namespace.
func neighbours(s *subject, others []*subject) schedule.Neighbours {
	var found schedule.Neighbours
	mine := groupsOf(s)
	if mine == (v1alpha1.WorkloadAffinityGroups{}) {
		return found
	}
	for _, other := range others {
		if len(other.spec.Clusters) == 0 || other.namespace() != s.namespace() || sameTemplate(other.spec.Resource, s.spec.Resource) {
			continue
		}
		neighbour := schedule.Neighbour{Name: templateText(other.spec.Resource), Clusters: namesOf(other.spec.Clusters)}
		theirs := groupsOf(other)
		if mine.AffinityGroup != "" && mine.AffinityGroup == theirs.AffinityGroup {
			found.Together = append(found.Together, neighbour)
		}
		if mine.AntiAffinityGroup != "" && mine.AntiAffinityGroup == theirs.AntiAffinityGroup {
			found.Apart = append(found.Apart, neighbour)
		}
	}
	return found
}

func groupsOf(s *subject) v1alpha1.WorkloadAffinityGroups {
	return ptr.Deref(s.spec.WorkloadAffinityGroups, v1alpha1.WorkloadAffinityGroups{})
}

// sameTemplate compares without the version, in which one object can be seen as several.
func sameTemplate(a, b v1alpha1.ObjectReference) bool {
	return a.GroupVersionKind().GroupKind() == b.GroupVersionKind().GroupKind() && a.Namespace == b.Namespace && a.Name == b.Name
}

// templateText is "Deployment shop/web".
func templateText(r v1alpha1.ObjectReference) string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

func namesOf(clusters []v1alpha1.TargetCluster) []string {
	names := make([]string, len(clusters))
	for i := range clusters {
		names[i] = clusters[i].Name
	}
	return names
}

// inOrder sorts subjects as the scheduler would take them: by priority, then by name.
func inOrder(subjects []*subject) {
	slices.SortStableFunc(subjects, func(a, b *subject) int {
		return cmp.Or(
			-cmp.Compare(priorityOf(a), priorityOf(b)),
			cmp.Compare(a.namespace(), b.namespace()),
			cmp.Compare(a.spec.Resource.Kind, b.spec.Resource.Kind),
			cmp.Compare(a.spec.Resource.Name, b.spec.Resource.Name),
			cmp.Compare(a.spec.Resource.APIVersion, b.spec.Resource.APIVersion),
		)
	})
}

func priorityOf(s *subject) int32 {
	return ptr.Deref(s.spec.SchedulePriority, v1alpha1.BindingPriority{}).Priority
}
