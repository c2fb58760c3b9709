package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// The manager binds the one role that it has the verb bind for, under that role's name. An overlay that renames the role renames
// both names here (config/rbac/references.yaml).
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=flotilla-credentials,verbs=bind
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,resourceNames=flotilla-credentials,verbs=create;patch

const (
	// grantPoll and grantPatience bound the wait until the API server's authorizer has seen a new RoleBinding: it watches
	// them, which takes milliseconds.
	grantPoll     = 20 * time.Millisecond
	grantPatience = 2 * time.Second
)

// grant lets this manager read and renew the credentials in an execution namespace. It has no right to Secrets elsewhere.
func (r *Reconciler) grant(ctx context.Context, cluster string) error {
	self := &authenticationv1.SelfSubjectReview{}
	if err := r.client.Create(ctx, self); err != nil {
		return fmt.Errorf("finding out who this manager is: %w", err)
	}
	role, namespace := r.options.CredentialsRole, v1alpha1.ExecutionNamespace(cluster)
	binding := applyrbacv1.RoleBinding(role, namespace).
		WithLabels(map[string]string{v1alpha1.ClusterLabel: cluster}).
		WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(role)).
		WithSubjects(subject(self.Status.UserInfo.Username))
	if err := r.client.Apply(ctx, binding, client.FieldOwner(objectpatch.ClusterOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("binding the role %s in %s: %w", role, namespace, err)
	}
	return r.awaitGrant(ctx, namespace)
}

// subject is a user as RBAC names it.
func subject(user string) *applyrbacv1.SubjectApplyConfiguration {
	if account, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		namespace, name, _ := strings.Cut(account, ":")
		return applyrbacv1.Subject().WithKind(rbacv1.ServiceAccountKind).WithNamespace(namespace).WithName(name)
	}
	return applyrbacv1.Subject().WithAPIGroup(rbacv1.GroupName).WithKind(rbacv1.UserKind).WithName(user)
}

// awaitGrant asks until Secrets of a namespace may be changed, which nothing but the binding allows. That it takes too long is no error: using
// the right will tell.
func (r *Reconciler) awaitGrant(ctx context.Context, namespace string) error {
	err := wait.PollUntilContextTimeout(ctx, grantPoll, grantPatience, true, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: "patch", Resource: "secrets", Name: v1alpha1.CredentialsSecretName,
			},
		}}
		if err := r.client.Create(ctx, review); err != nil {
			return false, fmt.Errorf("asking for the rights in %s: %w", namespace, err)
		}
		return review.Status.Allowed, nil
	})
	if err != nil && !wait.Interrupted(err) {
		return err
	}
	return ctx.Err()
}
