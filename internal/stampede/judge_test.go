package stampede

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// fleet makes members of groups: "a:++-" are three of group a, one of them lost; x is given up, ? is apart, . is not asked yet.
func fleet(groups ...string) []Member {
	sights := map[rune]Sight{'+': Fine, '-': Lost, 'x': GivenUp, '?': Apart, '.': Unasked}
	var members []Member
	for _, text := range groups {
		for _, r := range text[2:] {
			members = append(members, Member{Name: "m", Group: text[:1], Sight: sights[r]})
		}
	}
	return members
}

func TestEvictionsKeepThePaceThatTheFleetAllows(t *testing.T) {
	limits := Limits{Share: 0.55, Rate: 10, SlowRate: 1}
	normal := func(members, lost int) Group {
		return Group{State: Normal, Reason: ReasonNormal, Members: members, Lost: lost, Rate: 10}
	}
	const cut = " clusters are lost at once: the host itself may be cut off, so that nothing is evicted"
	cases := map[string]struct {
		members []Member
		want    Verdict
	}{
		"nobody":   {nil, Verdict{State: Normal, Reason: ReasonNormal, Groups: map[string]Group{}}},
		"all fine": {fleet("a:+++"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 3, Groups: map[string]Group{"a": normal(3, 0)}}},
		"one of three": {fleet("a:++-"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 2, Lost: 1,
			Groups: map[string]Group{"a": normal(3, 1)}}},
		"one of two": {fleet("a:+", "b:-"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 1, Lost: 1,
			Groups: map[string]Group{"a": normal(1, 0), "b": {State: Full, Reason: ReasonNormal, Members: 1, Lost: 1, Rate: 10}}}},
		"two of ten": {fleet("a:++++++++--"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 8, Lost: 2,
			Groups: map[string]Group{"a": normal(10, 2)}}},
		"many of a group": {fleet("a:+---", "b:++++"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 5, Lost: 3,
			Groups: map[string]Group{"a": {State: Partial, Reason: ReasonManyLost, Members: 4, Lost: 3, Rate: 1}, "b": normal(4, 0)}}},
		"all of a large group": {fleet("a:---", "b:++++"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 4, Lost: 3,
			Groups: map[string]Group{"a": {State: Full, Reason: ReasonManyLost, Members: 3, Lost: 3, Rate: 1}, "b": normal(4, 0)}}},
		"all of a small group": {fleet("a:--", "b:++++"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 4, Lost: 2,
			Groups: map[string]Group{"a": {State: Full, Reason: ReasonNormal, Members: 2, Lost: 2, Rate: 10}, "b": normal(4, 0)}}},
		"most of the fleet": {fleet("a:+--"), Verdict{State: Partial, Reason: ReasonHostMayBeCutOff, Fine: 1, Lost: 2,
			Message: "2 of 3" + cut, Groups: map[string]Group{"a": {State: Normal, Reason: ReasonHostMayBeCutOff, Members: 3, Lost: 2}}}},
		"the whole fleet": {fleet("a:-", "b:-"), Verdict{State: Full, Reason: ReasonHostMayBeCutOff, Lost: 2, Message: "2 of 2" + cut,
			Groups: map[string]Group{"a": {State: Full, Reason: ReasonHostMayBeCutOff, Members: 1, Lost: 1}, "b": {State: Full, Reason: ReasonHostMayBeCutOff, Members: 1, Lost: 1}}}},
		"those given up do not hold the others": {fleet("a:xx+-+"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 2, Lost: 1,
			Groups: map[string]Group{"a": {State: Partial, Reason: ReasonManyLost, Members: 5, Lost: 3, Rate: 1}}}},
		"but a cut holds what was begun": {fleet("a:x--+"), Verdict{State: Partial, Reason: ReasonHostMayBeCutOff, Fine: 1, Lost: 2,
			Message: "2 of 3" + cut, Groups: map[string]Group{"a": {State: Partial, Reason: ReasonHostMayBeCutOff, Members: 4, Lost: 3}}}},
		"all were given up": {fleet("a:xx"), Verdict{State: Full, Reason: ReasonHostMayBeCutOff, Message: "no cluster is left that could take what is evicted",
			Groups: map[string]Group{"a": {State: Full, Reason: ReasonHostMayBeCutOff, Members: 2, Lost: 2}}}},
		"nobody was asked yet": {fleet("a:..."), Verdict{State: Full, Reason: ReasonHostMayBeCutOff, Unasked: 3,
			Message: "this manager has asked 0 of 3 clusters so far: the host itself may be cut off, so that nothing is evicted yet",
			Groups:  map[string]Group{"a": {State: Full, Reason: ReasonHostMayBeCutOff, Members: 3, Lost: 3}}}},
		"one is lost, and one of the others may be": {fleet("a:+-."), Verdict{State: Partial, Reason: ReasonHostMayBeCutOff, Fine: 1, Lost: 1, Unasked: 1,
			Message: "this manager has asked 2 of 3 clusters so far: the host itself may be cut off, so that nothing is evicted yet",
			Groups:  map[string]Group{"a": {State: Normal, Reason: ReasonHostMayBeCutOff, Members: 3, Lost: 2}}}},
		"enough were asked": {fleet("a:++-."), Verdict{State: Normal, Reason: ReasonNormal, Fine: 2, Lost: 1, Unasked: 1,
			Groups: map[string]Group{"a": normal(4, 2)}}},
		"those apart do not count": {fleet("a:????+-", "b:?"), Verdict{State: Normal, Reason: ReasonNormal, Fine: 1, Lost: 1,
			Groups: map[string]Group{"a": normal(2, 1)}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Judge(tc.members, limits)); diff != "" {
				t.Errorf("Judge() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAGroupThatNobodyCountsIsSlowUnlessAllIsHeld(t *testing.T) {
	l := Limits{Share: 0.55, Rate: 10, SlowRate: 1}
	calm := Judge(fleet("a:++-", "b:?"), l)
	cut := Judge(fleet("a:---", "b:?"), l)
	got := []float64{calm.Rate("a", l), calm.Rate("b", l), cut.Rate("a", l), cut.Rate("b", l)}
	if diff := cmp.Diff([]float64{10, 1, 0, 0}, got); diff != "" {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
}

func TestAMemberIsSeenByItsConditionItsProbeAndItsTaints(t *testing.T) {
	now := metav1.Now()
	healthy := func() *v1alpha1.Cluster {
		return &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: "berlin", UID: "1"},
			Spec:       v1alpha1.ClusterSpec{Provider: "acme", Region: "eu"},
			Status: v1alpha1.ClusterStatus{
				KubernetesVersion: "v1.37.1", Probe: &v1alpha1.ProbeStatus{Outcome: metav1.ConditionTrue},
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonClusterReady}},
			},
		}
	}
	fails := func(reason string) func(*v1alpha1.Cluster) {
		return func(c *v1alpha1.Cluster) {
			c.Status.Probe.Outcome = metav1.ConditionFalse
			c.Status.Conditions[0].Status, c.Status.Conditions[0].Reason = metav1.ConditionFalse, reason
		}
	}
	taint := func(key string, effect corev1.TaintEffect) func(*v1alpha1.Cluster) {
		return func(c *v1alpha1.Cluster) {
			c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: key, Effect: effect})
		}
	}
	// ours lets the taints that are there be the manager's own.
	ours := func(c *v1alpha1.Cluster) {
		for _, taint := range c.Spec.Taints {
			fields := fmt.Sprintf(`{"f:spec":{"f:taints":{"k:{\"effect\":\"%s\",\"key\":\"%s\"}":{}}}}`, taint.Effect, taint.Key)
			c.ManagedFields = append(c.ManagedFields, metav1.ManagedFieldsEntry{
				Manager: v1alpha1.TaintingManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields),
			})
		}
	}
	silent := fails(v1alpha1.ReasonClusterNotReachable)
	for name, tc := range map[string]struct {
		change []func(*v1alpha1.Cluster)
		want   Sight
		seen   Sightings
	}{
		"healthy":                      {nil, Fine, nil},
		"healthy, drained":             {[]func(*v1alpha1.Cluster){taint(v1alpha1.DrainTaint, corev1.TaintEffectNoExecute)}, Fine, nil},
		"silent since the last probe":  {[]func(*v1alpha1.Cluster){func(c *v1alpha1.Cluster) { c.Status.Probe.Outcome = metav1.ConditionFalse }}, Lost, nil},
		"silent":                       {[]func(*v1alpha1.Cluster){silent}, Lost, nil},
		"not healthy":                  {[]func(*v1alpha1.Cluster){fails(v1alpha1.ReasonClusterNotReady)}, Lost, nil},
		"silent, for the scheduler":    {[]func(*v1alpha1.Cluster){silent, taint(v1alpha1.UnreachableTaint, corev1.TaintEffectNoSchedule)}, Lost, nil},
		"silent, and drained by hand":  {[]func(*v1alpha1.Cluster){silent, taint(v1alpha1.DrainTaint, corev1.TaintEffectNoExecute)}, Lost, nil},
		"silent, and evicted":          {[]func(*v1alpha1.Cluster){silent, taint(v1alpha1.UnreachableTaint, corev1.TaintEffectNoExecute), ours}, GivenUp, nil},
		"silent, and a user's taint":   {[]func(*v1alpha1.Cluster){silent, taint(v1alpha1.UnreachableTaint, corev1.TaintEffectNoExecute)}, Lost, nil},
		"back, before its taint went":  {[]func(*v1alpha1.Cluster){taint(v1alpha1.UnreachableTaint, corev1.TaintEffectNoExecute), ours}, Fine, nil},
		"refuses the credentials":      {[]func(*v1alpha1.Cluster){fails(v1alpha1.ReasonUnauthorized)}, Apart, nil},
		"without credentials":          {[]func(*v1alpha1.Cluster){fails(v1alpha1.ReasonCredentialsMissing)}, Apart, nil},
		"leaving":                      {[]func(*v1alpha1.Cluster){silent, func(c *v1alpha1.Cluster) { c.DeletionTimestamp = &now }}, Apart, nil},
		"never reached":                {[]func(*v1alpha1.Cluster){silent, func(c *v1alpha1.Cluster) { c.Status.KubernetesVersion = "" }}, Apart, nil},
		"new, nothing is known of it":  {[]func(*v1alpha1.Cluster){func(c *v1alpha1.Cluster) { c.Status = v1alpha1.ClusterStatus{} }}, Apart, nil},
		"healthy, of an older manager": {[]func(*v1alpha1.Cluster){func(c *v1alpha1.Cluster) { c.Status.Probe = nil }}, Fine, nil},
		"healthy, and not asked yet":   {nil, Unasked, Sightings{}},
		"healthy, and asked":           {nil, Fine, Sightings{"1": {Answers: true}}},
		"healthy, they say":            {nil, Lost, Sightings{"1": {}}},
		"silent, they say":             {[]func(*v1alpha1.Cluster){silent}, Unasked, Sightings{"2": {}}},
		"silent, and asked":            {[]func(*v1alpha1.Cluster){silent}, Lost, Sightings{"1": {}}},
		"silent, and answering":        {[]func(*v1alpha1.Cluster){silent}, Lost, Sightings{"1": {Answers: true}}},
		"given up, and not asked yet":  {[]func(*v1alpha1.Cluster){silent, taint(v1alpha1.UnreachableTaint, corev1.TaintEffectNoExecute), ours}, GivenUp, Sightings{}},
		"refusing, and not asked yet":  {[]func(*v1alpha1.Cluster){fails(v1alpha1.ReasonUnauthorized)}, Apart, Sightings{}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := healthy()
			for _, change := range tc.change {
				change(cluster)
			}
			want := []Member{{Name: "berlin", Group: "acme/eu", Sight: tc.want}}
			if diff := cmp.Diff(want, Members([]v1alpha1.Cluster{*cluster}, tc.seen)); diff != "" {
				t.Errorf("Members() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPaceGrantsWhatItsRateBrings(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	type step struct {
		after time.Duration
		rate  float64
		want  int
	}
	for name, tc := range map[string]struct {
		steps []step
		got   []int
		wait  time.Duration
		ever  bool
	}{
		"the first is granted at once":    {[]step{{0, 10, 100}}, []int{1}, 100*time.Millisecond + time.Microsecond, true},
		"ten a second":                    {[]step{{0, 10, 100}, {time.Second, 10, 100}, {500 * time.Millisecond, 10, 100}}, []int{1, 10, 5}, 100*time.Millisecond + time.Microsecond, true},
		"never more than a second brings": {[]step{{0, 10, 100}, {time.Hour, 10, 100}}, []int{1, 10}, 100*time.Millisecond + time.Microsecond, true},
		"less than one a second":          {[]step{{0, 0.5, 9}, {time.Second, 0.5, 9}, {time.Second, 0.5, 9}}, []int{1, 0, 1}, 2*time.Second + time.Microsecond, true},
		"only what is wanted":             {[]step{{0, 10, 0}, {time.Second, 10, 3}}, []int{0, 3}, 0, true},
		"nothing while it is held":        {[]step{{0, 0, 5}, {time.Hour, 0, 5}}, []int{0, 0}, 0, false},
		"a clock that goes back":          {[]step{{0, 1, 5}, {-time.Hour, 1, 5}}, []int{1, 0}, time.Second + time.Microsecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			var pace Pace
			var got []int
			now, rate := start, 0.0
			for _, s := range tc.steps {
				var granted int
				now, rate = now.Add(s.after), s.rate
				pace, granted = pace.Take(s.want, s.rate, now)
				got = append(got, granted)
			}
			wait, ever := pace.Wait(rate, now)
			if diff := cmp.Diff(tc.got, got); diff != "" || wait != tc.wait || ever != tc.ever {
				t.Errorf("granted (-want +got):\n%s\nwait %s, %t, want %s, %t", diff, wait, ever, tc.wait, tc.ever)
			}
		})
	}
}
