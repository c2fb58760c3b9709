package execution

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

func TestACopyThatGoesFirstGoesAfterItsPods(t *testing.T) {
	leaving := func(cluster string, mode v1alpha1.PurgeMode) v1alpha1.Binding {
		return &v1alpha1.ResourceBinding{Spec: v1alpha1.BindingSpec{GracefulEvictionTasks: []v1alpha1.GracefulEvictionTask{{FromCluster: cluster, PurgeMode: mode}}}}
	}
	for name, tc := range map[string]struct {
		binding v1alpha1.Binding
		want    metav1.DeletionPropagation
	}{
		"it goes before its replacement comes":        {leaving("berlin", v1alpha1.PurgeDirectly), metav1.DeletePropagationForeground},
		"the copy in another cluster does":            {leaving("paris", v1alpha1.PurgeDirectly), metav1.DeletePropagationBackground},
		"its replacement is ready":                    {leaving("berlin", v1alpha1.PurgeGracefully), metav1.DeletePropagationBackground},
		"nothing asks for it":                         {&v1alpha1.ResourceBinding{}, metav1.DeletePropagationBackground},
		"the binding is gone, and so is its template": {nil, metav1.DeletePropagationBackground},
	} {
		t.Run(name, func(t *testing.T) {
			if got := propagation(tc.binding, "berlin"); got != tc.want {
				t.Errorf("propagation() = %s, want %s", got, tc.want)
			}
		})
	}
}

// owned is a member's API server that has one Deployment of ours, and notes how it is asked to change it.
type owned struct {
	mu    sync.Mutex
	asked []string
}

func (o *owned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, r.Method)
	}
	answering{func() any {
		return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{
			"namespace": "shop", "name": "web", "uid": "1", "resourceVersion": "7",
			"labels":      map[string]any{v1alpha1.ManagedLabel: "true"},
			"annotations": map[string]any{v1alpha1.HostAnnotation: "host", v1alpha1.BindingAnnotation: webKey.String()},
		}}
	}}.ServeHTTP(w, r)
}

// web is a binding of the Deployment of owned, as another says but for the template.
func web(b *v1alpha1.ResourceBinding) client.Object {
	b.Spec.Resource = v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	return b
}

// removed is what a member is asked for when what it holds because of webKey is to go, and the host's API server holds one thing and the
// manager's cache another.
func removed(t *testing.T, cached, read []client.Object) []string {
	t.Helper()
	server, asked := &owned{}, []string{}
	w := newWorker(t.Context(), &dispatcher{
		host: hostWith(t, cached...), mgr: live{reader: hostWith(t, read...)}, named: newNamed(), definitions: definitionsOf(&asked, "", nil),
	}, connected(t, server))
	known, err := hostindex.Binding(t.Context(), w.host, webKey)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	observed, err := w.member.Read(t.Context(), schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, webKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.removeObject(t.Context(), webKey, known, observed); err != nil {
		t.Fatal(err)
	}
	return server.asked
}

// TestOnlyWhatTheHostItselfSaysLetsAnObjectGo gives the manager a cache that is behind the host's API server.
func TestOnlyWhatTheHostItselfSaysLetsAnObjectGo(t *testing.T) {
	cluster := func(policy v1alpha1.ClusterDeletionPolicy, leaving bool) client.Object {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}, Spec: v1alpha1.ClusterSpec{DeletionPolicy: policy}}
		if leaving {
			c.DeletionTimestamp, c.Finalizers = &metav1.Time{Time: installed}, []string{v1alpha1.ClusterFinalizer}
		}
		return c
	}
	going := func(change func(*v1alpha1.ResourceBinding)) client.Object {
		b := binding(true)
		change(b)
		return web(b)
	}
	preserved := func(b *v1alpha1.ResourceBinding) { b.Spec.PreserveResourcesOnDeletion = ptr.To(true) }
	stays, leaves, keeps := cluster(v1alpha1.RemoveObjects, false), cluster(v1alpha1.RemoveObjects, true), cluster(v1alpha1.KeepObjects, true)
	deleted, released := []string{http.MethodDelete}, []string{http.MethodPatch}
	for name, tc := range map[string]struct {
		cached, read []client.Object
		want         []string
	}{
		"the binding goes":                                   {[]client.Object{going(nothing), stays}, []client.Object{going(nothing), stays}, deleted},
		"the binding is gone":                                {[]client.Object{stays}, []client.Object{stays}, deleted},
		"the binding names another cluster":                  {[]client.Object{elsewhere(nothing), stays}, []client.Object{elsewhere(nothing), stays}, deleted},
		"the Cluster leaves and its objects go":              {[]client.Object{elsewhere(nothing), leaves}, []client.Object{elsewhere(nothing), leaves}, deleted},
		"the Cluster leaves and keeps them":                  {[]client.Object{going(nothing), keeps}, []client.Object{going(nothing), keeps}, released},
		"the cache does not know that it keeps them":         {[]client.Object{going(nothing), stays}, []client.Object{going(nothing), keeps}, released},
		"the Cluster is gone":                                {[]client.Object{going(nothing)}, []client.Object{going(nothing)}, released},
		"the Cluster is gone, but not from the cache":        {[]client.Object{elsewhere(nothing), stays}, []client.Object{elsewhere(nothing)}, released},
		"the cache does not know the Cluster":                {[]client.Object{going(nothing)}, []client.Object{going(nothing), stays}, deleted},
		"the binding preserves it":                           {[]client.Object{going(preserved), stays}, []client.Object{going(preserved), stays}, released},
		"the cache does not know that the binding preserves": {[]client.Object{going(nothing), stays}, []client.Object{going(preserved), stays}, released},
		"the cache does not know the binding, and it does":   {[]client.Object{stays}, []client.Object{going(preserved), stays}, released},
		"the binding is gone, and preserved it":              {[]client.Object{going(preserved), stays}, []client.Object{stays}, released},
		"the cluster was chosen again":                       {[]client.Object{elsewhere(nothing), stays}, []client.Object{elsewhere(decided), stays}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, removed(t, tc.cached, tc.read)); diff != "" {
				t.Errorf("what the member is asked for (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAHostThatDoesNotSayHowAClusterLeavesLetsNothingGo(t *testing.T) {
	server, broken := &owned{}, errors.New("the host does not answer")
	host := hostWith(t)
	w := newWorker(t.Context(), &dispatcher{host: host, named: newNamed(), mgr: live{reader: interceptor.NewClient(host, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*v1alpha1.Cluster); ok {
				return broken
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})}}, connected(t, server))
	observed, err := w.member.Read(t.Context(), schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, webKey)
	if err != nil {
		t.Fatal(err)
	}
	action, err := w.removeObject(t.Context(), webKey, nil, observed)
	var told hostError
	if action != applyplan.Wait || !errors.Is(err, broken) || !errors.As(err, &told) || len(server.asked) > 0 {
		t.Errorf("removeObject() = %s, %v, and the member is asked for %v; want to wait with the host's error", action, err, server.asked)
	}
}

func TestWhatAPolicyWasAskedToPreserveStaysAlthoughTheBindingWasNotTold(t *testing.T) {
	preserve := v1alpha1.PropagationSpec{PreserveResourcesOnDeletion: ptr.To(true)}
	lazy := v1alpha1.PropagationSpec{PreserveResourcesOnDeletion: ptr.To(true), ActivationPreference: v1alpha1.ActivationLazy}
	local := func(spec v1alpha1.PropagationSpec) client.Object {
		return &v1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: spec}
	}
	global := func(spec v1alpha1.PropagationSpec) client.Object {
		return &v1alpha1.ClusterPropagationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: spec}
	}
	under := func(namespace string, change func(*v1alpha1.ResourceBinding)) client.Object {
		b := binding(true)
		b.Spec.Policy = &v1alpha1.PolicyReference{Namespace: namespace, Name: "web"}
		change(b)
		return web(b)
	}
	moved := func(b *v1alpha1.ResourceBinding) { b.DeletionTimestamp, b.Spec.Clusters = nil, nil }
	preserved := func(b *v1alpha1.ResourceBinding) { b.Spec.PreserveResourcesOnDeletion = ptr.To(true) }
	deleted, released := []string{http.MethodDelete}, []string{http.MethodPatch}
	for name, tc := range map[string]struct {
		binding client.Object
		cached  []client.Object
		read    []client.Object
		want    []string
	}{
		"the cache does not know what the policy says": {under("shop", nothing), []client.Object{local(v1alpha1.PropagationSpec{})}, []client.Object{local(preserve)}, released},
		"that of all namespaces says it":               {under("", nothing), nil, []client.Object{global(preserve)}, released},
		"only the other one says it":                   {under("shop", nothing), nil, []client.Object{local(v1alpha1.PropagationSpec{}), global(preserve)}, deleted},
		"it says it no more":                           {under("shop", nothing), []client.Object{local(preserve)}, []client.Object{local(v1alpha1.PropagationSpec{})}, deleted},
		"it waits for a change of the template":        {under("shop", nothing), nil, []client.Object{local(lazy)}, deleted},
		"it is gone":                                   {under("shop", nothing), []client.Object{local(preserve)}, nil, deleted},
		"it is gone, and the binding was told":         {under("shop", preserved), nil, nil, released},
		"the template moves":                           {under("shop", moved), nil, []client.Object{local(preserve)}, deleted},
	} {
		t.Run(name, func(t *testing.T) {
			stays := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}}
			got := removed(t, append(tc.cached, tc.binding, stays), append(tc.read, tc.binding, stays))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("what the member is asked for (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatGoesAlongStaysWhenAnOwnerIsToBePreserved deletes what goes along together with its owner, before the entry could be told.
func TestWhatGoesAlongStaysWhenAnOwnerIsToBePreserved(t *testing.T) {
	policy := func(preserve bool, preference v1alpha1.ActivationPreference) client.Object {
		return &v1alpha1.PropagationPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"},
			Spec:       v1alpha1.PropagationSpec{PreserveResourcesOnDeletion: &preserve, ActivationPreference: preference},
		}
	}
	owner := func(name string, preserve bool) client.Object {
		return &v1alpha1.ResourceBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec:       v1alpha1.BindingSpec{Policy: &v1alpha1.PolicyReference{Namespace: "shop", Name: "all"}, PreserveResourcesOnDeletion: &preserve},
		}
	}
	along := func(preserve bool) *v1alpha1.ResourceBinding {
		b := binding(true)
		b.Spec.Clusters = nil
		for _, name := range []string{"app", "cron"} {
			b.Spec.RequiredBy = append(b.Spec.RequiredBy, v1alpha1.BindingSnapshot{
				Namespace: "shop", Name: name, Clusters: []v1alpha1.TargetCluster{{Name: "member1"}}, PreserveResourcesOnDeletion: preserve,
			})
		}
		return b
	}
	governed, moved := along(false), along(false)
	governed.Spec.Policy = &v1alpha1.PolicyReference{Namespace: "shop", Name: "own"}
	moved.DeletionTimestamp, moved.Spec.RequiredBy[0].Clusters, moved.Spec.RequiredBy[1].Clusters = nil, nil, nil
	deleted, released := []string{http.MethodDelete}, []string{http.MethodPatch}
	for name, tc := range map[string]struct {
		binding *v1alpha1.ResourceBinding
		read    []client.Object
		want    []string
	}{
		"the policy of one says it":           {along(false), []client.Object{owner("cron", false), policy(true, "")}, released},
		"the binding of one was told":         {along(false), []client.Object{owner("app", false), owner("cron", true), policy(false, "")}, released},
		"it waits for a change of the owner":  {along(false), []client.Object{owner("app", false), policy(true, v1alpha1.ActivationLazy)}, deleted},
		"no owner says it":                    {along(false), []client.Object{owner("app", false), owner("cron", false), policy(false, "")}, deleted},
		"the policy of the owners is gone":    {along(false), []client.Object{owner("app", false), owner("cron", false)}, deleted},
		"the owners are gone":                 {along(false), []client.Object{policy(true, "")}, deleted},
		"the owners are gone, and had said":   {along(true), nil, released},
		"a policy of its own says nothing":    {governed, []client.Object{owner("app", true), policy(true, "")}, deleted},
		"no owner needs it in the member now": {moved, []client.Object{owner("app", true), policy(true, "")}, deleted},
	} {
		t.Run(name, func(t *testing.T) {
			objects := append(tc.read, web(tc.binding), &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}})
			if diff := cmp.Diff(tc.want, removed(t, objects, objects)); diff != "" {
				t.Errorf("what the member is asked for (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAHostThatDoesNotTellOfAnOwnerLetsNothingGo(t *testing.T) {
	broken, asked := errors.New("the host does not answer"), []string{}
	along := binding(true)
	along.Spec.RequiredBy = []v1alpha1.BindingSnapshot{{Namespace: "shop", Name: "app"}}
	host := hostWith(t, web(along), &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}})
	w := newWorker(t.Context(), &dispatcher{host: host, definitions: definitionsOf(&asked, "", nil), mgr: live{reader: interceptor.NewClient(host, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if key.Name == "app" {
				return broken
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})}}, &membercluster.Member{Name: "member1"})
	if keep, err := w.keepsObjects(t.Context(), webKey, along, true); keep || !errors.Is(err, broken) {
		t.Errorf("keepsObjects() = %t, %v, want the host's error", keep, err)
	}
}
