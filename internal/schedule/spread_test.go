package schedule

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func duplicated() *v1alpha1.Placement { return &v1alpha1.Placement{} }

func TestSpreadConstraintsBoundTheGroups(t *testing.T) {
	regions := []*v1alpha1.Cluster{
		cluster("a", in("aws", "eu", "eu-1")), cluster("b", in("gcp", "eu", "eu-1", "eu-2")),
		cluster("c", in("aws", "us", "us-1")), cluster("d", in("gcp", "us", "us-2"), labelled("example.com/rack", "r1")),
		cluster("e", in("aws", "asia", "asia-1"), labelled("example.com/rack", "r2")),
	}
	tests := map[string]struct {
		placement *v1alpha1.Placement
		replicas  int32
		room      rooms
		want      string
		reason    string
	}{
		"a maximum of clusters":               {spread(duplicated(), "cluster", 1, 2), 1, nil, "a:1 b:1", v1alpha1.ReasonScheduled},
		"no maximum is all clusters":          {spread(duplicated(), "cluster", 2, 0), 1, nil, "a:1 b:1 c:1 d:1 e:1", v1alpha1.ReasonScheduled},
		"as many regions as clusters":         {spread(spread(duplicated(), "region", 3, 0), "cluster", 3, 3), 1, nil, "a:1 c:1 e:1", v1alpha1.ReasonScheduled},
		"one region":                          {spread(spread(duplicated(), "region", 1, 1), "cluster", 2, 0), 1, nil, "a:1 b:1", v1alpha1.ReasonScheduled},
		"two providers in one region":         {spread(spread(spread(duplicated(), "provider", 2, 0), "region", 1, 1), "cluster", 2, 2), 1, nil, "a:1 b:1", v1alpha1.ReasonScheduled},
		"zones, of which a cluster has two":   {spread(spread(duplicated(), "zone", 2, 2), "cluster", 1, 1), 1, nil, "b:1", v1alpha1.ReasonScheduled},
		"by label, which others do not have":  {spread(duplicated(), "example.com/rack", 2, 0), 1, nil, "d:1 e:1", v1alpha1.ReasonScheduled},
		"too few clusters":                    {spread(duplicated(), "cluster", 6, 0), 1, nil, "", v1alpha1.ReasonSpreadNotMet},
		"too few regions":                     {spread(spread(duplicated(), "region", 4, 0), "cluster", 1, 0), 1, nil, "", v1alpha1.ReasonSpreadNotMet},
		"contradicting minimums and maximums": {spread(spread(duplicated(), "region", 3, 0), "cluster", 1, 2), 1, nil, "", v1alpha1.ReasonSpreadNotMet},
		"the region that has the room": {
			spread(spread(byAvailable(), "region", 1, 1), "cluster", 1, 0), 8, rooms{"a": 5, "b": 1, "c": 4, "d": 4, "e": 7}, "c:4 d:4", v1alpha1.ReasonScheduled,
		},
		"the two clusters that have the room": {
			spread(spread(byAvailable(), "region", 2, 2), "cluster", 2, 2), 10, rooms{"a": 6, "b": 1, "c": 3, "d": 2, "e": 4}, "a:6 e:4", v1alpha1.ReasonScheduled,
		},
		"the most of the room when there is not enough": {
			spread(spread(byAvailable(), "region", 2, 2), "cluster", 2, 2), 20, rooms{"a": 6, "b": 1, "c": 3, "d": 2, "e": 4}, "a:6 e:4", unschedulable,
		},
		"a packed template still has one in each region": {
			spread(spread(aggregated(), "region", 2, 2), "cluster", 2, 2), 5, rooms{"a": 50, "b": 50, "c": 40, "d": 40, "e": 3}, "a:3 c:2", v1alpha1.ReasonScheduled,
		},
		"fewer replicas than minimums use as many groups": {spread(dividedBy(nil), "cluster", 3, 3), 2, nil, "a:1 b:1", v1alpha1.ReasonScheduled},
		"static weights choose the heaviest": {
			spread(dividedBy(weights{"a": 1, "b": 1, "c": 5, "d": 9, "e": 2}), "cluster", 2, 2), 14, nil, "c:5 d:9", v1alpha1.ReasonScheduled,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := begin(t, tc.replicas, tc.placement, regions, tc.room)
			got := l.decide()
			if placement := placementOf(got.Clusters); placement != tc.want || got.Reason != tc.reason {
				t.Errorf("Decide() = %q, %s (%s), want %q, %s", placement, got.Reason, got.Message, tc.want, tc.reason)
			}
			l.expect(placementOf(got.Clusters), tc.reason, got.Pending, l.decide().Trigger)
		})
	}
}

func TestASpreadThatHoldsIsNotChanged(t *testing.T) {
	p := spread(spread(byAvailable(), "region", 2, 2), "cluster", 2, 2)
	clusters := []*v1alpha1.Cluster{cluster("a", in("", "eu")), cluster("b", in("", "us")), cluster("c", in("", "asia"))}
	l := begin(t, 4, p, clusters, rooms{"a": 4, "b": 4, "c": 1})
	l.well("a:2 b:2", TriggerNew)
	l.room["c"] = 100
	l.well("a:2 b:2", TriggerNone)
	clusters[1].Spec.Region = "eu"
	l.well("a:2 c:2", TriggerClusterNew)
}

func TestAMaximumThatIsLoweredDropsNoReplicaThatHasNowhereToGo(t *testing.T) {
	l := begin(t, 10, byAvailable(), fleetOf(2), rooms{"a": 5, "b": 5})
	l.well("a:5 b:5", TriggerNew)
	l.place(spread(byAvailable(), "cluster", 1, 1)).expect("a:5 b:5", v1alpha1.ReasonLeaving, 0, TriggerPlacement)
	l.room["a"] = 5
	l.well("a:10", TriggerClusterNew)
}

func TestAClusterWithoutTheFieldCannotBeSpreadOver(t *testing.T) {
	l := begin(t, 1, spread(spread(duplicated(), "region", 1, 0), "cluster", 1, 0), fleetOf(1), nil)
	l.expect("", v1alpha1.ReasonNoClusterFit, 0, TriggerNone)
	if want := "0/1 clusters fit: 1 had no region, which the spread constraints group by"; l.last.Message != want {
		t.Errorf("Message = %q, want %q", l.last.Message, want)
	}
}

func TestAMaximumBelowTheMinimumIsInvalid(t *testing.T) {
	l := begin(t, 1, spread(duplicated(), "cluster", 3, 2), fleetOf(3), nil)
	l.expect("", v1alpha1.ReasonInvalidPlacement, 0, TriggerNone)
	if want := "placement.spreadConstraints[0]: maxGroups 2 is smaller than minGroups 3"; l.last.Message != want {
		t.Errorf("Message = %q, want %q", l.last.Message, want)
	}
}

// TestTheSearchIsExact compares with every subset of the clusters: the search finds a set whenever there is one, and
// holds as many replicas as any set does.
func TestTheSearchIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for round := range 4000 {
		clusters, room := scattered(random)
		p := byAvailable()
		for _, field := range []string{"region", "zone", "provider", "example.com/rack"} {
			if random.IntN(3) == 0 {
				p = spread(p, field, random.Int32N(4), 0)
				if last := &p.SpreadConstraints[len(p.SpreadConstraints)-1]; random.IntN(2) == 0 {
					last.MaxGroups = ptr.To(max(last.MinGroups, 1) + random.Int32N(2))
				}
			}
		}
		p = spread(p, "cluster", random.Int32N(4), 0)
		if last := &p.SpreadConstraints[len(p.SpreadConstraints)-1]; random.IntN(2) == 0 {
			last.MaxGroups = ptr.To(max(last.MinGroups, 1) + random.Int32N(3))
		}
		replicas := 1 + random.Int32N(30)
		l := begin(t, replicas, p, clusters, room)
		if random.IntN(2) == 0 {
			l.spec.Clusters = []v1alpha1.TargetCluster{at(clusters[random.IntN(len(clusters))].Name, 1)}
		}
		most := bruteForce(p, replicas, clusters, room, l.spec.Clusters)
		got := Decide(Input{Binding: l.spec, Clusters: clusters, Room: room.input(), Now: noon})
		switch {
		case most < 0 && got.Reason != v1alpha1.ReasonSpreadNotMet && got.Reason != unschedulable && got.Reason != v1alpha1.ReasonLeaving:
			t.Fatalf("round %d: there is no set, but %s: %s", round, got.Reason, got.Message)
		case most >= 0 && got.Reason == v1alpha1.ReasonSpreadNotMet:
			t.Fatalf("round %d: there is a set that holds %d, but %s: %s", round, most, got.Reason, got.Message)
		case most >= int64(replicas) && got.Pending > 0:
			t.Fatalf("round %d: there is a set that holds %d of %d, but %d are pending", round, most, replicas, got.Pending)
		}
	}
}

func scattered(random *rand.Rand) ([]*v1alpha1.Cluster, rooms) {
	room := rooms{}
	clusters := fleetOf(1 + random.IntN(8))
	for _, c := range clusters {
		c.Spec.Region = fmt.Sprintf("r%d", random.IntN(3))
		c.Spec.Provider = fmt.Sprintf("p%d", random.IntN(2))
		c.Spec.Zones = []string{fmt.Sprintf("z%d", random.IntN(4))}
		if other := fmt.Sprintf("z%d", random.IntN(4)); random.IntN(3) == 0 && other != c.Spec.Zones[0] {
			c.Spec.Zones = append(c.Spec.Zones, other)
		}
		c.Labels["example.com/rack"] = fmt.Sprintf("k%d", random.IntN(5))
		room[c.Name] = random.Int32N(12)
	}
	return clusters, room
}

// bruteForce is how many replicas the best set of clusters holds; -1 when no set satisfies the constraints.
func bruteForce(p *v1alpha1.Placement, replicas int32, clusters []*v1alpha1.Cluster, room rooms, current []v1alpha1.TargetCluster) int64 {
	was := map[string]int32{}
	for _, c := range current {
		was[c.Name] = *c.Replicas
	}
	best := int64(-1)
	for set := 1; set < 1<<len(clusters); set++ {
		held, usable := int64(0), true
		groups := make([]map[string]bool, len(p.SpreadConstraints))
		for i := range groups {
			groups[i] = map[string]bool{}
		}
		for i, c := range clusters {
			if set&(1<<i) == 0 {
				continue
			}
			takes := int64(room[c.Name]) + int64(was[c.Name])
			held, usable = held+takes, usable && takes > 0
			for j, constraint := range p.SpreadConstraints {
				for _, value := range valuesOf(constraint, c) {
					groups[j][value] = true
				}
			}
		}
		for j, constraint := range p.SpreadConstraints {
			n := int32(len(groups[j]))
			usable = usable && n >= min(constraint.MinGroups, replicas) && (constraint.MaxGroups == nil || n <= *constraint.MaxGroups)
		}
		if usable {
			best = max(best, held)
		}
	}
	return best
}

func valuesOf(c v1alpha1.SpreadConstraint, cluster *v1alpha1.Cluster) []string {
	switch {
	case c.SpreadByLabel != "":
		return []string{cluster.Labels[c.SpreadByLabel]}
	case c.SpreadByField == v1alpha1.SpreadByRegion:
		return []string{cluster.Spec.Region}
	case c.SpreadByField == v1alpha1.SpreadByProvider:
		return []string{cluster.Spec.Provider}
	case c.SpreadByField == v1alpha1.SpreadByZone:
		return cluster.Spec.Zones
	}
	return []string{cluster.Name}
}

func TestASearchEndsAlsoWhenEveryClusterIsAGroupOfItsOwn(t *testing.T) {
	clusters := make([]*v1alpha1.Cluster, 300)
	room := rooms{}
	for i := range clusters {
		name := fmt.Sprintf("c%03d", i)
		clusters[i] = cluster(name, in(fmt.Sprintf("p%d", i%7), fmt.Sprintf("r%d", i%150), fmt.Sprintf("z%d", i%90)), labelled("example.com/rack", name))
		room[name] = int32(i % 5)
	}
	p := spread(spread(spread(spread(spread(byAvailable(), "example.com/rack", 20, 40), "region", 30, 35), "zone", 33, 36), "provider", 2, 3), "cluster", 30, 40)
	got := Decide(Input{Binding: binding(500, p), Clusters: clusters, Room: room.input(), Now: noon})
	if got.Reason != unschedulable && got.Reason != v1alpha1.ReasonSpreadNotMet {
		t.Errorf("the reason is %s: %s", got.Reason, got.Message)
	}
}

// TestWithoutAMaximumTheSearchEndsWithTheMinimums: with a group per cluster each step looks at every cluster, so that a search
// for all of them would take as many steps squared.
func TestWithoutAMaximumTheSearchEndsWithTheMinimums(t *testing.T) {
	const size = 500
	var clusters []*v1alpha1.Cluster
	room := rooms{}
	for i := range size {
		name := fmt.Sprintf("c%03d", i)
		clusters, room[name] = append(clusters, cluster(name, in("p", "r", "zone-"+name))), 2
	}
	for _, replicas := range []int32{2 * size, 4 * size} {
		p := spread(byAvailable(), "zone", 3, 0)
		constraints, err := compileSpread(p.SpreadConstraints)
		if err != nil {
			t.Fatal(err)
		}
		e := newEngine(&Input{Binding: binding(replicas, p), Clusters: clusters, Room: room.input(), Now: noon})
		e.use(&placement{strategy: byRoom, spread: constraints})
		if got := e.need(constraints); got != 0 {
			t.Errorf("%d replicas: the set must have room for %d, want it to meet the minimums only", replicas, got)
		}
		if got := Decide(*e.in); len(got.Clusters) != size || got.Pending != replicas-2*size {
			t.Errorf("%d replicas are in %d clusters, %d pending: want all clusters to be full", replicas, len(got.Clusters), got.Pending)
		}
	}
}

func TestTheVerdictSaysThatTheSpreadDidNotNeedACluster(t *testing.T) {
	l := begin(t, 1, spread(duplicated(), "cluster", 1, 1), fleetOf(2), nil)
	l.well("a:1", TriggerNew)
	if got := []string{l.last.Verdicts[0].Reason, l.last.Verdicts[1].Reason}; !cmp.Equal(got, []string{VerdictSelected, VerdictNotSpread}) {
		t.Errorf("the verdicts are %v", got)
	}
}
