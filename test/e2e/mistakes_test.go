package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
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

// policyReady checks the condition Ready of a policy.
func policyReady(status metav1.ConditionStatus, reason, message string) func(*v1alpha1.PropagationPolicy) error {
	return func(p *v1alpha1.PropagationPolicy) error {
		return expect.HasCondition(p.Status.Conditions, v1alpha1.ConditionReady, status, reason, message)
	}
}

// warned waits for a Warning event about an object on the host.
func warned(t *testing.T, namespace, name, reason string) {
	t.Helper()
	expect.Eventually(t, "a warning about "+name, func(ctx context.Context) error {
		var events corev1.EventList
		if err := bed.Fleet(t).Host.Client().List(ctx, &events, inNamespace(namespace)); err != nil {
			return err
		}
		var seen []string
		for _, e := range events.Items {
			if e.InvolvedObject.Name == name && e.Reason == reason && e.Type == corev1.EventTypeWarning {
				return nil
			}
			seen = append(seen, e.InvolvedObject.Name+" "+e.Reason)
		}
		return fmt.Errorf("events: %v", seen)
	})
}

func TestAPolicyForAnUnknownKindSaysSo(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	policy := builder.Policy(ns, "typo", builder.Selecting("apps/v1", "Deploymnet", ""))
	expect.Create(t, fleet.Host, policy)
	expect.Seen(t, fleet.Host, policy, policyReady(metav1.ConditionFalse, v1alpha1.ReasonKindNotFound, "Deploymnet"))
}

var widget = schema.GroupVersionKind{Group: "e2e.example.com", Version: "v1", Kind: "Widget"}

// widgetCRD is a kind of our own.
func widgetCRD() *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets." + widget.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: widget.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: widget.Kind, ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: widget.Version, Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: ptr.To(true),
				}},
			}},
		},
	}
}

// serveWidgets lets a cluster serve Widgets for the length of a test, and no longer: the next one creates the same kind.
func serveWidgets(t *testing.T, cluster *local.Cluster) {
	t.Helper()
	expect.Create(t, cluster, widgetCRD())
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(cluster.Client().Delete(context.Background(), widgetCRD())); err != nil {
			t.Errorf("deleting the kind Widget in %s: %v", cluster.Name, err)
		}
		expect.Gone(t, cluster, widgetCRD())
	})
}

// unknown waits until no member is said to serve Widgets, which another test may have let them do.
func unknown(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	expect.Eventually(t, "members without Widgets", func(ctx context.Context) error {
		var clusters v1alpha1.ClusterList
		if err := fleet.Host.Client().List(ctx, &clusters); err != nil {
			return err
		}
		for i := range clusters.Items {
			if slices.ContainsFunc(clusters.Items[i].Status.APIEnablements, func(a v1alpha1.APIEnablement) bool {
				return a.GroupVersion == widget.GroupVersion().String()
			}) {
				return fmt.Errorf("%s is said to serve them", clusters.Items[i].Name)
			}
		}
		return nil
	})
}

func TestAKindThatNoMemberServesIsReportedAndPropagatedOnceOneDoes(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	unknown(t, fleet)
	serveWidgets(t, fleet.Host)
	template := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"size": int64(3)}}}
	template.SetGroupVersionKind(widget)
	template.SetNamespace(ns)
	template.SetName("w")
	policy := builder.Policy(ns, "widgets", builder.SelectingKind(widget))
	expect.Create(t, fleet.Host, policy)
	expect.Eventually(t, "the widget's creation", func(ctx context.Context) error {
		return client.IgnoreAlreadyExists(fleet.Host.Client().Create(ctx, template.DeepCopy()))
	})
	expect.Seen(t, fleet.Host, expect.Binding(template),
		expect.Condition(v1alpha1.ConditionScheduled, metav1.ConditionFalse, v1alpha1.ReasonNoClusterFit, "0/3"))
	warned(t, ns, "w", v1alpha1.ReasonNoClusterFit)

	t.Log("member2 learns the kind, and Flotilla may write it there")
	member := fleet.Member("member2")
	serveWidgets(t, member)
	grantWidgets(t, member)
	expect.Eventually(t, "the widget in member2", func(ctx context.Context) error {
		copied := template.DeepCopy()
		return member.Client().Get(ctx, client.ObjectKeyFromObject(template), copied)
	})
}

func TestAManifestThatAMemberRefusesIsReportedInItsWords(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	member := fleet.Member("member1")
	refuseConfigMaps(t, member, ns)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings")), settings.DeepCopy())
	expect.Seen(t, fleet.Member("member3"), settings.DeepCopy(), value("color", "red"))
	expect.Seen(t, fleet.Host, expect.Binding(settings),
		expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidManifest, "no config maps here"))
	warned(t, ns, "settings", v1alpha1.ReasonInvalidManifest)
}

// refuseConfigMaps makes a member refuse ConfigMaps in a namespace, and waits until it does.
func refuseConfigMaps(t *testing.T, member *local.Cluster, ns string) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "refuse-" + ns}
	expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}},
		&admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": ns}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: "object.metadata.name == 'kube-root-ca.crt'", Message: "no config maps here"}},
		}},
		&admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: meta.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		}})
	t.Cleanup(func() {
		for _, obj := range []client.Object{&admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta}, &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta}} {
			if err := client.IgnoreNotFound(member.Client().Delete(context.Background(), obj)); err != nil {
				t.Errorf("deleting %T: %v", obj, err)
			}
		}
	})
	expect.Eventually(t, "the refusal of config maps", func(ctx context.Context) error {
		err := member.Client().Create(ctx, builder.ConfigMap(ns, "probe"), client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), "no config maps here") {
			return fmt.Errorf("a config map is still accepted: %w", err)
		}
		return nil
	})
}

func TestAnObjectOverTheSizeLimitIsRefusedOnTheHostAndOneUnderItReachesTheMembers(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	const limit = 1 << 20 // of a ConfigMap's data, see validation of core/v1 in Kubernetes
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "large")))
	tooLarge := builder.ConfigMap(ns, "large", "text", strings.Repeat("x", limit+1))
	err := fleet.Host.Client().Create(t.Context(), tooLarge)
	if err == nil || !strings.Contains(err.Error(), "Too long: may not be more than 1048576 bytes") {
		t.Errorf("creating an object over the limit: %v, want it refused for its size", err)
	}
	large := builder.ConfigMap(ns, "large", "text", strings.Repeat("x", limit-len("text")))
	expect.Create(t, fleet.Host, large.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, large.DeepCopy(), value("text", large.Data["text"]))
	}
	expect.Seen(t, fleet.Host, expect.Binding(large), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))
}
