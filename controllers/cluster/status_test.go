package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(generation int64, kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(start)}
}

func TestTheStatusHoldsWhatWasSeenAndKeepsWhatWasNot(t *testing.T) {
	apps := v1alpha1.APIEnablement{GroupVersion: "apps/v1"}
	broken := v1alpha1.APIEnablement{GroupVersion: "broken.dev/v1"}
	ready := at(3, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "the member answers and takes the credentials")
	honored := at(3, v1alpha1.ConditionFieldsHonored, metav1.ConditionTrue, v1alpha1.ReasonAllHonored, "every field that is set has an effect")
	probe := func() *v1alpha1.ProbeStatus {
		return &v1alpha1.ProbeStatus{Outcome: metav1.ConditionTrue, Since: metav1.NewTime(start)}
	}
	cases := map[string]struct {
		spec v1alpha1.ClusterSpec
		had  v1alpha1.ClusterStatus
		seen sighting
		want v1alpha1.ClusterStatus
	}{
		"everything": {
			seen: sighting{identity: memberprobe.Identity{ID: "x", Version: "v1.37.1"}, collected: &collection{
				discovery: &memberprobe.Discovery{APIs: []v1alpha1.APIEnablement{apps}},
				summary:   &memberprobe.Summary{Nodes: v1alpha1.NodeSummary{TotalNum: 2, ReadyNum: 1}},
			}},
			want: v1alpha1.ClusterStatus{
				ObservedGeneration: 3, KubernetesVersion: "v1.37.1", APIEnablements: []v1alpha1.APIEnablement{apps}, Probe: probe(),
				NodeSummary: &v1alpha1.NodeSummary{TotalNum: 2, ReadyNum: 1}, ResourceSummary: &v1alpha1.ResourceSummary{},
				Conditions: []metav1.Condition{ready, at(3, v1alpha1.ConditionAPIsComplete, metav1.ConditionTrue, v1alpha1.ReasonDiscovered, "every API group could be listed"), honored},
			},
		},
		"a group that failed, and no capacity": {
			had: v1alpha1.ClusterStatus{APIEnablements: []v1alpha1.APIEnablement{broken}},
			seen: sighting{identity: memberprobe.Identity{Version: "v1.37.1"}, collected: &collection{
				discovery:  &memberprobe.Discovery{APIs: []v1alpha1.APIEnablement{apps}, Failed: []string{"broken.dev/v1"}},
				summaryErr: errors.New("no right"),
			}},
			want: v1alpha1.ClusterStatus{
				ObservedGeneration: 3, KubernetesVersion: "v1.37.1", APIEnablements: []v1alpha1.APIEnablement{apps, broken}, Probe: probe(),
				Conditions: []metav1.Condition{ready, at(3, v1alpha1.ConditionAPIsComplete, metav1.ConditionFalse, v1alpha1.ReasonPartlyDiscovered,
					"could not be listed, what was known of them is kept: broken.dev/v1; the capacity is not known: no right"), honored},
			},
		},
		"nothing but a fault": {
			spec: v1alpha1.ClusterSpec{Taints: []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectNoSchedule}, {Key: "b", Effect: corev1.TaintEffectNoExecute}, {Key: v1alpha1.DrainTaint, Effect: corev1.TaintEffectNoExecute}}},
			had:  v1alpha1.ClusterStatus{KubernetesVersion: "v1.36.0", NodeSummary: &v1alpha1.NodeSummary{TotalNum: 1}},
			seen: sighting{fault: faultOf(v1alpha1.ReasonUnauthorized)},
			want: v1alpha1.ClusterStatus{
				ObservedGeneration: 3, KubernetesVersion: "v1.36.0", NodeSummary: &v1alpha1.NodeSummary{TotalNum: 1},
				Probe: &v1alpha1.ProbeStatus{Outcome: metav1.ConditionFalse, Since: metav1.NewTime(start)},
				Conditions: []metav1.Condition{
					at(3, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUnauthorized, "it is Unauthorized"),
					at(3, v1alpha1.ConditionFieldsHonored, metav1.ConditionFalse, v1alpha1.ReasonNotYetHonored, "has no effect: spec.taints[1].effect: NoExecute, other than as NoSchedule, as the feature gate Failover is off"),
				},
			},
		},
		"a mode that has no effect": {
			spec: v1alpha1.ClusterSpec{SyncMode: v1alpha1.Pull},
			seen: sighting{fault: faultOf(v1alpha1.ReasonSyncModeNotSupported)},
			want: v1alpha1.ClusterStatus{
				ObservedGeneration: 3, Probe: &v1alpha1.ProbeStatus{Outcome: metav1.ConditionUnknown, Since: metav1.NewTime(start)},
				Conditions: []metav1.Condition{
					at(3, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonSyncModeNotSupported, "it is SyncModeNotSupported"),
					at(3, v1alpha1.ConditionFieldsHonored, metav1.ConditionFalse, v1alpha1.ReasonNotYetHonored, "has no effect: spec.syncMode: Pull"),
				},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Spec: tc.spec, Status: tc.had}
			tc.want.Probe.Way = wayTo(cluster)
			got := nextStatus(cluster, tc.seen, start.Add(300*time.Millisecond), Options{})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("nextStatus() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMessageIsCutToWhatTheAPITakes(t *testing.T) {
	var status v1alpha1.ClusterStatus
	set(&status, metav1.Condition{Type: "T", Message: strings.Repeat("ä", 20000)})
	if n := len(status.Conditions[0].Message); n > 32768 {
		t.Errorf("the message has %d bytes", n)
	}
}

func TestResourceModelsThatMakeNoSenseAreNamed(t *testing.T) {
	grade := func(n int32, ranges ...v1alpha1.ResourceModelRange) v1alpha1.ResourceModel {
		return v1alpha1.ResourceModel{Grade: n, Ranges: ranges}
	}
	between := func(name corev1.ResourceName, least, most string) v1alpha1.ResourceModelRange {
		return v1alpha1.ResourceModelRange{Name: name, Min: resource.MustParse(least), Max: resource.MustParse(most)}
	}
	tests := map[string]struct {
		models []v1alpha1.ResourceModel
		want   string
	}{
		"none":                              {nil, ""},
		"two grades":                        {[]v1alpha1.ResourceModel{grade(0, between("cpu", "0", "4")), grade(1, between("cpu", "4", "1k"))}, ""},
		"a range upside down in the second": {[]v1alpha1.ResourceModel{grade(0, between("cpu", "0", "4")), grade(1, between("cpu", "4", "8"), between("memory", "8Gi", "4Gi"))}, "spec.resourceModels[1].ranges[1]: min must be less than max"},
		"an empty range":                    {[]v1alpha1.ResourceModel{grade(0, between("cpu", "4", "4000m"))}, "spec.resourceModels[0].ranges[0]: min must be less than max"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, modelsFault(tc.models)); diff != "" {
				t.Errorf("modelsFault() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASteadyMemberChangesNothing(t *testing.T) {
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	first := nextStatus(cluster, sighting{}, start, Options{})
	cluster.Status = first
	again := nextStatus(cluster, sighting{}, start.Add(time.Hour), Options{})
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("an hour later the status differs (-first +again):\n%s", diff)
	}
}

func TestWhatOthersWriteIntoTheStatusIsNotTakenOver(t *testing.T) {
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
	want := nextStatus(cluster, sighting{}, start, Options{})
	cluster.Status = *want.DeepCopy()
	cluster.Status.Conditions = append(cluster.Status.Conditions, metav1.Condition{Type: "example.com/Dark"}, metav1.Condition{Type: v1alpha1.ConditionTainted})
	cluster.Status.TaintTimes = []v1alpha1.TaintTime{{Key: "a", Effect: corev1.TaintEffectNoExecute}}
	if diff := cmp.Diff(want, nextStatus(cluster, sighting{}, start, Options{})); diff != "" {
		t.Errorf("nextStatus() (-want +got):\n%s", diff)
	}
}

func TestATaintDoesNotChangeTheWayToAMember(t *testing.T) {
	way := func(spec v1alpha1.ClusterSpec) string { return wayTo(&v1alpha1.Cluster{Spec: spec}) }
	plain := v1alpha1.ClusterSpec{APIEndpoint: "https://a"}
	tainted := plain
	tainted.Taints = []corev1.Taint{{Key: v1alpha1.UnreachableTaint, Effect: corev1.TaintEffectNoSchedule}}
	elsewhere := plain
	elsewhere.APIEndpoint = "https://b"
	got := []bool{way(plain) == way(tainted), way(plain) == way(elsewhere)}
	if diff := cmp.Diff([]bool{true, false}, got); diff != "" {
		t.Errorf("the same way (-want +got):\n%s", diff)
	}
}

func TestAMemberIsLookedAtAgainWhenItsThresholdIsOver(t *testing.T) {
	timings := Timings{ProbeInterval: 10 * time.Second, FailureThreshold: 30 * time.Second, SuccessThreshold: 20 * time.Second}
	status := func(ready, outcome metav1.ConditionStatus) *v1alpha1.ClusterStatus {
		return &v1alpha1.ClusterStatus{
			Probe:      &v1alpha1.ProbeStatus{Outcome: outcome, Since: metav1.NewTime(start)},
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready}},
		}
	}
	for name, tc := range map[string]struct {
		ready, outcome metav1.ConditionStatus
		after          time.Duration
		least, most    time.Duration
	}{
		"steady":                      {metav1.ConditionTrue, metav1.ConditionTrue, 25 * time.Second, 10 * time.Second, 11 * time.Second},
		"silent for a moment":         {metav1.ConditionTrue, metav1.ConditionFalse, time.Second, 10 * time.Second, 11 * time.Second},
		"silent, nearly long enough":  {metav1.ConditionTrue, metav1.ConditionFalse, 27 * time.Second, 3 * time.Second, 3 * time.Second},
		"answers, nearly long enough": {metav1.ConditionFalse, metav1.ConditionTrue, 18 * time.Second, 2 * time.Second, 2 * time.Second},
		"overdue":                     {metav1.ConditionTrue, metav1.ConditionFalse, time.Hour, minLook, minLook},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nextLook(status(tc.ready, tc.outcome), timings, start.Add(tc.after)); got < tc.least || got > tc.most {
				t.Errorf("nextLook() = %s, want from %s to %s", got, tc.least, tc.most)
			}
		})
	}
}
