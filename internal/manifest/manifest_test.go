package manifest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/override"
	"github.com/flotilla-dev/flotilla/internal/render"
)

// order is for one template and one override policy with the given overriders.
func order(t *testing.T, template, overriders string) Order {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(template), &obj.Object); err != nil {
		t.Fatalf("reading the template: %v", err)
	}
	policy := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "differs"}}
	rule := v1alpha1.OverrideRule{}
	if err := yaml.Unmarshal([]byte(overriders), &rule.Overriders); err != nil {
		t.Fatalf("reading the overriders: %v", err)
	}
	policy.Spec.OverrideRules = []v1alpha1.OverrideRule{rule}
	compiled, err := override.Compile(policy)
	if err != nil {
		t.Fatalf("compiling: %v", err)
	}
	return Order{
		Template:  obj,
		Binding:   &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "b"}},
		Cluster:   &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}},
		Overrides: []*override.Policy{compiled}, HostUID: "host",
	}
}

func TestWhatAnOverrideAddsReachesTheMemberAndTheHostsOwnDoesNot(t *testing.T) {
	for name, tc := range map[string]struct {
		template, overriders string
		path                 []string
		want                 any
	}{
		"a node port": {
			"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.0.0.7, ports: [{port: 80, nodePort: 31000}]}\n",
			"plaintext: [{path: /spec/ports, operator: replace, value: [{port: 80, nodePort: 32000}]}]",
			[]string{"spec"}, map[string]any{"ports": []any{map[string]any{"port": int64(80), "nodePort": int64(32000)}}},
		},
		"an address": {
			"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7]}\n",
			"plaintext: [{path: /spec/clusterIP, operator: add, value: 10.1.0.9}]",
			[]string{"spec"}, map[string]any{"clusterIP": "10.1.0.9"},
		},
		"a volume": {
			"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {volumeName: pv-host}\n",
			"plaintext: [{path: /spec/volumeName, operator: add, value: \"pv-${cluster.name}\"}]",
			[]string{"spec"}, map[string]any{"volumeName": "pv-member1"},
		},
		"nothing of the host's where no rule adds anything": {
			"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop, uid: u, finalizers: [a/b]}\nspec: {clusterIP: 10.0.0.7}\nstatus: {loadBalancer: {}}\n",
			"plaintext: [{path: /status, operator: add, value: {a: b}}, {path: /metadata/finalizers, operator: add, value: [c/d]}]",
			[]string{"metadata"}, map[string]any{
				"name": "web", "namespace": "shop", "labels": map[string]any{v1alpha1.ManagedLabel: "true"},
				"annotations": map[string]any{v1alpha1.HostAnnotation: "host", v1alpha1.BindingAnnotation: "shop/b"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := order(t, tc.template, tc.overriders)
			before := o.Template.DeepCopy()
			made, err := Make(o, interpreter.New())
			if err != nil {
				t.Fatalf("Make(): %v", err)
			}
			unstructured.RemoveNestedField(made.Object.Object, "metadata", "annotations", v1alpha1.HashAnnotation)
			got, _, _ := unstructured.NestedFieldNoCopy(made.Object.Object, tc.path...)
			if diff := cmp.Diff(tc.want, normal(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if status, found := made.Object.Object["status"]; found {
				t.Errorf("the manifest has the status %v", status)
			}
			if diff := cmp.Diff(before, o.Template); diff != "" {
				t.Errorf("the template was changed:\n%s", diff)
			}
		})
	}
}

// normal makes whole numbers int64, as an API server's answer has them.
func normal(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = normal(value[key])
		}
	case []any:
		for i := range value {
			value[i] = normal(value[i])
		}
	case float64:
		return int64(value)
	}
	return value
}

func TestWhatWouldDoHarmInAMemberIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		template, overriders string
		want                 error
	}{
		"a Job that would be run again and again": {
			"apiVersion: batch/v1\nkind: Job\nmetadata: {name: report, namespace: shop}\nspec: {ttlSecondsAfterFinished: 10}\n",
			"plaintext: [{path: /spec/ttlSecondsAfterFinished, operator: add, value: 5}]", render.ErrTimeToLive,
		},
		"more than a cluster stores": {
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big, namespace: shop}\ndata: {a: x}\n",
			"plaintext: [{path: /data/b, operator: add, value: " + strings.Repeat("x", render.MaxSize) + "}]", render.ErrTooLarge,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Make(order(t, tc.template, tc.overriders), interpreter.New()); !errors.Is(err, tc.want) {
				t.Errorf("Make() = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestACopyThatReplacesAFailedOneCarriesItsState(t *testing.T) {
	o := order(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop, labels: {app: web}}\n", "{}")
	spec := o.Binding.BindingSpec()
	spec.Clusters = []v1alpha1.TargetCluster{
		{Name: "member1", PreservedLabelState: map[string]string{"savepoint": "7"}, PreservedAnnotationState: map[string]string{"path": "a/b"}},
	}
	made, err := Make(o, interpreter.New())
	if err != nil {
		t.Fatal(err)
	}
	if got := made.Object.GetLabels(); got["savepoint"] != "7" || got["app"] != "web" {
		t.Errorf("it has the labels %v", got)
	}
	if got := made.Object.GetAnnotations()["path"]; got != "a/b" {
		t.Errorf("it has the annotation %q", got)
	}
	if diff := cmp.Diff(map[string]string{"app": "web"}, o.Template.GetLabels()); diff != "" {
		t.Errorf("the template was changed: %s", diff)
	}
}
