package propagation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func urgent(value int32, uid types.UID) *schedulingv1.PriorityClass {
	return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "urgent", UID: uid}, Value: value}
}

// urgentPolicy is webPolicy with the priority class urgent.
func urgentPolicy() *v1alpha1.PropagationPolicy {
	p := webPolicy("web")
	p.Spec.SchedulePriority = &v1alpha1.SchedulePriority{PriorityClassSource: v1alpha1.KubePriorityClass, PriorityClassName: "urgent"}
	return p
}

func TestTheSchedulePriorityFollowsThePriorityClass(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), urgentPolicy())
	got := []int32{}
	look := func() {
		b.reconcile(t, web)
		if p := b.binding(t, web).BindingSpec().SchedulePriority; p != nil {
			got = append(got, p.Priority)
		} else {
			got = append(got, 0)
		}
	}
	look() // there is no such class
	class := urgent(1000, "1")
	if err := b.host.Create(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	if err := b.host.Delete(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	look()
	if diff := cmp.Diff([]int32{0, 1000, 1000, 0}, got); diff != "" {
		t.Errorf("priorities (-want +got):\n%s", diff)
	}
	if b.applies != 3 {
		t.Errorf("the binding was written %d times, want 3", b.applies)
	}
}

func TestATemplateThatLostItsPolicyKeepsItsPriority(t *testing.T) {
	policy := urgentPolicy()
	b := newBed(t, newTemplates(webTemplate()), shop(), policy, urgent(1000, "1"))
	b.reconcile(t, web)
	if err := b.host.Delete(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, web)
	want := webSpec("web")
	want.Policy, want.SchedulePriority = nil, &v1alpha1.BindingPriority{Priority: 1000}
	diffSpec(t, want, b.binding(t, web))
}

func TestAPolicySaysThatItsPriorityClassIsMissing(t *testing.T) {
	b := newPolicyBed(t, urgentPolicy())
	b.templates.put(webTemplate())
	got := []string{}
	look := func() {
		ready := meta.FindStatusCondition(b.look(t).Conditions, v1alpha1.ConditionReady)
		got = append(got, string(ready.Status)+" "+ready.Reason+" "+ready.Message)
	}
	look()
	if err := b.host.Create(t.Context(), urgent(1000, "1")); err != nil {
		t.Fatal(err)
	}
	look()
	want := []string{
		"False PriorityClassNotFound spec.schedulePriority.priorityClassName: the host has no PriorityClass urgent, " +
			"so that the priority is 0: create it, or name another one",
		"True Watching every selected kind is watched",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Ready (-want +got):\n%s", diff)
	}
}

func TestAPriorityClassBringsTheTemplatesOfThePoliciesThatNameIt(t *testing.T) {
	governed := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-deployment"}, Spec: webSpec("web")}
	other := urgent(5, "2")
	other.Name = "other"
	for name, tc := range map[string]struct {
		send func(templateHandler, queueOf[Request])
		want queued
	}{
		"created": {func(h templateHandler, q queueOf[Request]) {
			h.Create(t.Context(), event.CreateEvent{Object: urgent(5, "1")}, q)
		}, queued{"shop/web": policyPriority}},
		"in the first list": {func(h templateHandler, q queueOf[Request]) {
			h.Create(t.Context(), event.CreateEvent{Object: urgent(5, "1"), IsInInitialList: true}, q)
		}, nil},
		"annotated": {func(h templateHandler, q queueOf[Request]) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: urgent(5, "1"), ObjectNew: urgent(5, "1")}, q)
		}, nil},
		"created anew between two looks": {func(h templateHandler, q queueOf[Request]) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: urgent(5, "1"), ObjectNew: urgent(6, "2")}, q)
		}, queued{"shop/web": policyPriority}},
		"deleted": {func(h templateHandler, q queueOf[Request]) {
			h.Delete(t.Context(), event.DeleteEvent{Object: urgent(5, "1")}, q)
		}, queued{"shop/web": policyPriority}},
		"another one": {func(h templateHandler, q queueOf[Request]) {
			h.Create(t.Context(), event.CreateEvent{Object: other}, q)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b, q := newBed(t, newTemplates(), urgentPolicy(), governed.DeepCopy()), templateQueue(t)
			tc.send(named[Request]{b.host, policyPriority, hasClass, b.governedBy}.handler(), q)
			expectQueued(t, tc.want, q)
		})
	}
}
