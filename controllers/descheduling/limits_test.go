package descheduling

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var start = time.Unix(1_700_000_000, 0)

const coolDown = 10 * time.Minute

// aggregated is the spec of a template of 10 replicas that is divided by room: 6 in member1, 4 in member2.
func aggregated() v1alpha1.BindingSpec {
	return v1alpha1.BindingSpec{
		Resource: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "web-uid"},
		Replicas: ptr.To[int32](10),
		Placement: &v1alpha1.Placement{ReplicaScheduling: &v1alpha1.ReplicaScheduling{
			ReplicaSchedulingType: v1alpha1.Divided, ReplicaDivisionPreference: v1alpha1.Aggregated,
		}},
		Clusters: []v1alpha1.TargetCluster{{Name: "member1", Replicas: ptr.To[int32](6)}, {Name: "member2", Replicas: ptr.To[int32](4)}},
	}
}

// reporting is a member's report of a status.
func reporting(cluster string, status map[string]any) v1alpha1.AggregatedStatusItem {
	raw, _ := json.Marshal(status)
	return v1alpha1.AggregatedStatusItem{ClusterName: cluster, Status: &runtime.RawExtension{Raw: raw}}
}

// lacking is n pods that have been stuck for six minutes.
func lacking(n int32) stuck {
	return stuck{pods: n, since: start.Add(-6 * time.Minute), message: "too little cpu"}
}

func limit(cluster string, most int32, since time.Time) v1alpha1.ReplicaLimit {
	return v1alpha1.ReplicaLimit{Cluster: cluster, MaxReplicas: most, Since: metav1.NewTime(since)}
}

func TestLimits(t *testing.T) {
	type numbers map[string]any
	type most struct {
		Cluster string
		Max     int32
		Age     time.Duration // how long ago it was set
	}
	old := func(cluster string, most int32, age time.Duration) v1alpha1.ReplicaLimit {
		return limit(cluster, most, start.Add(-age))
	}
	tests := map[string]struct {
		change func(*v1alpha1.BindingSpec)
		status numbers // of member1; 6 pods, 2 of them ready, when nil
		silent bool    // member1 has reported no status
		stuck  map[string]stuck
		gone   string // this cluster does not exist
		old    []v1alpha1.ReplicaLimit
		want   []most
	}{
		"nothing is stuck": {},
		"some are stuck":   {stuck: map[string]stuck{"member1": lacking(4)}, want: []most{{"member1", 2, 0}}},
		"more are ready than are not stuck": {
			status: numbers{"replicas": 6, "readyReplicas": 5}, stuck: map[string]stuck{"member1": lacking(4)}, want: []most{{"member1", 5, 0}},
		},
		"all are stuck": {
			status: numbers{"replicas": 6}, stuck: map[string]stuck{"member1": lacking(6)}, want: []most{{"member1", 0, 0}},
		},
		"as many as are assigned are ready": {status: numbers{"replicas": 7, "readyReplicas": 6}, stuck: map[string]stuck{"member1": lacking(1)}},
		"a rollout's extra pod is stuck": {
			status: numbers{"replicas": 7, "readyReplicas": 5}, stuck: map[string]stuck{"member1": lacking(1)},
		},
		"what was taken away is not gone yet": {
			change: func(s *v1alpha1.BindingSpec) { s.Clusters[0].Replicas = ptr.To[int32](2) },
			status: numbers{"replicas": 6, "readyReplicas": 1}, stuck: map[string]stuck{"member1": lacking(4)},
			old: []v1alpha1.ReplicaLimit{old("member1", 2, time.Minute)}, want: []most{{"member1", 2, time.Minute}},
		},
		"some of what was just added may still fit": {
			change: func(s *v1alpha1.BindingSpec) { s.Clusters[0].Replicas = ptr.To[int32](8) },
			stuck:  map[string]stuck{"member1": lacking(2)}, want: []most{{"member1", 6, 0}},
		},
		"a job counts its active pods": {
			status: numbers{"active": 6, "ready": 4}, stuck: map[string]stuck{"member1": lacking(3)}, want: []most{{"member1", 4, 0}},
		},
		"two clusters": {
			stuck: map[string]stuck{"member2": lacking(1), "member1": lacking(1)}, want: []most{{"member1", 5, 0}, {"member2", 3, 0}},
		},
		"a member that has reported no status": {silent: true, stuck: map[string]stuck{"member1": lacking(4)}},
		"a status that is not understood":      {status: numbers{"replicas": "six"}, stuck: map[string]stuck{"member1": lacking(4)}},
		"a cluster without a share":            {stuck: map[string]stuck{"member3": lacking(4)}},
		"a cluster that is gone":               {stuck: map[string]stuck{"member1": lacking(4)}, gone: "member1"},
		"static weights": {
			change: func(s *v1alpha1.BindingSpec) {
				s.Placement.ReplicaScheduling = &v1alpha1.ReplicaScheduling{ReplicaSchedulingType: v1alpha1.Divided}
			},
			stuck: map[string]stuck{"member1": lacking(4)}, old: []v1alpha1.ReplicaLimit{old("member1", 2, 0)},
		},
		"duplicated": {
			change: func(s *v1alpha1.BindingSpec) { s.Placement.ReplicaScheduling = nil }, stuck: map[string]stuck{"member1": lacking(4)},
		},
		"several components": {
			change: func(s *v1alpha1.BindingSpec) { s.Components = []v1alpha1.Component{{Name: "a"}, {Name: "b"}} },
			stuck:  map[string]stuck{"member1": lacking(4)},
		},
		"no replicas": {change: func(s *v1alpha1.BindingSpec) { s.Replicas = nil }, stuck: map[string]stuck{"member1": lacking(4)}},

		"a limit stays while it cools down": {old: []v1alpha1.ReplicaLimit{old("member1", 2, coolDown-1)}, want: []most{{"member1", 2, coolDown - 1}}},
		"a limit of a cluster that holds nothing any more stays too": {
			old: []v1alpha1.ReplicaLimit{old("member3", 0, time.Minute)}, want: []most{{"member3", 0, time.Minute}},
		},
		"a limit is lifted after that":                {old: []v1alpha1.ReplicaLimit{old("member1", 2, coolDown)}},
		"a limit of a cluster that is gone is lifted": {old: []v1alpha1.ReplicaLimit{old("member3", 0, time.Minute)}, gone: "member3"},
		"a limit begins anew when its time is up and pods are still stuck": {
			stuck: map[string]stuck{"member1": lacking(4)}, old: []v1alpha1.ReplicaLimit{old("member1", 2, coolDown)}, want: []most{{"member1", 2, 0}},
		},
		"a limit is not renewed before": {
			stuck: map[string]stuck{"member1": lacking(4)}, old: []v1alpha1.ReplicaLimit{old("member1", 2, time.Minute)}, want: []most{{"member1", 2, time.Minute}},
		},
		"a limit is lowered when more are stuck": {
			stuck: map[string]stuck{"member1": lacking(4)}, old: []v1alpha1.ReplicaLimit{old("member1", 3, time.Minute)}, want: []most{{"member1", 2, 0}},
		},
		"a limit is not raised when fewer are stuck": {
			stuck: map[string]stuck{"member1": lacking(1)}, old: []v1alpha1.ReplicaLimit{old("member1", 3, time.Minute)}, want: []most{{"member1", 3, time.Minute}},
		},
		"a limit is lifted when the template is to be placed anew": {
			change: func(s *v1alpha1.BindingSpec) {
				s.RescheduleTriggeredAt = ptr.To(metav1.NewTime(start.Add(-time.Minute)))
			},
			old: []v1alpha1.ReplicaLimit{old("member1", 2, 2*time.Minute), old("member2", 2, 30*time.Second)}, want: []most{{"member2", 2, 30 * time.Second}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := aggregated()
			spec.ReplicaLimits = tc.old
			if tc.change != nil {
				tc.change(&spec)
			}
			if tc.status == nil {
				tc.status = numbers{"replicas": 6, "readyReplicas": 2}
			}
			f := facts{
				spec: &spec, stuck: tc.stuck, clusters: sets.New("member1", "member2", "member3"), now: start, coolDown: coolDown,
				reports: []v1alpha1.AggregatedStatusItem{{ClusterName: "member1"}, reporting("member2", numbers{"replicas": 4, "readyReplicas": 3})},
			}
			f.clusters.Delete(tc.gone)
			if !tc.silent {
				f.reports[0] = reporting("member1", tc.status)
			}
			var got []most
			result := limits(f)
			for _, l := range result {
				got = append(got, most{l.Cluster, l.MaxReplicas, start.Sub(l.Since.Time)})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("limits() (-want +got):\n%s", diff)
			}
			spec.ReplicaLimits = result
			if diff := cmp.Diff(result, limits(f)); diff != "" {
				t.Errorf("limits() of its own result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALimitSaysWhatWasSeen(t *testing.T) {
	spec := aggregated()
	waiting := lacking(4)
	waiting.message = strings.Repeat("0/3 nodes are available. ", 100)
	f := facts{
		spec: &spec, stuck: map[string]stuck{"member1": waiting}, clusters: sets.New("member1"), now: start, coolDown: coolDown,
		reports: []v1alpha1.AggregatedStatusItem{reporting("member1", map[string]any{"replicas": 6, "readyReplicas": 2})},
	}
	got := limits(f)[0].Message
	if want := "4 of 6 replicas had no room since 2023-11-14T22:07:20Z: 0/3 nodes are available. "; !strings.HasPrefix(got, want) {
		t.Errorf("message = %q, want it to begin with %q", got, want)
	}
	if len(got) > maxMessage {
		t.Errorf("the message has %d bytes, the API takes %d", len(got), maxMessage)
	}
}
