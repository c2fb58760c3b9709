package propagation

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
)

// webSpec is what the binding of web says while the policy named governs it.
func webSpec(policy string) v1alpha1.BindingSpec {
	return v1alpha1.BindingSpec{
		Resource: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "web-uid"},
		Policy: &v1alpha1.PolicyReference{
			Kind: "PropagationPolicy", Namespace: "shop", Name: policy, Reason: "selected by name; no other policy selects it",
		},
		Replicas:            ptr.To[int32](3),
		ReplicaRequirements: &v1alpha1.ReplicaRequirements{Namespace: "shop"},
		Placement:           &v1alpha1.Placement{ClusterAffinity: &v1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}}},
		SchedulerName:       "default-scheduler",
		ConflictResolution:  v1alpha1.ConflictAbort,
	}
}

func diffSpec(t *testing.T, want v1alpha1.BindingSpec, got v1alpha1.Binding) {
	t.Helper()
	if got == nil {
		t.Fatal("there is no binding")
	}
	if diff := cmp.Diff(want, *got.BindingSpec(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("spec of the binding (-want +got):\n%s", diff)
	}
}

func (b *bed) expectWrites(t *testing.T, want writes) {
	t.Helper()
	if diff := cmp.Diff(want, b.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestASelectedTemplateGetsItsBindingInOneWrite(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.reconcile(t, web)
	got := b.binding(t, web)
	diffSpec(t, webSpec("web"), got)
	if diff := cmp.Diff([]string{v1alpha1.BindingFinalizer}, got.GetFinalizers()); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
	owners := []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "web-uid", Controller: ptr.To(false), BlockOwnerDeletion: ptr.To(false),
	}}
	if diff := cmp.Diff(owners, got.GetOwnerReferences()); diff != "" {
		t.Errorf("owner references (-want +got):\n%s", diff)
	}
	b.expectWrites(t, writes{Applies: 1})
}

func TestNothingIsWrittenWhenNothingChanged(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.reconcile(t, web)
	b.reconcile(t, web)
	b.restart()
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1})
}

func TestWhatOthersOwnIsNoReasonToWrite(t *testing.T) {
	policy := webPolicy("web")
	policy.Spec.Suspension = &v1alpha1.Suspension{}
	b := newBed(t, newTemplates(webTemplate()), shop(), policy)
	b.reconcile(t, web)
	scheduled := b.binding(t, web)
	spec := scheduled.BindingSpec()
	spec.Clusters = []v1alpha1.TargetCluster{{Name: "member1", Replicas: ptr.To[int32](3)}}
	spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{{FromCluster: "member2", Reason: "x", Producer: "y"}}
	spec.RequiredBy, spec.PreservedIn = []v1alpha1.BindingSnapshot{{Name: "x"}}, []string{"member3"}
	spec.RescheduleTriggeredAt = &metav1.Time{Time: start}
	spec.Suspension = &v1alpha1.BindingSuspension{Scheduling: ptr.To(true)}
	b.change(t, scheduled)
	policy.Spec.Suspension = nil
	b.change(t, policy)
	b.restart()
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1})
}

func TestAChangeOfTheTemplateOrThePolicyIsWrittenAndLeavesTheClustersAlone(t *testing.T) {
	policy := webPolicy("web")
	b := newBed(t, newTemplates(webTemplate()), shop(), policy)
	b.reconcile(t, web)
	scheduled := b.binding(t, web)
	scheduled.BindingSpec().Clusters = []v1alpha1.TargetCluster{{Name: "member1", Replicas: ptr.To[int32](3)}}
	b.change(t, scheduled)

	scaled := webTemplate()
	scaled.Object["spec"] = map[string]any{"replicas": int64(5)}
	b.templates.put(scaled)
	policy.Spec.ConflictResolution = v1alpha1.ConflictOverwrite
	b.change(t, policy)
	b.reconcile(t, web)

	want := webSpec("web")
	want.Replicas, want.ConflictResolution = ptr.To[int32](5), v1alpha1.ConflictOverwrite
	want.Clusters = []v1alpha1.TargetCluster{{Name: "member1", Replicas: ptr.To[int32](3)}}
	diffSpec(t, want, b.binding(t, web))
	b.expectWrites(t, writes{Applies: 2})
}

func TestATemplateThatNoPolicySelectsKeepsItsBindingAndItsReplicasFollow(t *testing.T) {
	policy := webPolicy("web")
	b := newBed(t, newTemplates(webTemplate()), shop(), policy)
	b.reconcile(t, web)
	if err := b.host.Delete(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	scaled := webTemplate()
	scaled.Object["spec"] = map[string]any{"replicas": int64(5)}
	b.templates.put(scaled)
	b.reconcile(t, web)
	b.reconcile(t, web)
	want := webSpec("web")
	want.Policy, want.Replicas = nil, ptr.To[int32](5)
	diffSpec(t, want, b.binding(t, web))
	b.expectWrites(t, writes{Applies: 2, Deletes: 1})

	if err := b.host.Create(t.Context(), webPolicy("another")); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, web)
	want = webSpec("another")
	want.Replicas = ptr.To[int32](5)
	diffSpec(t, want, b.binding(t, web))
}

func TestATemplateStaysWithItsPolicyWhileABetterOneAppears(t *testing.T) {
	better := webPolicy("better")
	better.Spec.Priority = ptr.To[int32](100)
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.reconcile(t, web)
	if err := b.host.Create(t.Context(), better); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, web)
	diffSpec(t, webSpec("web"), b.binding(t, web))
	b.expectWrites(t, writes{Applies: 1})
}

func TestWithoutAPolicyThereIsNoBinding(t *testing.T) {
	elsewhere := webPolicy("web")
	elsewhere.Namespace = "other"
	b := newBed(t, newTemplates(webTemplate()), shop(), elsewhere)
	b.reconcile(t, web)
	if got := b.binding(t, web); got != nil {
		t.Errorf("there is a binding: %+v", got)
	}
}

func TestATemplateThatIsBeingDeletedIsWaitedFor(t *testing.T) {
	leaving := webTemplate()
	leaving.SetDeletionTimestamp(&metav1.Time{Time: start})
	b := newBed(t, newTemplates(leaving), shop(), webPolicy("web"))
	b.reconcile(t, web)
	b.expectWrites(t, writes{})
}

func TestABindingGoesOnlyWhenTheHostSaysThatTheTemplateIsGone(t *testing.T) {
	notServed := apierrors.NewGenericServerResponse(404, "get", schema.GroupResource{Resource: "deployments"}, "web", "404 page not found", 0, true)
	tests := map[string]struct {
		alive   bool
		liveErr error
		want    ctrl.Result
		wantErr bool
		deleted int
	}{
		"the host does not find it":       {deleted: 1},
		"the host finds it":               {alive: true, want: ctrl.Result{RequeueAfter: cacheRetry}},
		"the host does not serve it":      {liveErr: notServed, want: ctrl.Result{RequeueAfter: evidenceRetry}},
		"the host does not know the kind": {liveErr: &meta.NoKindMatchError{}, want: ctrl.Result{RequeueAfter: evidenceRetry}},
		"the host does not answer":        {liveErr: errors.New("timeout"), wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
			b.reconcile(t, web)
			b.templates.drop(deployment, web.Key)
			b.alive, b.liveErr = tc.alive, tc.liveErr
			got, err := b.Reconcile(t.Context(), web)
			if (err != nil) != tc.wantErr {
				t.Errorf("Reconcile() error = %v, want one: %t", err, tc.wantErr)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Reconcile() (-want +got):\n%s", diff)
			}
			b.expectWrites(t, writes{Applies: 1, Deletes: tc.deleted})
			if binding := b.binding(t, web); binding == nil || (binding.GetDeletionTimestamp() != nil) != (tc.deleted == 1) {
				t.Errorf("deletions asked for %d, binding %+v", tc.deleted, binding)
			}
		})
	}
}

func TestAnUnsyncedCacheIsNoEvidence(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.reconcile(t, web)
	b.templates.Unwatch(deployment)
	b.templates.Watch(deployment)
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1})
}

func TestATemplateThatWasRecreatedKeepsItsBinding(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.reconcile(t, web)
	before := b.binding(t, web)
	again := webTemplate()
	again.SetUID("web-uid-2")
	b.templates.put(again)
	b.reconcile(t, web)
	got := b.binding(t, web)
	want := webSpec("web")
	want.Resource.UID = "web-uid-2"
	diffSpec(t, want, got)
	if got.GetUID() != before.GetUID() {
		t.Error("the binding was replaced")
	}
	var owners []types.UID
	for _, owner := range got.GetOwnerReferences() {
		owners = append(owners, owner.UID)
	}
	if diff := cmp.Diff([]types.UID{"web-uid-2"}, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestABindingThatIsBeingDeletedIsWaitedFor(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.reconcile(t, web)
	if err := b.host.Delete(t.Context(), b.binding(t, web)); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1, Deletes: 1})
}

func TestACacheThatHasNotSeenTheWriteIsWaitedFor(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.Reconciler.writes.Wrote(web.binding(), "999999")
	if got := b.reconcile(t, web); got.RequeueAfter != ownwrites.Retry {
		t.Errorf("Reconcile() = %+v, want another look soon", got)
	}
	b.expectWrites(t, writes{})
	b.clock.SetTime(start.Add(ownwrites.Patience))
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1})
}

func TestErrorsOfTheWrite(t *testing.T) {
	terminating := apierrors.NewForbidden(schema.GroupResource{}, "web", errors.New("terminating"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	tests := map[string]struct {
		err     error
		want    ctrl.Result
		wantErr bool
	}{
		"a conflict is tried again quietly": {err: apierrors.NewConflict(schema.GroupResource{}, "web", errors.New("uid")), want: ctrl.Result{RequeueAfter: ownwrites.Retry}},
		"a namespace that ends is no error": {err: terminating},
		"others are errors":                 {err: errors.New("disk full"), wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
			b.fail = tc.err
			got, err := b.Reconcile(t.Context(), web)
			if (err != nil) != tc.wantErr {
				t.Errorf("Reconcile() error = %v, want one: %t", err, tc.wantErr)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Reconcile() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABindingThatWasReplacedIsWaitedForWithoutWriting(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), shop(), webPolicy("web"))
	b.fail = apierrors.NewConflict(schema.GroupResource{}, "web", errors.New("uid"))
	for range 10 { // the cache shows the same all the time
		b.clock.SetTime(b.clock.Now().Add(b.reconcile(t, web).RequeueAfter))
	}
	b.expectWrites(t, writes{Applies: 1})
	b.clock.SetTime(b.clock.Now().Add(ownwrites.Patience))
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 2})
}

func TestAClusterScopedTemplateGetsAClusterResourceBinding(t *testing.T) {
	role := schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}
	req := Request{GVK: role, Key: types.NamespacedName{Name: "reader"}}
	policy := &v1alpha1.ClusterPropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "roles"},
		Spec:       v1alpha1.PropagationSpec{ResourceSelectors: []v1alpha1.ResourceSelector{selecting(role, "")}},
	}
	b := newBed(t, newTemplates(object(role, "", "reader")), policy)
	b.reconcile(t, req)
	got := b.binding(t, req)
	diffSpec(t, v1alpha1.BindingSpec{
		Resource:  v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "reader", UID: "reader-uid"},
		Policy:    &v1alpha1.PolicyReference{Kind: "ClusterPropagationPolicy", Name: "roles", Reason: "selected by kind; no other policy selects it"},
		Placement: &v1alpha1.Placement{},
	}, got)
	if c := meta.FindStatusCondition(got.BindingStatus().Conditions, "TemplateOnly"); c == nil || c.Reason != "ClusterScoped" {
		t.Errorf("condition TemplateOnly = %+v, want reason ClusterScoped", c)
	}
}

func TestTheSameObjectInTwoVersionsHasOneBinding(t *testing.T) {
	v2 := schema.GroupVersionKind{Group: "apps", Version: "v2", Kind: "Deployment"}
	newer := webTemplate()
	newer.SetGroupVersionKind(v2)
	policy := webPolicy("web-v2")
	policy.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{selecting(v2, "web")}
	b := newBed(t, newTemplates(webTemplate(), newer), shop(), webPolicy("web"), policy)
	b.reconcile(t, web)
	b.reconcile(t, Request{GVK: v2, Key: web.Key})
	b.reconcile(t, web)
	diffSpec(t, webSpec("web"), b.binding(t, web))
	b.expectWrites(t, writes{Applies: 1})

	if err := b.host.Delete(t.Context(), webPolicy("web")); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, Request{GVK: v2, Key: web.Key})
	b.reconcile(t, web)
	want := webSpec("web-v2")
	want.Resource.APIVersion = "apps/v2"
	diffSpec(t, want, b.binding(t, web))
}

func TestTheConditionTemplateOnlyIsThereOnlyWhenItIsFalse(t *testing.T) {
	plain := namespace("shop", nil)
	b := newBed(t, newTemplates(webTemplate()), plain, webPolicy("web"))
	b.reconcile(t, web)
	want := []metav1.Condition{{
		Type: "TemplateOnly", Status: metav1.ConditionFalse, Reason: "RunsOnHost", LastTransitionTime: metav1.NewTime(start),
		Message: "the template also runs on the host, and its status there is the host's own: " +
			"label the namespace with flotilla.dev/templates=enabled to make what is in it templates only",
	}}
	if diff := cmp.Diff(want, b.binding(t, web).BindingStatus().Conditions); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	b.clock.SetTime(start.Add(time.Hour))
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1, Statuses: 1})

	plain.Labels = map[string]string{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled}
	b.change(t, plain)
	b.reconcile(t, web)
	if got := b.binding(t, web).BindingStatus().Conditions; len(got) > 0 {
		t.Errorf("conditions = %+v, want none in a template namespace", got)
	}
	b.expectWrites(t, writes{Applies: 1, Statuses: 2})
}

func TestANamespaceThatTheCacheDoesNotHoldYetSaysNothing(t *testing.T) {
	b := newBed(t, newTemplates(webTemplate()), webPolicy("web"))
	b.reconcile(t, web)
	b.expectWrites(t, writes{Applies: 1})
}
