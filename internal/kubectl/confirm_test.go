package kubectl

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

func TestWhoConfirmsAgainChangesTheClusterAgain(t *testing.T) {
	berlin := cluster("berlin")
	c := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(&berlin).Build()
	said := map[string]bool{}
	for range 3 {
		if err := confirm(t.Context(), c, &bytes.Buffer{}, nil); err != nil {
			t.Fatal(err)
		}
		clusters, err := hostcluster.Clusters(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		said[clusters[0].Annotations[v1alpha1.ConfirmedAnnotation]] = true
	}
	if len(said) != 3 {
		t.Errorf("three confirmations say %v, want each something else: no change has a time", said)
	}
}

func TestOnlyTheClustersThatAreNamedAreConfirmed(t *testing.T) {
	for name, tc := range map[string]struct {
		names     []string
		confirmed map[string]bool
	}{
		"one":                      {[]string{"paris"}, map[string]bool{"berlin": false, "paris": true}},
		"all":                      {nil, map[string]bool{"berlin": true, "paris": true}},
		"none when one is unknown": {[]string{"berlin", "rome"}, map[string]bool{"berlin": false, "paris": false}},
	} {
		t.Run(name, func(t *testing.T) {
			berlin, paris := cluster("berlin"), cluster("paris")
			managers := map[string]string{}
			c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(&berlin, &paris).Build(), interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
					managers[obj.GetName()] = (&client.PatchOptions{}).ApplyOptions(opts).FieldManager
					return c.Patch(ctx, obj, patch, opts...)
				},
			})
			failed := confirm(t.Context(), c, &bytes.Buffer{}, tc.names)
			clusters, err := hostcluster.Clusters(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			got, some := map[string]bool{}, false
			for i := range clusters {
				got[clusters[i].Name] = clusters[i].Annotations[v1alpha1.ConfirmedAnnotation] != "" && managers[clusters[i].Name] == v1alpha1.ConfirmedManager
				some = some || got[clusters[i].Name]
			}
			if diff := cmp.Diff(tc.confirmed, got); diff != "" || some == (failed != nil) {
				t.Errorf("confirmed, error %v (-want +got):\n%s", failed, diff)
			}
		})
	}
}
