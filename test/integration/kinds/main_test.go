package kinds

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 2, Nodes: 2}}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }

var policies struct {
	once sync.Once
	err  error
}

// inertFleet is the fleet, whose host runs nothing that lies in a template namespace.
func inertFleet(t *testing.T) *local.Fleet {
	t.Helper()
	fleet := bed.Fleet(t)
	policies.once.Do(func() {
		_, policies.err = kubectl(t, fleet, "apply", "--server-side", "-k", "../../../config/admission")
	})
	if policies.err != nil {
		t.Fatal(policies.err)
	}
	namespace := expect.Namespace(t, fleet)
	expect.Eventually(t, "the admission policies", func(ctx context.Context) error {
		// A claim would make storage on the host, so that it is refused in a template namespace.
		probe := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe"}, Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}}
		err := fleet.Host.Client().Create(ctx, probe, client.DryRunAll)
		if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
			return nil
		}
		return errors.Join(errors.New("a claim is still let in"), err)
	})
	return fleet
}

func kubectl(t *testing.T, fleet *local.Fleet, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), fleet.Program("kubectl"), append([]string{"--kubeconfig=" + fleet.Host.Kubeconfig}, args...)...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("kubectl %v: %w: %s", args, err, output)
	}
	return string(output), nil
}
