package descheduling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

const (
	// maxDepth bounds the walk from a pod to the object that this host made: a Pod of a ReplicaSet of a Deployment
	// takes two steps, operators add one or two.
	maxDepth = 6
	// traceTimeout bounds the walks in one member in one sweep. What was found is kept, so that the next sweep
	// gets further.
	traceTimeout = 10 * time.Second
	// foreignAge is how long an object that leads to no binding is not asked about again.
	foreignAge = 10 * time.Minute
)

// Members tells what happens in the members.
type Members interface {
	// Stuck are the pods that a member's scheduler finds no node for; false when nobody knows.
	Stuck(cluster string) ([]membercluster.StuckPod, bool)
	// Origin reads from a member where an object comes from; nil when it does not exist there.
	Origin(ctx context.Context, cluster string, gvk schema.GroupVersionKind, key types.NamespacedName) (*membercluster.Origin, error)
}

// trail is where an object in a member leads to.
type trail struct {
	binding types.NamespacedName // zero: to none of this host's
	at      time.Time
}

// trails are those of one member, by the UID of the pods' controllers.
type trails map[types.UID]trail

// bindingsOf counts what has been stuck in a member since before the deadline, by binding. Pods that cannot be traced
// are not counted; the error says why. The trails that are still needed are returned.
func (r *Reconciler) bindingsOf(ctx context.Context, cluster string, pods []membercluster.StuckPod, old trails) (map[types.NamespacedName]stuck, trails, error) {
	ctx, cancel := context.WithTimeout(ctx, traceTimeout)
	defer cancel()
	now := r.clock.Now()
	found, used, failed := map[types.NamespacedName]stuck{}, trails{}, map[types.UID]bool{}
	var errs []error
	for _, pod := range pods {
		uid := pod.Controller.UID
		if now.Sub(pod.Since) < r.options.Threshold || failed[uid] {
			continue
		}
		way, known := used[uid]
		if !known {
			way, known = old[uid]
			known = known && (way.binding.Name != "" || now.Sub(way.at) < foreignAge)
		}
		if !known && ctx.Err() != nil {
			continue // the next sweep gets further
		}
		if !known {
			binding, err := r.trace(ctx, cluster, pod)
			if err != nil {
				failed[uid] = true
				errs = append(errs, err)
				continue
			}
			way = trail{binding: binding, at: now}
		}
		used[uid] = way
		if way.binding.Name != "" {
			found[way.binding] = add(found[way.binding], pod)
		}
	}
	return found, used, errors.Join(errs...)
}

func add(s stuck, pod membercluster.StuckPod) stuck {
	if s.pods == 0 || pod.Since.Before(s.since) {
		s.since, s.message = pod.Since, pod.Message
	}
	s.pods++
	return s
}

// trace walks from a pod along its controllers to an object with this host's marks, and gives the binding that these
// name; the zero name when there is none.
func (r *Reconciler) trace(ctx context.Context, cluster string, pod membercluster.StuckPod) (types.NamespacedName, error) {
	owner := &pod.Controller
	for range maxDepth {
		gvk := schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind)
		origin, err := r.members.Origin(ctx, cluster, gvk, types.NamespacedName{Namespace: pod.Namespace, Name: owner.Name})
		if apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
			return types.NamespacedName{}, nil // what Flotilla may not read it did not make
		}
		if err != nil {
			return types.NamespacedName{}, fmt.Errorf("tracing the pods of %s %s/%s in %s: %w", owner.Kind, pod.Namespace, owner.Name, cluster, err)
		}
		if origin == nil || origin.UID != owner.UID {
			return types.NamespacedName{}, nil // it is gone, or a namesake took its place
		}
		if origin.Ours {
			namespace, name, _ := strings.Cut(origin.Binding, "/")
			return types.NamespacedName{Namespace: namespace, Name: name}, nil
		}
		if owner = origin.Controller; owner == nil {
			return types.NamespacedName{}, nil
		}
	}
	return types.NamespacedName{}, nil
}
