package hostindex

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// indexer registers indexes with a fake client.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

func grouped(namespace, name, together, apart string) client.Object {
	b := v1alpha1.NewBinding(namespace)
	b.SetNamespace(namespace)
	b.SetName(name)
	if together != "" || apart != "" {
		b.BindingSpec().WorkloadAffinityGroups = &v1alpha1.WorkloadAffinityGroups{AffinityGroup: together, AntiAffinityGroup: apart}
	}
	return b
}

func TestGroupsAreFoundWithinTheirNamespaceOnly(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		grouped("shop", "web", "app=shop", "tier=front"),
		grouped("shop", "cart", "app=shop", ""),
		grouped("shop", "batch", "", "app=shop"),
		grouped("shop", "alone", "", ""),
		grouped("other", "web", "app=shop", "tier=front"),
		grouped("", "global", "app=shop", ""),
	)
	if err := Register(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	c := builder.Build()
	for name, tc := range map[string]struct {
		index Index
		value string
		want  []string
	}{
		"together":                 {ByAffinityGroup, GroupValue("shop", "app=shop"), []string{"shop/cart", "shop/web"}},
		"together, cluster-scoped": {ByAffinityGroup, GroupValue("", "app=shop"), []string{"/global"}},
		"apart":                    {ByAntiAffinityGroup, GroupValue("shop", "app=shop"), []string{"shop/batch"}},
		"apart, elsewhere":         {ByAntiAffinityGroup, GroupValue("other", "tier=front"), []string{"other/web"}},
		"no such group":            {ByAffinityGroup, GroupValue("shop", "app=none"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			bindings, err := Bindings(t.Context(), c, tc.index, tc.value)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range bindings {
				got = append(got, b.GetNamespace()+"/"+b.GetName())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("bindings (-want +got):\n%s", diff)
			}
		})
	}
}
