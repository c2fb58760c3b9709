package definitions

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{
	Options:            local.Options{Members: 1, Nodes: 1, Managers: 1},
	DenialsMeanNothing: "the kinds go while they are watched",
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(bed.Run(m))
}

// TestWhatRunsInMembersOutlivesTheDefinitions deletes what guards the definitions first, as `kubectl delete -k` does where the admission
// policies are installed with the rest.
func TestWhatRunsInMembersOutlivesTheDefinitions(t *testing.T) {
	fleet := bed.Fleet(t)
	ns, member := expect.Namespace(t, fleet), fleet.Member("member1")
	web, settings := builder.Deployment(ns, "web", builder.Replicas(2)), builder.ConfigMap(ns, "settings", "color", "red")
	wrapped := builder.ConfigMap(ns, "wrapped", "color", "blue")
	wrapper := &v1alpha1.ResourceTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "wrapped"}}
	wrapper.Spec.Manifest.Raw = fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": %q}, "data": {"color": "blue"}}`, wrapped.Name)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", "web"), builder.Selecting("v1", "ConfigMap", "settings"),
		builder.Selecting("v1", "ConfigMap", "wrapped"), builder.Clusters("member1")), web.DeepCopy(), settings.DeepCopy(), wrapper)
	uids := map[string]types.UID{}
	for _, copied := range []client.Object{web, settings, wrapped} {
		expect.Seen(t, member, copied, ours)
		uids[copied.GetName()] = copied.GetUID()
	}

	t.Log("the guard goes, and all definitions after it")
	guard := metav1.ObjectMeta{Name: "flotilla-clusters-first"}
	expect.Delete(t, fleet.Host, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: guard})
	expect.Delete(t, fleet.Host, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: guard})
	var all []*metav1.PartialObjectMetadata
	expect.Eventually(t, "the definitions can be deleted", func(ctx context.Context) error {
		var err error
		all, err = deleteDefinitions(ctx, fleet.Host.Client())
		return err
	})
	for _, definition := range all {
		expect.Gone(t, fleet.Host, definition)
	}
	for _, left := range []client.Object{&appsv1.Deployment{ObjectMeta: web.ObjectMeta}, &corev1.ConfigMap{ObjectMeta: settings.ObjectMeta}, &corev1.ConfigMap{ObjectMeta: wrapped.ObjectMeta}} {
		expect.Seen(t, member, left, func(o client.Object) error {
			if o.GetUID() != uids[o.GetName()] || o.GetDeletionTimestamp() != nil {
				return fmt.Errorf("%s is another one, or goes", o.GetName())
			}
			if ours(o) == nil {
				return fmt.Errorf("%s has still Flotilla's marks", o.GetName())
			}
			return nil
		})
	}
}

func ours(o client.Object) error {
	if o.GetLabels()[v1alpha1.ManagedLabel] != "true" {
		return fmt.Errorf("%s has no mark", o.GetName())
	}
	return nil
}

// deleteDefinitions orders the deletion of all definitions, and returns them.
func deleteDefinitions(ctx context.Context, host client.Client) ([]*metav1.PartialObjectMetadata, error) {
	definitions := &metav1.PartialObjectMetadataList{}
	definitions.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	if err := host.List(ctx, definitions); err != nil {
		return nil, err
	}
	var all []*metav1.PartialObjectMetadata
	for i := range definitions.Items {
		definition := &definitions.Items[i]
		if !strings.HasSuffix(definition.Name, "."+v1alpha1.GroupVersion.Group) {
			continue
		}
		if err := client.IgnoreNotFound(host.Delete(ctx, definition)); err != nil {
			return nil, err
		}
		all = append(all, definition)
	}
	return all, nil
}
