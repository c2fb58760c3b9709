package scheduling

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
)

var (
	start = time.Unix(1_700_000_000, 0)
	web   = types.NamespacedName{Namespace: "shop", Name: "web-deployment-1"}
)

// bed is a reconciler on a fake host that counts the writes of spec and status.
type bed struct {
	*Reconciler
	client   client.Client
	recorder *events.FakeRecorder
	clock    *clocktesting.FakePassiveClock
	specs    int
	statuses int
	fail     error // the next write of a spec fails with it
	failTold error // the next write of a status fails with it
}

func newBed(t *testing.T, objects ...client.Object) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := &bed{recorder: events.NewFakeRecorder(10), clock: clocktesting.NewFakePassiveClock(start)}
	builder := fake.NewClientBuilder().WithScheme(scheme)
	if err := hostindex.Register(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	b.client = builder.WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.ResourceBinding{}, &v1alpha1.ClusterResourceBinding{}, &v1alpha1.Cluster{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
				b.specs++
				if err := b.fail; err != nil {
					b.fail = nil
					return err
				}
				return c.Patch(ctx, obj, patch, opts...)
			},
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				b.statuses++
				if err := b.failTold; err != nil {
					b.failTold = nil
					return err
				}
				return c.SubResource(sub).Apply(ctx, obj, opts...)
			},
		}).Build()
	b.Reconciler = newReconciler(b.client, b.client, b.recorder, Options{Clock: b.clock, Capacity: v1alpha1.CapacityNone})
	return b
}

// indexer gives a fake client the host's indexes.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, extract)
	return nil
}

func (b *bed) reconcile(t *testing.T, key types.NamespacedName) ctrl.Result {
	t.Helper()
	result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		t.Fatalf("Reconcile(%s): %v", key, err)
	}
	return result
}

// settle reconciles a binding until nothing is left to tell.
func (b *bed) settle(t *testing.T, key types.NamespacedName) {
	t.Helper()
	for {
		result := b.reconcile(t, key)
		if result.RequeueAfter == 0 {
			return
		}
		b.clock.SetTime(b.clock.Now().Add(result.RequeueAfter))
	}
}

func (b *bed) binding(t *testing.T) *v1alpha1.ResourceBinding {
	t.Helper()
	got := &v1alpha1.ResourceBinding{}
	if err := b.client.Get(t.Context(), web, got); err != nil {
		t.Fatal(err)
	}
	return got
}

func (b *bed) writes() [2]int { return [2]int{b.specs, b.statuses} }

func (b *bed) events() []string {
	var got []string
	for {
		select {
		case e := <-b.recorder.Events:
			got = append(got, e)
		default:
			return got
		}
	}
}

func member(name string) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: v1alpha1.ClusterStatus{APIEnablements: []v1alpha1.APIEnablement{
			{GroupVersion: "apps/v1", Resources: []v1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}}},
		}},
	}
}

func webBinding(change ...func(*v1alpha1.BindingSpec)) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: web.Name, Generation: 1, UID: "binding-uid"},
		Spec: v1alpha1.BindingSpec{
			Resource: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "uid-1"},
			Replicas: ptr.To[int32](2), Placement: &v1alpha1.Placement{},
		},
	}
	for _, f := range change {
		f(&b.Spec)
	}
	return b
}

func onlyIn(names ...string) func(*v1alpha1.BindingSpec) {
	return func(s *v1alpha1.BindingSpec) {
		s.Placement.ClusterAffinity = &v1alpha1.ClusterAffinity{ClusterNames: names}
	}
}

func alreadyIn(names ...string) func(*v1alpha1.BindingSpec) {
	return func(s *v1alpha1.BindingSpec) {
		for _, name := range names {
			s.Clusters = append(s.Clusters, v1alpha1.TargetCluster{Name: name, Replicas: s.Replicas})
		}
	}
}

func names(b *v1alpha1.ResourceBinding) []string {
	var got []string
	for _, c := range b.Spec.Clusters {
		got = append(got, c.Name)
	}
	return got
}

func TestANewBindingIsPlacedWithOneWriteOfSpecAndOneOfStatus(t *testing.T) {
	b := newBed(t, webBinding(), member("member2"), member("member1"))
	b.reconcile(t, web)
	if want := [2]int{1, 0}; b.writes() != want {
		t.Errorf("writes of spec and status at first = %v, want %v", b.writes(), want)
	}
	b.settle(t, web)
	got := b.binding(t)
	want := []v1alpha1.TargetCluster{{Name: "member1", Replicas: ptr.To[int32](2)}, {Name: "member2", Replicas: ptr.To[int32](2)}}
	if diff := cmp.Diff(want, got.Spec.Clusters); diff != "" {
		t.Errorf("spec.clusters (-want +got):\n%s", diff)
	}
	wantStatus := v1alpha1.BindingStatus{
		SchedulerObservedGeneration: got.Generation,
		LastScheduledTime:           &metav1.Time{Time: start},
		Conditions: []metav1.Condition{{
			Type: "Scheduled", Status: metav1.ConditionTrue, Reason: "Success", Message: "placed in 2 clusters",
			ObservedGeneration: got.Generation, LastTransitionTime: metav1.NewTime(start),
		}},
	}
	if diff := cmp.Diff(wantStatus, got.Status, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if want := [2]int{1, 1}; b.writes() != want {
		t.Errorf("writes of spec and status = %v, want %v", b.writes(), want)
	}
	if got := b.events(); len(got) > 0 {
		t.Errorf("events = %q, want none", got)
	}
}

func TestNothingIsWrittenWhenNothingChanged(t *testing.T) {
	b := newBed(t, webBinding(), member("member1"))
	b.settle(t, web)
	before := b.writes()
	b.clock.SetTime(start.Add(time.Hour))
	b.reconcile(t, web)
	b.Reconciler = newReconciler(b.client, b.client, b.recorder, Options{Clock: b.clock, Capacity: v1alpha1.CapacityNone}) // a restart
	b.reconcile(t, web)
	if b.writes() != before {
		t.Errorf("writes of spec and status = %v, want still %v", b.writes(), before)
	}
}

func TestABindingIsLeftAlone(t *testing.T) {
	tests := map[string]func(*v1alpha1.ResourceBinding){
		"of another scheduler": func(b *v1alpha1.ResourceBinding) { b.Spec.SchedulerName = "theirs" },
		"without a placement":  func(b *v1alpha1.ResourceBinding) { b.Spec.Placement = nil },
		"that is being deleted": func(b *v1alpha1.ResourceBinding) {
			b.DeletionTimestamp, b.Finalizers = &metav1.Time{Time: start}, []string{"x/y"}
		},
		"that is named by no more": func(b *v1alpha1.ResourceBinding) { b.Name = "another" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			binding := webBinding()
			change(binding)
			b := newBed(t, binding, member("member1"))
			b.reconcile(t, web)
			if want := [2]int{}; b.writes() != want {
				t.Errorf("writes of spec and status = %v, want none", b.writes())
			}
		})
	}
}

func TestWhenNothingFitsTheOldPlacementStaysAndTheTemplateGetsOneWarning(t *testing.T) {
	b := newBed(t, webBinding(onlyIn("membre1"), alreadyIn("member1")), member("member1"))
	b.reconcile(t, web)
	b.reconcile(t, web)
	got := b.binding(t)
	if diff := cmp.Diff([]string{"member1"}, names(got)); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("NoClusterFit: 0/1 clusters fit: 1 did not match the affinity", got.Status.Conditions[0].Reason+": "+got.Status.Conditions[0].Message); diff != "" {
		t.Errorf("condition (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Warning NoClusterFit 0/1 clusters fit: 1 did not match the affinity"}, b.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if want := [2]int{0, 1}; b.writes() != want {
		t.Errorf("writes of spec and status = %v, want %v", b.writes(), want)
	}
}

func TestAWarningIsSentAgainWhenTheReasonChanges(t *testing.T) {
	binding := webBinding(onlyIn("membre1"))
	b := newBed(t, binding, member("member1"))
	b.reconcile(t, web)
	changed := b.binding(t)
	changed.Spec.Placement = &v1alpha1.Placement{SpreadConstraints: []v1alpha1.SpreadConstraint{{SpreadByField: "planet"}}}
	if err := b.client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, web)
	want := []string{
		"Warning NoClusterFit 0/1 clusters fit: 1 did not match the affinity",
		`Warning InvalidPlacement placement.spreadConstraints[0]: spreadByField "planet": use cluster, region, zone or provider`,
	}
	if diff := cmp.Diff(want, b.events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestADeletedClusterIsLeftEvenWhenNothingElseFits(t *testing.T) {
	b := newBed(t, webBinding(alreadyIn("member1")))
	b.reconcile(t, web)
	if got := b.binding(t); len(got.Spec.Clusters) > 0 {
		t.Errorf("clusters = %v, want none", names(got))
	}
}

func TestAConflictIsDecidedAnew(t *testing.T) {
	b := newBed(t, webBinding(), member("member1"))
	b.fail = apierrors.NewConflict(schema.GroupResource{}, web.Name, errors.New("changed"))
	if got := b.reconcile(t, web); got.RequeueAfter != ownwrites.Retry {
		t.Errorf("after a conflict Reconcile() = %+v, want another look soon", got)
	}
	for range 10 { // the cache does not show yet what has changed
		b.clock.SetTime(b.clock.Now().Add(b.reconcile(t, web).RequeueAfter))
	}
	if want := [2]int{1, 0}; b.writes() != want {
		t.Errorf("writes of spec and status upon a version that is no more = %v, want %v", b.writes(), want)
	}
	changed := b.binding(t)
	changed.Labels = map[string]string{"changed": "true"}
	if err := b.client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, web)
	if diff := cmp.Diff([]string{"member1"}, names(b.binding(t))); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
}

func TestOtherErrorsAreReturned(t *testing.T) {
	b := newBed(t, webBinding(), member("member1"))
	b.fail = errors.New("disk full")
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: web}); err == nil {
		t.Error("Reconcile() = nil, want the error of the write")
	}
}

func TestACacheThatHasNotSeenTheWriteIsWaitedFor(t *testing.T) {
	b := newBed(t, webBinding(), member("member1"))
	b.Reconciler.writes.Wrote(web, "999999")
	if got := b.reconcile(t, web); got.RequeueAfter != ownwrites.Retry {
		t.Errorf("Reconcile() = %+v, want another look soon", got)
	}
	if want := [2]int{}; b.writes() != want {
		t.Errorf("writes of spec and status = %v, want none", b.writes())
	}
}

func TestAClusterResourceBindingIsPlacedToo(t *testing.T) {
	binding := &v1alpha1.ClusterResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "reader-clusterrole-1"},
		Spec: v1alpha1.BindingSpec{
			Resource:  v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "reader"},
			Placement: &v1alpha1.Placement{},
		},
	}
	b := newBed(t, binding, member("member1"))
	b.reconcile(t, types.NamespacedName{Name: binding.Name})
	got := &v1alpha1.ClusterResourceBinding{}
	if err := b.client.Get(t.Context(), client.ObjectKeyFromObject(binding), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]v1alpha1.TargetCluster{{Name: "member1"}}, got.Spec.Clusters); diff != "" {
		t.Errorf("spec.clusters (-want +got):\n%s", diff)
	}
}

func TestAChangeOfAClusterMatters(t *testing.T) {
	tests := map[string]struct {
		change func(*v1alpha1.Cluster)
		want   bool
	}{
		"a label":              {func(c *v1alpha1.Cluster) { c.Labels = map[string]string{"a": "b"} }, true},
		"a taint":              {func(c *v1alpha1.Cluster) { c.Spec.Taints = []corev1.Taint{{Key: "k"}} }, true},
		"the region":           {func(c *v1alpha1.Cluster) { c.Spec.Region = "eu" }, true},
		"the provider":         {func(c *v1alpha1.Cluster) { c.Spec.Provider = "x" }, true},
		"the zones":            {func(c *v1alpha1.Cluster) { c.Spec.Zones = []string{"z"} }, true},
		"the APIs":             {func(c *v1alpha1.Cluster) { c.Status.APIEnablements = nil }, true},
		"its deletion":         {func(c *v1alpha1.Cluster) { c.DeletionTimestamp = &metav1.Time{Time: start} }, true},
		"an annotation":        {func(c *v1alpha1.Cluster) { c.Annotations = map[string]string{"a": "b"} }, false},
		"a condition":          {func(c *v1alpha1.Cluster) { c.Status.Conditions = []metav1.Condition{{Type: "Ready"}} }, false},
		"the nodes":            {func(c *v1alpha1.Cluster) { c.Status.NodeSummary = &v1alpha1.NodeSummary{TotalNum: 5} }, false},
		"the way to reach it":  {func(c *v1alpha1.Cluster) { c.Spec.APIEndpoint = "https://x" }, false},
		"nothing (a resync)":   {func(*v1alpha1.Cluster) {}, false},
		"the resource version": {func(c *v1alpha1.Cluster) { c.ResourceVersion = "2" }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before, after := member("member1"), member("member1")
			tc.change(after)
			b := newBed(t, webBinding(alreadyIn("member1")))
			q := priorityqueue.New[ctrl.Request](t.Name())
			defer q.ShutDown()
			b.onCluster().Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, q)
			if !tc.want {
				if q.Len() != 0 {
					t.Errorf("%d bindings are looked at again, want none", q.Len())
				}
				return
			}
			request, priority, _ := q.GetWithPriority()
			if diff := cmp.Diff(ctrl.Request{NamespacedName: web}, request); diff != "" || priority >= userStep {
				t.Errorf("priority %d, request (-want +got):\n%s", priority, diff)
			}
		})
	}
}
