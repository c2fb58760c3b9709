package eviction

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// fleet is what tests let plans work on, second after second, as the controller would.
type fleet struct {
	Input
	started []string // "binding cluster", in the order of plans; those of one plan by name
}

func (f *fleet) plan() Result {
	result := Plan(f.Input)
	f.Turns = result.Turns
	var now []string
	for _, c := range result.Changes {
		c.Binding.BindingSpec().GracefulEvictionTasks = c.Tasks
		for _, s := range c.Started {
			now = append(now, c.Binding.GetName()+" "+s.Task.FromCluster)
		}
	}
	slices.Sort(now)
	f.started = append(f.started, now...)
	return result
}

// fill puts n bindings into a cluster.
func (f *fleet) fill(cluster string, n int) {
	for i := range n {
		b := web(cluster)
		b.Name = fmt.Sprintf("%s-%02d", cluster, i)
		f.Bindings = append(f.Bindings, b)
	}
}

func slow(rate, slowRate float64) Settings {
	s := settings()
	s.Limits.Rate, s.Limits.SlowRate = rate, slowRate
	return s
}

func gone(name string) v1alpha1.Cluster {
	return lost(name, evicting(v1alpha1.UnreachableTaint, time.Hour))
}

func TestEvictionsBeginAtTheRateAndInTurn(t *testing.T) {
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), gone("b"), fine("c"), fine("d"), fine("e")}, Now: start, Settings: slow(2, 1)}}
	f.fill("a", 4)
	f.fill("b", 2)
	high := web("a")
	high.Name, high.Spec.SchedulePriority = "high", &v1alpha1.BindingPriority{Priority: 10}
	f.Bindings = append(f.Bindings, high)
	var waiting []int
	for range 4 {
		waiting = append(waiting, f.plan().Waiting["acme/eu"])
		f.Now = f.Now.Add(time.Second)
	}
	if diff := cmp.Diff([]int{6, 4, 2, 0}, waiting); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	want := []string{"high a", "a-00 a", "b-00 b", "a-01 a", "b-01 b", "a-02 a", "a-03 a"}
	if diff := cmp.Diff(want, f.started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
}

func TestClustersTakeTurnsFromPlanToPlanAndWhatWaitsLongestIsFirst(t *testing.T) {
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), gone("b"), fine("c"), fine("d"), fine("e")}, Now: start, Settings: slow(1, 1)}}
	f.fill("a", 3)
	f.fill("b", 2)
	f.Bindings[2].BindingSpec().Placement.ClusterTolerations = []corev1.Toleration{
		{Key: v1alpha1.UnreachableTaint, Operator: corev1.TolerationOpExists, TolerationSeconds: ptr.To[int64](60)},
	}
	for range 5 {
		f.plan()
		f.Now = f.Now.Add(time.Second)
	}
	if diff := cmp.Diff([]string{"a-02 a", "b-00 b", "a-00 a", "b-01 b", "a-01 a"}, f.started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
}

func TestThePlanAsksToBeMadeAgainWhenTheNextMayBegin(t *testing.T) {
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), fine("b"), fine("c")}, Now: start, Settings: slow(2, 1)}}
	f.fill("a", 3)
	for len(f.started) < 3 {
		before := len(f.started)
		result := f.plan()
		if len(f.started) == before {
			t.Fatalf("at %s nothing began, although the plan before asked for it", f.Now.Sub(start))
		}
		if len(f.started) < 3 {
			f.Now = result.Next
		}
	}
	if took := f.Now.Sub(start); took < time.Second || took > time.Second+time.Millisecond {
		t.Errorf("three at two a second, with one at once, took %s, want 1s", took)
	}
}

func TestTheGuardHoldsOnlyWhatItIsFor(t *testing.T) {
	drained := fine("d", evicting(v1alpha1.DrainTaint, 0))
	tainted := gone("e") // for which the user has a word too
	tainted.Spec.Taints = append(tainted.Spec.Taints, evicting("example.com/broken", 0))
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), lost("b"), lost("c"), drained, tainted}, Now: start, Settings: settings()}}
	for _, cluster := range []string{"a", "d", "e"} {
		f.fill(cluster, 2)
	}
	f.plan()
	f.Now = f.Now.Add(time.Second)
	result := f.plan()
	want := story{Waiting: 2, Held: []string{"a"}}
	if diff := cmp.Diff(want, tell(result), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Started" }, cmp.Ignore())); diff != "" {
		t.Errorf("Plan() (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"d-00 d", "d-01 d", "e-00 e", "e-01 e"}, f.started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
	if !result.Guard.Held() {
		t.Errorf("the guard = %+v, want it to hold", result.Guard)
	}
	f.Clusters[1], f.Clusters[2] = fine("b"), fine("c")
	f.Now = f.Now.Add(time.Second)
	f.plan()
	if diff := cmp.Diff([]string{"a-00 a", "a-01 a"}, f.started[4:]); diff != "" {
		t.Errorf("started when the others were back (-want +got):\n%s", diff)
	}
}

func TestAGroupThatIsMostlyLostIsSlowAndNoOtherIs(t *testing.T) {
	other := gone("z")
	other.Spec.Region = "us"
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), gone("b"), gone("c"), fine("d"), other}, Now: start, Settings: slow(10, 1)}}
	f.fill("a", 20)
	f.fill("z", 20)
	f.plan()
	f.Now = f.Now.Add(time.Second)
	result := f.plan()
	if diff := cmp.Diff(map[string]int{"acme/eu": 18, "acme/us": 9}, result.Waiting); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeWrittenHoldsNobodyUp(t *testing.T) {
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), fine("b"), fine("c")}, Now: start, Settings: slow(1, 1)}}
	f.fill("a", 3)
	f.Failed = sets.New(types.NamespacedName{Namespace: "shop", Name: "a-00"})
	for range 3 {
		f.plan()
		f.Now = f.Now.Add(time.Second)
	}
	if diff := cmp.Diff([]string{"a-01 a", "a-02 a", "a-00 a"}, f.started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
}

func TestALeaderThatTookOverBeginsSlowly(t *testing.T) {
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), fine("b"), fine("c")}, Now: start, Settings: slow(50, 5)}}
	f.fill("a", 99)
	f.plan()
	f.Now = f.Now.Add(time.Hour)
	f.Turns = nil
	f.plan()
	if len(f.started) != 2 {
		t.Errorf("%d began, want one at each leader's first plan", len(f.started))
	}
}

// Whatever happens, no second sees more evictions of a lane begin than its rate allows, beside those of a full bucket; every
// cluster gets its turn; and the order in which the host lists things does not matter.
func TestNoMoreBeginThanTheRateAllowsInWhateverOrder(t *testing.T) {
	for seed := range int64(40) {
		dice := rand.New(rand.NewSource(seed))
		limits := stampede.Limits{Share: 0.55, Rate: float64(1 + dice.Intn(20)), SlowRate: float64(1 + dice.Intn(3))}
		one := &fleet{Input: Input{Now: start, Settings: settings()}}
		one.Settings.Limits = limits
		for i := range 10 {
			c := fine(fmt.Sprintf("c%d", i))
			if dice.Intn(3) == 0 {
				c = gone(c.Name)
			}
			if dice.Intn(4) == 0 {
				c.Spec.Taints = append(c.Spec.Taints, evicting(v1alpha1.DrainTaint, 0))
			}
			c.Spec.Region = []string{"eu", "us"}[dice.Intn(2)]
			one.Clusters = append(one.Clusters, c)
		}
		for i := range 200 {
			first := dice.Intn(10)
			b := web(fmt.Sprintf("c%d", first), fmt.Sprintf("c%d", (first+1+dice.Intn(9))%10))
			b.Name, b.Spec.SchedulePriority = fmt.Sprintf("web-%d", i), &v1alpha1.BindingPriority{Priority: int32(dice.Intn(3))}
			one.Bindings = append(one.Bindings, b)
		}
		other := shuffled(one, dice)
		var starts []time.Time
		for range 40 {
			before := len(one.started)
			if diff := cmp.Diff(tell(one.plan()).Next, tell(other.plan()).Next); diff != "" {
				t.Fatalf("seed %d: next differs with the order:\n%s", seed, diff)
			}
			for range len(one.started) - before {
				starts = append(starts, one.Now)
			}
			if diff := cmp.Diff(one.started, other.started); diff != "" {
				t.Fatalf("seed %d: what begins differs with the order:\n%s", seed, diff)
			}
			step := time.Duration(dice.Intn(700)) * time.Millisecond
			one.Now, other.Now = one.Now.Add(step), other.Now.Add(step)
		}
		// Two groups, each with a lane that is guarded and one that is not.
		for i, from := range starts {
			in := 0
			for in+i < len(starts) && starts[in+i].Before(from.Add(time.Second)) {
				in++
			}
			if most := int(4 * 2 * max(1, limits.Rate)); in > most {
				t.Fatalf("seed %d: %d began within a second, want at most %d", seed, in, most)
			}
		}
	}
}

func shuffled(f *fleet, dice *rand.Rand) *fleet {
	other := &fleet{Input: f.Input}
	other.Clusters = slices.Clone(f.Clusters)
	other.Bindings = nil
	for _, b := range f.Bindings {
		other.Bindings = append(other.Bindings, b.DeepCopyObject().(v1alpha1.Binding))
	}
	dice.Shuffle(len(other.Clusters), func(i, j int) { other.Clusters[i], other.Clusters[j] = other.Clusters[j], other.Clusters[i] })
	dice.Shuffle(len(other.Bindings), func(i, j int) { other.Bindings[i], other.Bindings[j] = other.Bindings[j], other.Bindings[i] })
	return other
}

func TestOneOfManyBindingsInTwoLostClustersLeavesBoth(t *testing.T) {
	f := &fleet{Input: Input{Clusters: []v1alpha1.Cluster{gone("a"), fine("b", corev1.Taint{Key: "x", Effect: corev1.TaintEffectNoExecute}), fine("c")}, Now: start, Settings: settings()}}
	f.Bindings = []v1alpha1.Binding{web("a", "b", "c")}
	result := f.plan()
	if diff := cmp.Diff([]string{"web a", "web b"}, f.started); diff != "" || len(result.Changes) != 1 {
		t.Errorf("%d changes, started (-want +got):\n%s", len(result.Changes), diff)
	}
}

func TestWhatAnotherManagerSawBeginsNoEviction(t *testing.T) {
	evicted := func(change func(*v1alpha1.Cluster)) v1alpha1.Cluster {
		c := lost("a", evicting(v1alpha1.UnreachableTaint, time.Hour))
		c.UID = "a"
		if change != nil {
			change(&c)
		}
		return c
	}
	answers := func(c *v1alpha1.Cluster) { c.Status.Probe = &v1alpha1.ProbeStatus{Outcome: metav1.ConditionTrue} }
	drained := func(c *v1alpha1.Cluster) {
		c.Spec.Taints = append(c.Spec.Taints, evicting(v1alpha1.DrainTaint, time.Minute))
	}
	known := stampede.Sightings{"a": {LostSince: start}, "b": {Answers: true}, "c": {Answers: true}}
	for name, tc := range map[string]struct {
		cluster v1alpha1.Cluster
		seen    stampede.Sightings
		want    string
	}{
		"this manager has seen it":           {evicted(nil), known, "a TaintUntolerated"},
		"nobody was asked yet":               {evicted(nil), stampede.Sightings{}, ""},
		"all others were asked":              {evicted(nil), stampede.Sightings{"b": {Answers: true}, "c": {Answers: true}}, ""},
		"it was asked, and no other":         {evicted(nil), stampede.Sightings{"a": {LostSince: start}}, ""},
		"it was asked, and answers":          {evicted(nil), stampede.Sightings{"a": {Answers: true}, "b": {Answers: true}, "c": {Answers: true}}, ""},
		"it was lost, and answers again":     {evicted(answers), known, ""},
		"somebody drains it, whoever saw it": {evicted(drained), stampede.Sightings{}, "a Drained"},
	} {
		t.Run(name, func(t *testing.T) {
			clusters := []v1alpha1.Cluster{tc.cluster, fine("b"), fine("c")}
			clusters[1].UID, clusters[2].UID = "b", "c"
			result := Plan(Input{Clusters: clusters, Bindings: []v1alpha1.Binding{web("a")}, Now: start, Settings: settings(), Sightings: tc.seen})
			got := ""
			for _, change := range result.Changes {
				for _, s := range change.Started {
					got += s.Task.FromCluster + " " + s.Task.Reason
				}
			}
			if got != tc.want {
				t.Errorf("began %q, want %q", got, tc.want)
			}
		})
	}
}
