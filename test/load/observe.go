package load

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

const (
	// observeInterval is the pause after a watch has broken: a reflector's growing pauses would be measured as gaps.
	observeInterval = 100 * time.Millisecond
	// listTimeout bounds a list of a member that does not answer.
	listTimeout = 5 * time.Second
)

// observed are the kinds of templates.
var observed = []schema.GroupVersionKind{
	{Version: "v1", Kind: kindConfigMap},
	{Group: "apps", Version: "v1", Kind: kindDeployment},
}

// observe tells the ledger what a member holds of a kind, until ctx ends.
func (l *Load) observe(ctx context.Context, member *local.Cluster, kind schema.GroupVersionKind) {
	known := map[verdict.Key]bool{}
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		version, err := l.list(ctx, member, kind, known)
		if err == nil {
			l.watch(ctx, member, kind, version, known)
		}
	}, observeInterval)
}

func (l *Load) query() []client.ListOption {
	return []client.ListOption{client.InNamespace(l.options.Namespace), client.MatchingLabels{v1alpha1.ManagedLabel: "true"}}
}

func (l *Load) list(ctx context.Context, member *local.Cluster, kind schema.GroupVersionKind, known map[verdict.Key]bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list := listOf(kind)
	if err := member.Client().List(ctx, list, l.query()...); err != nil {
		return "", err
	}
	now, listed := time.Now(), map[verdict.Key]bool{}
	for i := range list.Items {
		listed[l.holds(member, kind, &list.Items[i], known, now)] = true
	}
	for key := range known {
		if !listed[key] {
			delete(known, key)
			l.ledger.release(member.Name, key, now)
		}
	}
	return list.ResourceVersion, nil
}

// watch returns when the watch breaks, whatever breaks it: the list that follows tells what was missed.
func (l *Load) watch(ctx context.Context, member *local.Cluster, kind schema.GroupVersionKind, version string, known map[verdict.Key]bool) {
	raw := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}}
	events, err := member.Client().Watch(ctx, listOf(kind), append(l.query(), raw)...)
	if err != nil {
		return
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		obj, ok := event.Object.(*metav1.PartialObjectMetadata)
		if !ok {
			return
		}
		now := time.Now()
		if event.Type != watch.Deleted {
			l.holds(member, kind, obj, known, now)
			continue
		}
		key := keyOf(kind, obj)
		delete(known, key)
		l.ledger.release(member.Name, key, now)
	}
}

func (l *Load) holds(member *local.Cluster, kind schema.GroupVersionKind, obj client.Object, known map[verdict.Key]bool, now time.Time) verdict.Key {
	key := keyOf(kind, obj)
	known[key] = true
	l.ledger.hold(member.Name, key, sequenceOf(obj), now)
	return key
}

func keyOf(kind schema.GroupVersionKind, obj client.Object) verdict.Key {
	return verdict.Key{Kind: kind.Kind, Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

func listOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	return list
}
