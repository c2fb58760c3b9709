package aggregation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/report"
)

var deployments = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// templates answers with what the fake host holds, as the template cache does.
type templates struct {
	wrapper   *unstructured.Unstructured // holds every template, unless nil
	client    client.Client
	notSynced bool
}

func (t *templates) Wrapper(schema.GroupVersionKind, types.NamespacedName) (*unstructured.Unstructured, error) {
	return t.wrapper, nil
}

func (t *templates) Get(gvk schema.GroupVersionKind, key types.NamespacedName) (any, bool, error) {
	if t.notSynced {
		return nil, false, objectcache.ErrNotSynced
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(gvk)
	err := t.client.Get(context.Background(), key, obj)
	return obj, err == nil, client.IgnoreNotFound(err)
}

// bed is a reconciler on a fake host that counts its writes.
type bed struct {
	*Reconciler
	templates *templates
	recorder  *events.FakeRecorder
	clock     *clocktesting.FakePassiveClock
	bindings  int // writes of binding status
	statuses  int // writes of template status
}

func newBed(t *testing.T, binding *v1alpha1.ResourceBinding, namespaceLabels map[string]string) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	template := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(2)}}}
	template.SetGroupVersionKind(deployments)
	template.SetNamespace("shop")
	template.SetName("web")
	template.SetGeneration(1)
	objects := []client.Object{binding, template,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: namespaceLabels}}}
	for _, name := range []string{"a", "b", "c"} {
		objects = append(objects, member(name, metav1.ConditionTrue))
	}
	b := &bed{recorder: events.NewFakeRecorder(10), clock: clocktesting.NewFakePassiveClock(noon)}
	fakeClient := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.ResourceBinding{}, &v1alpha1.Cluster{}, template).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				b.statuses++
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				b.bindings++
				return c.SubResource(sub).Apply(ctx, obj, opts...)
			},
		}).Build()
	b.templates = &templates{client: fakeClient}
	b.Reconciler = newReconciler(fakeClient, fakeClient, b.recorder, Options{
		Board: report.NewBoard(), Templates: b.templates, Interpreter: interpreter.New(), Clock: b.clock,
	})
	return b
}

func member(name string, readiness metav1.ConditionStatus) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.ClusterStatus{
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: readiness, Reason: "Test", LastTransitionTime: metav1.NewTime(noon)}},
	}}
}

func (b *bed) post(r report.Report, clusters ...string) {
	for _, cluster := range clusters {
		b.Board.Post(web, cluster, r)
	}
}

func (b *bed) reconcile(t *testing.T) time.Duration {
	t.Helper()
	result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: web})
	if err != nil {
		t.Fatalf("reconciling: %v", err)
	}
	return result.RequeueAfter
}

// settle reconciles, as the controller does, until there is nothing more to wait for.
func (b *bed) settle(t *testing.T) {
	t.Helper()
	for range 20 {
		wait := b.reconcile(t)
		if wait == 0 {
			return
		}
		b.clock.SetTime(b.clock.Now().Add(wait))
	}
	t.Fatal("it never settles")
}

func (b *bed) binding(t *testing.T) *v1alpha1.ResourceBinding {
	t.Helper()
	got := &v1alpha1.ResourceBinding{}
	if err := b.client.Get(t.Context(), web, got); err != nil {
		t.Fatal(err)
	}
	return got
}

func (b *bed) templateStatus(t *testing.T) map[string]any {
	t.Helper()
	obj, found, err := b.templates.Get(deployments, types.NamespacedName{Namespace: "shop", Name: "web"})
	if err != nil || !found {
		t.Fatalf("finding the template: %v", err)
	}
	status, _ := obj.(*unstructured.Unstructured).Object["status"].(map[string]any)
	return status
}

// writes are the writes of binding status and of template status.
func (b *bed) writes() [2]int { return [2]int{b.bindings, b.statuses} }

func templateNamespace() map[string]string {
	return map[string]string{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled}
}

func TestAStartCostsTwoWritesOfTheBindingAndTwoOfTheTemplate(t *testing.T) {
	b := newBed(t, bound("a", "b", "c"), templateNamespace())
	b.post(starting(1), "a")
	if wait := b.reconcile(t); wait <= 0 {
		t.Errorf("a first report is written at once")
	}
	b.post(starting(1), "b", "c")
	if wait := b.reconcile(t); wait != 0 || b.writes() != [2]int{1, 1} {
		t.Errorf("applied everywhere: wait %s, writes %v", wait, b.writes())
	}
	b.clock.SetTime(noon.Add(300 * time.Millisecond))
	b.post(fine(1), "a", "b")
	if wait := b.reconcile(t); wait != 4700*time.Millisecond || b.writes() != [2]int{1, 1} {
		t.Errorf("progress: wait %s, writes %v", wait, b.writes())
	}
	b.clock.SetTime(noon.Add(500 * time.Millisecond))
	b.post(fine(1), "c")
	if wait := b.reconcile(t); wait != 500*time.Millisecond {
		t.Errorf("healthy everywhere: wait %s", wait)
	}
	b.settle(t)
	if diff := cmp.Diff([2]int{2, 2}, b.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&v1alpha1.BindingSummary{Applied: "3/3", Healthy: "3/3"}, b.binding(t).Status.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	status := b.templateStatus(t)
	delete(status, "conditions")
	want := map[string]any{"observedGeneration": int64(1), "replicas": int64(2), "updatedReplicas": int64(2), "readyReplicas": int64(2), "availableReplicas": int64(2)}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("template status (-want +got):\n%s", diff)
	}
}

func TestNothingIsWrittenWhenNothingChanged(t *testing.T) {
	for name, reports := range map[string][]string{
		"while nobody has reported since a restart": nil,
		"while some have": {"b"},
		"when all have":   {"a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, bound("a", "b"), templateNamespace())
			b.post(fine(1), "a", "b")
			b.settle(t)
			before := b.writes()
			b.Reconciler = newReconciler(b.client, b.client, b.recorder, Options{Board: report.NewBoard(), Templates: b.templates, Interpreter: interpreter.New(), Clock: b.clock})
			b.clock.SetTime(noon.Add(time.Hour))
			b.post(fine(1), reports...)
			b.settle(t)
			if diff := cmp.Diff(before, b.writes()); diff != "" {
				t.Errorf("writes after a restart (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProgressIsWrittenNowAndThen(t *testing.T) {
	b := newBed(t, bound("a"), templateNamespace())
	b.post(starting(1), "a")
	b.settle(t)
	half := starting(1)
	half.Status = `{"observedGeneration":1,"replicas":1}`
	b.post(half, "a")
	if wait := b.reconcile(t); wait != DefaultPace.Progress {
		t.Errorf("progress waits %s", wait)
	}
	b.settle(t)
	if diff := cmp.Diff([2]int{2, 2}, b.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestATemplateOutsideOfATemplateNamespaceKeepsItsStatus(t *testing.T) {
	b := newBed(t, bound("a"), nil)
	b.post(fine(1), "a")
	b.settle(t)
	if diff := cmp.Diff([2]int{1, 0}, b.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestATemplateThatIsNotKnownYetIsLookedAtAgain(t *testing.T) {
	b := newBed(t, bound("a"), templateNamespace())
	b.templates.notSynced = true
	b.post(fine(1), "a")
	if wait := b.reconcile(t); wait != notSyncedRetry {
		t.Errorf("the template is looked for in %s", wait)
	}
	b.templates.notSynced = false
	b.settle(t)
	if diff := cmp.Diff([2]int{1, 1}, b.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestAMemberThatFallsSilentMakesHealthUnknown(t *testing.T) {
	b := newBed(t, bound("a", "b"), templateNamespace())
	b.post(fine(1), "a", "b")
	b.settle(t)
	if err := b.client.Status().Update(t.Context(), withVersion(t, b.client, member("b", metav1.ConditionFalse))); err != nil {
		t.Fatal(err)
	}
	b.settle(t)
	got := meta.FindStatusCondition(b.binding(t).Status.Conditions, v1alpha1.ConditionHealthy)
	if got == nil || got.Status != metav1.ConditionUnknown || got.Message != "b: Unknown" {
		t.Errorf("condition is %v", got)
	}
}

// A cluster that is left and still holds a copy is known by the status alone: who ends the binding asks those that it names.
func TestACopyIsRememberedUntilTheHostSaysThatItsClusterIsGone(t *testing.T) {
	broken := errors.New("the host does not answer")
	for name, tc := range map[string]struct {
		live  []client.Object
		err   error
		want  map[string]string // reasons by cluster
		again time.Duration
		asked []string
	}{
		"it joined a moment before this manager took over": {
			live: []client.Object{member("z", metav1.ConditionTrue)}, want: map[string]string{"a": v1alpha1.ReasonApplied, "z": v1alpha1.ReasonRemovingOld}, again: unseenRetry, asked: []string{"z"},
		},
		"it is gone":          {want: map[string]string{"a": v1alpha1.ReasonApplied}, asked: []string{"z"}},
		"the host cannot say": {err: broken, want: map[string]string{"a": v1alpha1.ReasonApplied, "z": v1alpha1.ReasonApplied}, asked: []string{"z"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, with(bound("a"), fineItem("a"), fineItem("z")), templateNamespace())
			var asked []string
			b.live = fake.NewClientBuilder().WithScheme(b.client.Scheme()).WithObjects(tc.live...).WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
					asked = append(asked, key.Name)
					if tc.err != nil {
						return tc.err
					}
					return c.Get(ctx, key, obj, opts...)
				},
			}).Build()
			b.post(fine(1), "a")
			result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: web})
			if !errors.Is(err, tc.err) || result.RequeueAfter != tc.again {
				t.Errorf("it is looked at again in %s, and fails with %v; want %s and %v", result.RequeueAfter, err, tc.again, tc.err)
			}
			got := map[string]string{}
			for _, item := range b.binding(t).Status.AggregatedStatus {
				got[item.ClusterName] = item.Reason
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.asked, asked); diff != "" {
				t.Errorf("the host was asked for (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAManagerThatBeganWhileAMemberWasAwayDoesNotSpeakForIt(t *testing.T) {
	b := newBed(t, bound("a", "b"), templateNamespace())
	turn := func(readiness metav1.ConditionStatus) {
		t.Helper()
		if err := b.client.Status().Update(t.Context(), withVersion(t, b.client, member("b", readiness))); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when, status, summary string) {
		t.Helper()
		b.settle(t)
		got := b.binding(t).Status
		applied := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionApplied)
		if diff := cmp.Diff([]string{status, summary}, []string{string(applied.Status) + " " + applied.Reason, got.Summary.Applied}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	b.post(fine(1), "a", "b")
	expect("at first", "True Applied", "2/2")
	turn(metav1.ConditionFalse)
	expect("when a member goes away that has said what it holds", "True Applied", "2/2")
	b.Board = report.NewBoard()
	b.post(fine(1), "a")
	expect("in the next manager", "False MemberUnreachable", "1/2")
	turn(metav1.ConditionTrue)
	expect("when it is back", "False MemberUnreachable", "1/2")
	b.post(fine(1), "b")
	expect("when it has spoken", "True Applied", "2/2")
	before := b.writes()
	b.Board = report.NewBoard()
	b.settle(t)
	if b.writes() != before {
		t.Errorf("writes %v, want %v: that a manager begins is no news of members that answer", b.writes(), before)
	}
}

func withVersion(t *testing.T, c client.Client, cluster *v1alpha1.Cluster) *v1alpha1.Cluster {
	t.Helper()
	now := &v1alpha1.Cluster{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(cluster), now); err != nil {
		t.Fatal(err)
	}
	cluster.ResourceVersion = now.ResourceVersion
	return cluster
}

func TestAWarningIsSentWhenTheReasonTurns(t *testing.T) {
	b := newBed(t, bound("a"), templateNamespace())
	b.post(report.Report{Reason: v1alpha1.ReasonForeignObject, Message: "it is not ours"}, "a")
	b.settle(t)
	b.post(report.Report{Reason: v1alpha1.ReasonForeignObject, Message: "it is still not ours"}, "a")
	b.settle(t)
	b.post(report.Report{Reason: v1alpha1.ReasonInvalidManifest, Message: "spec.x: bad"}, "a")
	b.settle(t)
	b.post(fine(1), "a")
	b.settle(t)
	close(b.recorder.Events)
	var got []string
	for e := range b.recorder.Events {
		got = append(got, e)
	}
	want := []string{"Warning ForeignObject a: ForeignObject: it is not ours", "Warning InvalidManifest a: InvalidManifest: spec.x: bad"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestABindingThatIsGoneIsForgotten(t *testing.T) {
	b := newBed(t, bound("a"), templateNamespace())
	b.post(fine(1), "a")
	if err := b.client.Delete(t.Context(), b.binding(t)); err != nil {
		t.Fatal(err)
	}
	b.settle(t)
	if got := b.Board.Reports(web); len(got) > 0 {
		t.Errorf("the board still holds %v", got)
	}
}

// spy is a queue that remembers what was put into it.
type spy struct {
	workqueue.TypedRateLimitingInterface[ctrl.Request]
	added []string
}

func (s *spy) AddAfter(r ctrl.Request, after time.Duration) {
	s.added = append(s.added, r.Name+" after "+after.String())
}

func TestWhatIsReportedBeforeTheStartIsLookedAt(t *testing.T) {
	f, q := &feed{settle: time.Second}, &spy{}
	f.enqueue(types.NamespacedName{Name: "early"})
	if err := f.begin(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	f.enqueue(types.NamespacedName{Name: "later"})
	if diff := cmp.Diff([]string{"early after 1s", "later after 1s"}, q.added); diff != "" {
		t.Errorf("queue (-want +got):\n%s", diff)
	}
}

func TestOnlyAClusterWhoseReadinessTurnsIsNews(t *testing.T) {
	up, down := member("a", metav1.ConditionTrue), member("a", metav1.ConditionUnknown)
	if p := readinessChanges(); p.Update(event.UpdateEvent{ObjectOld: up, ObjectNew: up}) || !p.Update(event.UpdateEvent{ObjectOld: up, ObjectNew: down}) {
		t.Error("readiness is not what decides")
	}
}
