package placing

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

func TestEveryPolicySaysWhyItDoesNotSelect(t *testing.T) {
	web := policymatch.Template{
		GVK: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespace: "shop", Name: "web",
		Labels: map[string]string{"app": "web", "tier": "front"},
	}
	lease := policymatch.Template{GVK: schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}, Namespace: "shop", Name: "web"}
	made := web
	made.Controlled = true
	system := web
	system.Namespace = "kube-system"
	selector := func(change func(*v1alpha1.ResourceSelector)) v1alpha1.ResourceSelector {
		s := v1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "Deployment"}
		change(&s)
		return s
	}
	elsewhere := policyFor("p", v1alpha1.Placement{})
	elsewhere.Namespace = "bank"
	going := policyFor("p", v1alpha1.Placement{})
	going.DeletionTimestamp = &metav1.Time{Time: now}
	cases := map[string]struct {
		template policymatch.Template
		policy   *v1alpha1.PropagationPolicy
		want     string
	}{
		"it selects":           {web, policyFor("p", v1alpha1.Placement{}), "selects it by kind"},
		"it is being deleted":  {web, going, "is being deleted"},
		"it is elsewhere":      {web, elsewhere, "is in another namespace"},
		"another kind":         {web, policyFor("p", v1alpha1.Placement{}, selector(func(s *v1alpha1.ResourceSelector) { s.Kind = "Job" })), "resourceSelectors[0] selects the kind Job"},
		"another version":      {web, policyFor("p", v1alpha1.Placement{}, selector(func(s *v1alpha1.ResourceSelector) { s.APIVersion = "apps/v2" })), "resourceSelectors[0] selects Deployment of apps/v2, not of apps/v1"},
		"another namespace":    {web, policyFor("p", v1alpha1.Placement{}, selector(func(s *v1alpha1.ResourceSelector) { s.Namespace = "bank" })), "resourceSelectors[0] selects in the namespace bank"},
		"another name":         {web, policyFor("p", v1alpha1.Placement{}, selector(func(s *v1alpha1.ResourceSelector) { s.Name = "api" })), "resourceSelectors[0] selects the name api"},
		"a kind of each":       {lease, policyFor("p", v1alpha1.Placement{}), "cannot select it: every cluster makes its own objects of this kind"},
		"made by a controller": {made, policyFor("p", v1alpha1.Placement{}), "cannot select it: a controller made it; what its controller makes it from is the template"},
		"of the host's system": {system, func() *v1alpha1.PropagationPolicy {
			p := policyFor("p", v1alpha1.Placement{})
			p.Namespace = "kube-system"
			return p
		}(), "cannot select it: it belongs to the system of the host cluster"},
		"the closest one of two": {web, policyFor("p", v1alpha1.Placement{},
			selector(func(s *v1alpha1.ResourceSelector) { s.Kind = "Job" }),
			selector(func(s *v1alpha1.ResourceSelector) {
				s.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}
			})), "resourceSelectors[1] selects the labels app=api; it has app=web, tier=front"},
		"an invalid selector": {web, policyFor("p", v1alpha1.Placement{}, selector(func(s *v1alpha1.ResourceSelector) {
			s.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Is"}}}
		})), `resourceSelectors[0] has a labelSelector that cannot be understood: "Is" is not a valid label selector operator`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := checkPolicies(tc.template, []v1alpha1.Policy{tc.policy})
			if len(got) != 1 || got[0].Reason != tc.want || got[0].Selects != (name == "it selects") {
				t.Errorf("checkPolicies() = %+v, want %q", got, tc.want)
			}
		})
	}
}

func TestTheAnswerIsOneSentence(t *testing.T) {
	chosen := func(name string, applied *bool, health v1alpha1.Health) ClusterPlacement {
		return ClusterPlacement{Cluster: name, Chosen: true, Applied: applied, Health: health}
	}
	refused := func(name, message, hint string) ClusterPlacement {
		return ClusterPlacement{Cluster: name, Message: message, Hint: hint}
	}
	well := chosen("berlin", ptr.To(true), v1alpha1.Healthy)
	in := []v1alpha1.TargetCluster{{Name: "berlin", Replicas: ptr.To[int32](2)}}
	success := PlacementDecision{Scheduled: true, Reason: v1alpha1.ReasonScheduled}
	cases := map[string]struct {
		decision PlacementDecision
		clusters []ClusterPlacement
		in       []v1alpha1.TargetCluster
		suspend  bool
		changed  bool
		want     string
	}{
		"all is well": {decision: success, clusters: []ClusterPlacement{well}, in: in, want: "It runs where its placement wants it, in berlin (2)."},
		"some do not fit": {
			decision: success, in: in,
			clusters: []ClusterPlacement{well, refused("a", "was x", ""), refused("b", "was y", ""), refused("c", "was y", ""), refused("d", "was z", ""), refused("e", "was w", "")},
			want:     "It runs where its placement wants it, in berlin (2); not in b, c, which was y; not in a, which was x; not in d, which was z; see the table for the other 1 cause.",
		},
		"a member is silent":      {decision: success, in: in, clusters: []ClusterPlacement{chosen("berlin", nil, "")}, want: "It is placed in berlin (2), but berlin has not told of it yet."},
		"it is not healthy":       {decision: success, in: in, clusters: []ClusterPlacement{chosen("berlin", ptr.To(true), v1alpha1.Unhealthy)}, want: "It is placed in berlin (2), but it is not healthy in berlin (Unhealthy)."},
		"nothing fits, new":       {decision: PlacementDecision{Reason: v1alpha1.ReasonNoClusterFit, Message: "0/1 clusters fit: 1 was x"}, clusters: []ClusterPlacement{refused("a", "was x", "do y")}, want: "It runs in no cluster because of NoClusterFit: 0/1 clusters fit: 1 was x; for a: do y."},
		"nothing fits, not new":   {decision: PlacementDecision{Reason: v1alpha1.ReasonSpreadNotMet, Message: "no way"}, in: in, want: "It stays in berlin (2), because no better placement is possible, SpreadNotMet: no way."},
		"it cannot leave":         {decision: PlacementDecision{Reason: v1alpha1.ReasonLeaving, Message: "1 replica stays"}, in: in, want: "Some of it runs where it should not: 1 replica stays."},
		"scheduling is suspended": {decision: success, suspend: true, changed: true, in: in, want: "It stays in berlin (2) because scheduling is suspended."},
		"it is about to change": {
			decision: PlacementDecision{Scheduled: true, Reason: v1alpha1.ReasonScheduled, Trigger: "Eviction"}, changed: true, in: in,
			want: "It is in berlin (2) and the rules ask for another placement (Eviction): wait for the scheduler, or look at the manager's log.",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			spec := &v1alpha1.BindingSpec{Clusters: tc.in}
			if tc.suspend {
				spec.Suspension = &v1alpha1.BindingSuspension{Scheduling: ptr.To(true)}
			}
			got := answer(&Explanation{Decision: &tc.decision, Clusters: tc.clusters}, spec, tc.changed)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("answer() (-want +got):\n%s", diff)
			}
		})
	}
}
