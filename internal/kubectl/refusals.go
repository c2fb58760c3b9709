package kubectl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
)

// maxName leaves room for the prefix of the execution namespace within a DNS label.
const maxName = 48

func validateName(name string) error {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		return fmt.Errorf("%q cannot be the name of a cluster: %s", name, strings.Join(problems, "; "))
	}
	if len(name) > maxName {
		return fmt.Errorf("%q cannot be the name of a cluster: it is longer than %d characters", name, maxName)
	}
	return nil
}

// refuseUnusable says why the cluster that the user points at cannot join, and what to do about it.
func refuseUnusable(endpoint string, err error) error {
	var fault *memberprobe.ReasonedError
	if !errors.As(err, &fault) {
		return fmt.Errorf("looking at the cluster to join: %w", err)
	}
	cause := error(fault)
	if fault.Cause() != nil {
		cause = fault.Cause()
	}
	switch fault.Reason {
	case v1alpha1.ReasonUnauthorized:
		return fmt.Errorf("the cluster to join, %s, refuses the credentials of the kubeconfig: log in again, or choose others with --cluster-kubeconfig or --cluster-context", endpoint)
	case v1alpha1.ReasonForbidden:
		return fmt.Errorf("the kubeconfig's user may not look at the cluster to join, %s: use the kubeconfig of a cluster administrator (%w)", endpoint, cause)
	case v1alpha1.ReasonCertificateInvalid:
		return fmt.Errorf("the certificate of the cluster to join, %s, does not check: correct certificate-authority-data in its kubeconfig (%w)", endpoint, cause)
	case v1alpha1.ReasonCertificateExpired:
		return fmt.Errorf("the certificate of the cluster to join, %s, or that of the kubeconfig's user, has ended: renew it (%w)", endpoint, cause)
	case v1alpha1.ReasonClusterNotReady:
		return fmt.Errorf("the cluster to join, %s, is not ready: join it when its API server is healthy (%w)", endpoint, cause)
	}
	return fmt.Errorf("the cluster to join, %s, does not answer: check the server's address in its kubeconfig, and the network (%w)", endpoint, cause)
}

// refuseIdentity says why a cluster that is fine cannot join under the name: it is the host, it has joined
// already, or the name is another's.
func refuseIdentity(name, id, hostUID string, clusters []v1alpha1.Cluster) error {
	if id == hostUID {
		return errors.New("the cluster to join is the host itself: point --cluster-kubeconfig or --cluster-context at another cluster")
	}
	for i := range clusters {
		if c := &clusters[i]; c.Name != name && c.Spec.ID == id {
			return fmt.Errorf("the cluster has already joined as %q: go on with that name, or run kubectl flotilla unjoin %s first", c.Name, c.Name)
		}
	}
	for i := range clusters {
		c := &clusters[i]
		switch {
		case c.Name != name:
		case !c.DeletionTimestamp.IsZero():
			return fmt.Errorf("the cluster %q is still leaving: wait until kubectl flotilla get clusters no longer shows it, then join again", name)
		case c.Spec.ID != id:
			return fmt.Errorf("the name %q is taken by the cluster at %s: choose another name, or run kubectl flotilla unjoin %s first", name, endpointOf(c), name)
		}
	}
	return nil
}

func endpointOf(c *v1alpha1.Cluster) string {
	if c.Spec.APIEndpoint == "" {
		return "an endpoint that its kubeconfig Secret names"
	}
	return c.Spec.APIEndpoint
}

// needed are the rights that joining uses in the member.
var needed = []authorizationv1.ResourceAttributes{
	{Verb: "create", Resource: "namespaces"},
	{Verb: "create", Group: rbacv1.GroupName, Resource: "clusterroles"},
	{Verb: "create", Group: rbacv1.GroupName, Resource: "clusterrolebindings"},
	{Verb: "create", Resource: "serviceaccounts", Namespace: v1alpha1.SystemNamespace},
	{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: v1alpha1.SystemNamespace},
	{Verb: "create", Group: rbacv1.GroupName, Resource: "roles", Namespace: v1alpha1.SystemNamespace},
	{Verb: "create", Group: rbacv1.GroupName, Resource: "rolebindings", Namespace: v1alpha1.SystemNamespace},
}

// neededToReplace are those that replacing another host's account uses beside them.
var neededToReplace = []authorizationv1.ResourceAttributes{
	{Verb: "delete", Resource: "serviceaccounts", Namespace: v1alpha1.SystemNamespace},
}

// refuseWithoutRights asks the member which of the needed rights the user lacks.
func refuseWithoutRights(ctx context.Context, member client.Client, needed []authorizationv1.ResourceAttributes) error {
	var missing []string
	for i := range needed {
		review := &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &needed[i]},
		}
		if err := member.Create(ctx, review); err != nil {
			return fmt.Errorf("asking the cluster to join what its kubeconfig's user may do: %w", err)
		}
		if !review.Status.Allowed {
			missing = append(missing, describeRight(needed[i]))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the kubeconfig's user lacks rights in the cluster to join: %s. Use the kubeconfig of a cluster administrator", strings.Join(missing, ", "))
	}
	return nil
}

func describeRight(a authorizationv1.ResourceAttributes) string {
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return a.Verb + " " + resource
}

// explain adds to an error what a user can do about it.
func explain(err error) error {
	var taken *memberaccess.TakenError
	switch {
	case errors.As(err, &taken) && taken.Host == "":
		return fmt.Errorf("%w. Flotilla needs that name: rename it, or delete it", err)
	case errors.As(err, &taken):
		return fmt.Errorf("%w. Unjoin the cluster there first. When that host is lost for good, let this one take its place with --replace-host=%s", err, taken.Host)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w. To hand out rights one must hold them: use the kubeconfig of a cluster administrator", err)
	}
	return err
}
