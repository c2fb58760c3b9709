package scheduling

import (
	"context"
	"fmt"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// maxRoom is no bound: a replica count has 32 bits.
const maxRoom = math.MaxInt32

// input gathers what a decision about a binding depends on. The caller holds r.deciding.
func (r *Reconciler) input(ctx context.Context, binding v1alpha1.Binding, unseen []*v1alpha1.Cluster) (schedule.Input, error) {
	spec := binding.BindingSpec()
	in := schedule.Input{Binding: spec, Now: r.clock.Now()}
	var err error
	if in.Clusters, err = r.clusters(ctx, unseen); err != nil {
		return in, err
	}
	in.Memory = memoryOf(binding)
	if schedule.UsesRoom(spec) {
		in.Room = r.room(spec, in.Clusters, in.Now)
	}
	in.Neighbours, err = r.neighbours(ctx, binding)
	return in, err
}

// room asks every cluster how many more replicas fit.
func (r *Reconciler) room(spec *v1alpha1.BindingSpec, clusters []*v1alpha1.Cluster, now time.Time) map[string]schedule.Room {
	class := capacity.Compile(spec.ReplicaRequirements)
	parts := capacity.PartsOf(spec)
	rooms := make(map[string]schedule.Room, len(clusters))
	for _, cluster := range clusters {
		table, bounded := r.table(cluster)
		if !bounded {
			continue
		}
		var room schedule.Room
		if len(parts) > 0 {
			room.Replicas, room.Shortage = r.ledger.sets(cluster.Name, table, parts, now)
		} else {
			room.Replicas, room.Shortage = r.ledger.room(cluster.Name, table, class, now)
		}
		rooms[cluster.Name] = room
	}
	return rooms
}

// guessed is a table that was made from a summary. Another table means another summary: the ledger ends bookings by it.
type guessed struct {
	version string
	summary *v1alpha1.ResourceSummary
	models  []v1alpha1.ResourceModel
	table   *capacity.Table
}

// table is what a cluster shows as free; false when its room is endless. While the nodes of a member have not been
// seen, its summary stands in for them.
func (r *Reconciler) table(cluster *v1alpha1.Cluster) (*capacity.Table, bool) {
	switch cluster.Spec.CapacityFrom(r.capacity) {
	case v1alpha1.CapacityNone:
		return nil, false
	case v1alpha1.CapacityNodes:
		if table, seen := r.members.Table(cluster.Name); seen {
			return table, true
		}
	}
	known := r.guesses[cluster.Name]
	if known.table != nil && known.version == cluster.ResourceVersion {
		return known.table, true
	}
	summary, models := cluster.Status.ResourceSummary, cluster.Spec.ResourceModels
	same := equality.Semantic.DeepEqual(known.summary, summary) && equality.Semantic.DeepEqual(known.models, models)
	if known.table == nil || !same {
		known.table = capacity.FromSummary(cluster)
	}
	known.version, known.summary, known.models = cluster.ResourceVersion, summary, models
	r.guesses[cluster.Name] = known
	return known.table, true
}

// neighbours are where the other templates of the binding's groups are.
func (r *Reconciler) neighbours(ctx context.Context, binding v1alpha1.Binding) (schedule.Neighbours, error) {
	groups := binding.BindingSpec().WorkloadAffinityGroups
	if groups == nil {
		return schedule.Neighbours{}, nil
	}
	together, err := r.group(ctx, binding, hostindex.ByAffinityGroup, groups.AffinityGroup)
	if err != nil {
		return schedule.Neighbours{}, err
	}
	apart, err := r.group(ctx, binding, hostindex.ByAntiAffinityGroup, groups.AntiAffinityGroup)
	return schedule.Neighbours{Together: together, Apart: apart}, err
}

func (r *Reconciler) group(ctx context.Context, binding v1alpha1.Binding, index hostindex.Index, group string) ([]schedule.Neighbour, error) {
	if group == "" {
		return nil, nil
	}
	bindings, err := hostindex.Bindings(ctx, r.client, index, hostindex.GroupValue(binding.GetNamespace(), group))
	if err != nil {
		return nil, fmt.Errorf("looking for the templates of group %s: %w", group, err)
	}
	var neighbours []schedule.Neighbour
	for _, other := range bindings {
		key := client.ObjectKeyFromObject(other)
		clusters := r.whereIs(key, other)
		if key == client.ObjectKeyFromObject(binding) || len(clusters) == 0 || other.GetDeletionTimestamp() != nil {
			continue
		}
		resource := &other.BindingSpec().Resource
		neighbours = append(neighbours, schedule.Neighbour{Name: resource.Kind + " " + resource.Name, Clusters: clusters})
	}
	return neighbours, nil
}

// whereIs are the clusters of a binding, as they were decided even if the cache does not show that yet.
func (r *Reconciler) whereIs(key types.NamespacedName, binding v1alpha1.Binding) []string {
	targets := binding.BindingSpec().Clusters
	if decided, onTheWay := r.onTheWay[key]; onTheWay {
		targets = decided
	}
	names := make([]string, len(targets))
	for i := range targets {
		names[i] = targets[i].Name
	}
	return names
}
