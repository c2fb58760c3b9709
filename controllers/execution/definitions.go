package execution

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=clusters.flotilla.dev;clusterresourcebindings.flotilla.dev;clusterresourcetemplates.flotilla.dev;resourcebindings.flotilla.dev;resourcetemplates.flotilla.dev,verbs=get

// definitionNames are the definitions without which nothing would be wanted in members any more. Whoever deletes one deletes every object
// of its kind, but has not said a word about what runs there.
var definitionNames = []string{
	"clusters." + v1alpha1.GroupVersion.Group,
	"clusterresourcebindings." + v1alpha1.GroupVersion.Group,
	"clusterresourcetemplates." + v1alpha1.GroupVersion.Group,
	"resourcebindings." + v1alpha1.GroupVersion.Group,
	"resourcetemplates." + v1alpha1.GroupVersion.Group,
}

var definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// definitions tells whether the host still has Flotilla's API. Its answers serve all who ask while they are sought.
type definitions struct {
	host  client.Reader // past every cache: a definition goes before its objects do
	clock clock.PassiveClock

	mu    sync.Mutex
	asked time.Time
	going bool
}

func newDefinitions(host client.Reader) *definitions {
	return &definitions{host: host, clock: clock.RealClock{}}
}

// end says whether a definition is gone, or being deleted, as of now or later.
func (d *definitions) end(ctx context.Context) (bool, error) {
	since := d.clock.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked.After(since) {
		return d.going, nil
	}
	asked := d.clock.Now()
	for _, name := range definitionNames {
		definition := &metav1.PartialObjectMetadata{}
		definition.SetGroupVersionKind(definitionKind)
		err := d.host.Get(ctx, client.ObjectKey{Name: name}, definition)
		if client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("making sure that the definition %s stays: %w", name, err)
		}
		if d.going = apierrors.IsNotFound(err) || definition.DeletionTimestamp != nil; d.going {
			break
		}
	}
	d.asked = asked
	return d.going, nil
}
