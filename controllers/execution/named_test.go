package execution

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/history"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

// live is a manager of which only the reader that goes past the cache is used.
type live struct {
	ctrl.Manager
	reader client.Reader
}

func (l live) GetAPIReader() client.Reader { return l.reader }

func hostWith(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Cluster{}).WithReturnManagedFields().WithObjects(objects...).Build()
}

// forgetful is a worker of member1 whose manager's cache holds one thing, and whose host's API server another.
func forgetful(cached, read client.WithWatch) *worker {
	d := &dispatcher{mgr: live{reader: read}, host: cached, named: newNamed(), Options: Options{Memory: memory{}}}
	return &worker{dispatcher: d, member: &membercluster.Member{Name: "member1"}, clock: clocktesting.NewFakePassiveClock(noon.Add(time.Hour))}
}

// elsewhere is the binding of generation 3, of a template that is in other clusters than member1 but for what is added.
func elsewhere(add func(*v1alpha1.ResourceBinding)) *v1alpha1.ResourceBinding {
	b := binding(false)
	b.Spec.Clusters = []v1alpha1.TargetCluster{{Name: "member2"}}
	add(b)
	return b
}

func retainedAt(since time.Time) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) {
		b.Spec.Retained = []v1alpha1.RetainedCluster{{Name: "member1", Since: metav1.NewTime(since)}}
	}
}

func decided(b *v1alpha1.ResourceBinding) {
	b.Spec.Clusters = []v1alpha1.TargetCluster{{Name: "member1"}}
}

func nothing(*v1alpha1.ResourceBinding) {}

func deletedAt(at time.Time) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) { b.DeletionTimestamp = &metav1.Time{Time: at} }
}

// forgottenObject is one that was written in the gap of memory.
func forgottenObject() *membercluster.Observed {
	return &membercluster.Observed{Live: applyplan.Live{
		Ours: true, Binding: webKey.String(), Written: history.Stamp{At: noon.Add(-time.Minute)}.String(),
	}}
}

func TestACopyThatWasMovedAfterTheRestoreMayGo(t *testing.T) {
	backup, since := noon.Add(-time.Hour), noon.Add(time.Minute) // when the gap begins, and after it
	chosenAgain := func(b *v1alpha1.ResourceBinding) { retainedAt(backup)(b); decided(b) }
	for name, tc := range map[string]struct {
		// cached is the binding that a worker works on, read what the API server has.
		cached, read func(*v1alpha1.ResourceBinding)
		// doubtful is true for the worker of the member whose object is in doubt, away when that member is not connected.
		doubtful, away bool
		want           bool
	}{
		"its binding never named the cluster":    {nothing, nothing, true, false, false},
		"its binding named the cluster":          {decided, decided, true, false, true},
		"it was not in doubt":                    {decided, decided, false, false, false},
		"only a cache named the cluster":         {decided, nothing, true, false, false},
		"it was being replaced":                  {retainedAt(since), retainedAt(since), true, false, true},
		"others replaced it":                     {retainedAt(since), retainedAt(since), false, false, false},
		"others replaced it while it was away":   {retainedAt(since), retainedAt(since), false, true, true},
		"it was being replaced as of the backup": {retainedAt(backup), retainedAt(backup), true, false, false},
		"it was chosen again since":              {retainedAt(backup), chosenAgain, true, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := forgetful(hostWith(t), hostWith(t, elsewhere(tc.read)))
			if !tc.away {
				w.workers = map[string]*worker{"member1": w}
			}
			if err := w.noteNamed(t.Context(), elsewhere(tc.cached), tc.doubtful); err != nil {
				t.Fatal(err)
			}
			got, err := w.mayGo(t.Context(), webKey, elsewhere(nothing), forgottenObject())
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("mayGo() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestWhatIsKnownOfAMoveEndsWithTheCopy(t *testing.T) {
	gap := memory{}.Gaps()[0]
	for name, tc := range map[string]struct {
		end  func(*named)
		want bool
	}{
		"it is still there":          {func(*named) {}, true},
		"another cluster's is gone":  {func(n *named) { n.forget(webKey, "member2") }, true},
		"it is gone":                 {func(n *named) { n.forget(webKey, "member1") }, false},
		"its binding is gone":        {func(n *named) { n.drop(webKey) }, false},
		"nothing is known of it all": {func(n *named) { n.forget(types.NamespacedName{Name: "other"}, "member1") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNamed()
			n.note(elsewhere(decided), noon)
			tc.end(n)
			if got := n.after(gap, webKey, "member1"); got != tc.want {
				t.Errorf("after() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestAGapThatFollowsLaterPutsAMoveBeforeItInDoubt(t *testing.T) {
	n := newNamed()
	n.note(elsewhere(decided), noon)
	if later := (history.Gap{From: noon.Add(time.Hour), To: noon.Add(2 * time.Hour)}); n.after(later, webKey, "member1") {
		t.Error("what the host said before it was restored once more counts")
	}
}

// TestABindingIsReadOnceForEachOfItsGenerations counts what the doubt about many objects costs the host.
func TestABindingIsReadOnceForEachOfItsGenerations(t *testing.T) {
	reads := 0
	counted := interceptor.NewClient(hostWith(t, elsewhere(decided)), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			reads++
			return c.Get(ctx, key, obj, opts...)
		},
	})
	w := forgetful(hostWith(t), counted)
	for range 3 {
		if err := w.noteNamed(t.Context(), elsewhere(decided), true); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.noteNamed(t.Context(), elsewhere(func(b *v1alpha1.ResourceBinding) { b.Generation++ }), true); err != nil {
		t.Fatal(err)
	}
	if reads != 2 {
		t.Errorf("the host was asked %d times, want 2", reads)
	}
}

// confirmed is the Cluster of a member for which the host was said to be right, which the API server saw at a time. What the user's clock
// said has no say, nor when others changed something else.
func confirmed(at time.Time) *v1alpha1.Cluster {
	return annotated(v1alpha1.ConfirmedManager, at, nothingElse)
}

func annotated(manager string, at time.Time, change func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
	entry := func(manager, subresource, field string, at time.Time) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "flotilla.dev/v1alpha1", Subresource: subresource,
			Time: ptr.To(metav1.NewTime(at)), FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{".":{},"f:` + field + `":{}}}}`),
		}
	}
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{
		Name: "member1", Annotations: map[string]string{v1alpha1.ConfirmedAnnotation: noon.Add(time.Minute).Format(time.RFC3339)},
		ManagedFields: []metav1.ManagedFieldsEntry{
			entry("kubectl-annotate", "", "somebodys", noon.Add(time.Hour)), entry(manager, "", v1alpha1.ConfirmedAnnotation, at),
			entry(v1alpha1.ConfirmedManager, "status", v1alpha1.ConfirmedAnnotation, noon.Add(time.Hour)),
		},
	}}
	change(c)
	return c
}

func TestAConfirmationIsDatedByTheAPIServer(t *testing.T) {
	gap := memory{}.Gaps()[0]
	for name, tc := range map[string]struct {
		cluster *v1alpha1.Cluster
		want    bool
	}{
		"after the gap":  {annotated(v1alpha1.ConfirmedManager, noon, nothingElse), true},
		"before the gap": {annotated(v1alpha1.ConfirmedManager, noon.Add(-2*time.Hour), nothingElse), false},
		"before the backup, by a user whose clock is ahead": {annotated(v1alpha1.ConfirmedManager, noon.Add(-time.Hour), func(c *v1alpha1.Cluster) {
			c.Annotations[v1alpha1.ConfirmedAnnotation] = noon.Add(time.Minute).Format(time.RFC3339)
		}), false},
		"after the gap, by one whose clock is behind": {annotated(v1alpha1.ConfirmedManager, noon, func(c *v1alpha1.Cluster) {
			c.Annotations[v1alpha1.ConfirmedAnnotation] = noon.Add(-24 * time.Hour).Format(time.RFC3339)
		}), true},
		"in any words": {annotated(v1alpha1.ConfirmedManager, noon, func(c *v1alpha1.Cluster) { c.Annotations[v1alpha1.ConfirmedAnnotation] = "yes" }), true},
		"as a field manager that may have changed something else": {annotated("kubectl-annotate", noon, nothingElse), false},
		"and taken back": {annotated(v1alpha1.ConfirmedManager, noon, func(c *v1alpha1.Cluster) { c.Annotations = nil }), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := forgetful(hostWith(t, tc.cluster), hostWith(t, tc.cluster))
			w.clock = clocktesting.NewFakePassiveClock(noon.Add(24 * time.Hour))
			got, err := w.confirmed(t.Context(), gap)
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("confirmed() = %t, want %t", got, tc.want)
			}
		})
	}
}

func nothingElse(*v1alpha1.Cluster) {}

func TestAnOrderThatOnlyACacheKnowsOfIsNone(t *testing.T) {
	since := deletedAt(noon.Add(time.Minute))
	leaving := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{
		Name: "member1", Finalizers: []string{v1alpha1.ClusterFinalizer}, DeletionTimestamp: &metav1.Time{Time: noon.Add(time.Minute)},
	}}
	for name, tc := range map[string]struct {
		cached, read []client.Object
		want         bool
	}{
		"nothing is deleted":                            {nil, nil, false},
		"the template is deleted":                       {[]client.Object{elsewhere(since)}, []client.Object{elsewhere(since)}, true},
		"the template is deleted in a cache only":       {[]client.Object{elsewhere(since)}, []client.Object{elsewhere(nothing)}, false},
		"the template was deleted before the backup":    {[]client.Object{elsewhere(deletedAt(noon.Add(-2 * time.Hour)))}, nil, false},
		"the Cluster is deleted":                        {[]client.Object{leaving}, []client.Object{leaving}, true},
		"the Cluster is deleted in a cache only":        {[]client.Object{leaving}, nil, false},
		"the Cluster is deleted, and has other objects": {[]client.Object{leaving, elsewhere(nothing)}, []client.Object{leaving, elsewhere(nothing)}, true},
		"the host is confirmed":                         {[]client.Object{confirmed(noon)}, []client.Object{confirmed(noon)}, true},
		"the host is confirmed in a cache only":         {[]client.Object{confirmed(noon)}, []client.Object{confirmed(noon.Add(-2 * time.Hour))}, false},
		"the host was confirmed before the backup":      {[]client.Object{confirmed(noon.Add(-2 * time.Hour))}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := forgetful(hostWith(t, tc.cached...), hostWith(t, tc.read...))
			got, err := w.mayGo(t.Context(), webKey, nil, forgottenObject())
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("mayGo() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestAManifestIsInDoubtUntilTheHostIsConfirmed(t *testing.T) {
	for name, tc := range map[string]struct {
		cluster *v1alpha1.Cluster
		want    bool
	}{
		"nobody has said anything": {&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}}, true},
		"the host is confirmed":    {confirmed(noon), false},
	} {
		t.Run(name, func(t *testing.T) {
			b := elsewhere(decided)
			b.Spec.Resource = v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
			template := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", CreationTimestamp: metav1.NewTime(noon.Add(-2 * time.Hour))}}
			template.SetGroupVersionKind(b.Spec.Resource.GroupVersionKind())
			w := forgetful(hostWith(t, tc.cluster), hostWith(t, tc.cluster, b, template))
			got, err := w.doubtful(t.Context(), job{binding: b, observed: forgottenObject()})
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("doubtful() = %t, want %t", got, tc.want)
			}
		})
	}
}
