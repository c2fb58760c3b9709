package propagation

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

func TestJudge(t *testing.T) {
	synced := kindFacts{watch: objectcache.State{Watched: true, Synced: true}}
	failing := func(err error) kindFacts { return kindFacts{watch: objectcache.State{Watched: true, Err: err}} }
	selector := func(change func(*v1alpha1.ResourceSelector)) []v1alpha1.ResourceSelector {
		s := selecting(deployment, "")
		change(&s)
		return []v1alpha1.ResourceSelector{s}
	}
	preserving := func(path string) *v1alpha1.StatePreservation {
		return &v1alpha1.StatePreservation{Rules: []v1alpha1.StatePreservationRule{
			{AliasLabelName: "a", JSONPath: "{.jobStatus.jobId}"}, {AliasLabelName: "b", JSONPath: path},
		}}
	}
	tests := map[string]struct {
		selectors []v1alpha1.ResourceSelector
		failover  *v1alpha1.FailoverBehavior
		facts     kindFacts
		want      verdict
	}{
		"all is well": {facts: synced, want: verdict{"True", "Watching", "every selected kind is watched"}},
		"state that can be preserved": {
			failover: &v1alpha1.FailoverBehavior{Cluster: &v1alpha1.ClusterFailoverBehavior{StatePreservation: preserving(".a[0]")}}, facts: synced,
			want: verdict{"True", "Watching", "every selected kind is watched"},
		},
		"state at a path that is none": {
			failover: &v1alpha1.FailoverBehavior{Cluster: &v1alpha1.ClusterFailoverBehavior{StatePreservation: preserving("{.a[}")}}, facts: synced,
			want: verdict{"False", "InvalidStatePreservation", "spec.failover.cluster.statePreservation.rules[1].jsonPath: " +
				"the jsonPath is not valid: unterminated array: write it as in {.jobStatus.jobId}"},
		},
		"state of an application at two paths": {
			failover: &v1alpha1.FailoverBehavior{Application: &v1alpha1.ApplicationFailoverBehavior{StatePreservation: preserving("{.a}{.b}")}}, facts: synced,
			want: verdict{"False", "InvalidStatePreservation", "spec.failover.application.statePreservation.rules[1].jsonPath: " +
				"the jsonPath must have exactly one {...}: write it as in {.jobStatus.jobId}"},
		},
		"a watch that starts": {want: verdict{"Unknown", "WatchStarting",
			"spec.resourceSelectors[0]: the watch of apps/v1 Deployment has not synced yet"}},
		"a watch that fails": {facts: failing(errors.New("connection refused")), want: verdict{"False", "WatchStarting",
			"spec.resourceSelectors[0]: cannot watch apps/v1 Deployment yet: connection refused"}},
		"an unknown kind": {facts: failing(&meta.NoKindMatchError{}), want: verdict{"False", "KindNotFound",
			"spec.resourceSelectors[0]: the host does not serve apps/v1 Deployment: check apiVersion and kind, or install it"}},
		"a forbidden kind": {
			facts: failing(apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "", errors.New("no rule"))),
			want: verdict{"False", "WatchForbidden", "spec.resourceSelectors[0]: the manager may not watch apps/v1 Deployment: " +
				"grant it get, list and watch (deployments is forbidden: no rule)"},
		},
		"a cluster-scoped kind": {facts: kindFacts{watch: synced.watch, clusterScoped: true}, want: verdict{"False", "NamespaceMismatch",
			"spec.resourceSelectors[0]: apps/v1 Deployment is cluster-scoped: use a ClusterPropagationPolicy"}},
		"another namespace": {
			selectors: selector(func(s *v1alpha1.ResourceSelector) { s.Namespace = "other" }), facts: synced,
			want: verdict{"False", "NamespaceMismatch", "spec.resourceSelectors[0]: selects nothing in namespace other: " +
				"a PropagationPolicy selects in its own namespace only, use a ClusterPropagationPolicy for others"},
		},
		"an apiVersion that is none": {
			selectors: selector(func(s *v1alpha1.ResourceSelector) { s.APIVersion = "a/b/c" }),
			want:      verdict{"False", "KindNotFound", `spec.resourceSelectors[0]: apiVersion "a/b/c" is not of the form group/version`},
		},
		"a kind that is never propagated": {
			selectors: []v1alpha1.ResourceSelector{selecting(deployment, ""), {APIVersion: "v1", Kind: "Node"}}, facts: synced,
			want: verdict{"False", "KindNotPropagated", "spec.resourceSelectors[1]: v1 Node is never propagated: every cluster makes its own"},
		},
		"a label selector that cannot be parsed": {
			selectors: selector(func(s *v1alpha1.ResourceSelector) {
				s.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Is"}}}
			}), facts: synced,
			want: verdict{"False", "InvalidSelector", `spec.resourceSelectors[0]: the labelSelector selects nothing: "Is" is not a valid label selector operator`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			policy := webPolicy("web")
			if tc.selectors != nil {
				policy.Spec.ResourceSelectors = tc.selectors
			}
			policy.Spec.Failover = tc.failover
			got := judge(policy, surroundings{kinds: map[schema.GroupVersionKind]kindFacts{deployment: tc.facts}})
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("judge() (-want +got):\n%s", diff)
			}
		})
	}
}

// policyBed is a policyKeeper on a fake host.
type policyBed struct {
	*bed
	keeper   *policyKeeper
	recorder *events.FakeRecorder
}

func newPolicyBed(t *testing.T, policy *v1alpha1.PropagationPolicy, bindings ...*v1alpha1.ResourceBinding) *policyBed {
	t.Helper()
	b := &policyBed{bed: newBed(t, newTemplates(), policy), recorder: events.NewFakeRecorder(10)}
	for _, binding := range bindings {
		if err := b.host.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(deployment, meta.RESTScopeNamespace)
	b.keeper = &policyKeeper{client: b.host, templates: b.templates, mapper: mapper, events: b.recorder, clock: b.clock}
	return b
}

func (b *policyBed) look(t *testing.T) v1alpha1.PropagationStatus {
	t.Helper()
	key := types.NamespacedName{Namespace: "shop", Name: "web"}
	if _, err := b.keeper.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	policy := &v1alpha1.PropagationPolicy{}
	if err := b.host.Get(t.Context(), key, policy); err != nil {
		t.Fatal(err)
	}
	return policy.Status
}

func condition(conditionType string, status metav1.ConditionStatus, reason, message string, at time.Time) metav1.Condition {
	return metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: message,
		ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(at),
	}
}

func TestTheStatusOfAPolicyFollowsItsWatchesAndBindings(t *testing.T) {
	binding := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-deployment"}, Spec: webSpec("web")}
	b := newPolicyBed(t, webPolicy("web"), binding)
	want := v1alpha1.PropagationStatus{ObservedGeneration: 1, Bindings: 1, Conditions: []metav1.Condition{
		condition("Ready", "Unknown", "WatchStarting", "spec.resourceSelectors[0]: the watch of apps/v1 Deployment has not synced yet", start),
	}}
	if diff := cmp.Diff(want, b.look(t)); diff != "" {
		t.Errorf("at first, status (-want +got):\n%s", diff)
	}
	b.templates.put(webTemplate())
	b.clock.SetTime(start.Add(time.Minute))
	want.Conditions = []metav1.Condition{
		condition("Ready", "True", "Watching", "every selected kind is watched", start.Add(time.Minute)),
	}
	if diff := cmp.Diff(want, b.look(t)); diff != "" {
		t.Errorf("when synced, status (-want +got):\n%s", diff)
	}
	b.clock.SetTime(start.Add(time.Hour))
	b.look(t)
	b.templates.Unwatch(deployment) // a restart: nothing has synced yet
	if diff := cmp.Diff(want, b.look(t)); diff != "" {
		t.Errorf("after a restart, status (-want +got):\n%s", diff)
	}
	b.expectWrites(t, writes{Statuses: 2})
	if len(b.recorder.Events) > 0 {
		t.Errorf("an event was sent: %s", <-b.recorder.Events)
	}
}

func TestAPolicyThatCannotWorkGetsOneWarningForEachCause(t *testing.T) {
	policy := webPolicy("web")
	b := newPolicyBed(t, policy)
	b.templates.states[deployment] = objectcache.State{Watched: true, Err: &meta.NoKindMatchError{}}
	b.look(t)
	b.clock.SetTime(start.Add(time.Minute))
	b.look(t)
	close(b.recorder.Events)
	var got []string
	for e := range b.recorder.Events {
		got = append(got, e)
	}
	want := []string{
		"Warning KindNotFound spec.resourceSelectors[0]: the host does not serve apps/v1 Deployment: check apiVersion and kind, or install it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	b.expectWrites(t, writes{Statuses: 1})
}
