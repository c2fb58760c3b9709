package placing

import (
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

// Explanation is what explain prints as JSON and YAML.
type Explanation struct {
	// Template is the template.
	Template v1alpha1.ObjectReference `json:"template"`
	// Replicas that the template asks for; absent for kinds without replicas.
	Replicas *int32 `json:"replicas,omitempty"`
	// Binding is the name of its binding; empty when it has none.
	Binding string `json:"binding,omitempty"`
	// Policy is the policy that governs it, with the reason why this one does; absent when none does.
	Policy *v1alpha1.PolicyReference `json:"policy,omitempty"`
	// Policies are all that could select templates of its namespace, and what each means to it.
	Policies []PolicyCheck `json:"policies,omitempty"`
	// LastDecision is what the scheduler has told of its last decision; absent when it has not.
	LastDecision *LastDecision `json:"lastDecision,omitempty"`
	// Decision is what the scheduler's rules say now; absent when there is nothing to decide.
	Decision *PlacementDecision `json:"decision,omitempty"`
	// Capacity says where the room of each cluster is known from; absent when the placement does not ask for room.
	Capacity []ClusterRoom `json:"capacity,omitempty"`
	// Clusters are all clusters, those that are chosen first.
	Clusters []ClusterPlacement `json:"clusters,omitempty"`
	// Notes say what is out of the ordinary.
	Notes []string `json:"notes,omitempty"`
	// Answer says in one sentence where the template runs, and why not elsewhere.
	Answer string `json:"answer"`
}

// LastDecision is what the scheduler has told of its last decision.
type LastDecision struct {
	// Time is when the clusters were last decided anew; absent when they never were.
	Time *metav1.Time `json:"time,omitempty"`
	// Reason is that of the binding's condition Scheduled.
	Reason string `json:"reason"`
	// Message says more.
	Message string `json:"message,omitempty"`
	// Pending is how many replicas found no room.
	Pending int32 `json:"pendingReplicas"`
}

// facts is all that an explanation is made of.
type facts struct {
	reference v1alpha1.ObjectReference
	template  *unstructured.Unstructured // nil: it is gone, its binding is not
	binding   v1alpha1.Binding           // nil: there is none
	policies  []v1alpha1.Policy          // that can select the template
	bindings  []v1alpha1.Binding         // of its namespace
	subject   *subject                   // nil: there is nothing to decide
	fleet     fleet
	rooms     []ClusterRoom
	now       time.Time
}

// explainFacts makes an explanation.
func explainFacts(f facts) Explanation {
	e := Explanation{Template: f.reference, Capacity: f.rooms}
	if f.template != nil {
		e.Policies = checkPolicies(seenBy(f.template), f.policies)
	}
	if f.binding != nil {
		e.Binding, e.Policy, e.LastDecision = f.binding.GetName(), f.binding.BindingSpec().Policy, lastDecisionOf(f.binding.BindingStatus())
	}
	e.Notes = notesOn(f)
	if f.subject == nil {
		e.Answer = whyNowhere(f, e.Policies)
		return e
	}
	decision := f.fleet.decide(f.subject, subjectsOf(f.bindings), f.now)
	told := decisionOf(decision)
	e.Replicas, e.Decision = f.subject.spec.Replicas, &told
	e.Clusters = placementsOf(decision, f.subject.spec.Clusters, weighs(f.subject.spec))
	if f.binding == nil {
		e.Policy = f.subject.spec.Policy
		e.Answer = fmt.Sprintf("It runs in no cluster because it has no binding yet, though %s selects it: look whether a manager runs, and at the policy's condition Ready.",
			policyText(e.Policy.Kind, e.Policy.Namespace, e.Policy.Name))
		return e
	}
	report(e.Clusters, f.binding.BindingStatus().AggregatedStatus)
	if decision.Trigger == schedule.TriggerNone {
		wouldGet(e.Clusters, f.fleet.afresh(f.subject, subjectsOf(f.bindings), f.now))
	}
	changed := len(changesOf(f.subject.spec.Clusters, decision.Clusters)) > 0
	if changed && !suspended(f.subject.spec) {
		e.Notes = append(e.Notes, "The rules lead to another placement now than the binding has: the scheduler is about to write it, does not run, or sees less room because of what it placed a moment ago.")
	}
	e.Answer = answer(&e, f.subject.spec, changed)
	return e
}

func lastDecisionOf(status *v1alpha1.BindingStatus) *LastDecision {
	condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionScheduled)
	if condition == nil {
		return nil
	}
	return &LastDecision{Time: status.LastScheduledTime, Reason: condition.Reason, Message: condition.Message, Pending: status.PendingReplicas}
}

func suspended(spec *v1alpha1.BindingSpec) bool {
	return spec.Suspension != nil && ptr.Deref(spec.Suspension.Scheduling, false)
}

// notesOn says what is out of the ordinary about a template.
func notesOn(f facts) (notes []string) {
	if f.template == nil {
		notes = append(notes, "The template is gone; its binding stays until every member has removed its copy.")
	}
	if f.binding == nil {
		return notes
	}
	if f.binding.GetDeletionTimestamp() != nil && f.template != nil {
		notes = append(notes, "The binding is being deleted: members have not all removed what it put there.")
	}
	spec := f.binding.BindingSpec()
	switch policy := governing(f); {
	case spec.Policy == nil:
		notes = append(notes, "No policy selects the template any more; it keeps its last placement, and the scheduler still follows the clusters.")
	case policy == nil:
		notes = append(notes, fmt.Sprintf("%s is gone; the manager has not looked at the template since.", policyText(spec.Policy.Kind, spec.Policy.Namespace, spec.Policy.Name)))
	case !equality.Semantic.DeepEqual(&policy.PropagationSpec().Placement, spec.Placement):
		notes = append(notes, "The policy's placement is newer than the binding's: the manager has not carried it over yet.")
	}
	if suspended(spec) {
		notes = append(notes, "Scheduling is suspended by spec.suspension.scheduling of the binding.")
	}
	if spec.SchedulerName != "" && spec.SchedulerName != defaultScheduler {
		notes = append(notes, fmt.Sprintf("The scheduler %s decides about it, which is not part of Flotilla; what follows is what Flotilla's own would do.", spec.SchedulerName))
	}
	for _, limit := range spec.ReplicaLimits {
		notes = append(notes, fmt.Sprintf("The descheduler lets %s hold at most %d replicas: %s", limit.Cluster, limit.MaxReplicas, orElse(limit.Message, "pods found no node there.")))
	}
	return notes
}

// defaultScheduler is the schedulerName that means Flotilla's own scheduler; an empty one does too.
const defaultScheduler = "default-scheduler"

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// governing is the policy that the binding names; nil when it is gone.
func governing(f facts) v1alpha1.Policy {
	ref := f.binding.BindingSpec().Policy
	for _, policy := range f.policies {
		if ref != nil && policymatch.RefersTo(ref, policy) {
			return policy
		}
	}
	return nil
}

// printExplanation prints an explanation for people.
func printExplanation(out io.Writer, e *Explanation, now time.Time) error {
	for _, line := range headOf(e, now) {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	var err error
	switch {
	case len(e.Clusters) > 0:
		_, _ = fmt.Fprintln(out)
		err = printColumns(out, placementColumns(), e.Clusters)
	case e.Policy == nil && len(e.Policies) > 0:
		_, _ = fmt.Fprintln(out)
		err = printColumns(out, policyColumns(), e.Policies)
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "\n%s\n", e.Answer); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

func policyColumns() []column[PolicyCheck] {
	return []column[PolicyCheck]{
		{title: "POLICY", cell: PolicyCheck.text, always: true},
		{title: "SELECTS IT", cell: func(c PolicyCheck) string { return yesNo(c.Selects) }, always: true},
		{title: "WHY", cell: func(c PolicyCheck) string { return c.Reason }, always: true},
	}
}

// headOf is what is said above the table.
func headOf(e *Explanation, now time.Time) []string {
	lines := []string{"Template:  " + templateText(e.Template) + replicasText(e.Replicas)}
	if e.Policy != nil {
		lines = append(lines, "Policy:    "+policyText(e.Policy.Kind, e.Policy.Namespace, e.Policy.Name)+": "+orElse(e.Policy.Reason, "no reason given"))
	} else {
		lines = append(lines, "Policy:    none")
	}
	lines = append(lines, "Binding:   "+orElse(e.Binding, "none"))
	if last := e.LastDecision; last != nil {
		when := "never placed"
		if last.Time != nil {
			when = "placed " + duration.HumanDuration(now.Sub(last.Time.Time)) + " ago"
		}
		lines = append(lines, fmt.Sprintf("Decided:   %s: %s (%s)", last.Reason, last.Message, when))
	}
	if d := e.Decision; d != nil {
		why := "nothing moves"
		if d.Trigger != "" {
			why = "trigger " + d.Trigger
		}
		lines = append(lines, fmt.Sprintf("Now:       %s: %s (%s)", d.Reason, d.Message, why))
	}
	if text := describeRooms(e.Capacity); text != "" {
		lines = append(lines, "Room:      "+text)
	}
	for _, room := range e.Capacity {
		if room.Message != "" {
			lines = append(lines, "           "+room.Cluster+": "+room.Message)
		}
	}
	for _, note := range e.Notes {
		lines = append(lines, "Note:      "+strings.ReplaceAll(note, "\n", " "))
	}
	return lines
}

func replicasText(n *int32) string {
	if n == nil {
		return ""
	}
	return ", " + countText(int64(*n), "replica")
}
