package tainting

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// indexer registers indexes with a fake client.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

// web is a binding, of generation 4, of which berlin reports a copy.
func web(change func(*v1alpha1.ResourceBinding), targets ...string) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 4, Finalizers: []string{v1alpha1.BindingFinalizer}}}
	for _, name := range targets {
		b.Spec.Clusters = append(b.Spec.Clusters, v1alpha1.TargetCluster{Name: name})
	}
	b.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{ClusterName: "berlin"}}
	if change != nil {
		change(b)
	}
	return b
}

func TestWhatShouldNotBeThereAnyMoreIsCounted(t *testing.T) {
	deleted := func(b *v1alpha1.ResourceBinding) {
		b.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_700_000_000, 0)}
	}
	for name, tc := range map[string]struct {
		binding *v1alpha1.ResourceBinding
		said    *report.Report
		want    int
	}{
		"it belongs there": {binding: web(nil, "berlin")},
		"it waits there for its replacement": {binding: web(func(b *v1alpha1.ResourceBinding) {
			b.Spec.Retained = []v1alpha1.RetainedCluster{{Name: "berlin"}}
		}, "cairo")},
		"it was never there":              {binding: web(func(b *v1alpha1.ResourceBinding) { b.Status.AggregatedStatus = nil }, "cairo")},
		"it was moved":                    {binding: web(nil, "cairo"), want: 1},
		"it was moved, and is being told": {binding: web(nil, "cairo"), said: &report.Report{Reason: v1alpha1.ReasonRemovingOld}, want: 1},
		"it was moved, and is gone":       {binding: web(nil, "cairo"), said: &report.Report{Gone: true, BindingGeneration: 3}},
		"its template was deleted":        {binding: web(deleted, "berlin"), want: 1},
		"its template was deleted, and the member was asked before": {
			binding: web(deleted, "berlin"), said: &report.Report{Gone: true, BindingGeneration: 3}, want: 1,
		},
		"its template was deleted, and only other members keep the binding": {
			binding: web(deleted, "berlin", "cairo"), said: &report.Report{Gone: true, BindingGeneration: 4},
		},
		"its template was deleted, and nobody keeps the binding for members": {binding: web(func(b *v1alpha1.ResourceBinding) {
			deleted(b)
			b.Finalizers = []string{"example.com/other"}
		}, "berlin")},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(tc.binding)
			if err := hostindex.Register(t.Context(), indexer{builder}); err != nil {
				t.Fatal(err)
			}
			board := report.NewBoard()
			if tc.said != nil {
				board.Post(types.NamespacedName{Namespace: "shop", Name: "web"}, "berlin", *tc.said)
			}
			r := &Reconciler{client: builder.Build(), options: Options{Board: board}}
			if got, err := r.leftovers(t.Context(), "berlin"); err != nil || got != tc.want {
				t.Errorf("leftovers() = %d, %v, want %d", got, err, tc.want)
			}
		})
	}
}
