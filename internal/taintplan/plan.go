package taintplan

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// Key is what tells the taints of a cluster apart.
type Key = v1alpha1.TaintKey

// Input is what a plan is made of.
type Input struct {
	// Clusters are all of them.
	Clusters []v1alpha1.Cluster
	// Policies are all of them.
	Policies []v1alpha1.ClusterTaintPolicy
	// Owned are the taints that Flotilla itself has put on each cluster, by the cluster's name.
	Owned map[string]map[Key]bool
	// Leftovers are how many templates each cluster holds that should not be there any more, by the cluster's name. Only clusters that
	// are Returning count.
	Leftovers map[string]int
	// Failover is true when what runs in clusters that are lost is evicted, and when policies count.
	Failover bool
	// Delay is how long a cluster must have been lost, as far as this process knows, until it is evicted.
	Delay time.Duration
	// Verdict on the fleet.
	Verdict stampede.Verdict
	// Sightings are what this process itself has seen of the members.
	Sightings stampede.Sightings
	// HeldUntil is when the Verdict last ceased to hold what evicts; zero for never. What happened before tells nothing.
	HeldUntil time.Time
	// Now is the time.
	Now time.Time
}

// Plan is what should be.
type Plan struct {
	// Clusters by name. One that is being deleted is left as it is, and is not here.
	Clusters map[string]ClusterPlan
	// Policies by name: their statuses.
	Policies map[string]v1alpha1.ClusterTaintPolicyStatus
	// Next is when the plan changes although nothing else does; zero for never.
	Next time.Time
}

// ClusterPlan is what should be on one cluster.
type ClusterPlan struct {
	// Taints that Flotilla itself has put there, sorted by key and effect.
	Taints []corev1.Taint
	// Tainted is the condition; nil for none.
	Tainted *metav1.Condition
	// Times are when taints that evict and have no timeAdded were first seen.
	Times []v1alpha1.TaintTime
}

// Make makes a plan.
func Make(in Input) Plan {
	plan := Plan{Clusters: map[string]ClusterPlan{}, Policies: map[string]v1alpha1.ClusterTaintPolicyStatus{}}
	ruled := rule(in, plan.Policies)
	for i := range in.Clusters {
		cluster := &in.Clusters[i]
		if !cluster.DeletionTimestamp.IsZero() {
			continue
		}
		c := canvas{cluster: cluster, owned: in.Owned[cluster.Name], now: in.Now}
		var p ClusterPlan
		state := judge(in, cluster)
		if state != nil {
			c.health(state)
			p.Tainted = state.condition(cluster, in.Now)
			if !state.next.IsZero() && (plan.Next.IsZero() || state.next.Before(plan.Next)) {
				plan.Next = state.next
			}
		}
		for _, taint := range ruled[cluster.Name] {
			if taint.Effect != corev1.TaintEffectNoExecute || !in.Verdict.Held() || c.owned[Key{Key: taint.Key, Effect: taint.Effect}] {
				c.paint(taint, in.Now)
			}
		}
		p.Taints, p.Times = c.sorted(), times(cluster, in.Now)
		plan.Clusters[cluster.Name] = p
	}
	return plan
}

// canvas is a cluster while taints are put on it.
type canvas struct {
	cluster *v1alpha1.Cluster
	owned   map[Key]bool
	now     time.Time
	taints  []corev1.Taint
}

// paint wants a taint. One that somebody else has put there stays as it is; one that was there before keeps its time.
func (c *canvas) paint(taint corev1.Taint, since time.Time) {
	same := func(t corev1.Taint) bool { return t.Key == taint.Key && t.Effect == taint.Effect }
	if slices.ContainsFunc(c.taints, same) {
		return // an older policy was first
	}
	taint.TimeAdded = stamp(since)
	if at := slices.IndexFunc(c.cluster.Spec.Taints, same); at >= 0 {
		if !c.owned[Key{Key: taint.Key, Effect: taint.Effect}] {
			return
		}
		if added := c.cluster.Spec.Taints[at].TimeAdded; added != nil {
			taint.TimeAdded = added.DeepCopy()
		}
	}
	c.taints = append(c.taints, taint)
}

// health puts the taints of a state on the cluster.
func (c *canvas) health(s *state) {
	c.paint(corev1.Taint{Key: s.key, Effect: corev1.TaintEffectNoSchedule}, c.since(corev1.TaintEffectNoSchedule))
	if s.evict {
		c.paint(corev1.Taint{Key: s.key, Effect: corev1.TaintEffectNoExecute}, c.since(corev1.TaintEffectNoExecute))
	}
}

// since is when the automatic taint of an effect began, whichever of the two keys it has now: a member that turns from silent to not
// healthy gains no time.
func (c *canvas) since(effect corev1.TaintEffect) time.Time {
	since := c.now
	for i := range c.cluster.Spec.Taints {
		t := &c.cluster.Spec.Taints[i]
		if v1alpha1.IsHealthTaint(t.Key) && t.Effect == effect && c.owned[Key{Key: t.Key, Effect: t.Effect}] && t.TimeAdded != nil && t.TimeAdded.Time.Before(since) {
			since = t.TimeAdded.Time
		}
	}
	return since
}

func (c *canvas) sorted() []corev1.Taint {
	slices.SortFunc(c.taints, func(a, b corev1.Taint) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect))
	})
	return c.taints
}

// Ours are the taints of a cluster that Flotilla itself has put there, sorted as a plan's are.
func Ours(cluster *v1alpha1.Cluster, owned map[Key]bool) []corev1.Taint {
	var c canvas
	for _, taint := range cluster.Spec.Taints {
		if owned[Key{Key: taint.Key, Effect: taint.Effect}] {
			c.taints = append(c.taints, taint)
		}
	}
	return c.sorted()
}

// times keeps when taints that evict and do not say it began.
func times(cluster *v1alpha1.Cluster, now time.Time) []v1alpha1.TaintTime {
	var kept []v1alpha1.TaintTime
	for i := range cluster.Spec.Taints {
		taint := &cluster.Spec.Taints[i]
		if taint.Effect != corev1.TaintEffectNoExecute || taint.TimeAdded != nil {
			continue
		}
		since, known := cluster.TaintedSince(taint)
		if !known {
			since = now
		}
		kept = append(kept, v1alpha1.TaintTime{Key: taint.Key, Effect: taint.Effect, Since: *stamp(since)})
	}
	return kept
}

// stamp has the API's precision, a second.
func stamp(t time.Time) *metav1.Time {
	at := metav1.NewTime(t.Truncate(time.Second))
	return &at
}

func readyOf(cluster *v1alpha1.Cluster) *metav1.Condition {
	return meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
}
