package execution

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/report"
)

var webKey = types.NamespacedName{Namespace: "shop", Name: "web"}

// binding is a binding of generation 3 that names member1, and whose status still speaks of member2.
func binding(deleting bool) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 3, Finalizers: []string{v1alpha1.BindingFinalizer}},
		Spec:       v1alpha1.BindingSpec{Clusters: []v1alpha1.TargetCluster{{Name: "member1"}}},
		Status:     v1alpha1.BindingStatus{AggregatedStatus: []v1alpha1.AggregatedStatusItem{{ClusterName: "member2"}}},
	}
	if deleting {
		now := metav1.Now()
		b.DeletionTimestamp = &now
	}
	return b
}

func gone(generation int64) report.Report {
	return report.Report{Gone: true, BindingGeneration: generation}
}

func TestABindingIsLetGoOfWhenNoMemberHoldsAnythingBecauseOfIt(t *testing.T) {
	for name, tc := range map[string]struct {
		deleting bool
		clusters []string
		reports  map[string]report.Report
		want     bool
	}{
		"not while it is wanted":                      {false, []string{"member1", "member2"}, map[string]report.Report{"member1": gone(3), "member2": gone(3)}, false},
		"not before a member that it names was asked": {true, []string{"member1", "member2"}, map[string]report.Report{"member2": gone(3)}, false},
		"not before one that it left was asked":       {true, []string{"member1", "member2"}, map[string]report.Report{"member1": gone(3)}, false},
		"not on an answer from before the deletion":   {true, []string{"member1", "member2"}, map[string]report.Report{"member1": gone(2), "member2": gone(3)}, false},
		"not while a member is removing":              {true, []string{"member1", "member2"}, map[string]report.Report{"member1": gone(3), "member2": {Reason: v1alpha1.ReasonRemovingOld}}, false},
		"not while a third member holds something":    {true, []string{"member1", "member2", "member3"}, map[string]report.Report{"member1": gone(3), "member2": gone(3), "member3": {Applied: true}}, false},
		"when all have been asked":                    {true, []string{"member1", "member2"}, map[string]report.Report{"member1": gone(3), "member2": gone(3)}, true},
		"when one that was not asked has left":        {true, []string{"member1"}, map[string]report.Report{"member1": gone(3)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{binding(tc.deleting)}
			for _, cluster := range tc.clusters {
				objects = append(objects, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}})
			}
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			host := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
			board := report.NewBoard()
			for cluster, r := range tc.reports {
				board.Post(webKey, cluster, r)
			}
			if _, err := (&cleanup{host: host, live: host, board: board}).Reconcile(t.Context(), webKey); err != nil {
				t.Fatal(err)
			}
			err := host.Get(t.Context(), webKey, &v1alpha1.ResourceBinding{})
			if got := apierrors.IsNotFound(err); got != tc.want {
				t.Errorf("let go = %v (%v), want %v", got, err, tc.want)
			}
		})
	}
}

func TestAMemberHasNotLeftBecauseItIsMissingInTheCache(t *testing.T) {
	broken := errors.New("the host does not answer")
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member2"}}
	for name, tc := range map[string]struct {
		live   client.Reader
		result reconcile.Result
		err    error
		want   bool
	}{
		"it is gone":             {live: hostWith(t), want: true},
		"it joined a moment ago": {live: hostWith(t, cluster), result: reconcile.Result{RequeueAfter: recheckRemoving}},
		"the host does not say either": {live: interceptor.NewClient(hostWith(t), interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return broken
		}}), err: broken},
	} {
		t.Run(name, func(t *testing.T) {
			host, board := hostWith(t, binding(true)), report.NewBoard()
			board.Post(webKey, "member1", gone(3))
			result, err := (&cleanup{host: host, live: tc.live, board: board}).Reconcile(t.Context(), webKey)
			if diff := cmp.Diff(tc.result, result); diff != "" || !errors.Is(err, tc.err) {
				t.Errorf("it fails with %v, want %v; when it is looked at again (-want +got):\n%s", err, tc.err, diff)
			}
			err = host.Get(t.Context(), webKey, &v1alpha1.ResourceBinding{})
			if got := apierrors.IsNotFound(err); got != tc.want {
				t.Errorf("let go = %t (%v), want %t", got, err, tc.want)
			}
		})
	}
}

func TestABindingsMarkIsReadAsItIsWritten(t *testing.T) {
	for _, key := range []types.NamespacedName{webKey, {Name: "cluster-scoped"}} {
		if got, ok := parseBinding(key.String()); !ok || got != key {
			t.Errorf("parseBinding(%q) = %v, %v", key, got, ok)
		}
	}
	for _, mark := range []string{"", "web", "shop/"} {
		if got, ok := parseBinding(mark); ok {
			t.Errorf("parseBinding(%q) = %v, want none", mark, got)
		}
	}
}
