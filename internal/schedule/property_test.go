package schedule

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// randomLife is a template with any placement, in any fleet, with anything decided before.
func randomLife(t *testing.T, random *rand.Rand) *life {
	t.Helper()
	clusters, room := scattered(random)
	kinds := []*v1alpha1.Placement{duplicated(), dividedBy(nil), dividedBy(weights{"a": 1, "b": 2, "c": 3, "d": 1}), byAvailable(), aggregated()}
	p := kinds[random.IntN(len(kinds))]
	if p.Divides() && random.IntN(3) == 0 {
		p = bounded(p, "a", random.Int32N(4), 4+random.Int32N(4))
	}
	if random.IntN(3) == 0 {
		p = spread(p, "region", 1+random.Int32N(2), 0)
		p = spread(p, "cluster", random.Int32N(3), 3+random.Int32N(4))
	}
	if random.IntN(3) == 0 {
		p = grouped(p, [][]string{{"a", "b"}, {"c"}}, [][]string{{"d", "e", "f"}}, [][]string{{"b", "g"}, {"h"}, {"a"}})
		if random.IntN(2) == 0 {
			p = failingBack(p, random.Int32N(2))
		}
	}
	l := begin(t, random.Int32N(25), p, clusters, room)
	if random.IntN(5) == 0 {
		l.spec.ReplicaLimits = []v1alpha1.ReplicaLimit{{Cluster: "a", MaxReplicas: random.Int32N(5)}}
	}
	return l
}

// happen lets something happen to a template or its fleet.
func (l *life) happen(random *rand.Rand) {
	c := l.clusters[random.IntN(len(l.clusters))]
	switch random.IntN(8) {
	case 0:
		l.scale(random.Int32N(25))
	case 1:
		l.room[c.Name] = random.Int32N(12)
	case 2:
		c.Spec.Region = fmt.Sprintf("r%d", random.IntN(3))
	case 3:
		l.spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{{FromCluster: c.Name, Reason: "Test"}}
	case 4:
		l.spec.GracefulEvictionTasks = nil
	case 5:
		l.request()
	case 6:
		if len(l.clusters) > 1 {
			l.clusters = l.clusters[1:]
		}
	case 7:
		tainted("k", "v", "NoSchedule")(c)
	}
}

// TestPropertiesHoldOverALife lets random things happen to random templates, and checks after each of them what must
// hold for every decision.
func TestPropertiesHoldOverALife(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 9))
		l := randomLife(t, random)
		for step := range 8 {
			before, room := l.spec.DeepCopy(), copyOf(l.room)
			in := Input{Binding: before, Clusters: l.clusters, Memory: l.memory, Room: room.input(), Now: l.now}
			name := fmt.Sprintf("seed %d, step %d", seed, step)
			got := l.decide()
			sumsHold(t, name, before, got)
			roomHolds(t, name, before, room, got)
			orderDoesNotCount(t, name, random, in, got)
			if !decided(got) {
				l.happen(random)
				continue // replicas that follow a template without a decision change the room
			}
			again := Decide(Input{Binding: l.spec, Clusters: l.clusters, Memory: l.memory, Room: l.room.input(), Now: l.now})
			if diff := cmp.Diff(placementOf(got.Clusters), placementOf(again.Clusters)); diff != "" {
				t.Fatalf("%s: a second decision (%s, %s) changes the first (%s, %s) (-first +second):\n%s", name, again.Trigger, again.Message, got.Trigger, got.Message, diff)
			}
			// What was moved may have made room where the template would rather be.
			if diff := cmp.Diff(got.Memory, again.Memory, cmpopts.IgnoreFields(Memory{}, "PreferredSince")); diff != "" {
				t.Fatalf("%s: a second decision remembers something else (-first +second):\n%s", name, diff)
			}
			l.happen(random)
		}
	}
}

func copyOf(r rooms) rooms {
	result := rooms{}
	for name, replicas := range r {
		result[name] = replicas
	}
	return result
}

// sumsHold: divided replicas and the pending ones are the template's, also when an old placement is kept.
func sumsHold(t *testing.T, name string, spec *v1alpha1.BindingSpec, d Decision) {
	t.Helper()
	if spec.Replicas == nil || !spec.Placement.Divides() {
		return
	}
	var sum int32
	for _, c := range d.Clusters {
		if *c.Replicas < 0 {
			t.Fatalf("%s: %s has %d replicas", name, c.Name, *c.Replicas)
		}
		sum += *c.Replicas
	}
	if sum+d.Pending != *spec.Replicas {
		t.Fatalf("%s: %d replicas are placed and %d pending, want %d together (%s: %s)", name, sum, d.Pending, *spec.Replicas, d.Reason, d.Message)
	}
}

// decided says whether a decision follows the placement, and does not just keep an old one.
func decided(d Decision) bool {
	return d.Reason == v1alpha1.ReasonScheduled || d.Reason == unschedulable || d.Reason == v1alpha1.ReasonLeaving
}

// roomHolds: by room, no cluster gets more than it has room for.
func roomHolds(t *testing.T, name string, spec *v1alpha1.BindingSpec, room rooms, d Decision) {
	t.Helper()
	if !UsesRoom(spec) || d.Reason == v1alpha1.ReasonNoClusterFit || d.Reason == v1alpha1.ReasonSpreadNotMet {
		return
	}
	for cluster, more := range difference(spec.Clusters, d.Clusters) {
		if more > max(room[cluster], 0) {
			t.Fatalf("%s: %s gets %d more replicas and has room for %d (%s: %s)", name, cluster, more, room[cluster], d.Reason, d.Message)
		}
	}
}

func orderDoesNotCount(t *testing.T, name string, random *rand.Rand, in Input, first Decision) {
	t.Helper()
	in.Clusters = append([]*v1alpha1.Cluster(nil), in.Clusters...)
	random.Shuffle(len(in.Clusters), func(i, j int) { in.Clusters[i], in.Clusters[j] = in.Clusters[j], in.Clusters[i] })
	spec := in.Binding.DeepCopy()
	random.Shuffle(len(spec.Clusters), func(i, j int) { spec.Clusters[i], spec.Clusters[j] = spec.Clusters[j], spec.Clusters[i] })
	in.Binding = spec
	if diff := cmp.Diff(first, Decide(in)); diff != "" {
		t.Fatalf("%s: another order gives another decision (-first +second):\n%s", name, diff)
	}
}

// TestNothingMovesThatNeedNot: when only the number of replicas changes, clusters only gain or only lose.
func TestNothingMovesThatNeedNot(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 10))
		l := randomLife(t, random)
		l.spec.Placement.ClusterAffinities, l.spec.Placement.SpreadConstraints, l.spec.ReplicaLimits = nil, nil, nil
		if !l.spec.Placement.Divides() {
			continue
		}
		l.decide()
		if l.last.Reason != v1alpha1.ReasonScheduled || *l.spec.Replicas == 0 {
			continue
		}
		before, old := *l.spec.Replicas, l.spec.Clusters
		l.scale(1 + random.Int32N(30)).decide()
		for cluster, more := range difference(old, l.spec.Clusters) {
			if more > 0 && *l.spec.Replicas < before || more < 0 && *l.spec.Replicas > before {
				t.Fatalf("seed %d: from %d to %d replicas, %s changes by %d: %q, then %q", seed, before, *l.spec.Replicas, cluster, more, placementOf(old), placementOf(l.spec.Clusters))
			}
		}
	}
}

// TestALargerWeightNeverGetsLess: monotone in weights.
func TestALargerWeightNeverGetsLess(t *testing.T) {
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 11))
		w := weights{"a": 1 + random.Int64N(9), "b": 1 + random.Int64N(9), "c": 1 + random.Int64N(9)}
		replicas := random.Int32N(40)
		share := func(w weights) int32 {
			for _, c := range Decide(Input{Binding: binding(replicas, dividedBy(w)), Clusters: fleetOf(3)}).Clusters {
				if c.Name == "a" {
					return ptr.Deref(c.Replicas, 0)
				}
			}
			return 0
		}
		before := share(w)
		w["a"] += 1 + random.Int64N(9)
		if after := share(w); after < before {
			t.Fatalf("seed %d: with a larger weight a gets %d instead of %d", seed, after, before)
		}
	}
}

// FuzzDecide looks for inputs of any size that break a promise or never end.
func FuzzDecide(f *testing.F) {
	f.Add(uint64(1), int32(7), int32(3), int32(2))
	f.Add(uint64(2), int32(1<<31-1), int32(1<<31-1), int32(0))
	f.Add(uint64(3), int32(0), int32(0), int32(1<<31-1))
	f.Fuzz(func(t *testing.T, seed uint64, replicas, room, was int32) {
		random := rand.New(rand.NewPCG(seed, 12))
		l := randomLife(t, random)
		l.scale(max(replicas, 0))
		l.room[l.clusters[0].Name] = room
		l.spec.Clusters = []v1alpha1.TargetCluster{at(l.clusters[len(l.clusters)-1].Name, max(was, 0))}
		before := l.spec.DeepCopy()
		got := l.decide()
		sumsHold(t, "fuzz", before, got)
		if !decided(got) || max(replicas, room, was) > 1<<29 {
			return // room that cannot be counted is not given back in full
		}
		again := Decide(Input{Binding: l.spec, Clusters: l.clusters, Memory: l.memory, Room: l.room.input(), Now: l.now})
		if diff := cmp.Diff(placementOf(l.spec.Clusters), placementOf(again.Clusters)); diff != "" {
			t.Fatalf("a second decision changes the first (-first +second):\n%s", diff)
		}
	})
}
