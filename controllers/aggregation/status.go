package aggregation

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/report"
)

const (
	// maxStatuses bounds the members' statuses within one binding, in bytes; each member may use its share of
	// it. An object of more than 1.5 MiB is refused by etcd.
	maxStatuses = 512 << 10
	// maxReason and maxApplied are the schema's bounds for an item's reason and message.
	maxReason, maxApplied = 64, 4096
	// maxNamed is how many clusters a condition's message speaks of, and maxSaid how much it quotes of each.
	maxNamed, maxSaid = 5, 512
)

// changes is what has to be written for one binding.
type changes struct {
	binding, template bool
	// urgent is true when a condition turns, false for mere progress.
	urgent bool
	// bindingStatus has only the fields that aggregation owns.
	bindingStatus  v1alpha1.BindingStatus
	templateStatus map[string]any
}

func (c changes) none() bool { return !c.binding && !c.template }

// compare is the difference between what the members report and what the host says.
func (r *Reconciler) compare(f facts) changes {
	c := changes{bindingStatus: bindingStatus(f)}
	before := f.binding.BindingStatus()
	c.binding = !same(before, &c.bindingStatus)
	c.urgent = turns(before.Conditions, c.bindingStatus.Conditions)
	if f.template == nil || !f.owned {
		return c
	}
	status, ok := r.Interpreter.Aggregate(f.template, fleet(f, c.bindingStatus.AggregatedStatus))
	c.template = ok && !equality.Semantic.DeepEqual(f.template.Object["status"], any(status))
	c.templateStatus = status
	c.urgent = c.urgent || (c.template && finishes(f.template.Object["status"], status))
	return c
}

// finishes says whether a Job comes to its end, which people and scripts wait for and no condition of the binding
// tells.
func finishes(before any, after map[string]any) bool {
	ended := func(status any) bool {
		fields, _ := status.(map[string]any)
		conditions, _ := fields["conditions"].([]any)
		return slices.ContainsFunc(conditions, func(item any) bool {
			condition, _ := item.(map[string]any)
			return (condition["type"] == "Complete" || condition["type"] == "Failed") && condition["status"] == "True"
		})
	}
	return ended(after) && !ended(before)
}

// bindingStatus is the part of a binding's status that aggregation owns.
func bindingStatus(f facts) v1alpha1.BindingStatus {
	items := aggregatedItems(f)
	targets := stayingItems(f, items)
	var applied, healthy int
	for _, item := range targets {
		if item.Applied {
			applied++
		}
		if item.Health == v1alpha1.Healthy {
			healthy++
		}
	}
	return v1alpha1.BindingStatus{
		AggregatedStatus: items,
		Summary: &v1alpha1.BindingSummary{
			Applied: fmt.Sprintf("%d/%d", applied, len(targets)),
			Healthy: fmt.Sprintf("%d/%d", healthy, len(targets)),
		},
		Conditions: []metav1.Condition{timed(f, appliedCondition(targets)), timed(f, healthyCondition(targets))},
	}
}

// aggregatedItems has, ordered by name, every target cluster and every cluster that still holds a copy.
func aggregatedItems(f facts) []v1alpha1.AggregatedStatusItem {
	previous := map[string]v1alpha1.AggregatedStatusItem{}
	for _, item := range f.binding.BindingStatus().AggregatedStatus {
		previous[item.ClusterName] = item
	}
	names := targetNames(f)
	limit := maxStatuses / max(len(names), 1)
	items := make([]v1alpha1.AggregatedStatusItem, 0, len(names))
	for target := range names {
		items = append(items, targetItem(f, target, previous, limit))
	}
	for member := range previous {
		if !names[member] {
			items = appendLeaving(items, f, previous[member])
		}
	}
	for member, said := range f.reports {
		if _, known := previous[member]; !known && !names[member] {
			items = appendLeaving(items, f, itemOf(member, said, limit))
		}
	}
	slices.SortFunc(items, func(a, b v1alpha1.AggregatedStatusItem) int { return strings.Compare(a.ClusterName, b.ClusterName) })
	return items
}

// unasked is what is said of a member that this manager has not reached yet.
const unasked = "the member does not answer, and what it holds may be of an older manifest; its Cluster says more"

// targetItem is what a target cluster reports. Without a report, as after a restart, it stays what it was: a member that answers
// reports within seconds. One that does not may never have got what has changed since, and nobody else can tell.
func targetItem(f facts, member string, previous map[string]v1alpha1.AggregatedStatusItem, limit int) v1alpha1.AggregatedStatusItem {
	said, reported := f.reports[member]
	item, known := previous[member]
	switch {
	case reported && !said.Gone:
		item = itemOf(member, said, limit)
		item.Drift = drifted(said.Drift, previous[member].Drift, f.now)
		if said.Applied && f.template != nil && said.TemplateGeneration < f.template.GetGeneration() {
			item.Applied, item.Reason, item.AppliedMessage = false, v1alpha1.ReasonApplying, "the template has changed"
		}
	case !known || reported:
		item = v1alpha1.AggregatedStatusItem{ClusterName: member, Reason: v1alpha1.ReasonApplying}
	case !f.ready[member]:
		item.Applied, item.Reason, item.AppliedMessage = false, v1alpha1.ReasonMemberUnreachable, unasked
	}
	if !f.ready[member] || item.Health == "" {
		item.Health = v1alpha1.HealthUnknown
	}
	item.UnhealthySince = unhealthySince(item.Health, previous[member].UnhealthySince, f.now)
	return item
}

// unhealthySince is since when an object has been unhealthy. Not knowing it for a while neither begins nor ends that.
func unhealthySince(health v1alpha1.Health, before *metav1.Time, now time.Time) *metav1.Time {
	switch {
	case health == v1alpha1.Healthy:
		return nil
	case health == v1alpha1.Unhealthy && before == nil:
		return &metav1.Time{Time: now.Truncate(time.Second)}
	}
	return before
}

// appendLeaving adds a cluster that is no target any more, until it is known to hold no copy, or left the fleet.
func appendLeaving(items []v1alpha1.AggregatedStatusItem, f facts, item v1alpha1.AggregatedStatusItem) []v1alpha1.AggregatedStatusItem {
	said, reported := f.reports[item.ClusterName]
	isReady, exists := f.ready[item.ClusterName]
	if !exists || said.Gone {
		return items
	}
	item.Applied, item.Reason, item.Status, item.ReadyReplicas, item.UnhealthySince = false, v1alpha1.ReasonRemovingOld, nil, nil, nil
	item.AppliedMessage = ""
	if reported && !said.Applied {
		item.AppliedMessage = conditions.Shorten(said.Message, maxApplied)
	}
	if !isReady || item.Health == "" {
		item.Health = v1alpha1.HealthUnknown
	}
	return append(items, item)
}

// leaving are the clusters that are no targets, and hold a copy as far as the status and the reports know.
func leaving(f facts) sets.Set[string] {
	clusters := sets.New[string]()
	targets, items := targetNames(f), f.binding.BindingStatus().AggregatedStatus
	for i := range items {
		if name := items[i].ClusterName; !targets[name] && !f.reports[name].Gone {
			clusters.Insert(name)
		}
	}
	for member, said := range f.reports {
		if !targets[member] && !said.Gone {
			clusters.Insert(member)
		}
	}
	return clusters
}

func itemOf(member string, said report.Report, limit int) v1alpha1.AggregatedStatusItem {
	item := v1alpha1.AggregatedStatusItem{
		ClusterName: member, Applied: said.Applied, Health: said.Health,
		Reason: conditions.Shorten(said.Reason, maxReason), AppliedMessage: conditions.Shorten(said.Message, maxApplied),
	}
	if said.Counted {
		item.ReadyReplicas = &said.Ready
	}
	if said.Status != "" && len(said.Status) <= limit {
		item.Status = &runtime.RawExtension{Raw: []byte(said.Status)}
	}
	return item
}

func targetNames(f facts) map[string]bool {
	targets := f.binding.BindingSpec().Targets()
	names := make(map[string]bool, len(targets))
	for _, target := range targets {
		names[target.Name] = true
	}
	return names
}

// targetItems are the items of target clusters, which alone serve.
func targetItems(f facts, items []v1alpha1.AggregatedStatusItem) []v1alpha1.AggregatedStatusItem {
	names := targetNames(f)
	return slices.DeleteFunc(slices.Clone(items), func(item v1alpha1.AggregatedStatusItem) bool { return !names[item.ClusterName] })
}

// stayingItems are those of them that do not only wait for their replacement.
func stayingItems(f facts, items []v1alpha1.AggregatedStatusItem) []v1alpha1.AggregatedStatusItem {
	spec := f.binding.BindingSpec()
	return slices.DeleteFunc(targetItems(f, items), func(item v1alpha1.AggregatedStatusItem) bool {
		return spec.Retains(item.ClusterName) && !spec.Decides(item.ClusterName)
	})
}

// transient reasons are expected to pass without a change of the template. That a member does not answer is told
// once, by its Cluster, and not by every template.
func transient(reason string) bool {
	return reason == v1alpha1.ReasonApplying || reason == v1alpha1.ReasonMemberUnreachable || reason == v1alpha1.ReasonRetained
}

func appliedCondition(targets []v1alpha1.AggregatedStatusItem) metav1.Condition {
	verb := "hold"
	if len(targets) == 1 {
		verb = "holds"
	}
	condition := metav1.Condition{Type: v1alpha1.ConditionApplied, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonApplied,
		Message: conditions.Count(len(targets), "cluster") + " " + verb + " the current manifest"}
	if len(targets) == 0 {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, v1alpha1.ReasonNotScheduled, "there is no target cluster"
		return condition
	}
	var said []string
	reason := ""
	for _, item := range targets {
		if item.Applied {
			continue
		}
		said = append(said, sentence(item.ClusterName, item.Reason, item.AppliedMessage))
		if reason == "" || (transient(reason) && !transient(item.Reason)) {
			reason = item.Reason
		}
	}
	if len(said) == 0 {
		return withDrift(condition, targets)
	}
	condition.Status, condition.Message = metav1.ConditionFalse, listed(said)
	condition.Reason = reason
	if reason == "" {
		condition.Reason = v1alpha1.ReasonApplying
	}
	return condition
}

// withDrift tells of members whose values were changed there and stay so, because the policy wants it.
func withDrift(condition metav1.Condition, targets []v1alpha1.AggregatedStatusItem) metav1.Condition {
	var said []string
	for _, item := range targets {
		if len(item.Drift) > 0 {
			said = append(said, fmt.Sprintf("%s: %s was changed there", item.ClusterName, item.Drift[0].Path))
		}
	}
	if len(said) > 0 {
		condition.Reason = v1alpha1.ReasonDrifted
		condition.Message += ", and the driftPolicy leaves what was changed: " + listed(said)
	}
	return condition
}

func healthyCondition(targets []v1alpha1.AggregatedStatusItem) metav1.Condition {
	condition := metav1.Condition{Type: v1alpha1.ConditionHealthy, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAllHealthy,
		Message: "the object is healthy in " + conditions.Count(len(targets), "cluster")}
	if len(targets) == 0 {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionUnknown, v1alpha1.ReasonNotScheduled, "there is no target cluster"
		return condition
	}
	var said []string
	for _, item := range targets {
		if item.Health == v1alpha1.Healthy {
			continue
		}
		said = append(said, sentence(item.ClusterName, string(item.Health), ""))
		if item.Health == v1alpha1.Unhealthy {
			condition.Status = metav1.ConditionFalse
		} else if condition.Status == metav1.ConditionTrue {
			condition.Status = metav1.ConditionUnknown
		}
	}
	if len(said) > 0 {
		condition.Reason, condition.Message = v1alpha1.ReasonNotAllHealthy, listed(said)
	}
	return condition
}

func sentence(cluster, reason, message string) string {
	if message == "" {
		return cluster + ": " + reason
	}
	return cluster + ": " + reason + ": " + conditions.Shorten(message, maxSaid)
}

// listed names a few and counts the rest, so that a message stays readable in a large fleet.
func listed(said []string) string {
	if len(said) <= maxNamed {
		return strings.Join(said, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(said[:maxNamed], "; "), len(said)-maxNamed)
}

// timed keeps the time of a condition whose status is what it was.
func timed(f facts, condition metav1.Condition) metav1.Condition {
	condition.ObservedGeneration = f.binding.GetGeneration()
	condition.LastTransitionTime = metav1.NewTime(f.now.Truncate(time.Second))
	return conditions.Timed(f.binding.BindingStatus().Conditions, condition)
}

// turns says whether a condition turns in a way that somebody waits for, or should look at. That something is on
// its way, or not yet healthy when it has just been made, is progress.
func turns(before, after []metav1.Condition) bool {
	return slices.ContainsFunc(after, func(now metav1.Condition) bool {
		old := meta.FindStatusCondition(before, now.Type)
		if transient(now.Reason) || (old == nil && now.Reason == v1alpha1.ReasonNotAllHealthy) {
			return false
		}
		return old == nil || old.Status != now.Status || old.Reason != now.Reason
	})
}

// same compares the fields that aggregation owns.
func same(before, after *v1alpha1.BindingStatus) bool {
	if !equality.Semantic.DeepEqual(before.Summary, after.Summary) {
		return false
	}
	for _, now := range after.Conditions {
		if old := meta.FindStatusCondition(before.Conditions, now.Type); old == nil || !equality.Semantic.DeepEqual(*old, now) {
			return false
		}
	}
	return slices.EqualFunc(before.AggregatedStatus, after.AggregatedStatus, sameItem)
}

func sameItem(a, b v1alpha1.AggregatedStatusItem) bool {
	x, y := a.Status, b.Status
	a.Status, b.Status = nil, nil
	return equality.Semantic.DeepEqual(a, b) && (sameBytes(x, y) || equality.Semantic.DeepEqual(decoded(x), decoded(y)))
}

// sameBytes spares the decoding in the usual case. The API server may write the same in other bytes.
func sameBytes(a, b *runtime.RawExtension) bool {
	return a != nil && b != nil && bytes.Equal(a.Raw, b.Raw)
}

// decoded is the status within an item; nil when there is none, or none that can be read.
func decoded(status *runtime.RawExtension) map[string]any {
	if status == nil || len(status.Raw) == 0 {
		return nil
	}
	var fields map[string]any
	if err := json.Unmarshal(status.Raw, &fields); err != nil {
		return nil
	}
	return fields
}

// fleet is what the interpreter adds up: the target clusters only, and as up to date only those that speak of the
// template's newest generation.
func fleet(f facts, items []v1alpha1.AggregatedStatusItem) interpreter.Fleet {
	spec := f.binding.BindingSpec()
	result := interpreter.Fleet{Divided: spec.Placement.Divides(), Pending: spec.Unplaced() > 0, Now: metav1.NewTime(f.now.Truncate(time.Second))}
	for _, item := range targetItems(f, items) {
		said := f.reports[item.ClusterName]
		result.Members = append(result.Members, interpreter.MemberStatus{
			Cluster:  item.ClusterName,
			Status:   decoded(item.Status),
			UpToDate: item.Applied && said.UpToDate,
		})
	}
	return result
}
