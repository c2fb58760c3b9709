package validation

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// patience bounds the wait for the host to serve the kinds and to act on the policy, which takes seconds.
const patience = 90 * time.Second

// The fleet of these tests is a host alone.
var bed local.Bed

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }

var installation struct {
	once sync.Once
	err  error
}

// host returns a client of the host, where Flotilla's kinds are served.
func host(t *testing.T) client.Client {
	t.Helper()
	fleet := bed.Fleet(t)
	installation.once.Do(func() { installation.err = install(t, fleet) })
	if installation.err != nil {
		t.Fatal(installation.err)
	}
	return fleet.Host.Client()
}

func install(t *testing.T, fleet *local.Fleet) error {
	t.Helper()
	for _, arguments := range [][]string{
		{"apply", "--server-side", "--force-conflicts", "-k", "../../../config/crd"},
		{"apply", "--server-side", "--force-conflicts", "-f", "../../../config/admission/policies-namespace.yaml", "-f", "../../../config/admission/resource-templates.yaml"},
		{"wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"},
	} {
		arguments = append([]string{"--kubeconfig", fleet.Host.Kubeconfig}, arguments...)
		output, err := exec.CommandContext(t.Context(), fleet.Program("kubectl"), arguments...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("kubectl %v: %w\n%s", arguments, err, output)
		}
	}
	foreign := parse(t, edit(t, fullPolicy, "    namespace: default", "    namespace: elsewhere"))
	wrapper := parse(t, edit(t, wrappedClaim, "name: data, namespace: default, labels", "name: data, namespace: elsewhere, labels"))
	return wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		refused := func(object *unstructured.Unstructured, policy string) bool {
			err := fleet.Host.Client().Create(ctx, object.DeepCopy(), client.DryRunAll)
			return err != nil && strings.Contains(err.Error(), policy)
		}
		return refused(foreign, "flotilla-policies-namespace") && refused(wrapper, "flotilla-resource-templates"), nil
	})
}

func parse(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
		t.Fatalf("%v in:\n%s", err, document)
	}
	return object
}

// edit replaces the one place where old occurs.
func edit(t *testing.T, document, old, replacement string) string {
	t.Helper()
	if count := strings.Count(document, old); count != 1 {
		t.Fatalf("%q occurs %d times, want once, in:\n%s", old, count, document)
	}
	return strings.Replace(document, old, replacement, 1)
}

// create creates an object in dry-run, with unknown fields refused as kubectl does.
func create(t *testing.T, document string) (*unstructured.Unstructured, error) {
	t.Helper()
	object := parse(t, document)
	err := host(t).Create(t.Context(), object, client.DryRunAll, client.FieldValidation("Strict"))
	return object, err
}

func wantRefused(t *testing.T, err error, messages ...string) {
	t.Helper()
	if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatalf("error = %v, want a refusal", err)
	}
	for _, message := range messages {
		if !strings.Contains(err.Error(), message) {
			t.Errorf("refused with:\n%v\nwant part:\n%s", err, message)
		}
	}
}

// storedAsWritten creates each of some documents, and wants its spec back as it was written.
func storedAsWritten(t *testing.T, documents map[string]string) {
	t.Helper()
	for name, document := range documents {
		t.Run(name, func(t *testing.T) {
			stored, err := create(t, document)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, document).Object["spec"], stored.Object["spec"]); diff != "" {
				t.Errorf("written (-) and stored (+):\n%s", diff)
			}
		})
	}
}
