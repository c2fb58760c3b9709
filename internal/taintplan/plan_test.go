package taintplan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const (
	noSchedule = corev1.TaintEffectNoSchedule
	noExecute  = corev1.TaintEffectNoExecute
	notReady   = v1alpha1.NotReadyTaint
	silent     = v1alpha1.UnreachableTaint
)

func taint(key string, effect corev1.TaintEffect, after time.Duration) corev1.Taint {
	return corev1.Taint{Key: key, Effect: effect, TimeAdded: stamp(start.Add(after))}
}

// berlin is a cluster whose condition Ready turned at the start.
func berlin(status metav1.ConditionStatus, reason string, taints ...corev1.Taint) v1alpha1.Cluster {
	return v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "berlin", UID: "1"},
		Spec:       v1alpha1.ClusterSpec{Taints: taints},
		Status: v1alpha1.ClusterStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(start), ObservedGeneration: 7},
		}},
	}
}

// answering is a cluster that has answered its last probe.
func answering(cluster v1alpha1.Cluster) v1alpha1.Cluster {
	cluster.Status.Probe = &v1alpha1.ProbeStatus{Outcome: metav1.ConditionTrue}
	return cluster
}

func all(cluster v1alpha1.Cluster) map[Key]bool {
	owned := map[Key]bool{}
	for _, t := range cluster.Spec.Taints {
		owned[Key{Key: t.Key, Effect: t.Effect}] = true
	}
	return owned
}

var held = stampede.Verdict{Reason: stampede.ReasonHostMayBeCutOff, Message: "all is lost"}

func TestAClustersHealthBecomesTaints(t *testing.T) {
	const (
		delay      = 30 * time.Second
		conditionF = metav1.ConditionFalse
		unreach    = v1alpha1.ReasonClusterNotReachable
	)
	tainted := func(reason, message string) *metav1.Condition {
		return &metav1.Condition{Type: v1alpha1.ConditionTainted, Status: metav1.ConditionTrue, Reason: reason, Message: message, ObservedGeneration: 7}
	}
	for name, tc := range map[string]struct {
		cluster v1alpha1.Cluster
		foreign bool // the taints that are there are somebody else's
		left    int  // templates that should not be there any more
		off     bool // the gate Failover is off
		verdict stampede.Verdict
		seen    stampede.Sightings
		held    time.Duration // until then
		after   time.Duration
		want    []corev1.Taint
		tainted *metav1.Condition
		next    time.Duration
	}{
		"ready": {cluster: berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady)},
		"ready again": {
			cluster: berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady, taint(silent, noSchedule, 0), taint(silent, noExecute, delay)), after: time.Minute,
		},
		"ready again, and not clean": {
			cluster: berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady, taint(silent, noSchedule, 0), taint(silent, noExecute, delay)), left: 3, after: time.Minute,
			want: []corev1.Taint{taint(silent, noSchedule, 0)}, next: time.Minute + cleaningLook,
			tainted: tainted(v1alpha1.ReasonCleaningUp, silent+"; nothing new is placed there; it is Ready, and still holds old copies of 3 templates that were moved or deleted, which are being removed"),
		},
		"ready again, not clean, not healthy before": {
			cluster: berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady, taint(notReady, noSchedule, time.Second)), left: 1, off: true, after: time.Minute,
			want: []corev1.Taint{taint(notReady, noSchedule, time.Second)}, next: time.Minute + cleaningLook,
			tainted: tainted(v1alpha1.ReasonCleaningUp, notReady+"; nothing new is placed there; it is Ready, and still holds old copies of 1 templates that were moved or deleted, which are being removed"),
		},
		"ready again, and something cannot be removed": {
			cluster: berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady, taint(silent, noSchedule, 0)), left: 3, after: cleaningPatience,
		},
		"ready all the time, with something to remove": {cluster: berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady), left: 3},
		"ready, not clean, and a user keeps it tainted": {
			cluster: berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady, taint(silent, noSchedule, 0)), foreign: true, left: 3,
		},
		"silent for a moment": {
			cluster: berlin(conditionF, unreach), after: time.Second, next: delay,
			want:    []corev1.Taint{taint(silent, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvictionPending, silent+"; nothing new is placed there; what runs there is evicted from 2026-01-01T12:00:30Z on, unless the cluster returns"),
		},
		"silent for too long": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, time.Second)), after: delay,
			want:    []corev1.Taint{taint(silent, noExecute, delay), taint(silent, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvicting, silent+"; nothing new is placed there; what does not tolerate it is evicted"),
		},
		"silent for too long, and another manager saw it": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, time.Second)), seen: stampede.Sightings{}, after: time.Hour,
			want:    []corev1.Taint{taint(silent, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvictionPending, silent+"; nothing new is placed there; what runs there stays until this manager itself has asked the cluster"),
		},
		"silent for too long, and this manager has known it for a moment": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, time.Second)), seen: stampede.Sightings{"1": {LostSince: start.Add(time.Hour - delay/2)}},
			after: time.Hour - time.Second, held: time.Minute,
			want: []corev1.Taint{taint(silent, noSchedule, time.Second)}, next: time.Hour + delay/2,
			tainted: tainted(v1alpha1.ReasonEvictionPending, silent+"; nothing new is placed there; what runs there is evicted from 2026-01-01T13:00:15Z on, unless the cluster returns"),
		},
		"silent for too long, and all others were for most of it": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, time.Second)), seen: stampede.Sightings{"1": {LostSince: start}},
			after: time.Hour, held: time.Hour,
			want: []corev1.Taint{taint(silent, noSchedule, time.Second)}, next: time.Hour + delay,
			tainted: tainted(v1alpha1.ReasonEvictionPending, silent+"; nothing new is placed there; what runs there is evicted from 2026-01-01T13:00:30Z on, unless the cluster returns"),
		},
		"silent for too long since then": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, time.Second)), seen: stampede.Sightings{"1": {LostSince: start}},
			after: time.Hour, held: time.Hour - delay,
			want:    []corev1.Taint{taint(silent, noExecute, time.Hour), taint(silent, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvicting, silent+"; nothing new is placed there; what does not tolerate it is evicted"),
		},
		"silent for too long, and it answers": {
			cluster: answering(berlin(conditionF, unreach, taint(silent, noSchedule, time.Second))), after: time.Hour,
			want:    []corev1.Taint{taint(silent, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvictionPending, silent+"; nothing new is placed there; what runs there stays while the cluster answers"),
		},
		"evicted by another manager, and not asked yet": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, time.Second), taint(silent, noExecute, delay)), seen: stampede.Sightings{}, after: time.Hour,
			want:    []corev1.Taint{taint(silent, noExecute, delay), taint(silent, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvicting, silent+"; nothing new is placed there; what does not tolerate it is evicted"),
		},
		"steady": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, time.Second), taint(silent, noExecute, delay)), after: time.Hour,
			want:    []corev1.Taint{taint(silent, noExecute, delay), taint(silent, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvicting, silent+"; nothing new is placed there; what does not tolerate it is evicted"),
		},
		"silent, then not healthy: the times stay, the key changes": {
			cluster: berlin(conditionF, v1alpha1.ReasonClusterNotReady, taint(silent, noSchedule, time.Second), taint(silent, noExecute, delay)), after: time.Hour,
			want:    []corev1.Taint{taint(notReady, noExecute, delay), taint(notReady, noSchedule, time.Second)},
			tainted: tainted(v1alpha1.ReasonEvicting, notReady+"; nothing new is placed there; what does not tolerate it is evicted"),
		},
		"nobody can tell": {
			cluster: berlin(metav1.ConditionUnknown, v1alpha1.ReasonSyncModeNotSupported), after: time.Hour,
			want:    []corev1.Taint{taint(silent, noSchedule, time.Hour)},
			tainted: tainted(v1alpha1.ReasonStaysInUse, silent+"; nothing new is placed there; what runs there runs on: SyncModeNotSupported does not say that it has failed"),
		},
		"it refuses the credentials": {
			cluster: berlin(conditionF, v1alpha1.ReasonUnauthorized), after: time.Hour,
			want:    []corev1.Taint{taint(notReady, noSchedule, time.Hour)},
			tainted: tainted(v1alpha1.ReasonStaysInUse, notReady+"; nothing new is placed there; what runs there runs on: Unauthorized does not say that it has failed"),
		},
		"without failover": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, 0), taint(silent, noExecute, delay)), off: true, after: time.Hour,
			want:    []corev1.Taint{taint(silent, noSchedule, 0)},
			tainted: tainted(v1alpha1.ReasonFailoverDisabled, silent+"; nothing new is placed there; what runs there stays, because the feature gate Failover is off"),
		},
		"with all others": {
			cluster: berlin(conditionF, unreach), verdict: held, after: time.Hour,
			want:    []corev1.Taint{taint(silent, noSchedule, time.Hour)},
			tainted: tainted(v1alpha1.ReasonEvictionHeld, silent+"; nothing new is placed there; all is lost"),
		},
		"before all others: what was begun keeps its time": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, 0), taint(silent, noExecute, delay)), verdict: held, after: time.Hour,
			want:    []corev1.Taint{taint(silent, noExecute, delay), taint(silent, noSchedule, 0)},
			tainted: tainted(v1alpha1.ReasonEvictionHeld, silent+"; nothing new is placed there; all is lost"),
		},
		"a user has put the taint there": {
			cluster: berlin(conditionF, unreach, taint(silent, noSchedule, 0)), foreign: true, after: time.Second, next: delay,
			tainted: tainted(v1alpha1.ReasonEvictionPending, silent+"; nothing new is placed there; what runs there is evicted from 2026-01-01T12:00:30Z on, unless the cluster returns"),
		},
		"new": {cluster: v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "berlin"}}},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Clusters: []v1alpha1.Cluster{tc.cluster}, Failover: !tc.off, Delay: delay, Verdict: tc.verdict, Now: start.Add(tc.after), Leftovers: map[string]int{"berlin": tc.left}, Sightings: tc.seen}
			if tc.held > 0 {
				in.HeldUntil = start.Add(tc.held)
			}
			if !tc.foreign {
				in.Owned = map[string]map[Key]bool{"berlin": all(tc.cluster)}
			}
			want := Plan{Clusters: map[string]ClusterPlan{"berlin": {Taints: tc.want, Tainted: tc.tainted}}, Policies: map[string]v1alpha1.ClusterTaintPolicyStatus{}}
			if tc.tainted != nil {
				tc.tainted.LastTransitionTime = *stamp(in.Now)
			}
			if tc.next > 0 {
				want.Next = start.Add(tc.next)
			}
			if diff := cmp.Diff(want, Make(in)); diff != "" {
				t.Errorf("Make() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAClusterThatIsLeavingIsLeftAsItIs(t *testing.T) {
	cluster := berlin(metav1.ConditionFalse, v1alpha1.ReasonRemoving)
	cluster.DeletionTimestamp = &metav1.Time{Time: start}
	if got := Make(Input{Clusters: []v1alpha1.Cluster{cluster}, Now: start}).Clusters; len(got) > 0 {
		t.Errorf("planned %v, want nothing", got)
	}
}

func TestTaintsWithoutATimeGetOneThatStays(t *testing.T) {
	cluster := berlin(metav1.ConditionTrue, v1alpha1.ReasonClusterReady,
		corev1.Taint{Key: "old", Effect: noExecute}, corev1.Taint{Key: "new", Effect: noExecute},
		corev1.Taint{Key: "quiet", Effect: noSchedule}, taint("timed", noExecute, 0))
	cluster.Status.TaintTimes = []v1alpha1.TaintTime{
		{Key: "gone", Effect: noExecute, Since: *stamp(start)}, {Key: "old", Effect: noExecute, Since: *stamp(start)},
	}
	want := []v1alpha1.TaintTime{
		{Key: "old", Effect: noExecute, Since: *stamp(start)}, {Key: "new", Effect: noExecute, Since: *stamp(start.Add(time.Hour))},
	}
	got := Make(Input{Clusters: []v1alpha1.Cluster{cluster}, Now: start.Add(time.Hour)}).Clusters["berlin"].Times
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
}
