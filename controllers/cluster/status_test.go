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

func at(generation int64, kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(start)}
}

func TestTheStatusHoldsWhatWasSeenAndKeepsWhatWasNot(t *testing.T) {
	apps := v1alpha1.APIEnablement{GroupVersion: "apps/v1"}
	broken := v1alpha1.APIEnablement{GroupVersion: "broken.dev/v1"}
	ready := at(3, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "the member answers and takes the credentials")
	honored := at(3, v1alpha1.ConditionFieldsHonored, metav1.ConditionTrue, v1alpha1.ReasonAllHonored, "every field that is set has an effect")
	probe := &v1alpha1.ProbeStatus{Outcome: metav1.ConditionTrue, Since: metav1.NewTime(start)}
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
				ObservedGeneration: 3, KubernetesVersion: "v1.37.1", APIEnablements: []v1alpha1.APIEnablement{apps}, Probe: probe,
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
				ObservedGeneration: 3, KubernetesVersion: "v1.37.1", APIEnablements: []v1alpha1.APIEnablement{apps, broken}, Probe: probe,
				Conditions: []metav1.Condition{ready, at(3, v1alpha1.ConditionAPIsComplete, metav1.ConditionFalse, v1alpha1.ReasonPartlyDiscovered,
					"could not be listed, what was known of them is kept: broken.dev/v1; the capacity is not known: no right"), honored},
			},
		},
		"nothing but a fault": {
			spec: v1alpha1.ClusterSpec{Taints: []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectNoSchedule}, {Key: "b", Effect: corev1.TaintEffectNoExecute}}},
			had:  v1alpha1.ClusterStatus{KubernetesVersion: "v1.36.0", NodeSummary: &v1alpha1.NodeSummary{TotalNum: 1}},
			seen: sighting{fault: faultOf(v1alpha1.ReasonUnauthorized)},
			want: v1alpha1.ClusterStatus{
				ObservedGeneration: 3, KubernetesVersion: "v1.36.0", NodeSummary: &v1alpha1.NodeSummary{TotalNum: 1},
				Probe: &v1alpha1.ProbeStatus{Outcome: metav1.ConditionFalse, Since: metav1.NewTime(start)},
				Conditions: []metav1.Condition{
					at(3, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUnauthorized, "it is Unauthorized"),
					at(3, v1alpha1.ConditionFieldsHonored, metav1.ConditionFalse, v1alpha1.ReasonNotYetHonored, "has no effect in this version: spec.taints[1].effect: NoExecute, other than as NoSchedule"),
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
					at(3, v1alpha1.ConditionFieldsHonored, metav1.ConditionFalse, v1alpha1.ReasonNotYetHonored, "has no effect in this version: spec.syncMode: Pull"),
				},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Spec: tc.spec, Status: tc.had}
			got := nextStatus(cluster, tc.seen, start.Add(300*time.Millisecond), Timings{})
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
