package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// bindingTo makes a binding that names a cluster, and keeps it until the test lets go of it: scheduling and
// execution do not run here.
func bindingTo(t *testing.T, fleet *local.Fleet, cluster string) *v1alpha1.ResourceBinding {
	t.Helper()
	binding := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "web-"},
		Spec: v1alpha1.BindingSpec{
			Resource: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"},
			Clusters: []v1alpha1.TargetCluster{{Name: cluster}},
		},
	}
	expect.Create(t, fleet.Host, binding)
	t.Cleanup(func() { _ = fleet.Host.Client().Delete(context.Background(), binding) })
	return binding
}

func TestUnjoinRemovesEverythingOnceNoBindingNamesTheMember(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member1")
	join(t, fleet, "berlin", member.Kubeconfig)
	binding := bindingTo(t, fleet, "berlin")
	_, err := plugin(t, fleet, "unjoin", "berlin", "--keep", "--timeout", "3s")
	requireMessage(t, err, "cluster berlin has not left after 3s and goes on leaving: waits until its objects are removed or released: 1 binding left, such as default/"+binding.Name)
	leaving := named("berlin")
	expect.Seen(t, fleet.Host, leaving, ready(metav1.ConditionFalse, v1alpha1.ReasonRemoving, "1 binding left"))
	if leaving.Spec.DeletionPolicy != v1alpha1.KeepObjects {
		t.Errorf("the deletion policy is %s after --keep", leaving.Spec.DeletionPolicy)
	}
	_, err = plugin(t, fleet, "join", "berlin", "--cluster-kubeconfig", member.Kubeconfig)
	requireMessage(t, err, `the cluster "berlin" is still leaving: wait until`)

	expect.Delete(t, fleet.Host, binding)
	output, err := plugin(t, fleet, "unjoin", "berlin")
	if err != nil || !strings.Contains(output, "cluster berlin left; what it propagated stays in the member, without Flotilla's marks") {
		t.Errorf("%v\n%s", err, output)
	}
	expect.Gone(t, fleet.Host, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ExecutionNamespace("berlin")}})
	for _, obj := range accessObjects() {
		expect.Gone(t, member, obj)
	}
	_, err = plugin(t, fleet, "unjoin", "berlin")
	requireMessage(t, err, `no cluster has joined as "berlin"`)
}

func TestANamespaceThatOthersUseStaysInTheMember(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member1")
	join(t, fleet, "berlin", member.Kubeconfig)
	others := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "somebodys"}}
	expect.Create(t, member, others)
	if output, err := plugin(t, fleet, "unjoin", "berlin"); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, obj := range accessObjects()[:5] {
		expect.Gone(t, member, obj)
	}
	if err := member.Client().Get(t.Context(), client.ObjectKeyFromObject(others), others); err != nil {
		t.Errorf("what others had there: %v", err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}
	expect.Delete(t, member, namespace)
	expect.Gone(t, member, namespace)
}

func TestADeadMemberLeavesOnlyByForce(t *testing.T) {
	fleet := setUp(t)
	member := fleet.Member("member2")
	join(t, fleet, "oslo", member.ProxiedKubeconfig)
	binding := bindingTo(t, fleet, "oslo")
	if err := fleet.Cut(t.Context(), "member2"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.Heal(context.Background(), "member2") })

	_, err := plugin(t, fleet, "unjoin", "oslo", "--timeout", "5s")
	requireMessage(t, err, "has not left after 5s")
	expect.Seen(t, fleet.Host, named("oslo"), ready(metav1.ConditionFalse, v1alpha1.ReasonRemoving, fmt.Sprintf(
		"the removal of the objects of 1 binding, such as default/%s, waits for it. To give up on the member, run: kubectl flotilla unjoin NAME --force", binding.Name)))

	output, err := plugin(t, fleet, "unjoin", "oslo", "--force")
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, want := range []string{"cluster oslo left: given up: ", "in the member may stay the ClusterRole flotilla", "flotilla.dev/managed=true"} {
		if !strings.Contains(output, want) {
			t.Errorf("the output is\n%s\nand lacks %q", output, want)
		}
	}

	t.Run("and joins again when it is back", func(t *testing.T) {
		if err := fleet.Heal(t.Context(), "member2"); err != nil {
			t.Fatal(err)
		}
		expect.Delete(t, fleet.Host, binding)
		join(t, fleet, "oslo", member.ProxiedKubeconfig)
	})
	t.Run("and leaves clean", func(t *testing.T) {
		for _, obj := range accessObjects() {
			expect.Gone(t, member, obj)
		}
	})
}
