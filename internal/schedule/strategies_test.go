package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const unschedulable = v1alpha1.ReasonUnschedulable

func TestDynamicWeightFollowsTheRoom(t *testing.T) {
	l := begin(t, 12, byAvailable(), fleetOf(3), rooms{"a": 12, "b": 6, "c": 6})
	l.well("a:6 b:3 c:3", TriggerNew)
	l.scale(16).well("a:8 b:4 c:4", TriggerReplicas)
	l.scale(8).well("a:4 b:2 c:2", TriggerReplicas)
	l.room["c"] = 100
	l.well("a:4 b:2 c:2", TriggerNone)
	l.request().well("a:1 c:7", TriggerRequest)
}

func TestOnlyTheDifferenceMoves(t *testing.T) {
	l := begin(t, 9, byAvailable(), fleetOf(3), rooms{"a": 9, "b": 9, "c": 9})
	l.well("a:3 b:3 c:3", TriggerNew)
	l.room = rooms{"a": 0, "b": 0, "c": 50}
	l.scale(10).well("a:3 b:3 c:4", TriggerReplicas)
	l.clusters = append(fleetOf(3), cluster("d"))
	l.room["d"] = 500
	l.well("a:3 b:3 c:4", TriggerNone)
}

func TestAClusterThatJoinsMovesNothingByItself(t *testing.T) {
	for name, tc := range map[string]*v1alpha1.Placement{"equal weights": dividedBy(nil), "static weights": dividedBy(weights{"a": 1, "b": 1, "c": 2}), "room": byAvailable(), "packed": aggregated()} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, 6, tc, fleetOf(2), rooms{"a": 3, "b": 3})
			l.well("a:3 b:3", TriggerNew)
			l.clusters, l.room["c"] = fleetOf(3), 100
			l.well("a:3 b:3", TriggerNone)
		})
	}
}

func TestStaticWeightsAreMetAgainByGrowing(t *testing.T) {
	l := begin(t, 4, dividedBy(weights{"a": 1, "b": 1, "c": 2}), fleetOf(2), nil)
	l.well("a:2 b:2", TriggerNew)
	l.clusters = fleetOf(3)
	l.scale(8).well("a:2 b:2 c:4", TriggerReplicas)
	l.scale(4).well("a:1 b:1 c:2", TriggerReplicas)
	l.place(dividedBy(weights{"a": 3, "b": 1})).well("a:3 b:1", TriggerPlacement)
}

func TestAggregatedUsesAsFewClustersAsHaveRoom(t *testing.T) {
	l := begin(t, 5, aggregated(), fleetOf(3), rooms{"a": 4, "b": 6, "c": 5})
	l.well("b:5", TriggerNew)
	l.scale(8).well("b:6 c:2", TriggerReplicas)
	l.scale(3).well("b:3", TriggerReplicas)
}

func TestWhatDoesNotFitIsPendingAndFollows(t *testing.T) {
	for name, p := range map[string]*v1alpha1.Placement{"by room": byAvailable(), "packed": aggregated()} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, 10, p, fleetOf(2), rooms{"a": 4, "b": 3})
			l.expect("a:4 b:3", unschedulable, 3, TriggerNew)
			if want := "7 of 10 replicas placed, 3 pending: 0/2 clusters can take more: 2 had too little cpu"; l.last.Message != want {
				t.Errorf("Message = %q, want %q", l.last.Message, want)
			}
			l.room["b"] = 2
			l.expect("a:4 b:5", unschedulable, 1, TriggerPending)
			l.clusters, l.room["c"] = fleetOf(3), 9
			l.well("a:4 b:5 c:1", TriggerPending)
		})
	}
}

func TestAClusterWithoutRoomTellsWhatItLacks(t *testing.T) {
	l := begin(t, 2, byAvailable(), fleetOf(2), rooms{"a": 0, "b": 2})
	l.well("b:2", TriggerNew)
	want := Verdict{Cluster: "a", Reason: VerdictNoRoom, Message: "had too little cpu", Hint: hints[VerdictNoRoom], Full: true}
	if diff := cmp.Diff(want, l.last.Verdicts[0]); diff != "" {
		t.Errorf("the verdict on a (-want +got):\n%s", diff)
	}
}

func TestNothingIsPlacedWhereNothingFits(t *testing.T) {
	l := begin(t, 2, byAvailable(), fleetOf(2), rooms{"a": 0, "b": 0})
	l.expect("", unschedulable, 2, TriggerNew)
}

func TestScaledToZeroTheObjectsStay(t *testing.T) {
	for name, p := range map[string]*v1alpha1.Placement{"static": dividedBy(nil), "by room": byAvailable(), "packed": aggregated()} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, 4, p, fleetOf(2), rooms{"a": 2, "b": 2})
			l.well("a:2 b:2", TriggerNew)
			l.scale(0).well("a:0 b:0", TriggerReplicas)
			l.scale(4).well("a:2 b:2", TriggerReplicas)
		})
	}
}

func TestBoundsBoundEachCluster(t *testing.T) {
	l := begin(t, 10, bounded(bounded(dividedBy(nil), "a", 4, -1), "b", -1, 1), fleetOf(3), nil)
	l.well("a:5 b:1 c:4", TriggerNew)
	l.scale(3).well("a:3", TriggerReplicas)
	l = begin(t, 10, bounded(bounded(byAvailable(), "a", -1, 2), "b", -1, 3), fleetOf(2), rooms{"a": 9, "b": 9})
	l.expect("a:2 b:3", unschedulable, 5, TriggerNew)
	if want := "0/2 clusters can take more: 2 had its maxReplicas"; !strings.Contains(l.last.Message, want) {
		t.Errorf("Message = %q, want it to say %q", l.last.Message, want)
	}
	l.place(bounded(byAvailable(), "a", -1, 0)).expect("b:9", unschedulable, 1, TriggerPlacement)
}

func TestGroupsAreTriedInOrder(t *testing.T) {
	p := grouped(byAvailable(), [][]string{{"a"}}, [][]string{{"b"}}, [][]string{{"c"}})
	l := begin(t, 4, p, fleetOf(3), rooms{"a": 4, "b": 8, "c": 9})
	l.well("a:4", TriggerNew)
	if l.last.Group != "to-a" {
		t.Errorf("the group is %q, want to-a", l.last.Group)
	}
	l.scale(6).well("b:6", TriggerReplicas)
	l.scale(2).well("b:2", TriggerReplicas)
	l.room["b"] = 0
	l.scale(9).well("c:9", TriggerReplicas)
	l.clusters[2].DeletionTimestamp = &metav1.Time{Time: noon}
	l.scale(2).well("a:2", TriggerClusterGone)
}

func TestTheGroupThatHoldsMostIsUsedWhenNoneHoldsAll(t *testing.T) {
	p := grouped(byAvailable(), [][]string{{"a"}}, [][]string{{"b"}}, [][]string{{"c"}})
	begin(t, 9, p, fleetOf(3), rooms{"a": 4, "b": 8, "c": 8}).expect("b:8", unschedulable, 1, TriggerNew)
}

// TestRoomIsWaitedForWhereverItWouldHelp: who waits is woken by the clusters that are Full, and by no others.
func TestRoomIsWaitedForWhereverItWouldHelp(t *testing.T) {
	set := binding(1, byAvailable())
	set.Components = []v1alpha1.Component{{Name: "jobmanager", Replicas: 1}, {Name: "taskmanager", Replicas: 3}}
	tests := map[string]struct {
		binding *v1alpha1.BindingSpec
		room    rooms
		want    []string
	}{
		"in every group that was tried":            {binding(9, grouped(byAvailable(), [][]string{{"a"}}, [][]string{{"b"}})), rooms{"a": 4, "b": 8, "c": 0}, []string{"a", "b"}},
		"in clusters that a maximum leaves out":    {binding(9, spread(byAvailable(), "cluster", 1, 1)), rooms{"a": 4, "b": 8, "c": 1}, []string{"a", "b", "c"}},
		"where a spread constraint lacks clusters": {binding(9, spread(byAvailable(), "cluster", 3, 3)), rooms{"a": 4, "b": 8, "c": 0}, []string{"c"}},
		"for a whole set":                          {set, rooms{"a": 0, "b": 0, "c": 0}, []string{"a", "b", "c"}},
		"but nowhere else":                         {binding(9, bounded(byAvailable(), "c", -1, 1)), rooms{"a": 2, "b": 2, "c": 2}, []string{"a", "b"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, v := range Decide(Input{Binding: tc.binding, Clusters: fleetOf(3), Room: tc.room.input(), Now: noon}).Verdicts {
				if v.Full {
					got = append(got, v.Cluster)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("full clusters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAKeptPlacementDoesNotHoldIsPending(t *testing.T) {
	begin(t, 9, with(byAvailable(), func(p *v1alpha1.Placement) {
		p.ClusterAffinity = &v1alpha1.ClusterAffinity{ClusterNames: []string{"nowhere"}}
	}), fleetOf(2), nil).expect("", v1alpha1.ReasonNoClusterFit, 9, TriggerNone)
}

func TestOverflowTakesWhatThePrimaryHasNoRoomFor(t *testing.T) {
	p := grouped(byAvailable(), [][]string{{"a"}, {"b"}, {"c", "d"}})
	l := begin(t, 3, p, fleetOf(4), rooms{"a": 5, "b": 3, "c": 10, "d": 10})
	l.well("a:3", TriggerNew)
	l.scale(12).well("a:5 b:3 c:2 d:2", TriggerReplicas)
	l.scale(9).well("a:5 b:3 c:1", TriggerReplicas)
	l.scale(6).well("a:5 b:1", TriggerReplicas)
	l.room["a"] = 20
	l.well("a:5 b:1", TriggerNone)
	l.scale(7).well("a:6 b:1", TriggerReplicas)
}

func TestATemplateReturnsWhenThePolicyAsksForIt(t *testing.T) {
	groups := grouped(byAvailable(), [][]string{{"a"}}, [][]string{{"b"}})
	overflow := grouped(byAvailable(), [][]string{{"a"}, {"b"}})
	tests := map[string]struct {
		placement *v1alpha1.Placement
		away      string
		back      string
	}{
		"to an earlier group":          {groups, "b:4", "a:4"},
		"from overflow to the primary": {overflow, "a:2 b:2", "a:4"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := begin(t, 4, failingBack(tc.placement, 60), fleetOf(2), rooms{"a": 2, "b": 9})
			l.well(tc.away, TriggerNew)
			if l.last.RetryAfter != failbackLook {
				t.Errorf("RetryAfter = %v, want %v", l.last.RetryAfter, failbackLook)
			}
			l.room["a"] = 9
			l.well(tc.away, TriggerNone)
			l.after(59*time.Second).well(tc.away, TriggerNone)
			if l.last.RetryAfter != time.Second {
				t.Errorf("RetryAfter = %v, want 1s", l.last.RetryAfter)
			}
			l.after(time.Second).well(tc.back, TriggerFailback)
			l.after(time.Hour).well(tc.back, TriggerNone)
		})
		t.Run(name+", not when it flaps", func(t *testing.T) {
			l := begin(t, 4, failingBack(tc.placement, 60), fleetOf(2), rooms{"a": 2, "b": 9})
			l.well(tc.away, TriggerNew)
			full := l.room["a"]
			for range 3 {
				l.room["a"] = 9
				l.well(tc.away, TriggerNone)
				l.room["a"] = full
				l.after(50*time.Second).well(tc.away, TriggerNone)
			}
		})
		t.Run(name+", not without being asked", func(t *testing.T) {
			l := begin(t, 4, tc.placement, fleetOf(2), rooms{"a": 2, "b": 9})
			l.well(tc.away, TriggerNew)
			l.room["a"] = 9
			l.after(time.Hour).well(tc.away, TriggerNone)
		})
	}
}

func TestAClusterThatMustBeLeftIsLeftForWhatOthersCanTake(t *testing.T) {
	evict := func(l *life, from string) {
		l.spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{{FromCluster: from, Reason: "TaintUntolerated", Producer: "test"}}
	}
	l := begin(t, 6, byAvailable(), fleetOf(3), rooms{"a": 6, "b": 0, "c": 0})
	l.well("a:6", TriggerNew)
	evict(l, "a")
	l.expect("a:6", v1alpha1.ReasonLeaving, 0, TriggerEviction)
	if want := "6 replicas stay in clusters that should be left, until others have room for them"; !strings.HasPrefix(l.last.Message, want) {
		t.Errorf("Message = %q, want it to begin with %q", l.last.Message, want)
	}
	l.room["b"] = 4
	l.expect("a:2 b:4", v1alpha1.ReasonLeaving, 0, TriggerEviction)
	l.room["c"] = 9
	l.well("b:4 c:2", TriggerEviction)
	l.well("b:4 c:2", TriggerNone)
}

func TestAnAffinityThatNoLongerMatchesMovesTheReplicas(t *testing.T) {
	gold := affine(v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}})
	p := with(dividedBy(nil), func(p *v1alpha1.Placement) { p.ClusterAffinity = gold.ClusterAffinity })
	l := begin(t, 6, p, fleetOf(3, labelled("tier", "gold")), nil)
	l.well("a:2 b:2 c:2", TriggerNew)
	l.clusters[1].Labels["tier"] = "tin"
	l.well("a:3 c:3", TriggerClusterUnfit)
	l.clusters[0].Labels["tier"], l.clusters[2].Labels["tier"] = "tin", "tin"
	l.expect("a:3 c:3", v1alpha1.ReasonNoClusterFit, 0, TriggerNone)
}

func TestALimitOfTheDeschedulerSendsReplicasElsewhere(t *testing.T) {
	l := begin(t, 6, byAvailable(), fleetOf(2), rooms{"a": 6, "b": 0})
	l.well("a:6", TriggerNew)
	l.spec.ReplicaLimits = []v1alpha1.ReplicaLimit{{Cluster: "a", MaxReplicas: 2}}
	l.expect("a:6", v1alpha1.ReasonLeaving, 0, TriggerLimit)
	l.room["b"] = 3
	l.expect("a:3 b:3", v1alpha1.ReasonLeaving, 0, TriggerLimit)
	l.room["b"] = 3
	l.well("a:2 b:4", TriggerLimit)
	l.room["a"] = 10
	l.well("a:2 b:4", TriggerNone)
	l.request().well("a:4 b:2", TriggerRequest)
}

func TestWorkloadAffinityKeepsTogetherAndApart(t *testing.T) {
	decide := func(n Neighbours, current ...v1alpha1.TargetCluster) Decision {
		return Decide(Input{Binding: binding(1, nil, current...), Clusters: fleetOf(3), Neighbours: n})
	}
	tests := map[string]struct {
		neighbours Neighbours
		current    []v1alpha1.TargetCluster
		want       string
		reason     string
	}{
		"the first of a group goes anywhere":   {want: "a:1 b:1 c:1", reason: v1alpha1.ReasonScheduled},
		"together with all of them":            {Neighbours{Together: []Neighbour{{"x", []string{"a", "b"}}, {"y", []string{"b", "c"}}}}, nil, "b:1", v1alpha1.ReasonScheduled},
		"apart from each of them":              {Neighbours{Apart: []Neighbour{{"x", []string{"a"}}, {"y", []string{"b"}}}}, nil, "c:1", v1alpha1.ReasonScheduled},
		"what is there already is not driven":  {Neighbours{Apart: []Neighbour{{"x", []string{"a", "b", "c"}}}}, []v1alpha1.TargetCluster{at("a", 1)}, "a:1", v1alpha1.ReasonScheduled},
		"together with those who are nowhere ": {Neighbours{Together: []Neighbour{{"x", []string{"z"}}}}, nil, "", v1alpha1.ReasonNoClusterFit},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := decide(tc.neighbours, tc.current...)
			if placement := placementOf(got.Clusters); placement != tc.want || got.Reason != tc.reason {
				t.Errorf("Decide() = %q, %s (%s), want %q, %s", placement, got.Reason, got.Message, tc.want, tc.reason)
			}
		})
	}
}

func TestSeveralComponentsGoToOneClusterWhole(t *testing.T) {
	spec := binding(1, byAvailable())
	spec.Components = []v1alpha1.Component{{Name: "jobmanager", Replicas: 1}, {Name: "taskmanager", Replicas: 3}}
	decide := func(r rooms) Decision {
		return Decide(Input{Binding: spec, Clusters: fleetOf(3), Room: r.input(), Now: noon})
	}
	if got := decide(rooms{"a": 0, "b": 0, "c": 0}); got.Reason != unschedulable || len(got.Clusters) > 0 {
		t.Errorf("without room the whole set waits, but it is in %q: %s", placementOf(got.Clusters), got.Reason)
	}
	got := decide(rooms{"a": 0, "b": 1, "c": 4})
	want := []v1alpha1.TargetCluster{{
		Name: "c", Replicas: ptr.To[int32](1), Components: []v1alpha1.TargetComponent{{Name: "jobmanager", Replicas: 1}, {Name: "taskmanager", Replicas: 3}},
	}}
	if diff := cmp.Diff(want, got.Clusters); diff != "" {
		t.Errorf("the set goes where most room is (-want +got):\n%s", diff)
	}
	spec.Clusters = got.Clusters
	if again := decide(rooms{"a": 9, "b": 9, "c": 0}); placementOf(again.Clusters) != "c:1" {
		t.Errorf("the set stays where it is, but it moves to %q", placementOf(again.Clusters))
	}
}

func TestATaintMovesNothingThatIsThere(t *testing.T) {
	l := begin(t, 4, dividedBy(nil), fleetOf(2), nil)
	l.well("a:2 b:2", TriggerNew)
	l.clusters[0].Spec.Taints = []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}
	l.well("a:2 b:2", TriggerNone)
	l.scale(3).well("a:2 b:1", TriggerReplicas)
}

func TestATaintKeepsNewReplicasAwayFromWhereOthersAre(t *testing.T) {
	taint := func(effect corev1.TaintEffect) []corev1.Taint { return []corev1.Taint{{Key: "k", Effect: effect}} }
	for name, tc := range map[string]struct {
		how    *v1alpha1.Placement
		room   rooms
		effect corev1.TaintEffect
		want   string
	}{
		"static weights":      {dividedBy(nil), nil, corev1.TaintEffectNoSchedule, "a:2 b:6"},
		"room":                {byAvailable(), rooms{"a": 9, "b": 9}, corev1.TaintEffectNoExecute, "a:2 b:6"},
		"a preference":        {dividedBy(nil), nil, corev1.TaintEffectPreferNoSchedule, "a:4 b:4"},
		"the fewest clusters": {aggregated(), rooms{"a": 9, "b": 9}, corev1.TaintEffectNoSchedule, "a:2 b:6"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := binding(8, tc.how, at("a", 2), at("b", 2))
			clusters := fleetOf(2)
			clusters[0].Spec.Taints = taint(tc.effect)
			got := Decide(Input{Binding: spec, Clusters: clusters, Room: tc.room.input(), Now: noon})
			if placementOf(got.Clusters) != tc.want || !got.Scheduled() {
				t.Errorf("%q: %s %s, want %q", placementOf(got.Clusters), got.Reason, got.Message, tc.want)
			}
		})
	}
}

func TestWhatOnlyATaintedClusterHasRoomForIsPending(t *testing.T) {
	l := begin(t, 4, dividedBy(nil), fleetOf(1), nil)
	l.well("a:4", TriggerNew)
	l.clusters[0].Spec.Taints = []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}
	l.scale(6).decide()
	if got := placementOf(l.last.Clusters); got != "a:4" || l.last.Pending != 2 || !strings.Contains(l.last.Message, "1 had an untolerated taint {k:NoSchedule}") {
		t.Errorf("%q, %d pending: %s", got, l.last.Pending, l.last.Message)
	}
	l.clusters[0].Spec.Taints = nil
	l.well("a:6", TriggerPending)
}

func TestHugeNumbersDoNotRunOver(t *testing.T) {
	const most = 1<<31 - 1
	l := begin(t, most, byAvailable(), fleetOf(3), rooms{"a": most, "b": most, "c": 7})
	l.decide()
	var sum int64
	for _, c := range l.last.Clusters {
		sum += int64(*c.Replicas)
	}
	if sum != most || l.last.Pending != 0 {
		t.Errorf("%d replicas are placed and %d pending, want %d and 0: %q", sum, l.last.Pending, most, placementOf(l.last.Clusters))
	}
	begin(t, most, bounded(dividedBy(weights{"a": 1_000_000_000, "b": 1}), "b", most, -1), fleetOf(2), nil).well("b:2147483647", TriggerNew)
}
