package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

const (
	// maxDrift is how many drifted fields are told of one object; the schema's bound.
	maxDrift = 10
	// maxCompared is how many fields are compared with what the member makes of the manifest itself.
	maxCompared = 100
	// maxPath and maxValue bound what is told of one field, in bytes; the schema's bounds.
	maxPath, maxValue = 512, 256
)

// rulesOf are what a binding asks for in one member.
func rulesOf(spec *v1alpha1.BindingSpec, cluster string) applyplan.Rules {
	rules := applyplan.Rules{Suspended: suspended(spec.Suspension, cluster) || spec.Retains(cluster)}
	takeOver := v1alpha1.TakeOver("")
	if a := spec.ApplyRules; a != nil {
		takeOver = a.TakeOver
		rules.CreateOnly, rules.ReportDrift = a.Mode == v1alpha1.ApplyCreateOnly, a.DriftPolicy == v1alpha1.DriftReport
	}
	switch {
	case takeOver == v1alpha1.TakeOverAlways, takeOver == "" && spec.ConflictResolution == v1alpha1.ConflictOverwrite:
		rules.TakeOver = applyplan.TakeOverAlways
	case takeOver == v1alpha1.TakeOverIfSame:
		rules.TakeOver = applyplan.TakeOverIfSame
	}
	return rules
}

func suspended(s *v1alpha1.BindingSuspension, cluster string) bool {
	return s != nil && (ptr.Deref(s.Dispatching, false) || ptr.Deref(s.Held, false) ||
		s.DispatchingOnClusters != nil && slices.Contains(s.DispatchingOnClusters.ClusterNames, cluster))
}

// rules are what a binding asks for in this member, and its Cluster where that counts.
func (w *worker) rules(ctx context.Context, binding v1alpha1.Binding, observed *membercluster.Observed) applyplan.Rules {
	rules := rulesOf(binding.BindingSpec(), w.member.Name)
	if observed == nil || !observed.Live.OtherHost {
		return rules
	}
	cluster := &v1alpha1.Cluster{}
	if err := w.host.Get(ctx, client.ObjectKey{Name: w.member.Name}, cluster, client.UnsafeDisableDeepCopy); err == nil {
		rules.AdoptFrom = cluster.Annotations[v1alpha1.AdoptFromAnnotation]
	}
	return rules
}

// complete adds the facts that only the member can tell, where they count.
func (w *worker) complete(ctx context.Context, j job, facts applyplan.Facts) (applyplan.Facts, error) {
	var err error
	if facts.Forgotten, err = w.doubtful(ctx, j); err != nil {
		return facts, err
	}
	if facts.NeedsComparison() {
		differences, err := w.differences(ctx, j, 1)
		if err != nil {
			return facts, err
		}
		facts.Same = len(differences) == 0
	}
	if facts.NeedsAnswer() {
		_, accepted, err := w.foresee(ctx, j)
		if err != nil {
			return facts, err
		}
		facts.Accepted = accepted
	}
	return facts, nil
}

// foresee asks the member what it would make of the manifest.
func (w *worker) foresee(ctx context.Context, j job) (*unstructured.Unstructured, *applyplan.Accepted, error) {
	content := &unstructured.Unstructured{Object: j.desired().Content(liveOf(j.observed))}
	return w.member.Foresee(ctx, content, j.rendered.Hash, j.observed)
}

// withheld says in words why a member does not get the manifest.
func withheld(spec *v1alpha1.BindingSpec, cluster string) (reason, message string) {
	switch {
	case spec.Retains(cluster):
		return v1alpha1.ReasonRetained, "the member keeps what it has until what replaces it is ready"
	case spec.Suspension != nil && ptr.Deref(spec.Suspension.Held, false):
		return v1alpha1.ReasonDispatchSuspended, "it is not known how many replicas the template asks for, or an override policy is missing that its policy depends on"
	}
	return v1alpha1.ReasonDispatchSuspended, "the suspension in the policy keeps the manifest from this member"
}

// differences compares the manifest with the whole object in the member.
func (w *worker) differences(ctx context.Context, j job, limit int) ([]applyplan.Difference, error) {
	resource := j.binding.BindingSpec().Resource
	live, err := w.member.Get(ctx, resource.GroupVersionKind(), resource.Key())
	if err != nil || live == nil {
		return nil, err
	}
	return applyplan.Differences(j.rendered.Object.Object, live.Object, limit), nil
}

// drift tells which values were changed in the member, as a report carries it. What the member makes of the manifest itself
// is none.
func (w *worker) drift(ctx context.Context, j job) (string, error) {
	differences, err := w.differences(ctx, j, maxCompared)
	if err != nil || len(differences) == 0 {
		return "", err
	}
	answer, _, err := w.foresee(ctx, j)
	if err != nil {
		return "", err
	}
	differences = applyplan.Beyond(differences, applyplan.Differences(j.rendered.Object.Object, answer.Object, maxCompared))
	if len(differences) == 0 {
		return "", nil
	}
	differences = differences[:min(len(differences), maxDrift)]
	fields := make([]v1alpha1.DriftedField, len(differences))
	for i, d := range differences {
		fields[i] = v1alpha1.DriftedField{Path: conditions.Shorten(d.Path, maxPath), Wanted: valueText(d.Wanted), Found: valueText(d.Found)}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("encoding the drift of %s: %w", j.rendered.Object.GetName(), err)
	}
	return string(text), nil
}

// valueText is a value as JSON; empty for none.
func valueText(value any) string {
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "" // what came as JSON can be encoded
	}
	return conditions.Shorten(string(text), maxValue)
}

// refusal says in words why the member's object is left alone.
func refusal(j job, because applyplan.Reason) (reason, message string) {
	resource := j.binding.BindingSpec().Resource
	switch because {
	case applyplan.OtherHost:
		return v1alpha1.ReasonOtherHost, fmt.Sprintf("another Flotilla host manages the member's %s %s; remove it there, or rename one of them; "+
			"if this host takes the other's place, annotate the Cluster with %s=%s",
			resource.Kind, resource.Key(), v1alpha1.AdoptFromAnnotation, j.observed.Live.Host)
	case applyplan.NotSame:
		return v1alpha1.ReasonForeignObject, fmt.Sprintf("the member holds a %s %s that is not this host's and differs from the manifest; make them the same, "+
			"or set applyRules.takeOver: Always in the policy to take it over", resource.Kind, resource.Key())
	}
	return v1alpha1.ReasonForeignObject, fmt.Sprintf("the member holds a %s %s that is not this host's; rename one of them, "+
		"or set conflictResolution: Overwrite in the policy to take it over", resource.Kind, resource.Key())
}
