package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

var (
	fine         = verdict{metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "fine"}
	silent       = verdict{metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable, "silent"}
	unauthorized = verdict{metav1.ConditionFalse, v1alpha1.ReasonUnauthorized, "no"}
	noSecret     = verdict{metav1.ConditionFalse, v1alpha1.ReasonCredentialsMissing, "none"}
	unknown      = verdict{metav1.ConditionUnknown, v1alpha1.ReasonProbing, "soon"}
)

// story plays looks at intervals of ten seconds, with thresholds of thirty, and draws Ready after each.
func story(looks []verdict, edit map[int]bool) string {
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	timings := Timings{SuccessThreshold: 30 * time.Second, FailureThreshold: 30 * time.Second}
	var drawn strings.Builder
	for i, look := range looks {
		if edit[i] {
			cluster.Generation++
		}
		cluster.Status = settled(cluster, look, start.Add(time.Duration(i)*10*time.Second), timings)
		drawn.WriteByte(cluster.Status.Conditions[0].Status[0])
	}
	return drawn.String()
}

func settled(cluster *v1alpha1.Cluster, look verdict, now time.Time, t Timings) v1alpha1.ClusterStatus {
	var previous *metav1.Condition
	if len(cluster.Status.Conditions) > 0 {
		previous = &cluster.Status.Conditions[0]
	}
	condition, probe := settle(cluster, previous, look, now, t)
	return v1alpha1.ClusterStatus{Conditions: []metav1.Condition{condition}, Probe: probe}
}

func TestReadyFlipsOnlyWhenWhatIsSeenHolds(t *testing.T) {
	draw := map[rune]verdict{'+': fine, '-': silent, '!': unauthorized, '0': noSecret, '?': unknown}
	cases := map[string]struct {
		looks, want string
		edit        map[int]bool
	}{
		"the first look counts":                       {looks: "-", want: "F"},
		"one lost probe is not heard":                 {looks: "++-+", want: "TTTT"},
		"silence counts when it holds":                {looks: "+----", want: "TTTTF"},
		"lost probes in between start it anew":        {looks: "+---+---+----", want: "TTTTTTTTTTTTF"},
		"an answer counts when it holds":              {looks: "-++++", want: "FFFFT"},
		"refusals may pass, too":                      {looks: "+!!!!", want: "TTTTF"},
		"what is certain counts at once":              {looks: "+0", want: "TF"},
		"and so does its repair":                      {looks: "00+", want: "FFT"},
		"so does the repair of refused credentials":   {looks: "!!+", want: "FFT"},
		"after an edit of the spec an answer counts":  {looks: "--+", want: "FFT", edit: map[int]bool{2: true}},
		"after an edit silence still has to hold":     {looks: "+-+", want: "TTT", edit: map[int]bool{1: true}},
		"from unknown anything counts":                {looks: "?-", want: "UF"},
		"silence after another silence keeps its age": {looks: "+-!--", want: "TTTTF"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var looks []verdict
			for _, r := range tc.looks {
				looks = append(looks, draw[r])
			}
			if got := story(looks, tc.edit); got != tc.want {
				t.Errorf("after %s Ready is %s, want %s", tc.looks, got, tc.want)
			}
		})
	}
}

func TestASteadyMemberChangesNothing(t *testing.T) {
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	first := nextStatus(cluster, sighting{}, start, Timings{})
	cluster.Status = first
	again := nextStatus(cluster, sighting{}, start.Add(time.Hour), Timings{})
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("an hour later the status differs (-first +again):\n%s", diff)
	}
}
