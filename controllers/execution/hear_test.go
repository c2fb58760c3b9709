package execution

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// answering is a member's API server that has one Deployment; nil while it fails.
type answering struct{ deployment func() any }

func (a answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.URL.Path {
	case "/api":
		answer = metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}}
	case "/apis":
		version := metav1.GroupVersionForDiscovery{GroupVersion: "apps/v1", Version: "v1"}
		answer = metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList"}, Groups: []metav1.APIGroup{
			{Name: "apps", Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version},
		}}
	case "/apis/apps/v1":
		answer = metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
			{Name: "deployments", Namespaced: true, Kind: "Deployment", Verbs: metav1.Verbs{"get"}},
		}}
	default:
		answer = a.deployment()
	}
	if answer == nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// connected is member1 with an API server of its own for the test.
func connected(t *testing.T, server http.Handler) *membercluster.Member {
	t.Helper()
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	pool := membercluster.NewPool("host", interpreter.New())
	if err := pool.Connect("member1", membercluster.Connection{Config: &rest.Config{Host: listener.URL}}); err != nil {
		t.Fatal(err)
	}
	member, _ := pool.Member("member1")
	return member
}

func TestAMemberThatIsDoubtedIsAskedAndNotItsWatch(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	deployment := func(ready int, binding string) any {
		return map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{
				"namespace": "shop", "name": "web", "uid": "1", "resourceVersion": "7", "generation": 1,
				"labels":      map[string]any{v1alpha1.ManagedLabel: "true"},
				"annotations": map[string]any{v1alpha1.HostAnnotation: "host", v1alpha1.BindingAnnotation: binding},
			},
			"spec": map[string]any{"replicas": 1},
			"status": map[string]any{
				"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "availableReplicas": ready,
			},
		}
	}
	type outcome struct {
		Result  reconcile.Result
		Hearing report.Hearing
		Heard   bool
	}
	for name, tc := range map[string]struct {
		trusted bool // nobody doubts
		found   any
		want    outcome
	}{
		"it is healthy":         {found: deployment(1, "shop/web"), want: outcome{Hearing: report.Hearing{At: start, Health: v1alpha1.Healthy}, Heard: true}},
		"it is unhealthy":       {found: deployment(0, "shop/web"), want: outcome{Hearing: report.Hearing{At: start, Health: v1alpha1.Unhealthy}, Heard: true}},
		"it is somebody else's": {found: deployment(0, "shop/other"), want: outcome{Hearing: report.Hearing{At: start, Health: v1alpha1.HealthUnknown}, Heard: true}},
		"the member fails":      {want: outcome{Result: reconcile.Result{RequeueAfter: recheckUnreachable}}},
		"nobody doubts":         {trusted: true, found: deployment(0, "shop/web")},
	} {
		t.Run(name, func(t *testing.T) {
			member := connected(t, answering{func() any { return tc.found }})
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			b := binding(false)
			b.Spec.Resource = v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
			b.Spec.Policy = &v1alpha1.PolicyReference{Name: "web"}
			d := &dispatcher{host: fake.NewClientBuilder().WithScheme(scheme).WithObjects(b).Build(), workers: map[string]*worker{}}
			d.Board, d.Templates = report.NewBoard(), templates.New(objectcache.Options{}) // of which none has synced
			w := newWorker(t.Context(), d, member)
			w.clock = clocktesting.NewFakePassiveClock(start)
			if !tc.trusted {
				d.Board.Doubt(webKey, "member1")
			}
			var got outcome
			var err error
			if got.Result, err = w.Reconcile(t.Context(), webKey); err != nil {
				t.Fatal(err)
			}
			got.Hearing, got.Heard = d.Board.Heard(webKey, "member1")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Reconcile() (-want +got):\n%s", diff)
			}
			if got, want := d.Board.Doubted(webKey, "member1"), !tc.trusted && !tc.want.Heard; got != want {
				t.Errorf("still doubted = %t, want %t", got, want)
			}
		})
	}
}
