package rendering

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

// host is a client of a host with a member and a template that goes there.
func host(t *testing.T, template client.Object, more ...client.Object) client.Client {
	t.Helper()
	binding := expect.Binding(template)
	binding.BindingSpec().Clusters = []v1alpha1.TargetCluster{{Name: "member1"}}
	member := func(name string) *v1alpha1.Cluster {
		return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{Region: "eu"}}
	}
	objects := append(more, binding, member("member1"), member("member2"), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: "host"}})
	return fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(objects...).Build()
}

func asTemplate(t *testing.T, obj client.Object) *unstructured.Unstructured {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		t.Fatalf("converting: %v", err)
	}
	template := &unstructured.Unstructured{Object: fields}
	template.SetAPIVersion("v1")
	template.SetKind("ConfigMap")
	return template
}

// shown is what the command prints, first to its output and then to its errors.
func shown(t *testing.T, c client.Reader, template *unstructured.Unstructured, cluster string, diff bool) string {
	t.Helper()
	r, err := gather(t.Context(), c, template, cluster)
	if err != nil {
		t.Fatalf("gathering: %v", err)
	}
	var out, errOut bytes.Buffer
	if err := r.show(genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, "yaml", diff); err != nil {
		t.Fatalf("showing: %v", err)
	}
	return out.String() + errOut.String()
}

func overriding() *v1alpha1.OverridePolicy {
	policy := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p"}}
	policy.Spec.OverrideRules = []v1alpha1.OverrideRule{{Overriders: v1alpha1.Overriders{
		LabelsOverrider: []v1alpha1.LabelAnnotationOverrider{{Operator: v1alpha1.OverrideAdd, Value: map[string]string{"region": "${cluster.region}"}}},
		Plaintext:       []v1alpha1.PlaintextOverrider{{Path: "/data/color", Operator: v1alpha1.OverrideRemove}},
	}}}
	return policy
}

func TestTheManifestIsWhatTheMemberGets(t *testing.T) {
	settings := builder.ConfigMap("shop", "settings", "color", "red", "size", "3")
	got := shown(t, host(t, settings, overriding()), asTemplate(t, settings), "member1", false)
	want := `apiVersion: v1
data:
  size: "3"
kind: ConfigMap
metadata:
  annotations:
    flotilla.dev/binding: shop/` + expect.Binding(settings).GetName() + `
    flotilla.dev/hash: HASH
    flotilla.dev/host: host
  labels:
    flotilla.dev/managed: "true"
    region: eu
  name: settings
  namespace: shop

`
	lines := strings.Split(got, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "    flotilla.dev/hash: ") {
			lines[i] = "    flotilla.dev/hash: HASH"
		}
	}
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Errorf("render (-want +got):\n%s", diff)
	}
}

func TestTheDifferenceNamesTheRule(t *testing.T) {
	settings := builder.ConfigMap("shop", "settings", "color", "red")
	got := shown(t, host(t, settings, overriding()), asTemplate(t, settings), "member1", true)
	want := `RULE                         FIELD              BEFORE   AFTER
OverridePolicy shop/p rule 0   /metadata/labels   -        {"region":"eu"}
OverridePolicy shop/p rule 0   /data/color        "red"    -
`
	squeeze := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	if diff := cmp.Diff(squeeze(want), squeeze(got)); diff != "" {
		t.Errorf("render --diff (-want +got):\n%s", diff)
	}
}

func TestAClusterThatIsNoTargetIsToldSo(t *testing.T) {
	settings := builder.ConfigMap("shop", "settings", "color", "red")
	got := shown(t, host(t, settings), asTemplate(t, settings), "member2", true)
	want := "No override changes anything.\nmember2 is no target of this template: this is what it would get, with all replicas.\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("render --diff (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeRenderedIsAnError(t *testing.T) {
	settings := builder.ConfigMap("shop", "settings", "color", "red")
	c := host(t, settings)
	if _, err := gather(t.Context(), c, asTemplate(t, settings), "nobody"); err == nil || !strings.Contains(err.Error(), "these have: member1, member2") {
		t.Errorf("an unknown cluster: %v", err)
	}
	if _, err := gather(t.Context(), c, asTemplate(t, builder.ConfigMap("shop", "other")), "member1"); err == nil || !strings.Contains(err.Error(), "is not propagated") {
		t.Errorf("a template without binding: %v", err)
	}
}
