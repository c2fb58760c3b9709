package eviction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// concurrency is how many bindings are written at the same time.
const concurrency = 16

// errConflict says that somebody else was faster.
var errConflict = errors.New("the binding has changed")

// write writes what changes, tells it, and remembers what failed. conflicts is true when the cache was behind for a binding.
func (r *Reconciler) write(ctx context.Context, changes []eviction.Change) (conflicts bool, err error) {
	results := make([]error, len(changes))
	var writing errgroup.Group
	writing.SetLimit(concurrency)
	for i := range changes {
		writing.Go(func() error {
			results[i] = r.writeTasks(ctx, &changes[i])
			return nil
		})
	}
	_ = writing.Wait()
	var errs []error
	for i, result := range results {
		key := client.ObjectKeyFromObject(changes[i].Binding)
		switch {
		case result == nil:
			r.failed.Delete(key)
			r.tell(&changes[i])
		case errors.Is(result, errConflict):
			conflicts = true
		default:
			r.failed.Insert(key)
			errs = append(errs, result)
		}
	}
	return conflicts, errors.Join(errs...)
}

// writeTasks replaces the tasks of a binding, unless it has changed since it was read.
func (r *Reconciler) writeTasks(ctx context.Context, change *eviction.Change) error {
	var tasks any // null removes the field
	if len(change.Tasks) > 0 {
		tasks = change.Tasks
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": change.Binding.GetResourceVersion(), "uid": change.Binding.GetUID()},
		"spec":     map[string]any{"gracefulEvictionTasks": tasks},
	})
	key := client.ObjectKeyFromObject(change.Binding)
	if err != nil {
		return fmt.Errorf("encoding the eviction tasks of binding %s: %w", key, err)
	}
	written := v1alpha1.NewBinding(key.Namespace)
	written.SetNamespace(key.Namespace)
	written.SetName(key.Name)
	err = r.client.Patch(ctx, written, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(objectpatch.EvictionOwner))
	switch {
	case apierrors.IsNotFound(err):
		return nil // deleted meanwhile
	case apierrors.IsConflict(err):
		r.writes.Refused(key, change.Binding.GetResourceVersion())
		return errConflict
	case err != nil:
		return fmt.Errorf("writing the eviction tasks of binding %s: %w", key, err)
	}
	r.writes.Wrote(key, written.GetResourceVersion())
	return nil
}
