package kubectl

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

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
			c := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(&berlin, &paris).Build()
			failed := confirm(t.Context(), c, &bytes.Buffer{}, tc.names)
			clusters, err := hostcluster.Clusters(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			got, some := map[string]bool{}, false
			for i := range clusters {
				at, err := time.Parse(time.RFC3339, clusters[i].Annotations[v1alpha1.ConfirmedAnnotation])
				got[clusters[i].Name] = err == nil && time.Since(at) < time.Hour
				some = some || got[clusters[i].Name]
			}
			if diff := cmp.Diff(tc.confirmed, got); diff != "" || some == (failed != nil) {
				t.Errorf("confirmed, error %v (-want +got):\n%s", failed, diff)
			}
		})
	}
}
