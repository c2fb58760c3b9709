package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// directly lets the old copy go before the new one is made.
func directly(spec *v1alpha1.PropagationSpec) {
	spec.Failover = &v1alpha1.FailoverBehavior{Cluster: &v1alpha1.ClusterFailoverBehavior{PurgeMode: v1alpha1.PurgeDirectly}}
}

// slow is a finalizer that lets a pod take its time to end, as one with a long terminationGracePeriodSeconds does on a real node.
const slow = "example.com/slow"

// podsOf are all pods of a template in a member, ready or not, those that are ending included.
func podsOf(ctx context.Context, member *local.Cluster, template *appsv1.Deployment) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := member.Client().List(ctx, &pods, client.InNamespace(template.Namespace), client.MatchingLabels(template.Spec.Selector.MatchLabels))
	return pods.Items, err
}

// quicken lets the pods of a template in a member end at once.
func quicken(ctx context.Context, member *local.Cluster, template *appsv1.Deployment) error {
	pods, err := podsOf(ctx, member, template)
	if err != nil {
		return err
	}
	var errs []error
	for i := range pods {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		errs = append(errs, client.IgnoreNotFound(member.Client().Patch(ctx, &pods[i], patch)))
	}
	return errors.Join(errs...)
}

// podsEverywhere are the pods of a template, by the members that have any.
func podsEverywhere(ctx context.Context, fleet *local.Fleet, template *appsv1.Deployment) (map[string]sets.Set[types.UID], error) {
	found := map[string]sets.Set[types.UID]{}
	for _, member := range fleet.Members {
		pods, err := podsOf(ctx, member, template)
		if err != nil {
			return nil, err
		}
		for i := range pods {
			if found[member.Name] == nil {
				found[member.Name] = sets.New[types.UID]()
			}
			found[member.Name].Insert(pods[i].UID)
		}
	}
	return found, nil
}

// together watches whether pods of a template are ever in two members at the same time. Members are asked one after the other, so
// that a pod counts when it is seen in two rounds: then it was there in the moment between them.
func together(t *testing.T, fleet *local.Fleet, template *appsv1.Deployment) func() (samples, seen int) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	var samples, seen int
	go func() {
		defer close(ended)
		ticks := time.NewTicker(100 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.Context().Done():
				return
			case <-ticks.C:
			}
			first, err := podsEverywhere(t.Context(), fleet, template)
			if err != nil {
				continue
			}
			if samples++; len(first) < 2 {
				continue
			}
			second, err := podsEverywhere(t.Context(), fleet, template)
			if err != nil {
				continue
			}
			maps.DeleteFunc(second, func(member string, pods sets.Set[types.UID]) bool {
				return !pods.HasAny(first[member].UnsortedList()...)
			})
			if len(second) > 1 {
				seen++
			}
		}
	}()
	return func() (int, int) {
		close(done)
		<-ended
		return samples, seen
	}
}

func TestACopyThatIsPurgedDirectlyNeverRunsBesideItsReplacement(t *testing.T) {
	fleet, ns := start(t)
	foo := builder.Deployment(ns, "foo", builder.Replicas(wanted), func(d *appsv1.Deployment) { d.Spec.Template.Finalizers = []string{slow} })
	p := builder.Policy(ns, "foo", builder.Selecting("apps/v1", "Deployment", "foo"), builder.Aggregating(), directly, builder.Clusters("member1"))
	t.Cleanup(func() {
		for _, member := range fleet.Members {
			if err := quicken(context.WithoutCancel(t.Context()), member, foo); err != nil {
				t.Errorf("letting the pods in %s go: %v", member.Name, err)
			}
		}
	})
	expect.Create(t, fleet.Host, p, foo.DeepCopy())
	serves(t, fleet, foo, wanted)
	namingClusters(t, fleet, p, "member1", "member2")
	watch := together(t, fleet, foo)
	taint(t, fleet, "member1", "example.com/maintenance", func() {
		ending := time.Time{}
		expect.Eventually(t, "pods that take two seconds to end", func(ctx context.Context) error {
			pods, err := podsOf(ctx, fleet.Member("member1"), foo)
			switch {
			case err != nil:
				return err
			case len(pods) != wanted || slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return pod.DeletionTimestamp == nil }):
				return fmt.Errorf("not all of %d pods are ending", len(pods))
			case ending.IsZero():
				ending = time.Now()
			}
			if time.Since(ending) < 2*time.Second {
				return errors.New("they have just begun to")
			}
			return quicken(ctx, fleet.Member("member1"), foo)
		})
		only(t, fleet, foo, "member2")
	})
	serves(t, fleet, foo, wanted)
	samples, seen := watch()
	t.Logf("%d samples, %d with copies in two members", samples, seen)
	if seen > 0 || samples == 0 {
		t.Errorf("in %d of %d samples copies ran in two members", seen, samples)
	}
}

func TestADirectPurgeDoesNotWaitForALostMember(t *testing.T) {
	fleet, ns := start(t)
	foo, p := placed(t, fleet, ns, builder.Aggregating(), directly, builder.Clusters("member1"))
	namingClusters(t, fleet, p, "member1", "member2")
	began := time.Now()
	back := lost(t, fleet, "member1")
	survivors(t, fleet, foo, wanted, "member1")
	t.Logf("%s from the loss until the replacement was ready; the thresholds are %s", time.Since(began).Round(10*time.Millisecond), thresholds)
	back()
	healthy(t, fleet)
	serves(t, fleet, foo, wanted)
}

func TestWhatFitsOnlyInPartMovesInPart(t *testing.T) {
	fleet, ns := start(t)
	// Five nodes of 16 CPUs hold ten of these, and each of two members has seven.
	foo := builder.Deployment(ns, "foo", builder.Replicas(14), builder.Requests("cpu", "8"))
	p := builder.Policy(ns, "foo", builder.Selecting("apps/v1", "Deployment", "foo"), builder.ByRoom(), builder.Clusters("member1", "member2"))
	expect.Create(t, fleet.Host, p, foo.DeepCopy())
	serves(t, fleet, foo, 14)
	expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Placed(map[string]int32{"member1": 7, "member2": 7}, 0))
	watcher := serve(t, fleet, foo, 14)
	taint(t, fleet, "member1", "example.com/maintenance", func() {
		expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Placed(map[string]int32{"member1": 4, "member2": 10}, 0))
		expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Condition(v1alpha1.ConditionScheduled, metav1.ConditionFalse, v1alpha1.ReasonLeaving, "4 replicas stay"))
		expect.Seen(t, fleet.Member("member1"), foo.DeepCopy(), func(d *appsv1.Deployment) error {
			if *d.Spec.Replicas != 4 {
				return fmt.Errorf("it asks for %d replicas", *d.Spec.Replicas)
			}
			return nil
		})
	})
	serves(t, fleet, foo, 14)
	watcher.neverDipped(t, "foo")
}
