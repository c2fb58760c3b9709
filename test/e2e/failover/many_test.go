package failover

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// many is a thousand where FLOTILLA_LONG is set.
var many = thousand()

func thousand() int {
	if os.Getenv("FLOTILLA_LONG") == "" {
		return 300
	}
	return 1000
}

const (
	// urgent is how many of them are: more than may leave in one second.
	urgent = 100
	// manyPatience bounds a broken run: Deployments are minutes of work for the controllers of a member.
	manyPatience = 5 * time.Minute
	// rate is how many evictions begin in a second and, where none has begun for a while, at the same time: the default.
	rate = 50
	// perBinding is what the eviction of a template costs, and no more: the task and its end.
	perBinding = 2
)

func TestManyTemplatesLeaveALostCluster(t *testing.T) {
	manyLeave(t, "v1", "ConfigMap")
}

// So many Deployments keep the host's and the members' own controllers busy as well, so that it is not they that the
// test above measures.
func TestManyDeploymentsLeaveALostCluster(t *testing.T) {
	if os.Getenv("FLOTILLA_LONG") == "" {
		t.Skip("it takes minutes: set FLOTILLA_LONG=1")
	}
	manyLeave(t, "apps/v1", "Deployment")
}

func manyLeave(t *testing.T, apiVersion, kind string) {
	t.Helper()
	fleet, ns := start(t)
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: ns}, Value: 1000}
	expect.Create(t, fleet.Host, class)
	t.Cleanup(func() {
		if err := fleet.Host.Client().Delete(context.Background(), class); err != nil {
			t.Errorf("deleting the PriorityClass: %v", err)
		}
	})
	one := func(spec *v1alpha1.PropagationSpec) {
		spec.Placement.SpreadConstraints = []v1alpha1.SpreadConstraint{{SpreadByField: v1alpha1.SpreadByCluster, MinGroups: 1, MaxGroups: new(int32(1))}}
	}
	labelled := func(value string) builder.PolicyOption {
		return func(spec *v1alpha1.PropagationSpec) {
			spec.ResourceSelectors[0].LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": value}}
		}
	}
	first := func(spec *v1alpha1.PropagationSpec) {
		spec.SchedulePriority = &v1alpha1.SchedulePriority{PriorityClassSource: v1alpha1.KubePriorityClass, PriorityClassName: class.Name}
	}
	selected := builder.Selecting(apiVersion, kind, "")
	policies := []*v1alpha1.PropagationPolicy{
		builder.Policy(ns, "plain", selected, labelled("plain"), one, builder.Clusters("member1")),
		builder.Policy(ns, "urgent", selected, labelled("urgent"), one, first, builder.Clusters("member1")),
	}
	for _, p := range policies {
		expect.Create(t, fleet.Host, p)
	}
	createMany(t, fleet, ns, kind)
	heldBy(t, fleet, ns, kind, "member1", many)
	for _, p := range policies {
		namingClusters(t, fleet, p, "member1", "member2")
	}
	knowing(t, fleet, ns, "member2")

	began := time.Now()
	back := lost(t, fleet, "member1")
	heldBy(t, fleet, ns, kind, "member2", many)
	t.Logf("%d templates: elsewhere %s after the loss; the thresholds are %s, the rate is 50/s", many, time.Since(began).Round(10*time.Millisecond), thresholds)
	firstEvicted(t, fleet, ns, began)
	back()
	healthy(t, fleet)
	heldBy(t, fleet, ns, kind, "member1", 0)
	heldBy(t, fleet, ns, kind, "member2", many)
	expect.Eventually(t, "two writes of each eviction", func(context.Context) error { return evictedOnce(t, fleet, ns, began) })
}

// evictedOnce says what is wrong when not each template of a namespace cost what its eviction must. What the other controllers write
// is told: how often, and what is refused as outdated, depends on how busy the machine is.
func evictedOnce(t *testing.T, fleet *local.Fleet, ns string, after time.Time) error {
	t.Helper()
	evictions, writes := map[string]int{}, map[string]int{}
	for _, w := range managersWrites(t, fleet, after) {
		switch {
		case w.Namespace != ns:
		case w.Code >= http.StatusMultipleChoices:
			writes["outdated"]++
		default:
			writes[strings.TrimSuffix(w.FieldManager+" "+w.Resource+"/"+w.Subresource, "/")]++
			if w.FieldManager == string(objectpatch.EvictionOwner) {
				evictions[w.Name]++
			}
		}
	}
	wrong := len(evictions) - many
	maps.DeleteFunc(evictions, func(_ string, n int) bool { return n == perBinding })
	if wrong != 0 || len(evictions) > 0 {
		return fmt.Errorf("the evictions of %v were written so often, and %d templates too many were evicted; want %d writes of each of %d", evictions, wrong, perBinding, many)
	}
	t.Logf("writes on the host for %d templates: %v", many, writes)
	return nil
}

// createMany makes many templates, of which some are urgent, several at a time.
func createMany(t *testing.T, fleet *local.Fleet, ns, kind string) {
	t.Helper()
	var making sync.WaitGroup
	queue := make(chan int)
	for range 8 {
		making.Go(func() {
			for i := range queue {
				tier := "plain"
				if i%(many/urgent) == 0 {
					tier = "urgent"
				}
				template := client.Object(builder.ConfigMap(ns, fmt.Sprintf("%s-%04d", tier, i)))
				if kind == "Deployment" {
					template = builder.Deployment(ns, template.GetName(), builder.Replicas(1))
				}
				template.SetLabels(map[string]string{"tier": tier})
				if err := fleet.Host.Client().Create(t.Context(), template); err != nil {
					t.Errorf("creating %s: %v", template.GetName(), err)
				}
			}
		})
	}
	for i := range many {
		queue <- i
	}
	close(queue)
	making.Wait()
}

// knowing waits until every binding of a namespace may use a cluster.
func knowing(t *testing.T, fleet *local.Fleet, ns, cluster string) {
	t.Helper()
	expect.Eventually(t, "bindings that know of "+cluster, func(ctx context.Context) error {
		var list v1alpha1.ResourceBindingList
		if err := fleet.Host.Client().List(ctx, &list, client.InNamespace(ns)); err != nil {
			return err
		}
		for i := range list.Items {
			b := &list.Items[i]
			if !slices.Contains(b.Spec.Placement.ClusterAffinity.ClusterNames, cluster) || b.Status.SchedulerObservedGeneration != b.Generation {
				return fmt.Errorf("%s does not", b.Name)
			}
		}
		return nil
	})
}

// heldBy waits until a member holds so many objects of a namespace because of templates, and they work there.
func heldBy(t *testing.T, fleet *local.Fleet, ns, kind, member string, n int) {
	t.Helper()
	count := readyConfigMaps
	if kind == "Deployment" {
		count = readyDeployments
	}
	local.Eventually(t, manyPatience, func(ctx context.Context) error {
		held, err := count(ctx, fleet.Member(member).Client(), client.InNamespace(ns), client.MatchingLabels{v1alpha1.ManagedLabel: "true"})
		if err == nil && held != n {
			err = fmt.Errorf("%s holds %d objects of kind %s that work, want %d", member, held, kind, n)
		}
		return err
	})
}

func readyConfigMaps(ctx context.Context, member client.Reader, options ...client.ListOption) (int, error) {
	var list corev1.ConfigMapList
	err := member.List(ctx, &list, options...)
	return len(list.Items), err
}

func readyDeployments(ctx context.Context, member client.Reader, options ...client.ListOption) (ready int, err error) {
	var list appsv1.DeploymentList
	err = member.List(ctx, &list, options...)
	for i := range list.Items {
		if list.Items[i].Status.ReadyReplicas > 0 {
			ready++
		}
	}
	return ready, err
}

// firstEvicted checks that the urgent templates were the first that were to be evicted. An attempt that was refused as outdated
// counts: it is made again.
func firstEvicted(t *testing.T, fleet *local.Fleet, ns string, after time.Time) {
	t.Helper()
	var order []string
	for _, w := range managersWrites(t, fleet, after) {
		if w.FieldManager == string(objectpatch.EvictionOwner) && w.Namespace == ns && !slices.Contains(order, w.Name) {
			order = append(order, w.Name)
		}
	}
	before := 0
	for _, name := range order[:min(urgent, len(order))] {
		if strings.HasPrefix(name, "urgent") {
			before++
		}
	}
	t.Logf("of the first %d templates that were moved, %d are urgent", urgent, before)
	// Those that begin at the same time are written in any order: others may be among them once all that are urgent are.
	for _, name := range order[:min(urgent-rate, len(order))] {
		if !strings.HasPrefix(name, "urgent") {
			t.Errorf("%s is among the first %d that were moved", name, urgent-rate)
		}
	}
}

// managersWrites are the writes of the manager on the host.
func managersWrites(t *testing.T, fleet *local.Fleet, after time.Time) []local.Write {
	t.Helper()
	writes, err := fleet.Host.Writes(after)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(writes, func(w local.Write) bool { return w.User != "system:serviceaccount:flotilla-system:flotilla-manager" })
}
