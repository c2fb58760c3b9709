package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// noon is when these tests play.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rooms are how many more replicas clusters have room for.
type rooms map[string]int32

func (r rooms) input() map[string]Room {
	if r == nil {
		return nil
	}
	result := map[string]Room{}
	for name, replicas := range r {
		result[name] = Room{Replicas: replicas, Shortage: "too little cpu"}
	}
	return result
}

// byAvailable divides by free room.
func byAvailable() *v1alpha1.Placement {
	return with(dividedBy(nil), func(p *v1alpha1.Placement) {
		p.ReplicaScheduling.WeightPreference = &v1alpha1.ClusterPreferences{DynamicWeight: v1alpha1.DynamicWeightByAvailableReplicas}
	})
}

func aggregated() *v1alpha1.Placement {
	return with(dividedBy(nil), func(p *v1alpha1.Placement) { p.ReplicaScheduling.ReplicaDivisionPreference = v1alpha1.Aggregated })
}

// bounded bounds the replicas of one cluster; negative is no bound.
func bounded(p *v1alpha1.Placement, cluster string, least, most int32) *v1alpha1.Placement {
	return with(p, func(p *v1alpha1.Placement) {
		bounds := v1alpha1.ReplicaBounds{TargetCluster: v1alpha1.ClusterAffinity{ClusterNames: []string{cluster}}}
		if least >= 0 {
			bounds.MinReplicas = ptr.To(least)
		}
		if most >= 0 {
			bounds.MaxReplicas = ptr.To(most)
		}
		p.ReplicaScheduling.ReplicaBounds = append(p.ReplicaScheduling.ReplicaBounds, bounds)
	})
}

// spread adds a constraint by a field, or by a label when the field has a slash; most 0 is no maximum.
func spread(p *v1alpha1.Placement, by string, least, most int32) *v1alpha1.Placement {
	return with(p, func(p *v1alpha1.Placement) {
		c := v1alpha1.SpreadConstraint{SpreadByField: v1alpha1.SpreadField(by), MinGroups: least}
		if by == "example.com/rack" {
			c.SpreadByField, c.SpreadByLabel = "", by
		}
		if most > 0 {
			c.MaxGroups = &most
		}
		p.SpreadConstraints = append(p.SpreadConstraints, c)
	})
}

// grouped makes affinity groups of clusters, each with its overflow tiers: the name of a group is its first cluster's.
func grouped(p *v1alpha1.Placement, groups ...[][]string) *v1alpha1.Placement {
	return with(p, func(p *v1alpha1.Placement) {
		for _, tiers := range groups {
			term := v1alpha1.ClusterAffinityTerm{AffinityName: "to-" + tiers[0][0], ClusterAffinity: v1alpha1.ClusterAffinity{ClusterNames: tiers[0]}}
			for _, overflow := range tiers[1:] {
				term.OverflowAffinities = append(term.OverflowAffinities, v1alpha1.OverflowAffinity{
					AffinityName: "over-" + overflow[0], ClusterAffinity: v1alpha1.ClusterAffinity{ClusterNames: overflow},
				})
			}
			p.ClusterAffinities = append(p.ClusterAffinities, term)
		}
	})
}

func failingBack(p *v1alpha1.Placement, after int32) *v1alpha1.Placement {
	return with(p, func(p *v1alpha1.Placement) { p.Failback = &v1alpha1.Failback{StabilizationSeconds: &after} })
}

// fleetOf are clusters named a, b, c and so on.
func fleetOf(n int, options ...func(*v1alpha1.Cluster)) []*v1alpha1.Cluster {
	clusters := make([]*v1alpha1.Cluster, n)
	for i := range clusters {
		clusters[i] = cluster(string(rune('a'+i)), options...)
	}
	return clusters
}

// life is one template in a fleet over time: what was decided is what the next decision begins with.
type life struct {
	t        *testing.T
	spec     *v1alpha1.BindingSpec
	clusters []*v1alpha1.Cluster
	room     rooms
	now      time.Time
	memory   Memory
	last     Decision
}

func begin(t *testing.T, replicas int32, p *v1alpha1.Placement, clusters []*v1alpha1.Cluster, room rooms) *life {
	t.Helper()
	return &life{t: t, spec: binding(replicas, p), clusters: clusters, room: room, now: noon}
}

// decide decides and carries out. The room that replicas take is taken, what they leave is given back.
func (l *life) decide() Decision {
	l.t.Helper()
	in := Input{Binding: l.spec, Clusters: l.clusters, Memory: l.memory, Room: l.room.input(), Now: l.now}
	l.last = Decide(in)
	for name, replicas := range difference(l.spec.Clusters, l.last.Clusters) {
		if _, bounded := l.room[name]; bounded {
			l.room[name] -= replicas
		}
	}
	l.spec.Clusters, l.memory = l.last.Clusters, l.last.Memory
	return l.last
}

func difference(before, after []v1alpha1.TargetCluster) map[string]int32 {
	result := map[string]int32{}
	for _, c := range before {
		result[c.Name] -= ptr.Deref(c.Replicas, 0)
	}
	for _, c := range after {
		result[c.Name] += ptr.Deref(c.Replicas, 0)
	}
	return result
}

// expect decides and compares: "a:3 b:2" with the reason, the pending replicas and the trigger.
func (l *life) expect(placement, reason string, pending int32, trigger string) *life {
	l.t.Helper()
	got := l.decide()
	type told struct {
		Placement, Reason, Trigger string
		Pending                    int32
	}
	if diff := cmp.Diff(told{placement, reason, trigger, pending}, told{placementOf(got.Clusters), got.Reason, got.Trigger, got.Pending}); diff != "" {
		l.t.Fatalf("Decide() (-want +got), which says %q:\n%s", got.Message, diff)
	}
	again := Decide(Input{Binding: l.spec, Clusters: l.clusters, Memory: l.memory, Room: l.room.input(), Now: l.now})
	if diff := cmp.Diff(placement, placementOf(again.Clusters)); diff != "" {
		l.t.Fatalf("a second decision changes the first (-first +second):\n%s", diff)
	}
	return l
}

// well is expect with success.
func (l *life) well(placement, trigger string) *life {
	l.t.Helper()
	return l.expect(placement, v1alpha1.ReasonScheduled, 0, trigger)
}

func (l *life) scale(replicas int32) *life {
	l.spec.Replicas = &replicas
	return l
}

func (l *life) after(d time.Duration) *life {
	l.now = l.now.Add(d)
	return l
}

func (l *life) request() *life {
	l.now = l.now.Add(time.Minute)
	l.spec.RescheduleTriggeredAt = &metav1.Time{Time: l.now}
	return l
}

func (l *life) place(p *v1alpha1.Placement) *life {
	l.spec.Placement = p
	return l
}

func placementOf(clusters []v1alpha1.TargetCluster) string {
	text := ""
	for i, c := range clusters {
		if i > 0 {
			text += " "
		}
		text += c.Name
		if c.Replicas != nil {
			text += fmt.Sprintf(":%d", *c.Replicas)
		}
	}
	return text
}
