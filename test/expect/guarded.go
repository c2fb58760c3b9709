package expect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// guarded are the fleets whose managers are known to have installed the admission policies.
var guarded sync.Map

// awaitGuard waits, once per fleet, until the policies of its managers are in force: before that the host runs templates.
func awaitGuard(t testing.TB, fleet *local.Fleet, namespace string) {
	t.Helper()
	if _, known := guarded.Load(fleet); known || len(fleet.Managers()) == 0 {
		return
	}
	Eventually(t, "the admission policies", func(ctx context.Context) error { return StatusGuarded(ctx, fleet.Host, namespace) })
	Delete(t, fleet.Host, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: probe}})
	guarded.Store(fleet, true)
}

// probe is the Service by which is told what is guarded.
const probe = "probe"

// StatusGuarded tells by a Service of a template namespace whether the admission policy that keeps others from
// writing a template's status is in force. It comes last by name, and API servers take policies up in rounds of a
// second while they are being created: one that is in force does not mean that this one is.
func StatusGuarded(ctx context.Context, host *local.Cluster, namespace string) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: probe},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if err := client.IgnoreAlreadyExists(host.Client().Create(ctx, service)); err != nil {
		return fmt.Errorf("creating a Service to try its status: %w", err)
	}
	if err := host.Client().Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
		return fmt.Errorf("reading a Service to try its status: %w", err)
	}
	config := host.RESTConfig()
	// A service controller's identity: it may update the status of Services, and does not manage templates.
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:kube-system:service-controller"}
	controller, err := client.New(config, client.Options{Scheme: host.Client().Scheme()})
	if err != nil {
		return fmt.Errorf("becoming a service controller: %w", err)
	}
	err = controller.Status().Update(ctx, service, client.DryRunAll)
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		return nil
	}
	return errors.Join(errors.New("a status is not guarded yet"), err)
}
