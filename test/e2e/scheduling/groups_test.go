package scheduling

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

// tiers are groups of one cluster each, preferred in this order.
func tiers(p *v1alpha1.Placement) {
	p.ClusterAffinities = []v1alpha1.ClusterAffinityTerm{
		{AffinityName: "gold", ClusterAffinity: v1alpha1.ClusterAffinity{
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}},
		{AffinityName: "silver", ClusterAffinity: v1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}}},
	}
}

func returning(p *v1alpha1.Placement) {
	p.Failback = &v1alpha1.Failback{StabilizationSeconds: ptr.To[int32](1)}
}

func TestATemplateReturnsToThePreferredGroupOnlyWhenItsPolicyAsksForIt(t *testing.T) {
	fleet, ns := start(t)
	back, stays := web(ns, "back", 1), web(ns, "stays", 1)
	expect.Create(t, fleet.Host,
		governing(ns, "back", builder.Placing(tiers), builder.Placing(returning)),
		governing(ns, "stays", builder.Placing(tiers)), back.DeepCopy(), stays.DeepCopy())
	expect.Runs(t, fleet, back, map[string]int32{"member2": 1})
	expect.Runs(t, fleet, stays, map[string]int32{"member2": 1})

	labelled(t, fleet, "member1", "tier", "gold")
	expect.Runs(t, fleet, back, map[string]int32{"member1": 1})
	expect.Seen(t, fleet.Host, expect.Binding(back), func(b v1alpha1.Binding) error {
		if got := b.BindingStatus().SchedulerObservedAffinityName; got != "gold" {
			return fmt.Errorf("it is said to be in group %q, want gold", got)
		}
		return nil
	})
	expect.Runs(t, fleet, stays, map[string]int32{"member2": 1})
}

func TestOverflowFillsTheTiersInOrderAndShrinksTheLastOneFirst(t *testing.T) {
	fleet, ns := start(t)
	roomy(t, fleet, ns)
	stuck := watchStuck(t, fleet, ns)
	app := web(ns, "web", 3)
	expect.Create(t, fleet.Host, governing(ns, "", builder.ByRoom(), builder.Placing(func(p *v1alpha1.Placement) {
		p.ClusterAffinities = []v1alpha1.ClusterAffinityTerm{{
			AffinityName: "own", ClusterAffinity: v1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}},
			OverflowAffinities: []v1alpha1.OverflowAffinity{
				{AffinityName: "near", ClusterAffinity: v1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}}},
				{AffinityName: "far", ClusterAffinity: v1alpha1.ClusterAffinity{ClusterNames: []string{"member3"}}},
			},
		}}
	})), app.DeepCopy())
	for _, step := range []struct {
		replicas int32
		want     map[string]int32
	}{
		{3, map[string]int32{"member2": 3}},
		{6, map[string]int32{"member2": 4, "member1": 2}},
		{10, map[string]int32{"member2": 4, "member1": 4, "member3": 2}},
		{5, map[string]int32{"member2": 4, "member1": 1}},
		{2, map[string]int32{"member2": 2}},
	} {
		t.Logf("%d replicas", step.replicas)
		scale(t, fleet, app, step.replicas)
		expect.Runs(t, fleet, app, step.want)
		// Until the members have reported, the room of what runs there is booked besides.
		expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(step.replicas))
	}
	stuck.none(t)
}

func TestTheFourthThatWantsToBeAloneWaitsUntilAClusterIsFree(t *testing.T) {
	fleet, ns := start(t)
	alone := builder.Placing(func(p *v1alpha1.Placement) {
		p.WorkloadAffinity = &v1alpha1.WorkloadAffinity{AntiAffinity: &v1alpha1.WorkloadAffinityTerm{GroupByLabelKey: "quorum"}}
		p.SpreadConstraints = []v1alpha1.SpreadConstraint{{SpreadByField: v1alpha1.SpreadByCluster, MinGroups: 1, MaxGroups: ptr.To[int32](1)}}
	})
	expect.Create(t, fleet.Host, governing(ns, "", alone))
	voter := func(i int) string { return fmt.Sprintf("voter%d", i) }
	for i := range 3 {
		expect.Create(t, fleet.Host, web(ns, voter(i), 1, builder.Label("quorum", "votes")))
	}
	used := map[string]bool{}
	for i := range 3 {
		expect.Seen(t, fleet.Host, expect.Binding(web(ns, voter(i), 1)), func(b v1alpha1.Binding) error {
			for name := range expect.Placement(b) {
				used[name] = true
				return nil
			}
			return fmt.Errorf("it is not placed: %v", b.BindingStatus().Conditions)
		})
	}
	if len(used) != 3 {
		t.Fatalf("the three share clusters: %v", used)
	}
	fourth := web(ns, "fourth", 1, builder.Label("quorum", "votes"))
	expect.Create(t, fleet.Host, fourth.DeepCopy())
	expect.Seen(t, fleet.Host, expect.Binding(fourth),
		expect.Condition(v1alpha1.ConditionScheduled, metav1.ConditionFalse, v1alpha1.ReasonNoClusterFit, "0/3"))

	expect.Delete(t, fleet.Host, web(ns, voter(0), 1))
	expect.Seen(t, fleet.Host, fourth.DeepCopy(), readyReplicas(1))
}

func TestScaledToZeroTheObjectsStay(t *testing.T) {
	fleet, ns := start(t)
	for name, divided := range map[string]builder.PolicyOption{
		"static": builder.Weights(map[string]int64{"member1": 1, "member2": 1, "member3": 2}), "room": builder.ByRoom(),
	} {
		app := web(ns, name, 4)
		expect.Create(t, fleet.Host, governing(ns, name, divided), app.DeepCopy())
		expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(4))
		before := expect.Binding(app)
		expect.Seen(t, fleet.Host, before, expect.Present)
		scale(t, fleet, app, 0)
		want := expect.Placement(before)
		for cluster := range want {
			want[cluster] = 0
		}
		expect.Runs(t, fleet, app, want)
	}
}

func TestAnEditedPlacementThatCannotHoldMovesNothing(t *testing.T) {
	fleet, ns := start(t)
	app := web(ns, "web", 3)
	policy := governing(ns, "", builder.ByRoom(), builder.Clusters("member1", "member2"))
	expect.Create(t, fleet.Host, policy, app.DeepCopy())
	expect.Seen(t, fleet.Host, app.DeepCopy(), readyReplicas(3))
	before := expect.Binding(app)
	expect.Seen(t, fleet.Host, before, expect.Present)

	for name, tc := range map[string]struct {
		edit            builder.PolicyOption
		reason, message string
	}{
		"an affinity with a typo": {builder.Clusters("membre1"), v1alpha1.ReasonNoClusterFit, "0/3"},
		"a spread over more regions than there are": {builder.Placing(func(p *v1alpha1.Placement) {
			p.ClusterAffinity = nil
			p.SpreadConstraints = []v1alpha1.SpreadConstraint{
				{SpreadByField: v1alpha1.SpreadByRegion, MinGroups: 7}, {SpreadByField: v1alpha1.SpreadByCluster, MinGroups: 1}}
		}), v1alpha1.ReasonSpreadNotMet, "region"},
		"weights that match nothing": {builder.Weights(map[string]int64{"membre1": 1}), v1alpha1.ReasonNoWeightMatches, ""},
	} {
		t.Run(name, func(t *testing.T) {
			expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
				p.Spec.Placement = *policy.Spec.Placement.DeepCopy()
				tc.edit(&p.Spec)
			})
			expect.Seen(t, fleet.Host, expect.Binding(app),
				expect.Condition(v1alpha1.ConditionScheduled, metav1.ConditionFalse, tc.reason, tc.message))
			expect.Runs(t, fleet, app, expect.Placement(before))
		})
	}
}
