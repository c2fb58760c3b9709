package rebalance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

var start = time.Unix(1_700_000_000, 0)

// templates is a cache of templates for tests: their labels by "namespace/name"; nil has not synced.
type templates map[string]map[string]string

func (c templates) Get(_ schema.GroupVersionKind, key types.NamespacedName) (any, bool, error) {
	if c == nil {
		return nil, false, objectcache.ErrNotSynced
	}
	labels, found := c[key.String()]
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetLabels(labels)
	return u, found, nil
}

// bed is a reconciler on a fake host that counts writes.
type bed struct {
	*Reconciler
	host     client.WithWatch
	clock    *clocktesting.FakePassiveClock
	asks     int
	statuses int
	fail     error // every request to a binding fails with it
	failTold error // every write of a status fails with it
}

func newBed(t *testing.T, cache Templates, objects ...client.Object) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := &bed{clock: clocktesting.NewFakePassiveClock(start.Add(300 * time.Millisecond))}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.ResourceBinding{}, &v1alpha1.ClusterResourceBinding{}, &v1alpha1.WorkloadRebalancer{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
				b.asks++
				if b.fail != nil {
					return b.fail
				}
				return c.Apply(ctx, obj, opts...)
			},
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				b.statuses++
				if b.failTold != nil {
					return b.failTold
				}
				return c.SubResource(sub).Apply(ctx, obj, opts...)
			},
		})
	if err := hostindex.Register(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	b.host = builder.Build()
	b.Reconciler = newReconciler(b.host, Options{Templates: cache, Clock: b.clock})
	return b
}

// indexer registers indexes with a fake client.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

func (b *bed) step(t *testing.T) ctrl.Result {
	t.Helper()
	result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "again"}})
	if err != nil {
		t.Fatalf("Reconcile(): %v", err)
	}
	return result
}

func (b *bed) rebalancer(t *testing.T) *v1alpha1.WorkloadRebalancer {
	t.Helper()
	got := &v1alpha1.WorkloadRebalancer{}
	if err := b.host.Get(t.Context(), types.NamespacedName{Name: "again"}, got); err != nil {
		t.Fatal(err)
	}
	return got
}

// progress is what people see of a request.
func (b *bed) progress(t *testing.T) string {
	t.Helper()
	status := b.rebalancer(t).Status
	text := fmt.Sprintf("%d/%d done, %d failed", status.Done, status.Total, status.Failed)
	for _, c := range status.Conditions {
		text += fmt.Sprintf("; %s=%s %s", c.Type, c.Status, c.Reason)
	}
	for _, w := range status.ObservedWorkloads {
		text += fmt.Sprintf("; %s %s", w.Workload.Name, w.Reason)
	}
	return text
}

func (b *bed) expectProgress(t *testing.T, want string) {
	t.Helper()
	if diff := cmp.Diff(want, b.progress(t)); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func reference(name string) v1alpha1.WorkloadReference {
	return v1alpha1.WorkloadReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: name}
}

// binding is the binding of the Deployment of that name.
func binding(name string, change ...func(*v1alpha1.ResourceBinding)) *v1alpha1.ResourceBinding {
	key := reference(name).BindingKey()
	b := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, UID: types.UID(name + "-uid"), CreationTimestamp: metav1.NewTime(start.Add(-time.Hour)),
		},
		Spec: v1alpha1.BindingSpec{
			Resource:  v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: name},
			Placement: &v1alpha1.Placement{},
		},
	}
	for _, f := range change {
		f(b)
	}
	return b
}

func remembering(request time.Time) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) {
		memory := schedule.Memory{Request: ptr.To(metav1.NewTime(request))}
		b.Annotations = map[string]string{v1alpha1.DecisionAnnotation: memory.String()}
	}
}

func again(spec v1alpha1.WorkloadRebalancerSpec) *v1alpha1.WorkloadRebalancer {
	return &v1alpha1.WorkloadRebalancer{ObjectMeta: metav1.ObjectMeta{Name: "again", Generation: 1, UID: "again-uid"}, Spec: spec}
}

func naming(names ...string) v1alpha1.WorkloadRebalancerSpec {
	var spec v1alpha1.WorkloadRebalancerSpec
	for _, name := range names {
		spec.Workloads = append(spec.Workloads, reference(name))
	}
	return spec
}

// answer plays the scheduler: it obeys the request that a binding holds.
func (b *bed) answer(t *testing.T, name string) {
	t.Helper()
	got := b.read(t, name)
	if got.Spec.RescheduleTriggeredAt == nil {
		t.Fatalf("nobody asked to place %s anew", name)
	}
	remembering(got.Spec.RescheduleTriggeredAt.Time)(got)
	if err := b.host.Update(t.Context(), got); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) read(t *testing.T, name string) *v1alpha1.ResourceBinding {
	t.Helper()
	got := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), reference(name).BindingKey(), got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestARequestIsAskedOnceAndIsCompleteWhenTheSchedulerObeyed(t *testing.T) {
	b := newBed(t, templates{}, again(naming("web", "cart", "web")), binding("web"), binding("cart"), binding("other"))
	result := b.step(t)
	if want := (ctrl.Result{RequeueAfter: patience - 300*time.Millisecond}); result != want {
		t.Errorf("Reconcile() = %v, want %v", result, want)
	}
	b.expectProgress(t, "0/2 done, 0 failed; Complete=False Rescheduling; Progressing=True Rescheduling; cart Asked; web Asked")
	if got := b.read(t, "web").Spec.RescheduleTriggeredAt; got == nil || !got.Time.Equal(start) {
		t.Errorf("the binding's request = %v, want %v", got, start)
	}
	if got := b.read(t, "other").Spec.RescheduleTriggeredAt; got != nil {
		t.Errorf("another template was asked for: %v", got)
	}
	b.answer(t, "web")
	b.step(t)
	b.expectProgress(t, "1/2 done, 0 failed; Complete=False Rescheduling; Progressing=True Rescheduling; cart Asked; web Rescheduled")
	b.answer(t, "cart")
	b.clock.SetTime(start.Add(5 * time.Second))
	if result := b.step(t); result != (ctrl.Result{}) {
		t.Errorf("Reconcile() of a request that has finished = %v, want nothing more", result)
	}
	b.expectProgress(t, "2/2 done, 0 failed; Complete=True AllRescheduled; Progressing=False AllRescheduled; cart Rescheduled; web Rescheduled")
	if got := b.rebalancer(t).Status.FinishTime; got == nil || !got.Time.Equal(start.Add(5*time.Second)) {
		t.Errorf("finishTime = %v", got)
	}
	if b.asks != 2 {
		t.Errorf("the bindings were written %d times, want 2", b.asks)
	}
	before := b.statuses
	b.step(t)
	if b.statuses != before {
		t.Errorf("the status was written again when nothing had changed")
	}
}

func TestAManagerThatTakesOverGoesOnWithTheSameRequest(t *testing.T) {
	b := newBed(t, templates{}, again(naming("web")), binding("web"))
	b.step(t)
	b.clock.SetTime(start.Add(time.Minute))
	b.Reconciler = newReconciler(b.host, Options{Templates: templates{}, Clock: b.clock})
	b.step(t)
	b.answer(t, "web")
	b.step(t)
	if b.asks != 1 {
		t.Errorf("the binding was written %d times, want once", b.asks)
	}
	b.expectProgress(t, "1/1 done, 0 failed; Complete=True AllRescheduled; Progressing=False AllRescheduled; web Rescheduled")
}

func TestAnEditIsANewRequestAlsoWithinTheSameSecond(t *testing.T) {
	b := newBed(t, templates{}, again(naming("web")), binding("web"))
	b.step(t)
	b.answer(t, "web")
	b.step(t)
	edited := b.rebalancer(t)
	edited.Generation, edited.Spec = 2, naming("web", "missing")
	if err := b.host.Update(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	b.step(t)
	b.expectProgress(t, "0/2 done, 1 failed; Complete=False Rescheduling; Progressing=True Rescheduling; missing BindingNotFound; web Asked")
	b.answer(t, "web")
	b.step(t)
	b.expectProgress(t, "1/2 done, 1 failed; Complete=True SomeFailed; Progressing=False SomeFailed; missing BindingNotFound; web Rescheduled")
	if got := b.read(t, "web").Spec.RescheduleTriggeredAt; !got.Time.Equal(start.Add(time.Second)) {
		t.Errorf("the second request = %v, want a second after the first", got)
	}
	if got := b.rebalancer(t).Status.ObservedGeneration; got != 2 {
		t.Errorf("observedGeneration = %d, want 2", got)
	}
}

func TestASelectorSelectsByKindNamespaceAndTheTemplatesLabels(t *testing.T) {
	late := binding("late", func(b *v1alpha1.ResourceBinding) { b.CreationTimestamp = metav1.NewTime(start.Add(time.Minute)) })
	statefulSet := binding("db", func(b *v1alpha1.ResourceBinding) { b.Spec.Resource.Kind = "StatefulSet" })
	elsewhere := binding("far", func(b *v1alpha1.ResourceBinding) { b.Namespace, b.Spec.Resource.Namespace = "other", "other" })
	global := &v1alpha1.ClusterResourceBinding{ObjectMeta: metav1.ObjectMeta{Name: "role"}, Spec: v1alpha1.BindingSpec{
		Resource: v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "role"}, Placement: &v1alpha1.Placement{},
	}}
	cache := templates{"shop/web": {"tier": "front"}, "shop/db": {"tier": "back"}, "other/far": {"tier": "front"}}
	front := &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "front"}}
	for name, tc := range map[string]struct {
		selector v1alpha1.WorkloadSelector
		want     []string
	}{
		"everything":         {v1alpha1.WorkloadSelector{}, []string{"role", "far", "web", "gone", "db"}},
		"a kind":             {v1alpha1.WorkloadSelector{APIVersion: "apps/v1", Kind: "StatefulSet"}, []string{"db"}},
		"a kind by its name": {v1alpha1.WorkloadSelector{Kind: "Deployment"}, []string{"far", "web", "gone"}},
		"a namespace":        {v1alpha1.WorkloadSelector{Namespaces: []string{"other"}}, []string{"far"}},
		"labels":             {v1alpha1.WorkloadSelector{LabelSelector: front}, []string{"far", "web"}},
		"all of them": {v1alpha1.WorkloadSelector{
			APIVersion: "apps/v1", Kind: "Deployment", Namespaces: []string{"shop"}, LabelSelector: front,
		}, []string{"web"}},
		"nothing": {v1alpha1.WorkloadSelector{Kind: "Job"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, cache, again(v1alpha1.WorkloadRebalancerSpec{Selector: &tc.selector}),
				binding("web"), binding("gone"), late.DeepCopy(), statefulSet.DeepCopy(), elsewhere.DeepCopy(), global.DeepCopy())
			b.step(t)
			got := map[string]bool{}
			for _, w := range b.rebalancer(t).Status.ObservedWorkloads {
				got[w.Workload.Name] = true
			}
			want := map[string]bool{}
			for _, name := range tc.want {
				want[name] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("selected (-want +got):\n%s", diff)
			}
			if b.asks != len(want) {
				t.Errorf("%d bindings were asked, want %d", b.asks, len(want))
			}
		})
	}
}

func TestLabelsThatAreNotKnownYetAreWaitedForButNotForever(t *testing.T) {
	spec := v1alpha1.WorkloadRebalancerSpec{Selector: &v1alpha1.WorkloadSelector{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}}
	b := newBed(t, templates(nil), again(spec), binding("web"))
	if result := b.step(t); result.RequeueAfter != syncRetry {
		t.Errorf("Reconcile() = %v, want a look after %v", result, syncRetry)
	}
	b.expectProgress(t, "0/0 done, 0 failed; Complete=False Rescheduling; Progressing=True Rescheduling")
	b.clock.SetTime(start.Add(patience))
	b.step(t)
	b.expectProgress(t, "0/0 done, 0 failed; Complete=True NothingSelected; Progressing=False NothingSelected")
}

func TestASelectorThatCannotBeParsedIsRefusedUntilItIsEdited(t *testing.T) {
	bad := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Is"}}}
	b := newBed(t, templates{}, again(v1alpha1.WorkloadRebalancerSpec{Selector: &v1alpha1.WorkloadSelector{LabelSelector: bad}}), binding("web"))
	b.step(t)
	b.step(t)
	b.expectProgress(t, "0/0 done, 0 failed; Complete=False InvalidSelector; Progressing=False InvalidSelector")
	if b.statuses != 1 || b.asks != 0 {
		t.Errorf("%d statuses and %d bindings were written, want 1 and 0", b.statuses, b.asks)
	}
	want := `spec.selector.labelSelector: "Is" is not a valid label selector operator`
	if got := meta.FindStatusCondition(b.rebalancer(t).Status.Conditions, "Complete").Message; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
	edited := b.rebalancer(t)
	edited.Generation, edited.Spec = 2, naming("web")
	if err := b.host.Update(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	b.step(t)
	b.expectProgress(t, "0/1 done, 0 failed; Complete=False Rescheduling; Progressing=True Rescheduling; web Asked")
}

func TestARequestThatHasFinishedGoesWhenItsTimeIsUp(t *testing.T) {
	spec := naming("web")
	spec.TTLSecondsAfterFinished = ptr.To[int32](60)
	b := newBed(t, templates{}, again(spec), binding("web"))
	b.step(t)
	b.answer(t, "web")
	b.step(t)
	b.clock.SetTime(start.Add(30 * time.Second))
	if result := b.step(t); result.RequeueAfter <= 0 || result.RequeueAfter > 31*time.Second {
		t.Errorf("Reconcile() = %v, want a look in half a minute", result)
	}
	b.clock.SetTime(start.Add(2 * time.Minute))
	b.step(t)
	err := b.host.Get(t.Context(), types.NamespacedName{Name: "again"}, &v1alpha1.WorkloadRebalancer{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("reading it after its time = %v, want NotFound", err)
	}
}

func TestARequestThatWasReplacedIsWaitedForWithoutWriting(t *testing.T) {
	b := newBed(t, templates{}, again(naming("web")), binding("web"))
	b.failTold = apierrors.NewConflict(schema.GroupResource{}, "again", errors.New("uid"))
	for range 10 { // the cache shows the same all the time
		b.clock.SetTime(b.clock.Now().Add(b.step(t).RequeueAfter))
	}
	if b.statuses != 1 {
		t.Errorf("%d writes of a status that was refused, want 1", b.statuses)
	}
}

func TestAnErrorOfTheHostIsTriedAgain(t *testing.T) {
	b := newBed(t, templates{}, again(naming("web")), binding("web"))
	b.fail = errors.New("the host is down")
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "again"}}); !errors.Is(err, b.fail) {
		t.Errorf("Reconcile() = %v, want %v", err, b.fail)
	}
	b.fail = nil
	b.step(t)
	b.expectProgress(t, "0/1 done, 0 failed; Complete=False Rescheduling; Progressing=True Rescheduling; web Asked")
}
