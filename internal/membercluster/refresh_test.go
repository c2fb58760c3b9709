package membercluster

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic/fake"

	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

func TestWhatWasReadCountsUntilTheWatchHasCaughtUp(t *testing.T) {
	kind, key := corev1.SchemeGroupVersion.WithKind("ConfigMap"), types.NamespacedName{Namespace: "shop", Name: "settings"}
	resource := corev1.SchemeGroupVersion.WithResource("configmaps")
	lists := map[schema.GroupVersionResource]string{resource: "ConfigMapList"}
	settings := func(version string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(kind)
		u.SetNamespace(key.Namespace)
		u.SetName(key.Name)
		u.SetUID("1")
		u.SetResourceVersion(version)
		return u
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(kind, meta.RESTScopeNamespace)
	// The watch shows version 10 of what is at version 12.
	watched := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, settings("10"))
	o := observer{hostUID: "host", interpreter: interpreter.New()}
	m := &Member{
		Name: "member1", observer: o, mapper: mapper, answers: map[objectKey]answer{}, reads: map[objectKey]*Observed{},
		client:  fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, settings("12")),
		Objects: objectcache.New(objectcache.Options{Client: watched, Mapper: mapper, Transform: o.transform}),
	}
	m.Objects.OnEvent(m.settle)
	m.Objects.Watch(kind)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = m.Objects.Start(ctx)
	}()
	t.Cleanup(func() { cancel(); <-stopped })

	known := func() string {
		observed, _, err := m.Known(kind, key)
		if err != nil || observed == nil {
			return ""
		}
		return observed.ResourceVersion
	}
	shows := func(when, want string) {
		t.Helper()
		err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) { return known() == want, nil })
		if err != nil {
			t.Fatalf("%s, Known() tells of version %q, want %s", when, known(), want)
		}
	}
	shows("at first", "10")
	read, err := m.Refresh(ctx, kind, key)
	if err != nil || read.ResourceVersion != "12" {
		t.Fatalf("Refresh() = %v, %v, want version 12", read, err)
	}
	shows("when version 12 was read", "12")
	for _, version := range []string{"11", "13"} {
		if err := watched.Tracker().Update(resource, settings(version), key.Namespace); err != nil {
			t.Fatal(err)
		}
	}
	shows("when the watch has shown version 13", "13")
	if _, err := m.Refresh(ctx, kind, key); err != nil { // version 12, which the watch has shown
		t.Fatal(err)
	}
	if got, want := m.reads, map[objectKey]*Observed{}; known() != "13" || len(got) > 0 {
		t.Errorf("Known() tells of version %s, want 13; remembered (-want +got):\n%s", known(), cmp.Diff(want, got))
	}
}
