package interpreter

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// MemberStatus is what one target cluster reports about its object.
type MemberStatus struct {
	// Cluster is the member's name.
	Cluster string
	// Status is what Reflect kept; nil when the member has not reported any.
	Status map[string]any
	// UpToDate is true when Status speaks of the template's newest generation.
	UpToDate bool
}

// Fleet is what all target clusters of a template report.
type Fleet struct {
	// Divided is true when the clusters share the template's replicas, false when each has all of them.
	Divided bool
	// Pending is true while some of the template's replicas have been given to no cluster: their part of the work is still to be done.
	Pending bool
	// Members has one entry for every target cluster, also for those that are silent, ordered by name.
	Members []MemberStatus
	// Now is the time of transitions. It does not show in the result while nothing changes.
	Now metav1.Time
}

// Aggregate is the template's status that the members' statuses add up to, in the shape and within the
// rules that the API server has for the kind. It is false when the kind has nothing to aggregate, or when what a
// ResourceInterpreter teaches fails; the template's status is then not ours to write.
//
// The numbers are on the scale of the template's spec, so that everything that compares the two is right.
// Divided, the clusters' numbers are added up. Duplicated, every cluster has to do all that the spec says,
// and the number is that of the cluster that is furthest behind: 2/2 means two in every cluster.
func (i *Interpreter) Aggregate(template *unstructured.Unstructured, fleet Fleet) (status map[string]any, ok bool) {
	if m := i.meaning(template, taught.Aggregation); m != nil {
		status, err := m.Aggregate(template, reportsOf(fleet))
		return status, err == nil // the meaning keeps the error, and its ResourceInterpreter shows it
	}
	aggregate, known := i.aggregate[kindOf(template)]
	if !known {
		return nil, false
	}
	return aggregate(template, fleet)
}

func reportsOf(fleet Fleet) taught.Reports {
	reports := taught.Reports{Divided: fleet.Divided, Now: fleet.Now}
	for _, member := range fleet.Members {
		reports.Items = append(reports.Items, taught.Item{Cluster: member.Cluster, Status: member.Status, UpToDate: member.UpToDate})
	}
	return reports
}

func nativeAggregations() map[schema.GroupKind]func(*unstructured.Unstructured, Fleet) (map[string]any, bool) {
	aggregations := map[schema.GroupKind]func(*unstructured.Unstructured, Fleet) (map[string]any, bool){
		autoscaler.GroupKind(): autoscalerStatus,
		budget.GroupKind():     typed(aggregateBudget),
		ingress:                typed(aggregateIngress),
		volumeClaim:            typed(aggregateClaim),

		deployment:  typed(aggregateDeployment),
		statefulSet: typed(aggregateStatefulSet),
		daemonSet:   typed(aggregateDaemonSet),
		replicaSet:  typed(aggregateReplicaSet),
		job:         typed(aggregateJob),
		cronJob:     typed(aggregateCronJob),
		pod:         typed(aggregatePod),
		service:     typedService,
	}
	for _, route := range routes {
		aggregations[route] = aggregateRoute
	}
	return aggregations
}

// scene is everything that the aggregation of one kind looks at.
type scene[S any] struct {
	template *unstructured.Unstructured
	// old is the status that the template has now.
	old S
	// members are the statuses of the members in the order of Fleet.Members; a silent one has the zero value.
	members []S
	fleet   Fleet
}

// typed lets an aggregation work on the kind's Go type. The result then has zero values exactly where the
// API server writes them, which is what makes an unchanged status compare as equal.
func typed[S any](aggregate func(scene[S]) S) func(*unstructured.Unstructured, Fleet) (map[string]any, bool) {
	return func(template *unstructured.Unstructured, fleet Fleet) (map[string]any, bool) {
		facts := scene[S]{template: template, old: decode[S](statusOf(template)), fleet: fleet}
		for _, member := range fleet.Members {
			facts.members = append(facts.members, decode[S](member.Status))
		}
		status := aggregate(facts)
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
		return fields, err == nil
	}
}

// decode takes a status that is none of its kind for an empty one, as that of a silent member.
func decode[S any](status map[string]any) S {
	var decoded S
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(status, &decoded); err != nil {
		var empty S
		return empty
	}
	return decoded
}

// generation is what the fleet has observed of the template: the newest generation once every member has,
// the one before until then.
func (s scene[S]) generation(old int64) int64 {
	if len(s.fleet.Members) == 0 {
		return old
	}
	for _, member := range s.fleet.Members {
		if !member.UpToDate {
			return old
		}
	}
	return s.template.GetGeneration()
}

// replicas that the template asks for.
func (s scene[S]) replicas() int32 {
	return *bounded(numberOr(1, s.template.Object, "spec", "replicas"))
}

// total adds up a number of all members.
func total[S any](s scene[S], of func(S) int32) int32 {
	sum := int64(0)
	for _, member := range s.members {
		sum += int64(of(member))
	}
	return *bounded(sum)
}

// reached is how far the fleet has come with what the spec asks for.
func reached[S any](s scene[S], of func(S) int32) int32 {
	if s.fleet.Divided || len(s.members) == 0 {
		return total(s, of)
	}
	least := of(s.members[0])
	for _, member := range s.members[1:] {
		least = min(least, of(member))
	}
	return max(least, 0)
}

// held is how much there is, of what may also be more than the spec asks for.
func held[S any](s scene[S], of func(S) int32) int32 {
	if s.fleet.Divided || len(s.members) == 0 {
		return total(s, of)
	}
	most := int32(0)
	for _, member := range s.members {
		most = max(most, of(member))
	}
	return most
}
