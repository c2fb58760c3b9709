package health

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

var looks = map[rune]Observation{
	'+': {Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonClusterReady, Message: "fine"},
	'-': {Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonClusterNotReachable, Message: "silent"},
	'!': {Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnauthorized, Message: "no"},
	'x': {Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonCertificateExpired, Message: "too old"},
	'0': {Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonCredentialsMissing, Message: "none"},
	'?': {Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonProbing, Message: "soon"},
}

// story plays looks at intervals of ten seconds, with thresholds of thirty, and draws Ready after each. From the look edit
// on, the member is reached by another way; zero for never.
func story(drawn string, edit int) string {
	var last Last
	var ready strings.Builder
	way := "before"
	for i, r := range drawn {
		if edit > 0 && i == edit {
			way = "after"
		}
		seen := looks[r]
		seen.Way = way
		condition, probe := Judge(seen, last, Thresholds{Success: 30 * time.Second, Failure: 30 * time.Second}, start.Add(time.Duration(i)*10*time.Second))
		last = Last{Ready: &condition, Probe: probe} // all that a new manager knows
		ready.WriteByte(condition.Status[0])
	}
	return ready.String()
}

func TestReadyFlipsOnlyWhenWhatIsSeenHolds(t *testing.T) {
	for name, tc := range map[string]struct {
		looks, want string
		edit        int
	}{
		"the first look counts":                            {looks: "-", want: "F"},
		"one lost probe is not heard":                      {looks: "++-+", want: "TTTT"},
		"silence counts when it holds":                     {looks: "+----", want: "TTTTF"},
		"lost probes in between start it anew":             {looks: "+---+---+----", want: "TTTTTTTTTTTTF"},
		"an answer counts when it holds":                   {looks: "-++++", want: "FFFFT"},
		"refusals may pass, too":                           {looks: "+!!!!", want: "TTTTF"},
		"and so may certificates that ended":               {looks: "+xxxx", want: "TTTTF"},
		"what is certain counts at once":                   {looks: "+0", want: "TF"},
		"and so does its repair":                           {looks: "00+", want: "FFT"},
		"so does the repair of refused credentials":        {looks: "!!+", want: "FFT"},
		"by another way an answer counts":                  {looks: "--+", want: "FFT", edit: 2},
		"by another way that failed at first it must hold": {looks: "--++++", want: "FFFFFT", edit: 1},
		"by another way silence still has to hold":         {looks: "+-+", want: "TTT", edit: 1},
		"from unknown anything counts":                     {looks: "?-", want: "UF"},
		"silence after another silence keeps its age":      {looks: "+-!--", want: "TTTTF"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := story(tc.looks, tc.edit); got != tc.want {
				t.Errorf("after %s Ready is %s, want %s", tc.looks, got, tc.want)
			}
		})
	}
}

func TestTheReasonFollowsTheLastLookWhileTheStatusStays(t *testing.T) {
	before := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonClusterNotReachable,
		Message: "silent", LastTransitionTime: metav1.NewTime(start)}
	probe := &v1alpha1.ProbeStatus{Outcome: metav1.ConditionFalse, Since: metav1.NewTime(start), Way: "w"}
	got, gotProbe := Judge(looks['!'], Last{Ready: &before, Probe: probe}, Thresholds{}, start.Add(time.Hour))
	want := before
	want.Reason, want.Message = v1alpha1.ReasonUnauthorized, "no"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("condition (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(probe, gotProbe); diff != "" {
		t.Errorf("probe (-want +got):\n%s", diff)
	}
}

func TestOnlySilenceIsAnOutage(t *testing.T) {
	got := map[string]bool{}
	for _, reason := range []string{v1alpha1.ReasonClusterNotReachable, v1alpha1.ReasonClusterNotReady, v1alpha1.ReasonUnauthorized, v1alpha1.ReasonCredentialsMissing} {
		got[reason] = Outage(metav1.Condition{Status: metav1.ConditionFalse, Reason: reason})
	}
	got["Ready"] = Outage(metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonClusterReady})
	want := map[string]bool{v1alpha1.ReasonClusterNotReachable: true, v1alpha1.ReasonClusterNotReady: true, v1alpha1.ReasonUnauthorized: false, v1alpha1.ReasonCredentialsMissing: false, "Ready": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Outage() (-want +got):\n%s", diff)
	}
}
