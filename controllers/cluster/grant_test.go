package cluster

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// guarded is a host that lets Secrets of an execution namespace be read only once the manager's role is bound there.
func guarded(t *testing.T, user string, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	bound := func(ctx context.Context, c client.Reader, namespace string) bool {
		return c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "role"}, &rbacv1.RoleBinding{}) == nil
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			switch review := o.(type) {
			case *authenticationv1.SelfSubjectReview:
				review.Status.UserInfo.Username = user
			case *authorizationv1.SelfSubjectAccessReview:
				review.Status.Allowed = bound(ctx, c, review.Spec.ResourceAttributes.Namespace)
			}
			return nil
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, ok := o.(*corev1.Secret); ok && !bound(ctx, c, key.Namespace) {
				return apierrors.NewForbidden(corev1.Resource("secrets"), key.Name, nil)
			}
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
}

func TestTheRightToCredentialsIsTakenWhereItIsMissing(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "flotilla-es-berlin"}}
	ending := namespace.DeepCopy()
	ending.DeletionTimestamp, ending.Finalizers = &metav1.Time{Time: start}, []string{"kubernetes"}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "flotilla-es-berlin", Name: v1alpha1.CredentialsSecretName},
		Data:       map[string][]byte{v1alpha1.TokenKey: []byte("t")},
	}
	account := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "fleet", Name: "manager"}}
	person := []rbacv1.Subject{{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: "jane"}}
	cases := map[string]struct {
		user    string
		objects []client.Object
		secret  bool
		want    []rbacv1.Subject
	}{
		"by the manager's account":             {"system:serviceaccount:fleet:manager", []client.Object{namespace, secret}, true, account},
		"by a person who runs a manager":       {"jane", []client.Object{namespace, secret}, true, person},
		"not in a namespace that is not there": {"system:serviceaccount:fleet:manager", nil, false, nil},
		"but not in a namespace that is going": {"system:serviceaccount:fleet:manager", []client.Object{ending, secret}, false, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := guarded(t, tc.user, tc.objects...)
			r := &Reconciler{client: c, live: c, options: Options{CredentialsRole: "role"}}
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "berlin"}, Spec: v1alpha1.ClusterSpec{APIEndpoint: "https://berlin.example:6443"}}
			_, found, _ := r.grantedCredentials(t.Context(), cluster)
			if (found != nil) != tc.secret {
				t.Errorf("credentials() found %v, want a Secret: %t", found, tc.secret)
			}
			var binding rbacv1.RoleBinding
			err := c.Get(t.Context(), client.ObjectKey{Namespace: "flotilla-es-berlin", Name: "role"}, &binding)
			if client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, binding.Subjects); diff != "" {
				t.Errorf("who may read credentials (-want +got):\n%s", diff)
			}
		})
	}
}
