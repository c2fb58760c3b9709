package membercluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

func TestAMarkIsForTheObservedVersionAndChangesNothingElse(t *testing.T) {
	kind := appsv1.SchemeGroupVersion.WithKind("Deployment")
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(kind, meta.RESTScopeNamespace)
	for name, tc := range map[string]struct{ written, want string }{
		"with a time": {"then", `{"metadata":{"annotations":{"flotilla.dev/host":"host","flotilla.dev/written":"then"},"resourceVersion":"7","uid":"1"}}`},
		"without one": {"", `{"metadata":{"annotations":{"flotilla.dev/host":"host","flotilla.dev/written":null},"resourceVersion":"7","uid":"1"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			web := &unstructured.Unstructured{}
			web.SetGroupVersionKind(kind)
			web.SetNamespace("shop")
			web.SetName("web")
			web.SetLabels(map[string]string{v1alpha1.ManagedLabel: "true"})
			member := fake.NewSimpleDynamicClient(runtime.NewScheme(), web)
			m := &Member{Name: "member1", mapper: mapper, client: member, observer: observer{hostUID: "host", interpreter: &interpreter.Interpreter{}}}
			marked, err := m.Mark(t.Context(), &Observed{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1", ResourceVersion: "7"}, Kind: kind,
			}, tc.written)
			if err != nil {
				t.Fatal(err)
			}
			if !marked.Live.Ours || marked.Live.Written != tc.written {
				t.Errorf("it is %+v, want it to be ours", marked.Live)
			}
			patch, ok := member.Actions()[0].(clienttesting.PatchAction)
			if !ok || len(member.Actions()) != 1 {
				t.Fatalf("the member was asked %v, want a patch alone", member.Actions())
			}
			if diff := cmp.Diff(tc.want, string(patch.GetPatch())); diff != "" {
				t.Errorf("the patch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADeletionIsOfTheObservedObjectAndSaysWhenItsPodsGo(t *testing.T) {
	kind := appsv1.SchemeGroupVersion.WithKind("Deployment")
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(kind, meta.RESTScopeNamespace)
	web := &unstructured.Unstructured{}
	web.SetGroupVersionKind(kind)
	web.SetNamespace("shop")
	web.SetName("web")
	member := fake.NewSimpleDynamicClient(runtime.NewScheme(), web)
	m := &Member{Name: "member1", mapper: mapper, client: member}
	observed := &Observed{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1"}, Kind: kind}
	var want, got []metav1.DeleteOptions
	for _, propagation := range []metav1.DeletionPropagation{metav1.DeletePropagationForeground, metav1.DeletePropagationBackground} {
		if err := m.Delete(t.Context(), observed, propagation); err != nil { // the second time it is gone, which is no error
			t.Fatal(err)
		}
		uid := types.UID("1")
		want = append(want, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &propagation})
	}
	for _, action := range member.Actions() {
		deletion, ok := action.(clienttesting.DeleteActionImpl)
		if !ok {
			t.Fatalf("the member was asked %v, want deletions alone", action)
		}
		got = append(got, deletion.DeleteOptions)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deletions (-want +got):\n%s", diff)
	}
}
