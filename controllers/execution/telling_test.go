package execution

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// indexes is the indexes of a manager's cache, in a fake client.
type indexes struct{ builder *fake.ClientBuilder }

func (i indexes) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

// ending is the cleanup of an owner, the binding of webKey, which no member holds anything of any more; cached is what the manager's cache
// shows beside it, and live what the host's API server reads.
func ending(t *testing.T, owner *v1alpha1.ResourceBinding, cached []client.Object, live client.Reader) *cleanup {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(cached, owner)...)
	if err := hostindex.Register(t.Context(), indexes{builder}); err != nil {
		t.Fatal(err)
	}
	board := report.NewBoard()
	board.Post(webKey, "member1", gone(3))
	board.Post(webKey, "member2", gone(3))
	return &cleanup{host: builder.Build(), live: live, board: board, clock: clocktesting.NewFakePassiveClock(noon)}
}

// ends looks at the owner, and says whether it has ended.
func (r *cleanup) ends(t *testing.T) bool {
	t.Helper()
	result, err := r.Reconcile(t.Context(), webKey)
	if err != nil {
		t.Fatal(err)
	}
	err = r.host.Get(t.Context(), webKey, &v1alpha1.ResourceBinding{})
	ended := apierrors.IsNotFound(err)
	want := reconcile.Result{RequeueAfter: recheckTelling}
	if ended {
		want = reconcile.Result{}
	}
	if result != want {
		t.Errorf("Reconcile() = %+v with the owner ended %t, want %+v", result, ended, want)
	}
	return ended
}

// ownerOf is the owner, and whether its binding says that it is preserved.
func ownerOf(preserve bool) *v1alpha1.ResourceBinding {
	owner := binding(true)
	owner.Spec.PropagateDeps, owner.Spec.PreserveResourcesOnDeletion = true, &preserve
	owner.Spec.Policy = &v1alpha1.PolicyReference{Namespace: "shop", Name: "all"}
	return owner
}

// preserving is the owner's policy.
func preserving(preserve bool) client.Object {
	return &v1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"}, Spec: v1alpha1.PropagationSpec{PreserveResourcesOnDeletion: &preserve},
	}
}

// brought is the binding of what goes along with the owner, as it is told to preserve it.
func brought(told bool, change func(*v1alpha1.ResourceBinding)) client.Object {
	b := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "settings", Finalizers: []string{v1alpha1.BindingFinalizer}},
		Spec: v1alpha1.BindingSpec{RequiredBy: []v1alpha1.BindingSnapshot{
			{Namespace: "shop", Name: "api"}, {Namespace: webKey.Namespace, Name: webKey.Name, PreserveResourcesOnDeletion: told},
		}},
	}
	change(b)
	return b
}

func TestAnOwnerEndsOnceItHasToldWhatGoesAlongToStay(t *testing.T) {
	goes := func(b *v1alpha1.ResourceBinding) { b.DeletionTimestamp = &metav1.Time{Time: noon} }
	held := func(b *v1alpha1.ResourceBinding) { goes(b); b.Finalizers = []string{"example.com/held"} }
	governed := func(b *v1alpha1.ResourceBinding) { goes(b); b.Spec.Policy = &v1alpha1.PolicyReference{Name: "own"} }
	released := func(b *v1alpha1.ResourceBinding) { b.Spec.RequiredBy = b.Spec.RequiredBy[:1] }
	stays := func(*v1alpha1.ResourceBinding) {}
	untold := brought(false, stays)
	for name, tc := range map[string]struct {
		owner  *v1alpha1.ResourceBinding
		cached []client.Object
		live   []client.Object
		want   bool
	}{
		"its policy preserves, and nobody was told":   {ownerOf(false), []client.Object{untold}, []client.Object{untold, preserving(true)}, false},
		"it preserves itself, and nobody was told":    {ownerOf(true), []client.Object{untold}, []client.Object{untold}, false},
		"the cache does not know yet who was told":    {ownerOf(false), []client.Object{untold}, []client.Object{brought(true, stays), preserving(true)}, true},
		"the cache alone says that it was told":       {ownerOf(false), []client.Object{brought(true, stays)}, []client.Object{untold, preserving(true)}, false},
		"nothing is preserved":                        {ownerOf(false), []client.Object{untold}, []client.Object{untold, preserving(false)}, true},
		"nothing goes along":                          {ownerOf(true), nil, nil, true},
		"what goes along with it does so no more":     {ownerOf(true), []client.Object{untold}, []client.Object{brought(false, released)}, true},
		"what went along is gone":                     {ownerOf(true), []client.Object{untold}, nil, true},
		"what goes along goes, and will ask":          {ownerOf(true), []client.Object{untold}, []client.Object{brought(false, goes)}, false},
		"what goes along goes, and no member has it":  {ownerOf(true), []client.Object{untold}, []client.Object{brought(false, held)}, true},
		"what goes along goes by a policy of its own": {ownerOf(true), []client.Object{untold}, []client.Object{brought(false, governed)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ending(t, tc.owner, tc.cached, hostWith(t, tc.live...)).ends(t); got != tc.want {
				t.Errorf("the owner ends: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestAnOwnerDoesNotWaitForEverForWhatNobodyTells(t *testing.T) {
	untold := brought(false, func(*v1alpha1.ResourceBinding) {})
	r := ending(t, ownerOf(true), []client.Object{untold}, hostWith(t, untold))
	for _, step := range []struct {
		at   time.Duration
		want bool
	}{{0, false}, {tellingTime - time.Second, false}, {tellingTime, true}} {
		r.clock = clocktesting.NewFakePassiveClock(noon.Add(step.at))
		if got := r.ends(t); got != step.want {
			t.Errorf("after %s the owner ends: %t, want %t", step.at, got, step.want)
		}
	}
	if _, kept := r.waiting.Load(webKey); kept {
		t.Error("that it waited is remembered after its end")
	}
}

func TestAHostThatDoesNotTellWhoWasToldLetsNoOwnerEnd(t *testing.T) {
	broken, untold := errors.New("the host does not answer"), brought(false, func(*v1alpha1.ResourceBinding) {})
	r := ending(t, ownerOf(true), []client.Object{untold}, interceptor.NewClient(hostWith(t), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return broken
		},
	}))
	if _, err := r.Reconcile(t.Context(), webKey); !errors.Is(err, broken) {
		t.Errorf("Reconcile() = %v, want the host's error", err)
	}
	if err := r.host.Get(t.Context(), webKey, &v1alpha1.ResourceBinding{}); err != nil {
		t.Errorf("the owner is gone: %v", err)
	}
}
