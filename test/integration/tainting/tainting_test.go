package tainting

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	posts "github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	unreachable = v1alpha1.UnreachableTaint + "="
	notReady    = v1alpha1.NotReadyTaint + "="
)

func TestAClusterThatIsLostIsTaintedAndItsUsersTaintsStay(t *testing.T) {
	host := setUp(t)
	join(t, host, "one", "two", "three")
	expect.Change(t, host, named("one"), func(c *v1alpha1.Cluster) {
		c.Spec.Taints = []corev1.Taint{{Key: "mine", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
	})
	report(t, host, "one", metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable)
	expect.Seen(t, host, named("one"), has("mine=yes:NoSchedule", unreachable+":NoSchedule"))
	expect.Seen(t, host, named("one"), says(v1alpha1.ReasonEvictionPending))
	expect.Seen(t, host, named("one"), has("mine=yes:NoSchedule", unreachable+":NoSchedule", unreachable+":NoExecute"))
	expect.Seen(t, host, named("one"), says(v1alpha1.ReasonEvicting))

	// What users do to the list in between keeps both sides' taints.
	expect.Change(t, host, named("one"), func(c *v1alpha1.Cluster) {
		c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: "later", Effect: corev1.TaintEffectNoSchedule})
	})
	report(t, host, "one", metav1.ConditionFalse, v1alpha1.ReasonClusterNotReady)
	expect.Seen(t, host, named("one"), has("mine=yes:NoSchedule", "later=:NoSchedule", notReady+":NoSchedule", notReady+":NoExecute"))

	// A client that knows nothing of them replaces the whole list: they come back.
	list := []byte(`{"spec":{"taints":[{"key":"only","effect":"NoSchedule"}]}}`)
	if err := host.Client().Patch(t.Context(), named("one"), client.RawPatch(types.MergePatchType, list)); err != nil {
		t.Fatal(err)
	}
	expect.Seen(t, host, named("one"), has("only=:NoSchedule", notReady+":NoSchedule", notReady+":NoExecute"))

	report(t, host, "one", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	expect.Seen(t, host, named("one"), has("only=:NoSchedule"))
	expect.Seen(t, host, named("one"), says(""))
	expect.Seen(t, host, named("two"), has())
}

// lostAtOnce reports all as lost before any of them has been so for the delay. A machine that is too busy for that gets another try.
func lostAtOnce(t *testing.T, host *local.Cluster, names ...string) {
	t.Helper()
	expect.Eventually(t, "losses at once", func(context.Context) error {
		begin := time.Now().Truncate(time.Second) // as reports are dated
		for _, name := range names {
			report(t, host, name, metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable)
		}
		took := time.Since(begin)
		if took < delay {
			return nil
		}
		for _, name := range names {
			report(t, host, name, metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
		}
		for _, name := range names {
			expect.Seen(t, host, named(name), has())
		}
		return fmt.Errorf("the reports took %s", took)
	})
}

func TestAFleetThatIsLostAtOnceIsNotEvicted(t *testing.T) {
	host := setUp(t)
	join(t, host, "one", "two", "three")
	lostAtOnce(t, host, "one", "two", "three")
	for _, name := range []string{"one", "two", "three"} {
		expect.Seen(t, host, named(name), says(v1alpha1.ReasonEvictionHeld))
	}
	never(t, host, "one", 3*delay, v1alpha1.UnreachableTaint)

	// When the host sees the others again, what is still lost has been so for long enough.
	report(t, host, "two", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	report(t, host, "three", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	expect.Seen(t, host, named("one"), has(unreachable+":NoSchedule", unreachable+":NoExecute"))
	expect.Seen(t, host, named("two"), has())
	expect.Seen(t, host, named("three"), has())
}

func TestAClusterThatIsBackGetsNothingNewUntilItIsClean(t *testing.T) {
	host := setUp(t)
	join(t, host, "one", "two", "three")
	report(t, host, "one", metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable)
	expect.Seen(t, host, named("one"), has(unreachable+":NoSchedule", unreachable+":NoExecute"))

	// Meanwhile web was moved to another cluster.
	binding := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: v1alpha1.BindingSpec{
			Resource: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"},
			Clusters: []v1alpha1.TargetCluster{{Name: "two"}},
		},
	}
	expect.Create(t, host, binding)
	binding.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{ClusterName: "one", Health: v1alpha1.HealthUnknown}}
	if err := host.Client().Status().Update(t.Context(), binding); err != nil {
		t.Fatal(err)
	}

	report(t, host, "one", metav1.ConditionTrue, v1alpha1.ReasonClusterReady)
	expect.Seen(t, host, named("one"), says(v1alpha1.ReasonCleaningUp))
	expect.Seen(t, host, named("one"), has(unreachable+":NoSchedule"))
	board.Post(client.ObjectKeyFromObject(binding), "one", posts.Report{Gone: true, BindingGeneration: 1})
	expect.Seen(t, host, named("one"), has())
	expect.Seen(t, host, named("one"), says(""))
	expect.Delete(t, host, binding)
}

// never watches for a while that a cluster does not get a NoExecute taint of a key.
func never(t *testing.T, host *local.Cluster, name string, length time.Duration, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	for ctx.Err() == nil {
		cluster := named(name)
		if err := host.Client().Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster); err != nil {
			t.Fatal(err)
		}
		for _, taint := range cluster.Spec.Taints {
			if taint.Key == key && taint.Effect == corev1.TaintEffectNoExecute {
				t.Fatalf("cluster %s has %v", name, taint)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func TestTheTaintsOfAPolicyEndWithTheConditionAndWithThePolicy(t *testing.T) {
	host := setUp(t)
	join(t, host, "one", "two")
	expect.Change(t, host, named("two"), func(c *v1alpha1.Cluster) {
		c.Spec.Taints = []corev1.Taint{{Key: "lamp", Value: "mine", Effect: corev1.TaintEffectNoSchedule}}
	})
	policy := &v1alpha1.ClusterTaintPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "lamps"},
		Spec: v1alpha1.ClusterTaintPolicySpec{
			AddOnConditions: []v1alpha1.ConditionMatch{{ConditionType: "example.com/Dark", Operator: v1alpha1.ConditionIn, StatusValues: []metav1.ConditionStatus{metav1.ConditionTrue}}},
			Taints:          []v1alpha1.PolicyTaint{{Key: "lamp", Value: "off", Effect: corev1.TaintEffectNoSchedule}, {Key: "door", Effect: corev1.TaintEffectNoExecute}},
		},
	}
	expect.Create(t, host, policy)
	darken(t, host, "one", metav1.ConditionTrue)
	darken(t, host, "two", metav1.ConditionTrue)
	expect.Seen(t, host, named("one"), has("lamp=off:NoSchedule", "door=:NoExecute"))
	expect.Seen(t, host, named("two"), has("lamp=mine:NoSchedule", "door=:NoExecute"))
	expect.Seen(t, host, policy, func(p *v1alpha1.ClusterTaintPolicy) error {
		if p.Status.MatchedClusters != 2 || p.Status.TaintedClusters != 2 {
			return fmt.Errorf("status is %+v", p.Status)
		}
		return expect.HasCondition(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonObeyed, "")
	})
	darken(t, host, "one", metav1.ConditionFalse)
	expect.Seen(t, host, named("one"), has())
	expect.Delete(t, host, policy)
	expect.Seen(t, host, named("two"), has("lamp=mine:NoSchedule"))
}

// darken writes a condition of a user's own, as somebody else than the manager.
func darken(t *testing.T, host *local.Cluster, name string, status metav1.ConditionStatus) {
	t.Helper()
	cluster := named(name)
	if err := host.Client().Get(t.Context(), client.ObjectKeyFromObject(cluster), cluster); err != nil {
		t.Fatal(err)
	}
	before := cluster.DeepCopy()
	meta.SetStatusCondition(&cluster.Status.Conditions, metav1.Condition{Type: "example.com/Dark", Status: status, Reason: "Sensor"})
	if err := host.Client().Status().Patch(t.Context(), cluster, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

func TestTaintsThatEvictAndHaveNoTimeGetOneInTheStatus(t *testing.T) {
	host := setUp(t)
	join(t, host, "one")
	taint := corev1.Taint{Key: "mine", Effect: corev1.TaintEffectNoExecute}
	expect.Change(t, host, named("one"), func(c *v1alpha1.Cluster) { c.Spec.Taints = []corev1.Taint{taint} })
	expect.Seen(t, host, named("one"), func(c *v1alpha1.Cluster) error {
		if _, known := c.TaintedSince(&taint); !known || c.Spec.Taints[0].TimeAdded != nil {
			return fmt.Errorf("taints %v, times %v", c.Spec.Taints, c.Status.TaintTimes)
		}
		return nil
	})
	expect.Change(t, host, named("one"), func(c *v1alpha1.Cluster) { c.Spec.Taints = nil })
	expect.Seen(t, host, named("one"), func(c *v1alpha1.Cluster) error {
		if len(c.Status.TaintTimes) > 0 {
			return fmt.Errorf("times %v", c.Status.TaintTimes)
		}
		return nil
	})
}
