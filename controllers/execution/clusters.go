package execution

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// listenToClusters looks at all that a cluster holds again when what overrides can ask of it has changed, and at what is left over in it
// when somebody decides about that.
func (d *dispatcher) listenToClusters(ctx context.Context, mgr ctrl.Manager) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.Cluster{})
	if err != nil {
		return fmt.Errorf("watching clusters: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(old, obj any) {
		before, ok := old.(*v1alpha1.Cluster)
		after, also := obj.(*v1alpha1.Cluster)
		if ok && also && !sameFeatures(before, after) {
			d.clusterChanged(ctx, after.Name)
		}
		if ok && also && !sameOrders(before, after) {
			d.leftoversDecided(after.Name)
		}
	}})
	if err != nil {
		return fmt.Errorf("listening to clusters: %w", err)
	}
	return nil
}

// sameFeatures compares what overrides can ask of a cluster.
func sameFeatures(a, b *v1alpha1.Cluster) bool {
	return equality.Semantic.DeepEqual(a.Labels, b.Labels) && equality.Semantic.DeepEqual(a.Annotations, b.Annotations) &&
		a.Spec.Region == b.Spec.Region && a.Spec.Provider == b.Spec.Provider && equality.Semantic.DeepEqual(a.Spec.Zones, b.Spec.Zones)
}

// sameOrders compares what users say of what is left over in a cluster: that it leaves, what becomes of its objects then, and that the host
// is right.
func sameOrders(a, b *v1alpha1.Cluster) bool {
	return a.DeletionTimestamp.Equal(b.DeletionTimestamp) && a.Spec.DeletionPolicy == b.Spec.DeletionPolicy &&
		a.Annotations[v1alpha1.ConfirmedAnnotation] == b.Annotations[v1alpha1.ConfirmedAnnotation]
}

func (d *dispatcher) leftoversDecided(name string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if w := d.workers[name]; w != nil {
		w.enqueueLeftovers()
	}
}

func (d *dispatcher) clusterChanged(ctx context.Context, name string) {
	d.mu.RLock()
	w := d.workers[name]
	d.mu.RUnlock()
	if w == nil {
		return // its workers begin with everything
	}
	if err := w.enqueueAll(ctx); err != nil {
		log.FromContext(ctx).Error(err, "Cannot look up the bindings of a cluster", "cluster", name)
	}
}
