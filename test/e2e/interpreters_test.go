package e2e

import (
	"context"
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var gadget = schema.GroupVersionKind{Group: "taught.example.com", Version: "v1", Kind: "Gadget"}

func gadgetCRD(group string) *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "gadgets." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gadgets", Singular: "gadget", Kind: gadget.Kind, ListKind: "GadgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: gadget.Version, Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: ptr.To(true)}},
			}},
		},
	}
}

// serveGadgets lets a cluster serve the Gadgets of a group, and Flotilla work with them where it is a member, for the length of a test.
func serveGadgets(t *testing.T, cluster *local.Cluster, group string) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "flotilla-gadgets"}
	objects := []client.Object{
		gadgetCRD(group),
		&rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{group}, Resources: []string{"gadgets", "gadgets/status"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"},
		}}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: v1alpha1.SystemNamespace, Name: "flotilla"}},
		},
	}
	expect.Create(t, cluster, objects...)
	t.Cleanup(func() {
		for _, obj := range objects {
			if err := client.IgnoreNotFound(cluster.Client().Delete(context.Background(), obj)); err != nil {
				t.Errorf("deleting %T: %v", obj, err)
			}
		}
	})
}

// number checks one number of a Gadget.
func number(want int64, path ...string) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		if got, _, err := unstructured.NestedInt64(u.Object, path...); err != nil || got != want {
			return fmt.Errorf("%v is %d (%w), want %d", path, got, err, want)
		}
		return nil
	}
}

// servesGadgets checks that a member is known to serve Gadgets.
func servesGadgets(cluster *v1alpha1.Cluster) error {
	for _, enabled := range cluster.Status.APIEnablements {
		if enabled.GroupVersion == gadget.GroupVersion().String() {
			return nil
		}
	}
	return fmt.Errorf("%s is not known to serve %s", cluster.Name, gadget)
}

func taughtReady(status metav1.ConditionStatus, reason string) func(*v1alpha1.ResourceInterpreter) error {
	return func(ri *v1alpha1.ResourceInterpreter) error {
		return expect.HasCondition(ri.Status.Conditions, v1alpha1.ConditionReady, status, reason, "")
	}
}

func TestAKindThatIsTaughtIsDividedJudgedAndAddedUp(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	members := []*local.Cluster{fleet.Member("member1"), fleet.Member("member2")}
	serveGadgets(t, fleet.Host, gadget.Group)
	for _, member := range members {
		serveGadgets(t, member, gadget.Group)
	}
	for _, member := range members { // else the first that is known to serve them takes all
		expect.Seen(t, fleet.Host, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: member.Name}}, servesGadgets)
	}
	lesson := &v1alpha1.ResourceInterpreter{
		ObjectMeta: metav1.ObjectMeta{Name: "gadgets"},
		Spec: v1alpha1.ResourceInterpreterSpec{
			Target:   v1alpha1.InterpreterTarget{APIVersion: gadget.GroupVersion().String(), Kind: gadget.Kind},
			Replicas: &v1alpha1.ReplicasRule{Path: "spec.size"},
			Health:   &v1alpha1.ExpressionRule{Expression: "object.?status.?up.orValue(0) >= object.spec.size"},
			Aggregation: &v1alpha1.AggregationRule{Fields: []v1alpha1.AggregatedField{
				{Path: "up", Rule: v1alpha1.AggregateReplicas},
			}},
		},
	}
	expect.Create(t, fleet.Host, lesson.DeepCopy())
	t.Cleanup(func() { _ = fleet.Host.Client().Delete(context.Background(), lesson) })
	expect.Seen(t, fleet.Host, lesson.DeepCopy(), taughtReady(metav1.ConditionTrue, v1alpha1.ReasonTaught))

	g := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"size": int64(6)}}}
	g.SetGroupVersionKind(gadget)
	g.SetNamespace(ns)
	g.SetName("g")
	expect.Eventually(t, "the gadget's creation", func(ctx context.Context) error {
		return client.IgnoreAlreadyExists(fleet.Host.Client().Create(ctx, g.DeepCopy()))
	})
	expect.Create(t, fleet.Host, builder.Policy(ns, "gadgets", builder.SelectingKind(gadget), builder.Clusters("member1", "member2"),
		builder.Weights(map[string]int64{"member1": 2, "member2": 1})))
	expect.Seen(t, members[0], g.DeepCopy(), number(4, "spec", "size"))
	expect.Seen(t, members[1], g.DeepCopy(), number(2, "spec", "size"))
	expect.Seen(t, fleet.Host, expect.Binding(g), expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionFalse, v1alpha1.ReasonNotAllHealthy, "Unhealthy"))

	t.Log("the members' controllers have done their work")
	for i, member := range members {
		patch := fmt.Appendf(nil, `{"status":{"up":%d}}`, []int{4, 2}[i])
		if err := member.Client().Status().Patch(t.Context(), g.DeepCopy(), client.RawPatch("application/merge-patch+json", patch)); err != nil {
			t.Fatal(err)
		}
	}
	expect.Seen(t, fleet.Host, expect.Binding(g), expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionTrue, v1alpha1.ReasonAllHealthy, ""))
	expect.Seen(t, fleet.Host, g.DeepCopy(), number(6, "status", "up"))

	t.Log("another health counts for what exists already, and one that does not compile for nothing")
	expect.Change(t, fleet.Host, lesson.DeepCopy(), func(ri *v1alpha1.ResourceInterpreter) { ri.Spec.Health.Expression = "false" })
	expect.Seen(t, fleet.Host, expect.Binding(g), expect.Condition(v1alpha1.ConditionHealthy, metav1.ConditionFalse, v1alpha1.ReasonNotAllHealthy, "Unhealthy"))
	expect.Change(t, fleet.Host, lesson.DeepCopy(), func(ri *v1alpha1.ResourceInterpreter) {
		ri.Spec.Health = nil
		ri.Spec.Replicas = &v1alpha1.ReplicasRule{Expression: "object.spec.size +"}
		ri.Spec.Revise = []v1alpha1.ReviseRule{{Path: "spec.size"}}
	})
	expect.Seen(t, fleet.Host, lesson.DeepCopy(), taughtReady(metav1.ConditionFalse, v1alpha1.ReasonInvalidExpression))
	expect.Seen(t, fleet.Host, expect.Binding(g), expect.Condition(v1alpha1.ConditionInterpreted, metav1.ConditionFalse, v1alpha1.ReasonEvaluationFailed, "spec.replicas.expression"))
	expect.Seen(t, members[0], g.DeepCopy(), number(4, "spec", "size"))
}
