package scheduling

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// priorityClass makes one for the length of a test, and returns its name.
func priorityClass(t *testing.T, fleet *local.Fleet, name string, value int32) string {
	t.Helper()
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value}
	expect.Create(t, fleet.Host, class)
	t.Cleanup(func() {
		if err := fleet.Host.Client().Delete(context.Background(), class); err != nil {
			t.Errorf("deleting the PriorityClass %s: %v", name, err)
		}
	})
	return name
}

// joined joins a member for the length of a test.
func joined(t *testing.T, fleet *local.Fleet, name string) {
	t.Helper()
	if err := fleet.Join(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), expect.Patience)
		defer cancel()
		cluster := named(&v1alpha1.Cluster{}, name)
		// What fits nowhere else would keep the member for as long as the test's template lives.
		giveUp := client.RawPatch(mergePatch, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, v1alpha1.ForceDeleteAnnotation))
		if err := client.IgnoreNotFound(fleet.Host.Client().Patch(ctx, cluster, giveUp)); err != nil {
			t.Errorf("giving %s up: %v", name, err)
		}
		if err := client.IgnoreNotFound(fleet.Host.Client().Delete(ctx, cluster)); err != nil {
			t.Errorf("%s leaves: %v", name, err)
		}
		left(ctx, t, fleet, name)
	})
}

// left waits until a Cluster is gone.
func left(ctx context.Context, t *testing.T, fleet *local.Fleet, name string) {
	t.Helper()
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := fleet.Host.Client().Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.Cluster{})
		return apierrors.IsNotFound(err), nil
	})
	if err != nil {
		t.Errorf("%s did not leave: %v", name, err)
	}
}

// moments notes when something was first seen.
type moments struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func (m *moments) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.seen[what]; !known {
		m.seen[what] = time.Now()
	}
}

// watchUse notes when a Cluster is Ready, and when a decision of a namespace first names it.
func watchUse(t *testing.T, fleet *local.Fleet, ns, cluster string) *moments {
	t.Helper()
	m := &moments{seen: map[string]time.Time{}}
	for _, list := range []client.ObjectList{&v1alpha1.ClusterList{}, &v1alpha1.ResourceBindingList{}} {
		w, err := fleet.Host.Client().Watch(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		go func() {
			for e := range w.ResultChan() {
				switch obj := e.Object.(type) {
				case *v1alpha1.Cluster:
					if obj.Name == cluster && meta.IsStatusConditionTrue(obj.Status.Conditions, v1alpha1.ConditionReady) {
						m.note("ready")
					}
				case *v1alpha1.ResourceBinding:
					if _, used := expect.Placement(obj)[cluster]; used && obj.Namespace == ns {
						m.note("used")
					}
				}
			}
		}()
	}
	return m
}

func TestAClusterThatJoinsIsUsedByWhatIsPending(t *testing.T) {
	fleet, ns := start(t)
	stuck := watchStuck(t, fleet, ns)
	app := web(ns, "web", allCPUs/2+2)
	expect.Create(t, fleet.Host, governing(ns, "", builder.ByRoom()), app.DeepCopy())
	decided(t, fleet, app, map[string]int32{"member1": 4, "member2": 4, "member3": 6}, 2)
	use := watchUse(t, fleet, ns, "member4")
	joined(t, fleet, "member4")
	decided(t, fleet, app, map[string]int32{"member1": 4, "member2": 4, "member3": 6, "member4": 2}, 0)
	expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(allCPUs/2+2))
	stuck.none(t)

	use.mu.Lock()
	defer use.mu.Unlock()
	t.Logf("from Ready until a pending binding was placed there: %s", use.seen["used"].Sub(use.seen["ready"]).Round(time.Millisecond))
}

func TestADecisionOutlivesItsPolicyAndFollowsWhenAClusterLeaves(t *testing.T) {
	fleet, ns := start(t)
	joined(t, fleet, "member4")
	app := web(ns, "web", 8)
	policy := governing(ns, "", builder.ByRoom())
	expect.Create(t, fleet.Host, policy, app.DeepCopy())
	expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(8))
	expect.Seen(t, fleet.Host, expect.Binding(app), func(b v1alpha1.Binding) error {
		if expect.Placement(b)["member4"] == 0 {
			return fmt.Errorf("member4 has none of it: %v", expect.Placement(b))
		}
		return nil
	})

	expect.Delete(t, fleet.Host, policy)
	expect.Delete(t, fleet.Host, named(&v1alpha1.Cluster{}, "member4"))
	expect.Seen(t, fleet.Host, expect.Binding(app), func(b v1alpha1.Binding) error {
		p := expect.Placement(b)
		if _, still := p["member4"]; still || p["member1"]+p["member2"]+p["member3"] != 8 {
			return fmt.Errorf("it is placed as %v", p)
		}
		return nil
	})
	expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(8))
	expect.Gone(t, fleet.Member("member4"), app.DeepCopy())
}
