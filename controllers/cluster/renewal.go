package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// renew replaces a token that joining issued before it ends. A failure is told in an event and tried again
// at the next look: the old token still works for a while.
func (r *Reconciler) renew(ctx context.Context, cluster *v1alpha1.Cluster, config *rest.Config, secret *corev1.Secret) {
	token, ok := issuedToken(secret)
	if !ok || !memberaccess.RenewalDue(token, r.options.Clock.Now()) {
		return
	}
	if err := r.replaceToken(ctx, cluster, config, secret); err != nil {
		r.event(cluster, corev1.EventTypeWarning, reasonTokenNotRenewed, actionRenew, fmt.Sprintf(
			"the token ends at %s and could not be renewed, it is tried again: %v", token.Expires.UTC().Format(time.RFC3339), err))
	}
}

// issuedToken reads the token that joining put into a Secret; false when it is not for Flotilla to renew.
func issuedToken(secret *corev1.Secret) (memberaccess.Token, bool) {
	expires, err := time.Parse(time.RFC3339, secret.Annotations[v1alpha1.TokenExpiryAnnotation])
	if err != nil || len(secret.Data[v1alpha1.KubeconfigKey]) > 0 {
		return memberaccess.Token{}, false
	}
	return memberaccess.Token{Value: string(secret.Data[v1alpha1.TokenKey]), Expires: expires}, true
}

// replaceToken takes the right to store a token first: whoever may read all Secrets does not miss it before. The RoleBinding may be gone, or
// name the account of an installation that was moved.
func (r *Reconciler) replaceToken(ctx context.Context, cluster *v1alpha1.Cluster, config *rest.Config, secret *corev1.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timings.CollectTimeout)
	defer cancel()
	if err := r.grant(ctx, cluster.Name); err != nil {
		return err
	}
	member, err := client.New(config, client.Options{Scheme: r.client.Scheme()})
	if err != nil {
		return fmt.Errorf("preparing a client: %w", err)
	}
	token, err := memberaccess.RequestToken(ctx, member, memberaccess.TokenLifetime)
	if err != nil {
		return err
	}
	before := secret.DeepCopy()
	secret.Data[v1alpha1.TokenKey] = []byte(token.Value)
	secret.Annotations[v1alpha1.TokenExpiryAnnotation] = token.Expires.UTC().Format(time.RFC3339)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, secret, patch, client.FieldOwner(objectpatch.ClusterOwner)); err != nil {
		return fmt.Errorf("storing the token: %w", err)
	}
	renewed := rest.CopyConfig(config)
	renewed.BearerToken = token.Value
	return r.options.Connections.Connect(cluster.Name, r.connection(cluster, renewed))
}
