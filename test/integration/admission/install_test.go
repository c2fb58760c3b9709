package admission

import (
	"context"
	"errors"
	"fmt"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// isGated reports whether a Pod has Flotilla's scheduling gate.
func isGated(pod *unstructured.Unstructured) bool {
	gates, _, _ := unstructured.NestedSlice(pod.Object, "spec", "schedulingGates")
	for _, gate := range gates {
		if gate, ok := gate.(map[string]any); ok && gate["name"] == v1alpha1.HostOnlyValue {
			return true
		}
	}
	return false
}

func TestEveryPolicyCompilesAgainstTheHostsTypes(t *testing.T) {
	policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
	eventually(t, "the controller manager checks the types", func(ctx context.Context) error {
		if err := admin(t).List(ctx, policies, client.MatchingLabels{"app.kubernetes.io/name": "flotilla"}); err != nil {
			return err
		}
		for _, policy := range policies.Items {
			if policy.Status.TypeChecking == nil {
				return fmt.Errorf("%s is not checked yet", policy.Name)
			}
		}
		return nil
	})
	if len(policies.Items) != 13 {
		t.Errorf("%d validating policies, want 13", len(policies.Items))
	}
	for _, policy := range policies.Items {
		for _, warning := range policy.Status.TypeChecking.ExpressionWarnings {
			t.Errorf("%s %s: %s", policy.Name, warning.FieldRef, warning.Warning)
		}
	}
}

// This test stands for hosts before 1.36 too: they differ in having no mutating policies.
func TestWithoutMutatingPoliciesUsersWriteTheGateThemselvesAndTheManagerRepairs(t *testing.T) {
	templates := templateNamespace(t)
	user := as(t, editor)
	for _, name := range []string{"flotilla-templates-pods", "flotilla-templates-services"} {
		binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{}
		binding.Name = name
		policy := &admissionregistrationv1.MutatingAdmissionPolicy{}
		policy.Name = name
		for _, object := range []client.Object{binding, policy} {
			if err := admin(t).Delete(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "the host forgets the mutating policies", func(ctx context.Context) error {
		if err := user.Create(ctx, parse(t, templates, podYAML)[0], client.DryRunAll); err == nil {
			return errors.New("a bare Pod is still gated")
		}
		if err := user.Create(ctx, parse(t, templates, loadBalancerYAML)[0], client.DryRunAll); err == nil {
			return errors.New("a Service still gets the class")
		}
		return nil
	})
	wantRefused(t, user.Create(t.Context(), parse(t, templates, podYAML)[0]), "flotilla-templates-pods", podMessage)
	wantRefused(t, user.Create(t.Context(), parse(t, templates, loadBalancerYAML)[0]), "flotilla-templates-services", loadBalancerMessage)

	gated := parse(t, templates, podYAML)[0]
	gates := []any{map[string]any{"name": v1alpha1.HostOnlyValue}}
	if err := unstructured.SetNestedSlice(gated.Object, gates, "spec", "schedulingGates"); err != nil {
		t.Fatal(err)
	}
	wantAllowed(t, user.Create(t.Context(), gated))
	unstructured.RemoveNestedField(gated.Object, "spec", "schedulingGates")
	wantRefused(t, user.Update(t.Context(), gated), "flotilla-templates-pods", podMessage)
	service := parse(t, templates, loadBalancerYAML)[0]
	if err := unstructured.SetNestedField(service.Object, v1alpha1.HostOnlyValue, "spec", "loadBalancerClass"); err != nil {
		t.Fatal(err)
	}
	wantAllowed(t, user.Create(t.Context(), service))

	spawn := weakened(t, "flotilla-templates-spawn")
	stop, err := startInstaller(t, host(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := inForce(t, host(t)); err != nil {
		t.Errorf("the policies did not come back: %v", err)
	}
	eventually(t, "the weakened policy is repaired", func(context.Context) error {
		if got := *get(t, "", spawn.Name, spawn).Spec.FailurePolicy; got != admissionregistrationv1.Fail {
			return fmt.Errorf("its failurePolicy is %s", got)
		}
		return nil
	})
}

// weakened is a policy that lets pass what it cannot judge, which none of Flotilla's does.
func weakened(t *testing.T, name string) *admissionregistrationv1.ValidatingAdmissionPolicy {
	t.Helper()
	policy := get(t, "", name, &admissionregistrationv1.ValidatingAdmissionPolicy{})
	base := policy.DeepCopy()
	ignore := admissionregistrationv1.Ignore
	policy.Spec.FailurePolicy = &ignore
	if err := admin(t).Patch(t.Context(), policy, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	return policy
}
