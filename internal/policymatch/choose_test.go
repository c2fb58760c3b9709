package policymatch

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

func web() Template {
	return Template{GVK: deployment, Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"}}
}

// policy is a PropagationPolicy, or without a namespace a ClusterPropagationPolicy.
func policy(namespace, name string, priority int32, selectors ...v1alpha1.ResourceSelector) v1alpha1.Policy {
	spec := v1alpha1.PropagationSpec{ResourceSelectors: selectors, Priority: ptr.To(priority)}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	if namespace == "" {
		return &v1alpha1.ClusterPropagationPolicy{ObjectMeta: meta, Spec: spec}
	}
	return &v1alpha1.PropagationPolicy{ObjectMeta: meta, Spec: spec}
}

func byKind() v1alpha1.ResourceSelector {
	return v1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "Deployment"}
}

func byName(name string) v1alpha1.ResourceSelector {
	s := byKind()
	s.Name = name
	return s
}

func byLabel(value string) v1alpha1.ResourceSelector {
	s := byKind()
	s.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": value}}
	return s
}

func inNamespace(namespace string, s v1alpha1.ResourceSelector) v1alpha1.ResourceSelector {
	s.Namespace = namespace
	return s
}

func deleting(p v1alpha1.Policy) v1alpha1.Policy {
	p.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(1, 0)})
	return p
}

func ref(namespace, name, reason string) *v1alpha1.PolicyReference {
	kind := NamespacedKind
	if namespace == "" {
		kind = ClusterKind
	}
	return &v1alpha1.PolicyReference{Kind: kind, Namespace: namespace, Name: name, Reason: reason}
}

func TestChoose(t *testing.T) {
	tests := map[string]struct {
		template *Template
		policies []v1alpha1.Policy
		current  *v1alpha1.PolicyReference
		want     *v1alpha1.PolicyReference
	}{
		"no policy": {},
		"the only policy": {
			policies: []v1alpha1.Policy{policy("shop", "web", 0, byName("web"))},
			want:     ref("shop", "web", "selected by name; no other policy selects it"),
		},
		"a policy for another name, label, namespace or kind does not select": {
			policies: []v1alpha1.Policy{
				policy("shop", "a", 0, byName("api")),
				policy("shop", "b", 0, byLabel("api")),
				policy("other", "c", 0, byName("web")),
				policy("", "d", 0, inNamespace("other", byName("web"))),
				policy("shop", "e", 0, v1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "StatefulSet"}),
				policy("shop", "f", 0, v1alpha1.ResourceSelector{APIVersion: "apps/v1beta1", Kind: "Deployment"}),
			},
		},
		"a PropagationPolicy reaches its own namespace only, even when its selector names another": {
			policies: []v1alpha1.Policy{policy("other", "thief", 100, inNamespace("shop", byName("web")))},
		},
		"any of several selectors selects, and the closest one counts": {
			policies: []v1alpha1.Policy{
				policy("shop", "all", 0, byKind()),
				policy("shop", "some", 0, byKind(), byName("api"), byLabel("web")),
			},
			want: ref("shop", "some", "selected by labels, which is closer than all (by kind)"),
		},
		"a higher priority beats a closer selector": {
			policies: []v1alpha1.Policy{policy("shop", "web-default", 0, byName("web")), policy("shop", "all", 10, byKind())},
			want:     ref("shop", "all", "selected by kind; priority 10 beats web-default (0)"),
		},
		"a name is closer than labels": {
			policies: []v1alpha1.Policy{policy("shop", "a-labels", 0, byLabel("web")), policy("shop", "b-name", 0, byName("web"))},
			want:     ref("shop", "b-name", "selected by name, which is closer than a-labels (by labels)"),
		},
		"an empty label selector is no closer than the kind": {
			policies: []v1alpha1.Policy{
				policy("shop", "a-kind", 0, byKind()),
				policy("shop", "b-empty", 0, v1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "Deployment", LabelSelector: &metav1.LabelSelector{}}),
			},
			want: ref("shop", "a-kind", "selected by kind; equal to b-empty but for the name, which sorts first"),
		},
		"a name that is set makes the label selector count for nothing": {
			policies: []v1alpha1.Policy{policy("shop", "web", 0, v1alpha1.ResourceSelector{
				APIVersion: "apps/v1", Kind: "Deployment", Name: "web",
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "another"}},
			})},
			want: ref("shop", "web", "selected by name; no other policy selects it"),
		},
		"a PropagationPolicy comes before a ClusterPropagationPolicy of higher priority": {
			policies: []v1alpha1.Policy{policy("", "platform", 100, byName("web")), policy("shop", "team", -5, byKind())},
			want:     ref("shop", "team", "selected by kind; a PropagationPolicy comes before the ClusterPropagationPolicy platform"),
		},
		"a ClusterPropagationPolicy selects in every namespace": {
			policies: []v1alpha1.Policy{policy("", "platform", 0, byLabel("web"))},
			want:     ref("", "platform", "selected by labels; no other policy selects it"),
		},
		"the template stays with its policy while a better one appears": {
			policies: []v1alpha1.Policy{policy("", "platform", 0, byKind()), policy("shop", "team", 100, byName("web"))},
			current:  ref("", "platform", "selected by kind; no other policy selects it"),
			want:     ref("", "platform", "selected by kind; no other policy selects it"),
		},
		"the template leaves a policy that no longer selects it": {
			policies: []v1alpha1.Policy{policy("shop", "old", 0, byName("api")), policy("shop", "team", 0, byName("web"))},
			current:  ref("shop", "old", "was closer"),
			want:     ref("shop", "team", "selected by name; no other policy selects it"),
		},
		"the template leaves a policy that is being deleted": {
			policies: []v1alpha1.Policy{deleting(policy("shop", "old", 0, byName("web"))), policy("shop", "team", 0, byKind())},
			current:  ref("shop", "old", "was closer"),
			want:     ref("shop", "team", "selected by kind; no other policy selects it"),
		},
		"a namesake of the other kind is not the current policy": {
			policies: []v1alpha1.Policy{policy("", "web", 0, byName("web")), policy("shop", "web", 0, byName("web"))},
			current:  &v1alpha1.PolicyReference{Kind: ClusterKind, Namespace: "shop", Name: "web"},
			want:     ref("shop", "web", "selected by name; a PropagationPolicy comes before the ClusterPropagationPolicy web"),
		},
		"an invalid label selector selects nothing": {
			policies: []v1alpha1.Policy{policy("shop", "broken", 0, v1alpha1.ResourceSelector{
				APIVersion: "apps/v1", Kind: "Deployment",
				LabelSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Is"}}},
			})},
		},
		"what a controller made is no template": {
			template: &Template{GVK: deployment, Namespace: "shop", Name: "web", Controlled: true},
			policies: []v1alpha1.Policy{policy("shop", "web", 0, byName("web"))},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			template := web()
			if tc.template != nil {
				template = *tc.template
			}
			got, chosen := Choose(template, tc.policies, tc.current)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Choose() (-want +got):\n%s", diff)
			}
			if got != nil && !RefersTo(got, chosen) {
				t.Errorf("Choose() refers to %v and returns %s/%s", got, chosen.GetNamespace(), chosen.GetName())
			}
			if got == nil && chosen != nil {
				t.Errorf("Choose() returns %s without a reference", chosen.GetName())
			}
		})
	}
}

func TestChooseDoesNotDependOnTheOrderOfPolicies(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	selectors := []v1alpha1.ResourceSelector{byKind(), byName("web"), byLabel("web"), byName("api"), byLabel("api")}
	for round := range 500 {
		var policies []v1alpha1.Policy
		for i := range 1 + random.IntN(8) {
			namespace := []string{"", "shop", "other"}[random.IntN(3)]
			p := policy(namespace, fmt.Sprintf("p%d", i), random.Int32N(3), selectors[random.IntN(len(selectors))])
			if random.IntN(8) == 0 {
				p = deleting(p)
			}
			if random.IntN(4) == 0 {
				p.PropagationSpec().Preemption = v1alpha1.PreemptAlways
			}
			policies = append(policies, p)
		}
		var current *v1alpha1.PolicyReference
		if random.IntN(2) == 0 {
			current = Reference(policies[random.IntN(len(policies))])
		}
		want, _ := Choose(web(), policies, current)
		random.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })
		got, _ := Choose(web(), policies, current)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d: another order gives another policy (-want +got):\n%s", round, diff)
		}
		again, _ := Choose(web(), policies, got)
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("round %d: the chosen policy does not keep the template (-want +got):\n%s", round, diff)
		}
	}
}

func TestPreemptionTakesTemplatesFromOtherPolicies(t *testing.T) {
	always := func(p v1alpha1.Policy) v1alpha1.Policy {
		p.PropagationSpec().Preemption = v1alpha1.PreemptAlways
		return p
	}
	team, platform := policy("shop", "team", 5, byKind()), policy("", "platform", 5, byKind())
	for name, tc := range map[string]struct {
		holder, other v1alpha1.Policy
		want          *v1alpha1.PolicyReference
	}{
		"of lower priority": {
			team, always(policy("shop", "urgent", 6, byKind())),
			ref("shop", "urgent", "selected by kind; its preemption took the template from team (priority 5, its own is 6)"),
		},
		"not of equal priority, even with a closer selector": {team, always(policy("shop", "urgent", 5, byName("web"))), ref("shop", "team", "was first")},
		"of all namespaces, whatever their priority": {
			platform, always(policy("shop", "own", -1, byKind())),
			ref("shop", "own", "selected by kind; its preemption took the template from platform (a ClusterPropagationPolicy)"),
		},
		"of one namespace: not for a ClusterPropagationPolicy": {team, always(policy("", "urgent", 100, byKind())), ref("shop", "team", "was first")},
		"of all namespaces with lower priority": {
			platform, always(policy("", "urgent", 6, byKind())),
			ref("", "urgent", "selected by kind; its preemption took the template from platform (priority 5, its own is 6)"),
		},
		"not without preemption":                {team, policy("shop", "urgent", 6, byKind()), ref("shop", "team", "was first")},
		"not for what it does not select":       {team, always(policy("shop", "urgent", 6, byName("api"))), ref("shop", "team", "was first")},
		"not by a policy that is being deleted": {team, deleting(always(policy("shop", "urgent", 6, byKind()))), ref("shop", "team", "was first")},
	} {
		t.Run(name, func(t *testing.T) {
			current := Reference(tc.holder)
			current.Reason = "was first"
			got, chosen := Choose(web(), []v1alpha1.Policy{tc.holder, tc.other}, current)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Choose() (-want +got):\n%s", diff)
			}
			if !RefersTo(got, chosen) {
				t.Errorf("Choose() refers to %v and returns %s", got, chosen.GetName())
			}
		})
	}
}

func TestAllowed(t *testing.T) {
	core := func(kind, namespace, name string) Template {
		return Template{GVK: schema.GroupVersionKind{Version: "v1", Kind: kind}, Namespace: namespace, Name: name}
	}
	group := func(group, kind string) Template {
		return Template{GVK: schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, Namespace: "shop", Name: "x"}
	}
	manager := web()
	manager.Labels = map[string]string{"app.kubernetes.io/part-of": "flotilla"}
	tests := map[string]struct {
		template Template
		want     bool
	}{
		"the manager, in any namespace":        {manager, false},
		"a Deployment":                         {web(), true},
		"a ConfigMap":                          {core("ConfigMap", "shop", "settings"), true},
		"a Namespace":                          {core("Namespace", "", "shop"), true},
		"a Service named kubernetes elsewhere": {core("Service", "shop", "kubernetes"), true},
		"a kind of a user's group":             {group("flotilla.dev.example.com", "Boat"), true},
		"the cluster's CA":                     {core("ConfigMap", "shop", "kube-root-ca.crt"), false},
		"the default ServiceAccount":           {core("ServiceAccount", "shop", "default"), false},
		"the API server's Service":             {core("Service", "default", "kubernetes"), false},
		"a Secret with a member's credentials": {core("Secret", "flotilla-es-member1", "credentials"), false},
		"an object of the manager":             {core("ConfigMap", "flotilla-system", "config"), false},
		"an object in kube-system":             {core("ConfigMap", "kube-system", "settings"), false},
		"the Namespace kube-system":            {core("Namespace", "", "kube-system"), false},
		"an execution Namespace":               {core("Namespace", "", "flotilla-es-member1"), false},
		"a Node":                               {core("Node", "", "n1"), false},
		"an Event":                             {core("Event", "shop", "e"), false},
		"an Event of events.k8s.io":            {group("events.k8s.io", "Event"), false},
		"a Lease":                              {group("coordination.k8s.io", "Lease"), false},
		"an EndpointSlice":                     {group("discovery.k8s.io", "EndpointSlice"), false},
		"Endpoints":                            {core("Endpoints", "shop", "web"), false},
		"a kind of Flotilla":                   {group("flotilla.dev", "PropagationPolicy"), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Allowed(tc.template); got != tc.want {
				t.Errorf("Allowed() = %t, want %t", got, tc.want)
			}
		})
	}
}
