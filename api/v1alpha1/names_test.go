package v1alpha1

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestABindingsNameIsReadableAndAValidName(t *testing.T) {
	for _, tc := range []struct{ group, kind, name, begins string }{
		{"apps", "Deployment", "web", "web-deployment-"},
		{"rbac.authorization.k8s.io", "ClusterRole", "system:reader", "system-reader-clusterrole-"},
		{"rbac.authorization.k8s.io", "Role", "a::b_c d..", "a-b-c-d-role-"},
		{"", "ConfigMap", strings.Repeat("a", 253), "aaa"},
		{"", "ConfigMap", strings.Repeat("a.", 126) + "a", "a-a-"},
	} {
		got := BindingName(tc.group, tc.kind, tc.name)
		if !strings.HasPrefix(got, tc.begins) {
			t.Errorf("BindingName(%q, %q, %.20q) = %q, want it to begin with %q", tc.group, tc.kind, tc.name, got, tc.begins)
		}
		if errs := validation.IsDNS1123Subdomain(got); len(errs) > 0 {
			t.Errorf("BindingName(%q, %q, %.20q) = %q is no name: %v", tc.group, tc.kind, tc.name, got, errs)
		}
	}
}

func TestTemplatesOfOneNamespaceNeverShareABinding(t *testing.T) {
	seen := map[string]string{}
	for _, template := range [][3]string{
		{"apps", "Deployment", "web"}, {"extensions", "Deployment", "web"}, {"apps", "Deployment", "web-deployment"},
		{"apps", "StatefulSet", "web"}, {"", "Service", "web"}, {"serving.knative.dev", "Service", "web"},
		{"", "Service", strings.Repeat("x", 250) + "a"}, {"", "Service", strings.Repeat("x", 250) + "b"},
		{"rbac.authorization.k8s.io", "Role", "a:b"}, {"rbac.authorization.k8s.io", "Role", "a.b"}, {"rbac.authorization.k8s.io", "Role", "a b"},
	} {
		name, text := BindingName(template[0], template[1], template[2]), strings.Join(template[:], "/")
		if other, taken := seen[name]; taken {
			t.Errorf("%s and %s share the name %s", other, text, name)
		}
		seen[name] = text
	}
}
