package install

import (
	"errors"
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/rights"
)

// bounds are the policies that bound the manager, without a prefix.
var bounds = []string{"flotilla-credentials-bindings", "flotilla-manager-bounds"}

// refusedByRoles are the denials that checkBounds asks for, where the managers have the account that the bed looks at.
func refusedByRoles() []rights.Exception {
	var refused []rights.Exception
	for _, name := range bounds {
		for _, resource := range []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"} {
			for _, verb := range []string{"patch", "delete"} {
				refused = append(refused, rights.Exception{
					Verb: verb, Group: admissionregistrationv1.GroupName, Resource: resource, Name: name, Why: "the test tries it",
				})
			}
		}
	}
	return refused
}

// asManager makes a client with a token of the Deployment's ServiceAccount. Nothing that it writes is kept.
func (i *installation) asManager() client.Client {
	i.t.Helper()
	config, err := local.LoadConfig(i.kubeconfig("somebody-with-its-token"))
	if err != nil {
		i.t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: i.host().Scheme()})
	if err != nil {
		i.t.Fatal(err)
	}
	return client.NewDryRunClient(c)
}

// checkBounds tries, as somebody who has a manager's token, what the manager's rights would be worth if nothing bounded them.
func (i *installation) checkBounds(prefix string) {
	i.t.Helper()
	holder := i.asManager()
	ctx := i.t.Context()
	weaken := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"weak":"true"}}}`))
	for _, name := range bounds {
		meta := metav1.ObjectMeta{Name: prefix + name}
		for _, object := range []client.Object{
			&admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta},
		} {
			if err := i.get(object, "", meta.Name); err != nil {
				i.t.Fatal(err)
			}
			i.wantRefused(fmt.Sprintf("changing %T %s", object, meta.Name), holder.Patch(ctx, object, weaken), "cannot patch")
			i.wantRefused(fmt.Sprintf("deleting %T %s", object, meta.Name), holder.Delete(ctx, object), "cannot delete")
		}
	}

	bind := func(namespace string) error {
		role := prefix + v1alpha1.CredentialsRole
		return holder.Apply(ctx, applyrbacv1.RoleBinding(role, namespace).
			WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(role)).
			WithSubjects(applyrbacv1.Subject().WithKind(rbacv1.ServiceAccountKind).WithNamespace(i.deployment.Namespace).WithName(i.pod().ServiceAccountName)),
			client.FieldOwner("test"), client.ForceOwnership)
	}
	namespace := func(name string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	const bounded = "execution namespaces"
	i.wantRefused("binding the role in kube-system", bind(metav1.NamespaceSystem), bounded)
	i.wantRefused("binding the role in a template namespace", bind(shop), bounded)
	i.wantRefused("making a namespace", holder.Create(ctx, namespace("of-its-own")), bounded)
	for _, name := range []string{shop, metav1.NamespaceDefault, metav1.NamespaceSystem, i.deployment.Namespace} {
		i.wantRefused("labelling the namespace "+name, holder.Patch(ctx, namespace(name), weaken), bounded)
		i.wantRefused("deleting the namespace "+name, holder.Delete(ctx, namespace(name)), "")
	}
	i.wantRefused("deleting a template namespace", holder.Delete(ctx, namespace(shop)), bounded)

	// What it is for stays possible.
	own := v1alpha1.ExecutionNamespace(member)
	if err := errors.Join(bind(own), holder.Create(ctx, namespace(v1alpha1.ExecutionNamespace("another"))), holder.Delete(ctx, namespace(own))); err != nil {
		i.t.Errorf("the manager may not do its work: %v", err)
	}
}

// wantRefused makes sure that a request is forbidden, and in whose words.
func (i *installation) wantRefused(what string, err error, words string) {
	i.t.Helper()
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), words) {
		i.t.Errorf("%s with the manager's token: %v; want that it is forbidden, because of %q", what, err, words)
	}
}
