package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// grantKinds lets Flotilla put CustomResourceDefinitions into a member, for the length of a test.
func grantKinds(t *testing.T, cluster *local.Cluster) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "flotilla-kinds"}
	objects := []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions", "customresourcedefinitions/status"},
			Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"},
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

func TestAKindAndItsObjectsAndTheirNamespaceArriveTogether(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Member("member3")
	ns := expect.Namespace(t, fleet)
	grantKinds(t, member)
	grantWidgets(t, member)
	kind := widgetCRD()
	kind.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	t.Cleanup(func() {
		t.Log("the copies go before the rights do: else the binding of the kind waited for good")
		expect.Gone(t, fleet.Host, expect.Binding(kind))
		expect.Gone(t, member, widgetCRD())
	})
	serveWidgets(t, fleet.Host)
	template := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"size": int64(3)}}}
	template.SetGroupVersionKind(widget)
	template.SetNamespace(ns)
	template.SetName("w")
	expect.Eventually(t, "the widget's creation", func(ctx context.Context) error {
		return client.IgnoreAlreadyExists(fleet.Host.Client().Create(ctx, template.DeepCopy()))
	})

	start := time.Now()
	kinds := builder.ClusterPolicy("kinds-of-"+ns, builder.Selecting("apiextensions.k8s.io/v1", "CustomResourceDefinition", kind.Name), builder.Clusters("member3"))
	expect.Create(t, fleet.Host, builder.Policy(ns, "widgets", builder.SelectingKind(widget), builder.Clusters("member3")), kinds)
	t.Cleanup(func() { _ = client.IgnoreNotFound(fleet.Host.Client().Delete(context.Background(), kinds)) })
	expect.Seen(t, member, template.DeepCopy(), expect.Present)
	t.Logf("the kind, the namespace and the object were in the member after %s", time.Since(start).Round(100*time.Millisecond))
}

// refuseSettings makes a member refuse ConfigMaps of a namespace, as a webhook does that waits for something.
func refuseSettings(t *testing.T, member *local.Cluster, ns string) (end func()) {
	t.Helper()
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "not-yet." + ns},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}}}},
			Validations: []admissionv1.Validation{{Expression: fmt.Sprintf("object.metadata.namespace != %q || object.metadata.name == 'kube-root-ca.crt'", ns), Message: "not yet"}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}
	expect.Create(t, member, policy, binding)
	end = func() {
		for _, obj := range []client.Object{binding, policy} {
			if err := client.IgnoreNotFound(member.Client().Delete(context.Background(), obj)); err != nil {
				t.Errorf("deleting %T: %v", obj, err)
			}
		}
	}
	t.Cleanup(end)
	expect.Eventually(t, "the refusal", func(ctx context.Context) error {
		err := member.Client().Create(ctx, builder.ConfigMap(ns, "probe"), client.DryRunAll)
		if err == nil {
			return fmt.Errorf("it is not in force")
		}
		return nil
	})
	return end
}

// attempts are the writes of Flotilla to a ConfigMap in a member.
func attempts(t *testing.T, member *local.Cluster, obj client.Object, since time.Time) []local.Write {
	t.Helper()
	writes, err := member.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	var made []local.Write
	for _, w := range writes {
		if w.Resource == "configmaps" && w.Namespace == obj.GetNamespace() && w.Name == obj.GetName() {
			made = append(made, w)
		}
	}
	return made
}

// waitsBetween are the times from each attempt to the next one.
func waitsBetween(writes []local.Write) []time.Duration {
	var waits []time.Duration
	for i := 1; i < len(writes); i++ {
		waits = append(waits, writes[i].Time.Sub(writes[i-1].Time))
	}
	return waits
}

// maxAttempts are those of the first ten seconds: some, when the binding, the kind and the namespace become known, come at once.
const maxAttempts = 10

func TestWhatAMemberRefusesForAWhileIsTriedAgainAndArrives(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Member("member1")
	ns := expect.Namespace(t, fleet)
	expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	end := refuseSettings(t, member, ns)
	settings := builder.ConfigMap(ns, "settings", "color", "red")
	start := time.Now()
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "settings"), builder.Clusters("member1")), settings.DeepCopy())
	expect.Eventually(t, "waits between attempts that grow", func(context.Context) error {
		waits := waitsBetween(attempts(t, member, settings, start))
		if n := len(waits); n < 2 || waits[n-2] < time.Second || waits[n-1] < waits[n-2]*3/2 {
			return fmt.Errorf("they are %v", waits)
		}
		return nil
	})
	waits := waitsBetween(attempts(t, member, settings, start))
	t.Logf("between the attempts were %v", waits)
	if len(waits) > maxAttempts {
		t.Errorf("there were %d attempts, want at most %d", len(waits)+1, maxAttempts)
	}
	expect.Seen(t, fleet.Host, expect.Binding(settings), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidManifest, "not yet"))
	end()
	ended := time.Now()
	expect.Seen(t, member, settings.DeepCopy(), value("color", "red"))
	t.Logf("after %d attempts, and %s after the member let it in, it was there", len(attempts(t, member, settings, start)), time.Since(ended).Round(100*time.Millisecond))
}
