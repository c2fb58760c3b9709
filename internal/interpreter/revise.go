package interpreter

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// Share is one cluster's part of a workload.
type Share struct {
	// Replicas of this cluster.
	Replicas int32
	// Divided is true when the clusters' replicas add up to the template's, false when every cluster has
	// all of them.
	Divided bool
	// All are the replicas of every cluster of the decision, in its order, and then those that no cluster has been given yet: their part
	// of the work waits for them, and is not done by others. Only Divided needs them.
	All []int32
	// Index is this cluster's place in All.
	Index int
}

// ShareOf is a cluster's part of a decision. It is false when the decision does not name the cluster, or
// gives it no number because the kind has no replicas.
func ShareOf(spec *v1alpha1.BindingSpec, cluster string) (Share, bool) {
	share := Share{Divided: spec.Placement.Divides(), All: make([]int32, 0, len(spec.Clusters)), Index: -1}
	for _, target := range spec.Clusters {
		replicas := int32(0)
		if target.Replicas != nil {
			replicas = *target.Replicas
		}
		if target.Name == cluster && target.Replicas != nil {
			share.Index, share.Replicas = len(share.All), replicas
		}
		share.All = append(share.All, replicas)
	}
	if rest := spec.Unplaced(); rest > 0 {
		share.All = append(share.All, rest)
	}
	return share, share.Index >= 0
}

// Revise gives an object, in place, a cluster's share of the replicas. A divided Job's completions are
// divided too, in proportion to the replicas and so that they add up to the template's: else every cluster
// would do all the work. Objects of kinds without replicas stay as they are.
func (i *Interpreter) Revise(obj *unstructured.Unstructured, share Share) error {
	if m := i.meaning(obj, taught.Replicas); m != nil {
		rules, err := m.Revisions()
		if err != nil {
			return err
		}
		return reviseAt(obj, share, rules)
	}
	switch kindOf(obj) {
	case deployment, statefulSet, replicaSet:
		return set(obj, int64(share.Replicas), "spec", "replicas")
	case job:
		if err := divide(obj, share, "spec", "completions"); err != nil {
			return err
		}
		return set(obj, int64(share.Replicas), "spec", "parallelism")
	default:
		return nil
	}
}

// reviseAt writes a share where a ResourceInterpreter says.
func reviseAt(obj *unstructured.Unstructured, share Share, rules []v1alpha1.ReviseRule) error {
	for _, rule := range rules {
		path := strings.Split(rule.Path, ".")
		var err error
		if rule.Write == v1alpha1.ReviseProportion {
			err = divide(obj, share, path...)
		} else {
			err = set(obj, int64(share.Replicas), path...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// divide gives a cluster its part of a number that is the whole fleet's. A number that is absent stays so.
func divide(obj *unstructured.Unstructured, share Share, path ...string) error {
	total, found, err := unstructured.NestedInt64(obj.Object, path...)
	if err != nil {
		return fmt.Errorf("reading %v of %s %s: %w", path, obj.GetKind(), obj.GetName(), err)
	}
	if !found || !share.Divided {
		return nil
	}
	if share.Index < 0 || share.Index >= len(share.All) {
		return fmt.Errorf("dividing %v of %s %s: the share is not among the %d shares", path, obj.GetKind(), obj.GetName(), len(share.All))
	}
	return set(obj, proportions(total, share.All)[share.Index], path...)
}

// proportions divides total in proportion to weights, which it does exactly: everybody gets the whole part,
// and what is left goes to the largest remainders, the first of equals first.
func proportions(total int64, weights []int32) []int64 {
	parts := make([]int64, len(weights))
	sum := int64(0)
	for _, weight := range weights {
		sum += int64(weight)
	}
	if sum <= 0 || total <= 0 {
		return parts
	}
	order := make([]int, len(weights))
	left := total
	for i, weight := range weights {
		order[i] = i
		parts[i] = total * int64(weight) / sum
		left -= parts[i]
	}
	remainder := func(i int) int64 { return total * int64(weights[i]) % sum }
	slices.SortStableFunc(order, func(a, b int) int { return int(remainder(b) - remainder(a)) })
	for _, i := range order[:left] {
		parts[i]++
	}
	return parts
}

func set(obj *unstructured.Unstructured, value int64, path ...string) error {
	if err := unstructured.SetNestedField(obj.Object, value, path...); err != nil {
		return fmt.Errorf("setting %v of %s %s: %w", path, obj.GetKind(), obj.GetName(), err)
	}
	return nil
}
