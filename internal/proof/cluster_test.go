package proof

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// reader has one Cluster of the zone given, or none where there is no zone, unless it fails.
type reader struct {
	client.Reader
	zone string
	err  error
}

func (r reader) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	cluster, ok := obj.(*v1alpha1.Cluster)
	switch {
	case r.err != nil:
		return r.err
	case !ok || r.zone == "":
		return apierrors.NewNotFound(schema.GroupResource{Resource: "clusters"}, key.Name)
	}
	cluster.Name, cluster.Spec.Zones = key.Name, []string{r.zone}
	return nil
}

func TestAClusterHasLeftWhenTheHostSaysSo(t *testing.T) {
	broken := errors.New("no answer")
	for name, tc := range map[string]struct {
		cache, live reader
		zone        string // of the Cluster that is found
		shown       bool
		err         error
	}{
		"not while the cache shows it":           {cache: reader{zone: "cached"}, live: reader{err: broken}, zone: "cached", shown: true},
		"not because the cache does not show it": {live: reader{zone: "live"}, zone: "live"},
		"when neither has it":                    {},
		"not because the host does not answer":   {live: reader{err: broken}, err: broken},
		"not because the cache cannot be asked":  {cache: reader{err: broken}, err: broken},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, shown, err := Cluster(t.Context(), tc.cache, tc.live, "m1")
			zone := ""
			if cluster != nil {
				zone = cluster.Spec.Zones[0]
			}
			if zone != tc.zone || shown != tc.shown || !errors.Is(err, tc.err) {
				t.Errorf("Cluster() = that of %q, shown: %t, %v; want that of %q, shown: %t, %v", zone, shown, err, tc.zone, tc.shown, tc.err)
			}
		})
	}
}
