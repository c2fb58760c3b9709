package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// wrapping wraps an object, in a template that has another name than the object.
func wrapping(t *testing.T, obj client.Object) *v1alpha1.ResourceTemplate {
	t.Helper()
	raw, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	wrapper := &v1alpha1.ResourceTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName() + "-wrapped"}}
	wrapper.Spec.Manifest = runtime.RawExtension{Raw: raw}
	return wrapper
}

// acceptance checks the condition of a wrapper.
func acceptance(status metav1.ConditionStatus, reason, message string) func(*v1alpha1.ResourceTemplate) error {
	return func(w *v1alpha1.ResourceTemplate) error {
		return expect.HasCondition(w.Status.Conditions, v1alpha1.ConditionAccepted, status, reason, message)
	}
}

func TestAWrappedDeploymentIsDividedOverriddenAndReportedAsOne(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	web := builder.Deployment(ns, "web", builder.Replicas(3))
	wrapper := wrapping(t, web)
	override := overriding(ns, "tags", v1alpha1.Overriders{ImageOverrider: []v1alpha1.ImageOverrider{{
		Component: v1alpha1.ImageTag, Operator: v1alpha1.OverrideReplace, Value: "of-${cluster.name}",
	}}})
	override.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}}
	expect.Create(t, fleet.Host, override, wrapper.DeepCopy(),
		builder.Policy(ns, "web", builder.Selecting("apps/v1", "Deployment", "web"), builder.Weights(map[string]int64{"member1": 2, "member2": 1})))
	for member, replicas := range map[string]int32{"member1": 2, "member2": 1} {
		expect.Seen(t, fleet.Member(member), web.DeepCopy(), func(d *appsv1.Deployment) error {
			image := d.Spec.Template.Spec.Containers[0].Image
			if *d.Spec.Replicas != replicas || !hasTag(image, "of-"+member) {
				return fmt.Errorf("it has %d replicas of %s, want %d", *d.Spec.Replicas, image, replicas)
			}
			return nil
		})
	}
	expect.Seen(t, fleet.Host, wrapper.DeepCopy(), func(w *v1alpha1.ResourceTemplate) error {
		if w.Status.Manifest == nil {
			return errors.New("there is no status of the manifest")
		}
		var status appsv1.DeploymentStatus
		if err := json.Unmarshal(w.Status.Manifest.Raw, &status); err != nil {
			return err
		}
		if status.ReadyReplicas != 3 || status.ObservedGeneration != w.Generation {
			return fmt.Errorf("%d replicas are ready of generation %d", status.ReadyReplicas, status.ObservedGeneration)
		}
		return acceptance(metav1.ConditionTrue, v1alpha1.ReasonWrapped, "policies see Deployment web")(w)
	})
	if err := fleet.Host.Client().Get(t.Context(), client.ObjectKeyFromObject(web), web.DeepCopy()); !apierrors.IsNotFound(err) {
		t.Errorf("reading the Deployment on the host: %v, want that there is none", err)
	}
	expect.Seen(t, fleet.Host, expect.Binding(web), func(b v1alpha1.Binding) error {
		if meta.FindStatusCondition(b.BindingStatus().Conditions, v1alpha1.ConditionTemplateOnly) != nil || b.BindingSpec().Resource.Wrapper != wrapper.Name {
			return fmt.Errorf("the template is %+v, the conditions are %v", b.BindingSpec().Resource, b.BindingStatus().Conditions)
		}
		return nil
	})

	t.Log("the wrapped object changes")
	expect.Change(t, fleet.Host, wrapper.DeepCopy(), func(w *v1alpha1.ResourceTemplate) {
		w.Spec = wrapping(t, builder.Deployment(ns, "web", builder.Replicas(6))).Spec
	})
	expect.Seen(t, fleet.Member("member1"), web.DeepCopy(), func(d *appsv1.Deployment) error {
		if *d.Spec.Replicas != 4 {
			return fmt.Errorf("it has %d replicas, want 4", *d.Spec.Replicas)
		}
		return nil
	})
	t.Log("the template goes")
	expect.Delete(t, fleet.Host, wrapper.DeepCopy())
	for _, member := range []string{"member1", "member2"} {
		expect.Gone(t, fleet.Member(member), web.DeepCopy())
	}
	expect.Gone(t, fleet.Host, expect.Binding(web))
}

func hasTag(image, tag string) bool {
	return len(image) > len(tag) && image[len(image)-len(tag)-1:] == ":"+tag
}

func TestAWrappedKindThatTheHostLacksReachesTheMembersThatServeIt(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	// Of a group of its own: a kind that the host served once stays watched.
	gadget := schema.GroupVersionKind{Group: "unknown-to-the-host.example.com", Version: gadget.Version, Kind: gadget.Kind}
	serveGadgets(t, fleet.Member("member1"), gadget.Group)
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"size": int64(3)}}}
	obj.SetGroupVersionKind(gadget)
	obj.SetNamespace(ns)
	obj.SetName("g")
	wrapper := wrapping(t, obj)
	policy := builder.Policy(ns, "gadgets", builder.SelectingKind(gadget), builder.Clusters("member1", "member2"))
	sizes := overriding(ns, "sizes", v1alpha1.Overriders{Plaintext: []v1alpha1.PlaintextOverrider{{
		Path: "/spec/size", Operator: v1alpha1.OverrideReplace, Value: &apiextensionsv1.JSON{Raw: []byte("7")},
	}}})
	sizes.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{{APIVersion: gadget.GroupVersion().String(), Kind: gadget.Kind}}
	sizes.Spec.OverrideRules[0].TargetCluster = &v1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}}
	expect.Create(t, fleet.Host, policy.DeepCopy())
	expect.Seen(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) error {
		return expect.HasCondition(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonKindNotFound, gadget.Kind)
	})
	expect.Create(t, fleet.Host, sizes, wrapper.DeepCopy())
	expect.Seen(t, fleet.Member("member1"), obj.DeepCopy(), number(3, "spec", "size"))
	expect.Seen(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) error {
		if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("the policy's conditions are %v", p.Status.Conditions)
		}
		return nil
	})
	t.Log("the other member gets the kind")
	serveGadgets(t, fleet.Member("member2"), gadget.Group)
	expect.Seen(t, fleet.Member("member2"), obj.DeepCopy(), number(7, "spec", "size"))
	t.Log("a member's controller reports")
	u := obj.DeepCopy()
	u.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "reason": "Waiting", "message": "for parts"}}}
	if err := fleet.Member("member1").Client().Status().Patch(t.Context(), u, client.Merge); err != nil {
		t.Fatal(err)
	}
	expect.Seen(t, fleet.Host, expect.Binding(obj), expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionFalse, v1alpha1.ReasonNotAllHealthy, "member1"))
	expect.Delete(t, fleet.Host, wrapper.DeepCopy())
	for _, member := range []string{"member1", "member2"} {
		expect.Gone(t, fleet.Member(member), obj.DeepCopy())
	}
}

func TestAWrapperComesBeforeTheHostsOwnObjectAndTheOlderBeforeTheNewer(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	native := builder.ConfigMap(ns, "settings", "color", "native")
	wrapper := wrapping(t, builder.ConfigMap(ns, "settings", "color", "wrapped"))
	second := wrapping(t, builder.ConfigMap(ns, "settings", "color", "second"))
	second.Name = "second"
	member := fleet.Member("member1")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), native.DeepCopy())
	expect.Seen(t, member, native.DeepCopy(), value("color", "native"))
	before := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "settings"}}
	expect.Seen(t, member, before, expect.Present)

	t.Log("it is wrapped, too: the wrapped one takes over in place")
	expect.Create(t, fleet.Host, wrapper.DeepCopy())
	after := before.DeepCopy()
	expect.Seen(t, member, after, value("color", "wrapped"))
	if before.UID != after.UID {
		t.Error("the member's object was deleted and created again")
	}
	expect.Seen(t, fleet.Host, wrapper.DeepCopy(), acceptance(metav1.ConditionTrue, v1alpha1.ReasonHidesHostObject, "the host has a ConfigMap settings, too"))
	expect.Eventually(t, "a second younger than the first", func(ctx context.Context) error {
		first, probe := wrapper.DeepCopy(), second.DeepCopy()
		if err := errors.Join(fleet.Host.Client().Get(ctx, client.ObjectKeyFromObject(first), first), fleet.Host.Client().Create(ctx, probe, client.DryRunAll)); err != nil {
			return err
		}
		if !first.CreationTimestamp.Before(&probe.CreationTimestamp) {
			return errors.New("it is still the same second")
		}
		return nil
	})
	expect.Create(t, fleet.Host, second.DeepCopy())
	expect.Seen(t, fleet.Host, second.DeepCopy(), acceptance(metav1.ConditionFalse, v1alpha1.ReasonDuplicate, "is wrapped in the older ResourceTemplate settings-wrapped, too"))

	t.Log("both wrappers go: the native one is a template again")
	expect.Delete(t, fleet.Host, second.DeepCopy())
	expect.Delete(t, fleet.Host, wrapper.DeepCopy())
	expect.Seen(t, member, native.DeepCopy(), value("color", "native"))
	expect.Seen(t, fleet.Host, expect.Binding(native), func(b v1alpha1.Binding) error {
		if wrapper := b.BindingSpec().Resource.Wrapper; wrapper != "" || b.GetDeletionTimestamp() != nil {
			return fmt.Errorf("the binding's template is still wrapped in %q", wrapper)
		}
		return nil
	})
}

func TestAWrappedObjectReachesNoFartherThanItsTemplate(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	// A kind of the member that has no namespaces, and that the host's rules cannot know.
	member := fleet.Member("member1")
	wide := gadgetCRD(gadget.Group)
	wide.Name = "farreaching." + gadget.Group
	wide.Spec.Scope = apiextensionsv1.ClusterScoped
	wide.Spec.Names = apiextensionsv1.CustomResourceDefinitionNames{Plural: "farreaching", Singular: "farreach", Kind: "Farreach", ListKind: "FarreachList"}
	grant(t, member, gadget.Group, "farreaching", wide)
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(gadget.GroupVersion().WithKind("Farreach"))
	obj.SetNamespace(ns)
	obj.SetName(ns)
	expect.Create(t, fleet.Host, wrapping(t, obj), builder.Policy(ns, "all", builder.SelectingKind(obj.GroupVersionKind()), builder.Clusters("member1")))
	expect.Seen(t, fleet.Host, expect.Binding(obj), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidManifest,
		"lie in no namespace there"))
}

// grant lets Flotilla manage a kind in a member, for the length of a test; it creates further objects first.
func grant(t *testing.T, member *local.Cluster, group, resource string, further ...client.Object) {
	t.Helper()
	name := metav1.ObjectMeta{Name: "flotilla-" + resource}
	objects := append(further,
		&rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{"get", "list", "watch", "create", "patch", "delete"},
		}}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: name, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: v1alpha1.SystemNamespace, Name: "flotilla"}},
		},
	)
	expect.Create(t, member, objects...)
	afterwards(t, func(ctx context.Context) error {
		var failed error
		for _, obj := range objects {
			failed = errors.Join(failed, client.IgnoreNotFound(member.Client().Delete(ctx, obj)))
		}
		return failed
	})
}

func TestTheSamplesOfWrappedTemplatesReachTheMembersAndNothingOfThemTheHost(t *testing.T) {
	fleet := bed.Fleet(t)
	files, err := filepath.Glob(samples + "/templates/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("found the samples %v: %v; this test knows two", files, err)
	}
	for _, member := range fleet.Members {
		grant(t, member, schedulingv1.GroupName, "priorityclasses")
	}
	ns := expect.Namespace(t, fleet)
	kubectl(t, "apply", "--namespace="+ns, "-f", samples+"/templates")
	important := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "flotilla-sample-important"}}
	uploads := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "uploads"}}
	for _, member := range fleet.Members {
		size := "1Gi"
		if member.Name == "member1" {
			size = "5Gi"
		}
		expect.Seen(t, member, important.DeepCopy(), func(c *schedulingv1.PriorityClass) error {
			if c.Value != 1000 {
				return fmt.Errorf("its value is %d", c.Value)
			}
			return nil
		})
		expect.Seen(t, member, uploads.DeepCopy(), func(c *corev1.PersistentVolumeClaim) error {
			if got := c.Spec.Resources.Requests.Storage().String(); got != size {
				return fmt.Errorf("it asks for %s, want %s", got, size)
			}
			return nil
		})
	}
	for _, obj := range []client.Object{important, uploads} {
		if err := fleet.Host.Client().Get(t.Context(), client.ObjectKeyFromObject(obj), obj); !apierrors.IsNotFound(err) {
			t.Errorf("reading %T on the host: %v, want that there is none", obj, err)
		}
	}
	kubectl(t, "delete", "--namespace="+ns, "-f", samples+"/templates")
	for _, member := range fleet.Members {
		expect.Gone(t, member, important.DeepCopy())
		expect.Gone(t, member, uploads.DeepCopy())
	}
}
