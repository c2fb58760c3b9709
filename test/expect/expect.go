package expect

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// Patience is how long Eventually waits. It bounds a broken run and says nothing about speed.
const Patience = 2 * time.Minute

// Eventually waits until check returns nil, and fails the test with its last error.
func Eventually(t testing.TB, what string, check func(ctx context.Context) error) {
	t.Helper()
	local.Eventually(t, Patience, func(ctx context.Context) error {
		if err := check(ctx); err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		return nil
	})
}

// Namespace makes a template namespace of its own for a test on the host, and takes it away afterwards. In the
// members it stays, empty, as any namespace that Flotilla created.
func Namespace(t testing.TB, fleet *local.Fleet) string {
	t.Helper()
	namespace := builder.TemplateNamespace("")
	namespace.GenerateName = "t-"
	Create(t, fleet.Host, namespace)
	name := namespace.Name
	awaitGuard(t, fleet, name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := client.IgnoreNotFound(fleet.Host.Client().Delete(ctx, namespace)); err != nil {
			t.Errorf("deleting namespace %s: %v", name, err)
		}
	})
	return name
}

// Create creates objects in a cluster.
func Create(t testing.TB, cluster *local.Cluster, objects ...client.Object) {
	t.Helper()
	for _, obj := range objects {
		if err := cluster.Client().Create(t.Context(), obj); err != nil {
			t.Fatalf("creating %T %s in %s: %v", obj, obj.GetName(), cluster.Name, err)
		}
	}
}

// Change changes an object in a cluster, again when somebody else was quicker.
func Change[T client.Object](t testing.TB, cluster *local.Cluster, obj T, change func(T)) {
	t.Helper()
	Eventually(t, fmt.Sprintf("the change of %s in %s", obj.GetName(), cluster.Name), func(ctx context.Context) error {
		if err := cluster.Client().Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		change(obj)
		return cluster.Client().Update(ctx, obj)
	})
}

// Delete deletes an object in a cluster.
func Delete(t testing.TB, cluster *local.Cluster, obj client.Object) {
	t.Helper()
	if err := cluster.Client().Delete(t.Context(), obj); err != nil {
		t.Fatalf("deleting %T %s in %s: %v", obj, obj.GetName(), cluster.Name, err)
	}
}

// Seen waits until a cluster holds an object that passes check; obj names it and receives it.
func Seen[T client.Object](t testing.TB, cluster *local.Cluster, obj T, check func(T) error) {
	t.Helper()
	Eventually(t, fmt.Sprintf("%T %s in %s", obj, client.ObjectKeyFromObject(obj), cluster.Name), func(ctx context.Context) error {
		if err := cluster.Client().Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		return check(obj)
	})
}

// Gone waits until a cluster does not hold an object.
func Gone(t testing.TB, cluster *local.Cluster, obj client.Object) {
	t.Helper()
	Eventually(t, fmt.Sprintf("the end of %T %s in %s", obj, client.ObjectKeyFromObject(obj), cluster.Name), func(ctx context.Context) error {
		err := cluster.Client().Get(ctx, client.ObjectKeyFromObject(obj), obj)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("it is still there")
	})
}

// Present is a check that always passes: being there is enough.
func Present[T client.Object](T) error { return nil }

// Binding names the binding of a template, to be read.
func Binding(template client.Object) v1alpha1.Binding {
	gvk := template.GetObjectKind().GroupVersionKind()
	binding := v1alpha1.NewBinding(template.GetNamespace())
	binding.SetNamespace(template.GetNamespace())
	binding.SetName(v1alpha1.BindingName(gvk.Group, gvk.Kind, template.GetName()))
	return binding
}

// Condition is a check for a condition of a binding: its status, its reason, and a part of its message.
func Condition(kind string, status metav1.ConditionStatus, reason, message string) func(v1alpha1.Binding) error {
	return func(binding v1alpha1.Binding) error {
		return HasCondition(binding.BindingStatus().Conditions, kind, status, reason, message)
	}
}

// HasCondition says what differs from a condition that is wanted; nil when nothing does.
func HasCondition(conditions []metav1.Condition, kind string, status metav1.ConditionStatus, reason, message string) error {
	c := meta.FindStatusCondition(conditions, kind)
	switch {
	case c == nil:
		return fmt.Errorf("there is no condition %s", kind)
	case c.Status != status || c.Reason != reason || !strings.Contains(c.Message, message):
		return fmt.Errorf("condition %s is %s, %s: %q; want %s, %s with %q", kind, c.Status, c.Reason, c.Message, status, reason, message)
	}
	return nil
}
