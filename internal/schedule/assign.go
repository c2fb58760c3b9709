package schedule

import (
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/division"
)

// share is one selected cluster and its claim to replicas.
type share struct {
	cluster string
	weight  int64
}

func anyWeight(shares []share) bool {
	for _, s := range shares {
		if s.weight > 0 {
			return true
		}
	}
	return false
}

// weigher gives clusters their weights.
type weigher struct {
	entries []weightEntry // nil: all clusters weigh the same
}

type weightEntry struct {
	affinity affinity
	weight   int64
}

// newWeigher makes the weights of a placement ready. Weights count where there are replicas to divide; where
// there are none, every cluster that fits gets the template.
func newWeigher(binding *v1alpha1.BindingSpec, placement *v1alpha1.Placement) (*weigher, error) {
	if binding.Replicas == nil || !divided(placement) || placement.ReplicaScheduling.WeightPreference == nil {
		return &weigher{}, nil
	}
	list := placement.ReplicaScheduling.WeightPreference.StaticWeightList
	entries := make([]weightEntry, len(list))
	for i := range list {
		path := fmt.Sprintf("placement.replicaScheduling.weightPreference.staticWeightList[%d].targetCluster", i)
		compiled, err := compileAffinity(&list[i].TargetCluster, path)
		if err != nil {
			return nil, err
		}
		entries[i] = weightEntry{affinity: compiled, weight: list[i].Weight}
	}
	return &weigher{entries: entries}, nil
}

// weigh gives the fitting clusters their weights; one that no entry selects weighs 0.
func (w *weigher) weigh(clusters []*v1alpha1.Cluster, fitting []int) []share {
	shares := make([]share, len(fitting))
	for i, index := range fitting {
		shares[i] = share{cluster: clusters[index].Name, weight: w.weight(clusters[index])}
	}
	return shares
}

func (w *weigher) weight(cluster *v1alpha1.Cluster) int64 {
	if w.entries == nil {
		return 1
	}
	var largest int64
	for i := range w.entries {
		if entry := &w.entries[i]; entry.weight > largest && entry.affinity.matches(cluster) {
			largest = entry.weight
		}
	}
	return largest
}

// assign gives the selected clusters their replicas: none for a kind without replicas, all of them when they
// are duplicated, a share when they are divided. A cluster whose share is 0 is left out, unless the template
// itself asks for 0: then every cluster with a weight keeps its object, so that scaling to 0 and back neither
// deletes nor creates anything. The shares must be sorted by name; so is the result.
func assign(binding *v1alpha1.BindingSpec, shares []share, divide bool) []v1alpha1.TargetCluster {
	targets := make([]v1alpha1.TargetCluster, 0, len(shares))
	if binding.Replicas == nil || !divide {
		for _, s := range shares {
			targets = append(targets, target(s.cluster, binding.Replicas))
		}
		return targets
	}
	candidates := make([]division.Candidate, len(shares))
	for i, s := range shares {
		candidates[i] = division.Candidate{Name: s.cluster, Weight: s.weight}
	}
	replicas := *binding.Replicas
	for i, n := range division.Divide(replicas, candidates, string(binding.Resource.UID)) {
		if n > 0 || replicas == 0 && shares[i].weight > 0 {
			targets = append(targets, target(shares[i].cluster, &n))
		}
	}
	return targets
}

func target(cluster string, replicas *int32) v1alpha1.TargetCluster {
	if replicas == nil {
		return v1alpha1.TargetCluster{Name: cluster}
	}
	return v1alpha1.TargetCluster{Name: cluster, Replicas: ptr.To(*replicas)}
}

// withWeights completes the verdicts on the fitting clusters with what the division made of them.
func withWeights(verdicts []Verdict, fitting []int, shares []share, targets []v1alpha1.TargetCluster) []Verdict {
	selected := make(map[string]bool, len(targets))
	for _, t := range targets {
		selected[t.Name] = true
	}
	for i, index := range fitting {
		switch v := &verdicts[index]; {
		case shares[i].weight <= 0:
			v.Reason, v.Message = VerdictNoWeight, "is not in the staticWeightList"
		case !selected[v.Cluster]:
			v.Reason, v.Message = VerdictNoShare, "has a share of 0 replicas"
		}
	}
	return verdicts
}
