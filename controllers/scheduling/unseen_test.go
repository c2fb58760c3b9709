package scheduling

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// host has some Clusters, and remembers which were asked for.
type host struct {
	client.Reader
	clusters map[string]*v1alpha1.Cluster
	err      error
	asked    []string
}

func (h *host) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	h.asked = append(h.asked, key.Name)
	cluster, found := h.clusters[key.Name]
	into, ok := obj.(*v1alpha1.Cluster)
	switch {
	case h.err != nil:
		return h.err
	case !found || !ok:
		return apierrors.NewNotFound(schema.GroupResource{Resource: "clusters"}, key.Name)
	}
	cluster.DeepCopyInto(into)
	return nil
}

func TestAClusterThatTheCacheDoesNotShowIsLeftOnlyWhenTheHostHasNone(t *testing.T) {
	tests := map[string]struct {
		host  *host
		want  []string
		asked []string
	}{
		"it joined a moment before this manager took over": {
			host: &host{clusters: map[string]*v1alpha1.Cluster{"new": member("new")}},
			want: []string{"new", "old"}, asked: []string{"new"},
		},
		"it is gone": {host: &host{}, want: []string{"old"}, asked: []string{"new"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, webBinding(alreadyIn("new", "old")), member("old"))
			b.live = tc.host
			b.reconcile(t, web)
			if diff := cmp.Diff(tc.want, names(b.binding(t))); diff != "" {
				t.Errorf("clusters (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.asked, tc.host.asked); diff != "" {
				t.Errorf("the host was asked for (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingIsDecidedWhileTheHostCannotSayWhetherAClusterIsGone(t *testing.T) {
	b := newBed(t, webBinding(alreadyIn("new", "old")), member("old"))
	down := errors.New("the host is down")
	b.live = &host{err: down}
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: web}); !errors.Is(err, down) {
		t.Errorf("Reconcile() = %v, want %v", err, down)
	}
	if diff := cmp.Diff([]string{"new", "old"}, names(b.binding(t))); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
}

// The watch of Clusters may have been away when the Cluster came, and when it went: then nothing else leads back.
func TestAClusterThatTheCacheNeverShowsIsLeftWhenTheHostHasItNoMore(t *testing.T) {
	b := newBed(t, webBinding(alreadyIn("new", "old")), member("old"))
	h := &host{clusters: map[string]*v1alpha1.Cluster{"new": member("new")}}
	b.live = h
	for range 2 { // also when there is nothing to write any more
		if result := b.reconcile(t, web); result.RequeueAfter != unseenRetry {
			t.Fatalf("it is looked at again in %s, want %s", result.RequeueAfter, unseenRetry)
		}
	}
	h.clusters = nil
	b.settle(t, web)
	if diff := cmp.Diff([]string{"old"}, names(b.binding(t))); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
	if result := b.reconcile(t, web); result.RequeueAfter != 0 {
		t.Errorf("when it is gone: looked at again in %s, want never", result.RequeueAfter)
	}
}
