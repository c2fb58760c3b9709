package admission

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// patience bounds every wait for the host. What is waited for takes a second, or the 15 seconds between two
// rounds of the autoscaler; the rest is for a loaded machine.
const patience = 90 * time.Second

// Identities of Kubernetes' own controllers.
const (
	deploymentController  = "system:serviceaccount:kube-system:deployment-controller"
	replicaSetController  = "system:serviceaccount:kube-system:replicaset-controller"
	statefulSetController = "system:serviceaccount:kube-system:statefulset-controller"
	daemonSetController   = "system:serviceaccount:kube-system:daemon-set-controller"
	jobController         = "system:serviceaccount:kube-system:job-controller"
	cronJobController     = "system:serviceaccount:kube-system:cronjob-controller"
	autoscaler            = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
	managerAccount        = "system:serviceaccount:flotilla-system:flotilla-manager"
)

// Users that the tests bind to roles in each template namespace.
const (
	// editor has the role edit that every cluster has.
	editor = "editor"
	// statusWriter may update every status, but is not granted the verb manage.
	statusWriter = "status-writer"
	// fleetWriter is what the manager is to the policies: it may update every status, and manage.
	fleetWriter = "fleet-writer"
)

// admin is the cluster administrator, on whom no policy that asks for the verb manage has an effect.
func admin(t *testing.T) client.WithWatch {
	t.Helper()
	return host(t).Client()
}

// as returns a client that acts as somebody else.
func as(t *testing.T, user string) client.Client {
	t.Helper()
	config := host(t).RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	c, err := client.New(config, client.Options{Scheme: admin(t).Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// templateNamespace creates a namespace whose objects are templates; it is deleted when the test ends.
func templateNamespace(t *testing.T) string {
	t.Helper()
	return namespace(t, map[string]string{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled})
}

func namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	created := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "admission-", Labels: labels}}
	create(t, admin(t), created)
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(admin(t).Delete(context.WithoutCancel(t.Context()), created)); err != nil {
			t.Error(err)
		}
	})
	all := []string{"*"}
	bind(t, created.Name, editor, "edit", nil)
	bind(t, created.Name, statusWriter, "", []rbacv1.PolicyRule{{APIGroups: all, Resources: []string{"*/status"}, Verbs: all}})
	bind(t, created.Name, fleetWriter, "", []rbacv1.PolicyRule{
		{APIGroups: all, Resources: []string{"*/status"}, Verbs: all},
		{APIGroups: []string{"flotilla.dev"}, Resources: []string{"templates"}, Verbs: []string{"manage"}},
		{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: all},
	})
	return created.Name
}

// bind gives a user a cluster role, or a role with rules, in a namespace.
func bind(t *testing.T, namespace, user, clusterRole string, rules []rbacv1.PolicyRule) {
	t.Helper()
	reference := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: user}
	if rules != nil {
		create(t, admin(t), &rbacv1.Role{ObjectMeta: meta, Rules: rules})
		reference.Kind, reference.Name = "Role", user
	}
	create(t, admin(t), &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    reference,
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	})
}

// parse reads YAML documents and puts them into a namespace.
func parse(t *testing.T, namespace, documents string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(documents, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		object.SetNamespace(namespace)
		objects = append(objects, object)
	}
	return objects
}

// createAll creates YAML documents in a namespace and returns them as the host stored them.
func createAll(t *testing.T, c client.Client, namespace, documents string) []*unstructured.Unstructured {
	t.Helper()
	objects := parse(t, namespace, documents)
	for _, object := range objects {
		create(t, c, object)
	}
	return objects
}

func create(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func get[T client.Object](t *testing.T, namespace, name string, into T) T {
	t.Helper()
	if err := admin(t).Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
		t.Fatalf("reading %T %s/%s: %v", into, namespace, name, err)
	}
	return into
}

// list returns what a namespace holds of one kind.
func list(t *testing.T, namespace, apiVersion, kind string) []unstructured.Unstructured {
	t.Helper()
	found := &unstructured.UnstructuredList{}
	found.SetAPIVersion(apiVersion)
	found.SetKind(kind + "List")
	if err := admin(t).List(t.Context(), found, client.InNamespace(namespace)); err != nil {
		t.Fatalf("listing %s in %s: %v", kind, namespace, err)
	}
	return found.Items
}

// eventually waits until check returns no error.
func eventually(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()
	if err := until(t.Context(), check); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func until(ctx context.Context, check func(ctx context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("%w; last: %w", err, last)
	}
	return err
}

// wantRefused checks that a policy refused a request, and the words that the user gets.
func wantRefused(t *testing.T, err error, policy, message string) {
	t.Helper()
	if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
		t.Errorf("error = %v, want a refusal by %s", err, policy)
		return
	}
	for _, part := range []string{"'" + policy + "'", message} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("refused with:\n%v\nwant part:\n%s", err, part)
		}
	}
}

func wantAllowed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("refused: %v", err)
	}
}

// ownedBy makes a controller the owner of an object.
func ownedBy(owner *unstructured.Unstructured, object *unstructured.Unstructured) *unstructured.Unstructured {
	yes := true
	object.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind(), Name: owner.GetName(), UID: owner.GetUID(), Controller: &yes,
	}})
	return object
}
