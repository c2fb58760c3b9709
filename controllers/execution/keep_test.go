package execution

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/render"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// scaled is a member's API server whose Deployment somebody may scale at any time.
type scaled struct {
	mu       sync.Mutex
	version  string
	replicas int64
	owner    string
	sent     []sent
}

// sent is what was applied.
type sent struct {
	Version  string
	Replicas any
}

func (s *scaled) scale(version string, replicas int64, owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.replicas, s.owner = version, replicas, owner
}

func (s *scaled) deployment() any {
	owned := `{"f:spec":{"f:replicas":{}}}`
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"namespace": "shop", "name": "web", "uid": "1", "resourceVersion": s.version,
			"labels":        map[string]any{v1alpha1.ManagedLabel: "true"},
			"annotations":   map[string]any{v1alpha1.HostAnnotation: "host", v1alpha1.BindingAnnotation: webKey.String()},
			"managedFields": []any{map[string]any{"manager": s.owner, "operation": "Apply", "fieldsV1": json.RawMessage(owned)}},
		},
		"spec": map[string]any{"replicas": s.replicas},
	}
}

func (s *scaled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPatch {
		manifest := &unstructured.Unstructured{}
		if err := json.NewDecoder(r.Body).Decode(&manifest.Object); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		spec, _ := manifest.Object["spec"].(map[string]any)
		s.sent = append(s.sent, sent{Version: manifest.GetResourceVersion(), Replicas: spec["replicas"]})
		if version := manifest.GetResourceVersion(); version != "" && version != s.version {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonConflict, Code: http.StatusConflict})
			return
		}
	}
	answering{s.deployment}.ServeHTTP(w, r)
}

func TestWhatIsLeftToTheMemberIsRepeatedOnlyAsLongAsNobodyChangesIt(t *testing.T) {
	server := &scaled{}
	member := connected(t, server)
	manifest := func(spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": "shop", "name": "web"}, "spec": spec,
		}}
	}
	deployments := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

	for name, tc := range map[string]struct {
		left []string
		want []sent
	}{
		"it is left to the member": {left: []string{"/spec/replicas"}, want: []sent{{Version: "7", Replicas: float64(2)}, {Version: "8"}}},
		"nothing is left":          {want: []sent{{Replicas: float64(4)}}},
	} {
		t.Run(name, func(t *testing.T) {
			server.sent = nil
			server.scale("7", 2, "flotilla")
			read, err := member.Read(t.Context(), deployments, types.NamespacedName{Namespace: "shop", Name: "web"})
			if err != nil {
				t.Fatal(err)
			}
			server.scale("8", 5, "kubectl")
			b := binding(false)
			b.Spec.Resource = v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
			j := job{binding: b, observed: read, rendered: render.Rendered{Object: manifest(map[string]any{"replicas": int64(4)}), Left: tc.left}}
			if len(tc.left) > 0 {
				j.rendered.Initial, j.rendered.Object = j.rendered.Object, manifest(map[string]any{})
			}
			if _, err := newWorker(t.Context(), &dispatcher{}, member).apply(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, server.sent); diff != "" {
				t.Errorf("what was applied (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsOnlyMarkedAsRememberedIsLeftAsItIs(t *testing.T) {
	server := &scaled{}
	member := connected(t, server)
	server.scale("7", 2, "flotilla")
	resource := v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	read, err := member.Read(t.Context(), resource.GroupVersionKind(), resource.Key())
	if err != nil {
		t.Fatal(err)
	}
	b := binding(false)
	b.Spec.Resource = resource
	wanted := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": "shop", "name": "web"}, "spec": map[string]any{"replicas": int64(4)},
	}}
	w := newWorker(t.Context(), &dispatcher{Options: Options{Board: report.NewBoard(), Memory: memory{}}}, member)
	j := job{binding: b, template: wanted, observed: read, rendered: render.Rendered{Object: wanted}}
	result, err := w.carryOut(t.Context(), j, applyplan.Decision{Action: applyplan.Mark, Reason: applyplan.Recalled})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(reconcile.Result{RequeueAfter: recheckForgotten}, result); diff != "" {
		t.Errorf("when it is looked at again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]sent{{Version: "7"}}, server.sent); diff != "" {
		t.Errorf("what was sent (-want +got):\n%s", diff)
	}
	if said := w.Board.Reports(webKey); len(said) > 0 {
		t.Errorf("it is reported as %v before it is decided what becomes of it", said)
	}
}

// leaving is a Deployment of a member that is being deleted and waits for a finalizer.
func leaving(ours bool) any {
	metadata := map[string]any{
		"namespace": "shop", "name": "web", "uid": "1", "resourceVersion": "7",
		"deletionTimestamp": "2027-03-01T12:00:00Z", "finalizers": []any{"example.org/slow"},
	}
	if ours {
		metadata["labels"] = map[string]any{v1alpha1.ManagedLabel: "true"}
		metadata["annotations"] = map[string]any{v1alpha1.HostAnnotation: "host", v1alpha1.BindingAnnotation: webKey.String()}
	}
	return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
}

func TestAnObjectThatIsStillBeingDeletedIsLookedAtAgain(t *testing.T) {
	resource := v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	for name, ours := range map[string]bool{"of ours": true, "of somebody else, which no watch shows": false} {
		t.Run(name, func(t *testing.T) {
			member := connected(t, answering{func() any { return leaving(ours) }})
			read, err := member.Read(t.Context(), resource.GroupVersionKind(), resource.Key())
			if err != nil {
				t.Fatal(err)
			}
			b := binding(false)
			b.Spec.Resource = resource
			w := newWorker(t.Context(), &dispatcher{Options: Options{Board: report.NewBoard()}}, member)
			decision := applyplan.Decide(applyplan.Facts{Binding: webKey.String(), Wanted: true, Live: liveOf(read)})
			result, err := w.carryOut(t.Context(), job{binding: b, observed: read}, decision)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(reconcile.Result{RequeueAfter: recheckRemoving}, result); diff != "" {
				t.Errorf("when it is looked at again (-want +got):\n%s", diff)
			}
			if got := w.Board.Reports(webKey)["member1"].Reason; got != v1alpha1.ReasonApplying {
				t.Errorf("it is reported as %q, want %q", got, v1alpha1.ReasonApplying)
			}
		})
	}
}
