package dependencies

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

const (
	web = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: {
  serviceAccountName: robot, containers: [{name: c, envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: password, optional: true}}]}]}}}}`
	api = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: api}, spec: {template: {metadata: {labels: {app: api}}, spec: {
  containers: [{name: c, envFrom: [{configMapRef: {name: settings}}]}]}}}}`
	settings = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}`
	other    = `{apiVersion: v1, kind: ConfigMap, metadata: {name: other}}`
	password = `{apiVersion: v1, kind: Secret, metadata: {name: password}}`
	pull     = `{apiVersion: v1, kind: Secret, metadata: {name: pull}}`
	token    = `{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: token}}`
	robot    = `{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}, imagePullSecrets: [{name: pull}], secrets: [{name: token}]}`
	scaler   = `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: scaler}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`
	budget   = `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: budget}, spec: {selector: {matchLabels: {app: web}}}}`
	apis     = `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: apis}, spec: {selector: {matchLabels: {app: api}}}}`
)

var (
	webKey      = keyOf(deployment, "web")
	apiKey      = keyOf(deployment, "api")
	settingsKey = keyOf(configMap, "settings")
)

// by is an entry of a Deployment's binding.
func by(name string, clusters ...string) v1alpha1.BindingSnapshot {
	return v1alpha1.BindingSnapshot{Namespace: "shop", Name: v1alpha1.BindingName("apps", "Deployment", name), Clusters: named(clusters...)}
}

func (b *bed) expect(t *testing.T, want map[string][]v1alpha1.BindingSnapshot) {
	t.Helper()
	if diff := cmp.Diff(want, b.required(t)); diff != "" {
		t.Errorf("who requires what (-want +got):\n%s", diff)
	}
}

func TestWhatATemplateNeedsGoesWhereItGoes(t *testing.T) {
	b := newBed(t, owner("web", "m1", "m2"))
	b.templates.put(t, web, api, settings, other, password, pull, token, robot, scaler, budget, apis)
	b.watchAll()
	b.reconcile(t, webKey)
	all := []v1alpha1.BindingSnapshot{by("web", "m1", "m2")}
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{
		"ConfigMap settings": all, "Secret password": all, "Secret pull": all, "ServiceAccount robot": all,
		"HorizontalPodAutoscaler scaler": all, "PodDisruptionBudget budget": all,
	})
	got := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), settingsKey, got); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.BindingSpec{
		Resource:   v1alpha1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "settings", UID: "settings-uid"},
		RequiredBy: all,
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("the spec of a new binding (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{v1alpha1.BindingFinalizer}, got.Finalizers); diff != "" {
		t.Errorf("its finalizers (-want +got):\n%s", diff)
	}
	before := b.applies
	if result := b.reconcile(t, webKey); result != (ctrl.Result{}) || b.applies != before {
		t.Errorf("a second look wrote %d times and returned %+v, want nothing", b.applies-before, result)
	}
}

// watchAll has every kind watched and synced.
func (b *bed) watchAll() {
	for o := range b.templates.objects {
		b.templates.watched[o.gvk] = true
	}
	for _, gvk := range b.native.Followers(b.templates.objects[object{deployment, types.NamespacedName{Namespace: "shop", Name: "web"}}]) {
		b.templates.watched[gvk] = true
	}
}

func TestNothingGoesAlongWithATemplateThatGoesNowhere(t *testing.T) {
	for name, binding := range map[string]*v1alpha1.ResourceBinding{
		"not placed yet":            owner("web"),
		"without propagateDeps":     without(owner("web", "m1")),
		"whose template is away":    owner("gone", "m1"),
		"that was never a policy's": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, binding)
			b.templates.put(t, web, settings)
			b.watchAll()
			b.reconcile(t, client.ObjectKeyFromObject(binding))
			b.expect(t, map[string][]v1alpha1.BindingSnapshot{})
		})
	}
}

func without(binding *v1alpha1.ResourceBinding) *v1alpha1.ResourceBinding {
	binding.Spec.PropagateDeps = false
	return binding
}

func TestWhatTwoTemplatesShareStaysUntilTheLastOneGoes(t *testing.T) {
	b := newBed(t, owner("web", "m1"), owner("api", "m2"))
	b.templates.put(t, web, api, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	b.reconcile(t, apiKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("api", "m2"), by("web", "m1")}})
	b.remove(t, webKey)
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("api", "m2")}})
	if b.deletes != 0 {
		t.Errorf("%d bindings were deleted, want none yet", b.deletes)
	}
	b.remove(t, apiKey)
	b.reconcile(t, apiKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{})
	if b.deletes != 1 {
		t.Errorf("%d bindings were deleted, want the ConfigMap's", b.deletes)
	}
	left := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), settingsKey, left); err != nil || len(left.Spec.RequiredBy) != 1 {
		t.Errorf("a binding that is being deleted has to say what it said: %v, %+v", err, left.Spec)
	}
}

func TestWhatAppearsLaterIsFoundThen(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, api, robot)
	b.watchAll()
	for _, gvk := range []schema.GroupVersionKind{{Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "ServiceAccount"}} {
		b.templates.watched[gvk] = true
	}
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ServiceAccount robot": {by("web", "m1")}})
	for _, tc := range []struct {
		manifest string
		owners   []types.NamespacedName
	}{
		{settings, []types.NamespacedName{webKey}}, {password, []types.NamespacedName{webKey}}, {pull, []types.NamespacedName{webKey}},
		{scaler, []types.NamespacedName{webKey}}, {budget, []types.NamespacedName{webKey}}, {apis, nil}, {other, nil},
	} {
		before := len(b.templates.objects)
		b.templates.put(t, tc.manifest)
		if len(b.templates.objects) != before+1 {
			t.Fatal("the object is not new")
		}
		for o, obj := range b.templates.objects {
			if got := b.interests.in(o.gvk, obj); obj.GetName() == nameOf(tc.manifest) && !slices.Equal(got, tc.owners) {
				t.Errorf("%s matters to %v, want %v", obj.GetName(), got, tc.owners)
			}
		}
		b.reconcile(t, webKey)
		if _, attached := b.required(t)[kindOf(tc.manifest)+" "+nameOf(tc.manifest)]; attached != (tc.owners != nil) {
			t.Errorf("%s goes along: %v, want %v", nameOf(tc.manifest), attached, tc.owners != nil)
		}
	}
	b.templates.drop(configMap, "settings")
	b.reconcile(t, webKey)
	if _, attached := b.required(t)["ConfigMap settings"]; attached {
		t.Error("what does not exist any more is still required")
	}
}

func TestWhatGoesAlongLeavesLast(t *testing.T) {
	b := newBed(t, owner("web", "m1", "m2"))
	b.templates.put(t, web, settings)
	b.watchAll()
	b.change(t, webKey, held("m1", "m2"))
	b.reconcile(t, webKey)
	for _, step := range []struct {
		what   string
		change func(*v1alpha1.ResourceBinding)
		want   []string
	}{
		{"it is to move", decided("m2", "m3"), []string{"m1", "m2", "m3"}},
		{"it runs in the new cluster", held("m1", "m2", "m3"), []string{"m1", "m2", "m3"}},
		{"it has left", held("m2", "m3"), []string{"m2", "m3"}},
		{"it is back in the status, but was not asked for", held("m1", "m2", "m3"), []string{"m2", "m3"}},
	} {
		b.change(t, webKey, step.change)
		b.reconcile(t, webKey)
		if diff := cmp.Diff([]v1alpha1.BindingSnapshot{by("web", step.want...)}, b.required(t)["ConfigMap settings"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
	}
	if err := b.host.Delete(t.Context(), owner("web")); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, webKey)
	if got := b.required(t)["ConfigMap settings"]; len(got) != 1 {
		t.Errorf("while its owner is being deleted, it is required by %v", got)
	}
}

func TestAPolicyOfItsOwnKeepsABinding(t *testing.T) {
	governed := bindingOf(configMap, "settings", "m3")
	governed.Spec.PropagateDeps = false
	b := newBed(t, owner("web", "m1"), governed)
	b.templates.put(t, web, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	got := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), settingsKey, got); err != nil {
		t.Fatal(err)
	}
	want := governed.Spec.DeepCopy()
	want.RequiredBy = []v1alpha1.BindingSnapshot{by("web", "m1")}
	if diff := cmp.Diff(*want, got.Spec); diff != "" {
		t.Errorf("the binding (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(named("m1", "m3"), got.Spec.Targets()); diff != "" {
		t.Errorf("where it goes (-want +got):\n%s", diff)
	}
	b.change(t, webKey, func(binding *v1alpha1.ResourceBinding) { binding.Spec.PropagateDeps = false })
	b.reconcile(t, webKey)
	got = &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), settingsKey, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(governed.Spec, got.Spec); diff != "" || b.deletes != 0 {
		t.Errorf("%d deletes, and the binding (-want +got):\n%s", b.deletes, diff)
	}
}

func TestTheRulesOfAnOwnerGoAlong(t *testing.T) {
	o := owner("web", "m1")
	o.Spec.ConflictResolution, o.Spec.PreserveResourcesOnDeletion = v1alpha1.ConflictOverwrite, ptr.To(true)
	b := newBed(t, o)
	b.templates.put(t, web, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	want := by("web", "m1")
	want.ConflictResolution, want.PreserveResourcesOnDeletion = v1alpha1.ConflictOverwrite, true
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {want}})
}

// TestTemplatesThatRequireEachOtherDoNotHoldEachOther plays members that do at once what they are told.
func TestTemplatesThatRequireEachOtherDoNotHoldEachOther(t *testing.T) {
	left, right := keyOf(configMap, "left"), keyOf(configMap, "right")
	for name, both := range map[string]bool{"one after the other": false, "both at once": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, bindingOf(configMap, "left", "m1"), bindingOf(configMap, "right", "m1"))
			b.templates.put(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: left}}`, `{apiVersion: v1, kind: ConfigMap, metadata: {name: right}}`)
			b.native.needs["left"] = []interpreter.Dependency{{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "right"}}
			b.native.needs["right"] = []interpreter.Dependency{{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "left"}}
			settle := func() {
				for range 5 {
					for _, key := range []types.NamespacedName{left, right} {
						b.reconcile(t, key)
					}
					for _, key := range []types.NamespacedName{left, right} {
						b.change(t, key, func(binding *v1alpha1.ResourceBinding) {
							var names []string
							for _, target := range binding.Spec.Targets() {
								names = append(names, target.Name)
							}
							held(names...)(binding)
						})
					}
				}
			}
			settle()
			b.change(t, left, decided("m2"))
			if !both {
				settle()
			}
			b.change(t, right, decided("m2"))
			settle()
			before := b.applies
			settle()
			for _, key := range []types.NamespacedName{left, right} {
				got := &v1alpha1.ResourceBinding{}
				if err := b.host.Get(t.Context(), key, got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(named("m2"), got.Spec.Targets()); diff != "" {
					t.Errorf("%s goes (-want +got):\n%s", key.Name, diff)
				}
			}
			if b.applies != before {
				t.Errorf("%d more writes, want none", b.applies-before)
			}
		})
	}
}

func TestNothingIsGivenUpBecauseItCannotBeSeen(t *testing.T) {
	for name, blind := range map[string]func(*bed){
		"the kind is not watched": func(b *bed) { b.templates.starting[configMap] = true },
		"the expression fails":    func(b *bed) { b.native.err = errors.New("no such key") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, owner("web", "m1"))
			b.templates.put(t, web, settings)
			b.watchAll()
			b.reconcile(t, webKey)
			b.change(t, webKey, decided("m2"))
			blind(b)
			result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: webKey})
			if (err == nil) != (b.native.err == nil) || (err == nil && result.RequeueAfter != unknownRetry) {
				t.Errorf("Reconcile = %+v, %v", result, err)
			}
			b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("web", "m2")}})
		})
	}
}

func TestOneWritesAtATimeAndUponWhatItWroteLast(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web, settings)
	b.watchAll()
	for _, gvk := range []schema.GroupVersionKind{{Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "ServiceAccount"}} {
		b.templates.watched[gvk] = true
	}
	b.busy.begin(settingsKey)
	if result := b.reconcile(t, webKey); result.RequeueAfter == 0 || b.applies != 0 {
		t.Errorf("while another one writes: %+v, %d writes", result, b.applies)
	}
	b.busy.end(settingsKey)
	b.writes.Wrote(settingsKey, "1000000") // that the cache does not show yet
	if result := b.reconcile(t, webKey); result.RequeueAfter == 0 || b.applies != 0 {
		t.Errorf("upon an old list: %+v, %d writes", result, b.applies)
	}
	b.writes.Forget(settingsKey)
	if result := b.reconcile(t, webKey); result != (ctrl.Result{}) || b.applies != 1 {
		t.Errorf("afterwards: %+v, %d writes", result, b.applies)
	}
}

func TestKindsAreNeededAsLongAsSomebodyLooksForThem(t *testing.T) {
	b := newBed(t, owner("web", "m1"))
	b.templates.put(t, web)
	b.watchAll()
	secret := schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	if b.interests.Needed(secret) {
		t.Error("Secrets are needed before anybody looks for one")
	}
	b.reconcile(t, webKey)
	if !b.interests.Needed(secret) || len(b.interests.of(secret)) != 1 {
		t.Error("Secrets are not needed although somebody looks for one")
	}
	b.remove(t, webKey)
	b.reconcile(t, webKey)
	if b.interests.Needed(secret) || len(b.interests.owners)+len(b.interests.named)+len(b.interests.within)+len(b.interests.kinds) > 0 {
		t.Errorf("something is left of an owner that is gone: %+v", b.interests)
	}
}

// preserving lets what a template was stay when the template is deleted.
func preserving(binding *v1alpha1.ResourceBinding) *v1alpha1.ResourceBinding {
	binding.Spec.PreserveResourcesOnDeletion = ptr.To(true)
	return binding
}

func fleet(names ...string) []client.Object {
	var clusters []client.Object
	for _, name := range names {
		clusters = append(clusters, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return clusters
}

// TestWhatAnOwnerWantedPreservedStaysWithoutIt deletes an owner for good and looks where the ConfigMap is to stay.
func TestWhatAnOwnerWantedPreservedStaysWithoutIt(t *testing.T) {
	governed := bindingOf(configMap, "settings", "m3")
	governed.Spec.PropagateDeps = false
	for name, tc := range map[string]struct {
		bindings []client.Object
		clusters []string
		want     []string
	}{
		"shared":                        {[]client.Object{preserving(owner("web", "m1", "m2")), owner("api", "m2")}, []string{"m1", "m2"}, []string{"m1", "m2"}},
		"shared and not preserved":      {[]client.Object{owner("web", "m1"), owner("api", "m2")}, []string{"m1", "m2"}, nil},
		"preserved by the other one":    {[]client.Object{owner("web", "m1"), preserving(owner("api", "m2"))}, []string{"m1", "m2"}, nil},
		"with a policy of its own":      {[]client.Object{preserving(owner("web", "m1")), governed}, []string{"m1", "m3"}, []string{"m1"}},
		"in a cluster that is gone too": {[]client.Object{preserving(owner("web", "m1", "m2")), owner("api", "m3")}, []string{"m1", "m3"}, []string{"m1"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, append(fleet(tc.clusters...), tc.bindings...)...)
			b.templates.put(t, web, api, settings)
			b.watchAll()
			b.reconcile(t, webKey)
			b.reconcile(t, apiKey)
			b.remove(t, webKey)
			b.reconcile(t, webKey)
			got := &v1alpha1.ResourceBinding{}
			if err := b.host.Get(t.Context(), settingsKey, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Spec.PreservedIn); diff != "" {
				t.Errorf("preserved in (-want +got):\n%s", diff)
			}
			for _, cluster := range tc.want {
				if !got.Spec.HasTarget(cluster) || !got.Spec.Preserves(cluster) {
					t.Errorf("%s: the object is to be there: %v, to be preserved: %v", cluster, got.Spec.HasTarget(cluster), got.Spec.Preserves(cluster))
				}
			}
			if entryIn(got.Spec.RequiredBy, webKey.Namespace, webKey.Name) != nil {
				t.Errorf("an owner that is gone requires it: %v", got.Spec.RequiredBy)
			}
			before := b.applies
			b.reconcile(t, webKey)
			b.reconcile(t, settingsKey)
			if b.applies != before {
				t.Errorf("%d more writes, want none", b.applies-before)
			}
		})
	}
}

func TestWhatIsPreservedStaysWhereItIsWhenOthersMoveAndEndsWithTheLastOne(t *testing.T) {
	b := newBed(t, append(fleet("m1", "m2", "m3"), preserving(owner("web", "m1")), owner("api", "m2"))...)
	b.templates.put(t, web, api, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	b.reconcile(t, apiKey)
	b.remove(t, webKey)
	b.reconcile(t, webKey)
	b.change(t, apiKey, decided("m3"))
	b.reconcile(t, apiKey)
	got := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), settingsKey, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(named("m1", "m3"), got.Spec.Targets()); diff != "" {
		t.Errorf("where it goes (-want +got):\n%s", diff)
	}
	b.remove(t, apiKey)
	b.reconcile(t, apiKey)
	got = &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), settingsKey, got); err != nil {
		t.Fatal(err)
	}
	if got.DeletionTimestamp == nil || !got.Spec.Preserves("m1") || got.Spec.Preserves("m3") {
		t.Errorf("being deleted: %v, preserved in m1 %v and m3 %v; want it to end and stay in m1 only", got.DeletionTimestamp, got.Spec.Preserves("m1"), got.Spec.Preserves("m3"))
	}
}

func TestWhatIsPreservedDoesNotHoldAClusterThatLeaves(t *testing.T) {
	leaving := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1", Finalizers: []string{v1alpha1.ClusterFinalizer}}}
	b := newBed(t, append(fleet("m2"), leaving, preserving(owner("web", "m1", "m2")), owner("api", "m2"))...)
	b.templates.put(t, web, api, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	b.reconcile(t, apiKey)
	b.remove(t, webKey)
	b.reconcile(t, webKey)
	if err := b.host.Delete(t.Context(), leaving); err != nil {
		t.Fatal(err)
	}
	q := &recorder{}
	after := leaving.DeepCopy()
	after.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_700_000_000, 0)}
	b.onCluster().Update(t.Context(), event.UpdateEvent{ObjectOld: leaving, ObjectNew: after}, q)
	if diff := cmp.Diff([]ctrl.Request{{NamespacedName: settingsKey}}, q.added); diff != "" {
		t.Errorf("what is looked at (-want +got):\n%s", diff)
	}
	b.reconcile(t, settingsKey)
	got := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), settingsKey, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"m2"}, got.Spec.PreservedIn); diff != "" {
		t.Errorf("preserved in (-want +got):\n%s", diff)
	}
}

func TestWhatIsBeingDeletedStaysWhereItIsAndGoesNowhereElse(t *testing.T) {
	b := newBed(t, owner("web", "m1"), owner("api", "m2"))
	b.templates.put(t, web, api, settings)
	b.watchAll()
	b.reconcile(t, webKey)
	now := metav1.Unix(1_700_000_000, 0)
	b.templates.objects[object{configMap, types.NamespacedName{Namespace: "shop", Name: "settings"}}].SetDeletionTimestamp(&now)
	b.reconcile(t, webKey)
	b.reconcile(t, apiKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{"ConfigMap settings": {by("web", "m1")}})
	b.templates.drop(configMap, "settings")
	b.reconcile(t, webKey)
	b.expect(t, map[string][]v1alpha1.BindingSnapshot{})
}

// recorder is a queue that remembers what was added.
type recorder struct {
	queue
	added []ctrl.Request
}

func (r *recorder) Add(request ctrl.Request) { r.added = append(r.added, request) }
