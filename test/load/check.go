package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

const (
	// checkInterval is the pause between two looks.
	checkInterval = 500 * time.Millisecond
	// looks is how many in a row must find nothing.
	looks = 3
	// gatherTimeout bounds one look.
	gatherTimeout = 20 * time.Second
)

// Converged is what a check saw.
type Converged struct {
	// Templates on the host, and Objects of ours in all members.
	Templates, Objects int
	// Took is how long it was until everything agreed.
	Took time.Duration
}

// Check waits until templates, bindings and members agree, while no load runs. After the deadline its error lists all that does not.
func (l *Load) Check(ctx context.Context, deadline time.Duration) (Converged, error) {
	var seen Converged
	var took time.Duration
	last := errors.New("never looked")
	begin, good := time.Now(), 0
	err := wait.PollUntilContextTimeout(ctx, checkInterval, deadline, true, func(ctx context.Context) (bool, error) {
		var agree bool
		if seen, agree, last = l.look(ctx); !agree {
			good = 0
			return false, nil
		}
		if good++; good == 1 {
			took = time.Since(begin)
		}
		return good == looks, nil
	})
	if err != nil {
		return seen, fmt.Errorf("after %v: %w", deadline, errors.Join(last, err))
	}
	seen.Took = took
	return seen, nil
}

// look compares once.
func (l *Load) look(ctx context.Context) (Converged, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	picture, err := l.gather(ctx)
	if err != nil {
		return Converged{}, false, err
	}
	if err := l.sweep(ctx, picture); err != nil {
		return Converged{}, false, err
	}
	if findings := verdict.Judge(picture); len(findings) > 0 {
		return Converged{}, false, fmt.Errorf("%d findings:\n%s", len(findings), strings.Join(findings, "\n"))
	}
	seen := Converged{Templates: len(picture.Templates)}
	for _, objects := range picture.Members {
		for _, object := range objects {
			if object.Ours {
				seen.Objects++
			}
		}
	}
	return seen, true, nil
}

// sweep deletes templates whose creation arrived after they had been deleted again.
func (l *Load) sweep(ctx context.Context, p verdict.Picture) error {
	for key := range p.Templates {
		if _, wanted := p.Wanted[key]; wanted {
			continue
		}
		live := emptyOf(key.Kind)
		err := l.host.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, live)
		if err != nil || !l.ledger.doubted(key, sequenceOf(live)) {
			continue
		}
		l.late.Add(1)
		if err := l.host.Delete(ctx, live, client.Preconditions{UID: ptr.To(live.GetUID())}); err != nil {
			return fmt.Errorf("deleting the late %s: %w", key, err)
		}
	}
	return nil
}

// gather reads everything that is compared.
func (l *Load) gather(ctx context.Context) (verdict.Picture, error) {
	p := verdict.Picture{Wanted: l.ledger.wanted(), Members: map[string]map[verdict.Key]verdict.Object{}, Foreign: l.foreign}
	var err error
	if p.Templates, err = l.objects(ctx, l.fleet.Host); err != nil {
		return p, err
	}
	var bindings v1alpha1.ResourceBindingList
	if err := l.host.List(ctx, &bindings, client.InNamespace(l.options.Namespace)); err != nil {
		return p, fmt.Errorf("listing bindings: %w", err)
	}
	for i := range bindings.Items {
		p.Bindings = append(p.Bindings, bindingOf(&bindings.Items[i]))
	}
	for _, member := range l.fleet.Members {
		if p.Members[member.Name], err = l.objects(ctx, member); err != nil {
			return p, err
		}
	}
	return p, nil
}

func bindingOf(b *v1alpha1.ResourceBinding) verdict.Binding {
	r := b.Spec.Resource
	seen := verdict.Binding{
		Name:     b.Namespace + "/" + b.Name,
		Template: verdict.Key{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name},
		Clusters: map[string]int32{}, Pending: b.Status.PendingReplicas, Deleting: b.DeletionTimestamp != nil,
	}
	for _, target := range b.Spec.Clusters {
		seen.Clusters[target.Name] = ptr.Deref(target.Replicas, 0)
	}
	for _, retained := range b.Spec.Retained {
		seen.Retained = append(seen.Retained, retained.Name)
	}
	return seen
}

// objects are those of the load, and whatever else carries the marks of a host, in the load's namespace of a cluster.
func (l *Load) objects(ctx context.Context, cluster *local.Cluster) (map[verdict.Key]verdict.Object, error) {
	var configMaps corev1.ConfigMapList
	var deployments appsv1.DeploymentList
	for _, list := range []client.ObjectList{&configMaps, &deployments} {
		if err := cluster.Client().List(ctx, list, client.InNamespace(l.options.Namespace)); err != nil {
			return nil, fmt.Errorf("listing %T in %s: %w", list, cluster.Name, err)
		}
	}
	var all []client.Object
	for i := range configMaps.Items {
		all = append(all, &configMaps.Items[i])
	}
	for i := range deployments.Items {
		all = append(all, &deployments.Items[i])
	}
	all = slices.DeleteFunc(all, func(o client.Object) bool {
		return o.GetLabels()[modeLabel] == "" && o.GetLabels()[v1alpha1.ManagedLabel] == ""
	})
	objects := map[verdict.Key]verdict.Object{}
	for _, obj := range all {
		key, object := describe(obj)
		objects[key] = object
	}
	return objects, nil
}
