package schedule

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/clustermatch"
)

// endless is the room of a cluster that is not bounded.
const endless = math.MaxInt32

// strategy is how replicas come to clusters.
type strategy int

const (
	// together: every selected cluster gets the template as it is; with replicas, all of them.
	together strategy = iota
	// byWeight: replicas are divided by static weights.
	byWeight
	// byRoom: replicas are divided by free room.
	byRoom
	// packed: replicas go to as few clusters as have room.
	packed
	// oneSet: the template has several parts and goes to one cluster whole.
	oneSet
)

// placement is a v1alpha1.Placement, made ready to be asked about many clusters.
type placement struct {
	groups      []group
	tolerations []corev1.Toleration
	weights     []weightEntry // nil: all clusters weigh the same
	bounds      []boundEntry
	spread      []constraint
	strategy    strategy
	hash        string
	failback    *int32 // seconds; nil: never
}

// usesRoom says whether free room bounds what clusters get.
func (s strategy) usesRoom() bool { return s == byRoom || s == packed || s == oneSet }

// divides says whether the clusters' replicas add up to the template's.
func (s strategy) divides() bool { return s == byWeight || s == byRoom || s == packed }

func strategyOf(binding *v1alpha1.BindingSpec, p *v1alpha1.Placement) strategy {
	switch {
	case !p.Divides():
		return together
	case len(binding.Components) > 1:
		return oneSet
	case binding.Replicas == nil:
		return together
	case p.ReplicaScheduling.ReplicaDivisionPreference == v1alpha1.Aggregated:
		return packed
	case p.ReplicaScheduling.WeightPreference != nil && p.ReplicaScheduling.WeightPreference.DynamicWeight != "":
		return byRoom
	default:
		return byWeight
	}
}

// UsesRoom says whether a decision about a binding depends on Input.Room.
func UsesRoom(binding *v1alpha1.BindingSpec) bool {
	return binding.Placement != nil && strategyOf(binding, binding.Placement).usesRoom()
}

// compile makes a placement ready. Its errors name the field.
func compile(binding *v1alpha1.BindingSpec, p *v1alpha1.Placement) (*placement, error) {
	compiled := &placement{strategy: strategyOf(binding, p), tolerations: p.ClusterTolerations, hash: hashOf(p)}
	var err error
	if compiled.groups, err = compileGroups(p); err != nil {
		return nil, err
	}
	if compiled.spread, err = compileSpread(p.SpreadConstraints); err != nil {
		return nil, err
	}
	if p.Failback != nil {
		window := int32(defaultStabilization)
		if p.Failback.StabilizationSeconds != nil {
			window = *p.Failback.StabilizationSeconds
		}
		compiled.failback = &window
	}
	if !compiled.strategy.divides() {
		return compiled, nil
	}
	if compiled.weights, err = compileWeights(p.ReplicaScheduling.WeightPreference); err != nil {
		return nil, err
	}
	compiled.bounds, err = compileBounds(p.ReplicaScheduling.ReplicaBounds)
	return compiled, err
}

// weightEntry gives clusters a weight.
type weightEntry struct {
	affinity clustermatch.Affinity
	weight   int64
}

func compileWeights(preference *v1alpha1.ClusterPreferences) ([]weightEntry, error) {
	if preference == nil || preference.DynamicWeight != "" {
		return nil, nil
	}
	entries := make([]weightEntry, len(preference.StaticWeightList))
	for i, entry := range preference.StaticWeightList {
		compiled, err := clustermatch.Compile(&entry.TargetCluster, fmt.Sprintf("placement.replicaScheduling.weightPreference.staticWeightList[%d].targetCluster", i))
		if err != nil {
			return nil, err
		}
		entries[i] = weightEntry{affinity: compiled, weight: entry.Weight}
	}
	return entries, nil
}

// weight of a cluster: the largest of the entries that select it, 0 when none does.
func (p *placement) weight(cluster *v1alpha1.Cluster) int64 {
	if p.weights == nil {
		return 1
	}
	var largest int64
	for i := range p.weights {
		if entry := &p.weights[i]; entry.weight > largest && entry.affinity.Matches(cluster) {
			largest = entry.weight
		}
	}
	return largest
}

// boundEntry bounds the replicas of clusters.
type boundEntry struct {
	affinity    clustermatch.Affinity
	least, most int32
}

func compileBounds(bounds []v1alpha1.ReplicaBounds) ([]boundEntry, error) {
	entries := make([]boundEntry, len(bounds))
	for i, bound := range bounds {
		compiled, err := clustermatch.Compile(&bound.TargetCluster, fmt.Sprintf("placement.replicaScheduling.replicaBounds[%d].targetCluster", i))
		if err != nil {
			return nil, err
		}
		entries[i] = boundEntry{affinity: compiled, most: endless}
		if bound.MinReplicas != nil {
			entries[i].least = *bound.MinReplicas
		}
		if bound.MaxReplicas != nil {
			entries[i].most = *bound.MaxReplicas
		}
	}
	return entries, nil
}

// bound of a cluster: the largest minimum and the smallest maximum of the entries that select it. Where they
// contradict each other the maximum wins.
func (p *placement) bound(cluster *v1alpha1.Cluster) (least, most int32) {
	most = endless
	for i := range p.bounds {
		if entry := &p.bounds[i]; entry.affinity.Matches(cluster) {
			least, most = max(least, entry.least), min(most, entry.most)
		}
	}
	return min(least, most), most
}

// hashOf tells values apart.
func hashOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // API types always can be
		return ""
	}
	hash := fnv.New64a()
	_, _ = hash.Write(text)
	return strconv.FormatUint(hash.Sum64(), 36)
}
