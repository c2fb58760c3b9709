package eviction

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

var start = time.Unix(1_700_000_000, 0)

func ago(d time.Duration) *metav1.Time { return ptr.To(metav1.NewTime(start.Add(-d))) }

func settings() Settings {
	return Settings{Failover: true, Graceful: true, Toleration: 5 * time.Minute, Limits: stampede.Limits{Share: 0.55, Rate: 50, SlowRate: 5}}
}

func evicting(key string, since time.Duration) corev1.Taint {
	return corev1.Taint{Key: key, Value: "x", Effect: corev1.TaintEffectNoExecute, TimeAdded: ago(since)}
}

// fine is a cluster that the host sees well; lost is one that it does not, with taints of the manager's own.
func fine(name string, taints ...corev1.Taint) v1alpha1.Cluster {
	return v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{Provider: "acme", Region: "eu", Taints: taints},
		Status: v1alpha1.ClusterStatus{
			KubernetesVersion: "v1.37.1",
			Conditions:        []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonClusterReady}},
		},
	}
}

func lost(name string, taints ...corev1.Taint) v1alpha1.Cluster {
	c := fine(name, taints...)
	c.Status.Conditions[0].Status, c.Status.Conditions[0].Reason = metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable
	for _, taint := range taints {
		c.ManagedFields = append(c.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: v1alpha1.TaintingManager, Operation: metav1.ManagedFieldsOperationApply,
			FieldsV1: metav1.NewFieldsV1(fmt.Sprintf(`{"f:spec":{"f:taints":{"k:{\"effect\":\"%s\",\"key\":\"%s\"}":{}}}}`, taint.Effect, taint.Key)),
		})
	}
	return c
}

// job makes the template a Job with a status in cluster a.
func job(status string) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) {
		b.Spec.Resource = v1alpha1.ObjectReference{APIVersion: "batch/v1", Kind: "Job", Namespace: "shop", Name: "web"}
		if len(b.Status.AggregatedStatus) == 0 {
			reporting("a")(b)
		}
		b.Status.AggregatedStatus[0].Status = &runtime.RawExtension{Raw: []byte(status)}
	}
}

func ended(how string) string {
	return fmt.Sprintf(`{"succeeded":1,"conditions":[{"type":"Suspended","status":"False"},{"type":%q,"status":"True"}]}`, how)
}

// since changes a cluster whose condition is what it is for some time.
func since(c v1alpha1.Cluster, age time.Duration, changes ...func(*v1alpha1.Cluster)) v1alpha1.Cluster {
	c.Status.Conditions[0].LastTransitionTime = *ago(age)
	for _, change := range changes {
		change(&c)
	}
	return c
}

// web is a binding with three replicas in each cluster of its placement.
func web(clusters ...string) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: v1alpha1.BindingSpec{Placement: &v1alpha1.Placement{}}}
	for _, name := range clusters {
		b.Spec.Clusters = append(b.Spec.Clusters, v1alpha1.TargetCluster{Name: name, Replicas: ptr.To[int32](3)})
	}
	return b
}

func task(cluster, reason string, age time.Duration) v1alpha1.GracefulEvictionTask {
	return v1alpha1.GracefulEvictionTask{FromCluster: cluster, Reason: reason, Producer: Producer, CreationTimestamp: ago(age)}
}

// tolerating lets the placement tolerate a key for some seconds; for ever when they are negative.
func tolerating(key string, seconds int64) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) {
		t := corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists}
		if seconds >= 0 {
			t.TolerationSeconds = &seconds
		}
		b.Spec.Placement.ClusterTolerations = append(b.Spec.Placement.ClusterTolerations, t)
	}
}

func having(tasks ...v1alpha1.GracefulEvictionTask) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) { b.Spec.GracefulEvictionTasks = tasks }
}

func retaining(cluster string) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) { b.Spec.Retained = []v1alpha1.RetainedCluster{{Name: cluster}} }
}

func directly(task v1alpha1.GracefulEvictionTask) v1alpha1.GracefulEvictionTask {
	task.PurgeMode = v1alpha1.PurgeDirectly
	return task
}

// reporting says that a cluster still has something of the template.
func reporting(cluster string) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) {
		b.Status.AggregatedStatus = append(b.Status.AggregatedStatus, v1alpha1.AggregatedStatusItem{ClusterName: cluster})
	}
}

// nowhere takes the template out of every cluster.
func nowhere(b *v1alpha1.ResourceBinding) { b.Spec.Clusters = nil }

// failing asks for application failover, and says how the application is in a cluster.
func failing(cluster string, health v1alpha1.Health, since *metav1.Time) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) {
		b.Spec.Failover = &v1alpha1.FailoverBehavior{Application: &v1alpha1.ApplicationFailoverBehavior{}}
		b.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{ClusterName: cluster, Health: health, UnhealthySince: since}}
	}
}

func without(change func(*v1alpha1.ApplicationFailoverBehavior)) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) { change(b.Spec.Failover.Application) }
}

// story is what a plan does, in short.
type story struct {
	Started []string
	Ended   []string
	Stays   []string // tasks, when any began or ended
	Next    time.Duration
	Waiting int
	Held    []string
}

func tell(r Result) story {
	s := story{Held: r.Held}
	for _, c := range r.Changes {
		for _, started := range c.Started {
			s.Started = append(s.Started, started.Task.FromCluster+" "+started.Task.Reason)
		}
		for _, ended := range c.Ended {
			s.Ended = append(s.Ended, ended.Cluster+" "+string(ended.Outcome))
		}
		for _, t := range c.Tasks {
			if !slices.ContainsFunc(c.Started, func(s Start) bool { return s.Task.FromCluster == t.FromCluster }) {
				s.Stays = append(s.Stays, t.FromCluster)
			}
		}
	}
	if !r.Next.IsZero() {
		s.Next = r.Next.Sub(start)
	}
	for _, n := range r.Waiting {
		s.Waiting += n
	}
	return s
}

func TestPlan(t *testing.T) {
	const own, drain, unreachable, notReady = "example.com/broken", v1alpha1.DrainTaint, v1alpha1.UnreachableTaint, v1alpha1.NotReadyTaint
	unseen := corev1.Taint{Key: own, Effect: corev1.TaintEffectNoExecute}
	unschedulable := corev1.Taint{Key: own, Effect: corev1.TaintEffectNoSchedule, TimeAdded: ago(time.Hour)}
	deleted := func(c v1alpha1.Cluster) v1alpha1.Cluster { c.DeletionTimestamp = ago(0); return c }
	foreign := task("a", "Maintenance", time.Minute)
	foreign.Producer = "somebody"
	seen := fine("a", unseen)
	seen.Status.TaintTimes = []v1alpha1.TaintTime{{Key: own, Effect: corev1.TaintEffectNoExecute, Since: *ago(time.Minute)}}
	type changes []func(*v1alpha1.ResourceBinding)
	tests := map[string]struct {
		a       v1alpha1.Cluster // beside it there are b to d, which are fine
		gone    bool             // a does not exist
		binding changes          // of web in a and b
		left    bool             // web is in b alone
		gateOff bool
		want    story
	}{
		"nothing is wrong":                 {a: fine("a")},
		"a taint that evicts":              {a: fine("a", evicting(own, 0)), want: story{Started: []string{"a TaintUntolerated"}}},
		"a taint that does not":            {a: fine("a", unschedulable)},
		"a taint of nobody knows when":     {a: fine("a", unseen), want: story{Started: []string{"a TaintUntolerated"}}},
		"with the gate off":                {a: fine("a", evicting(own, 0)), gateOff: true},
		"no placement":                     {a: fine("a", evicting(own, 0)), binding: changes{func(b *v1alpha1.ResourceBinding) { b.Spec.Placement = nil }}},
		"a binding that is being deleted":  {a: fine("a", evicting(own, 0)), binding: changes{func(b *v1alpha1.ResourceBinding) { b.DeletionTimestamp = ago(0) }}},
		"a cluster that is being deleted":  {a: deleted(fine("a", evicting(own, 0)))},
		"drained":                          {a: fine("a", evicting(drain, 0)), want: story{Started: []string{"a Drained"}}},
		"drained with the gate off":        {a: fine("a", evicting(drain, 0), evicting(own, 0)), gateOff: true, want: story{Started: []string{"a Drained"}}},
		"a taint of the gate, drained too": {a: fine("a", evicting(unreachable, time.Second), evicting(drain, 0)), want: story{Started: []string{"a Drained"}}},
		"a drain that is tolerated":        {a: fine("a", evicting(drain, 0)), binding: changes{tolerating(drain, -1)}},

		"tolerated for ever":                             {a: fine("a", evicting(own, time.Hour)), binding: changes{tolerating(own, -1)}},
		"tolerated for a minute":                         {a: fine("a", evicting(own, 20*time.Second)), binding: changes{tolerating(own, 60)}, want: story{Next: 40 * time.Second}},
		"a minute is over":                               {a: fine("a", evicting(own, time.Minute)), binding: changes{tolerating(own, 60)}, want: story{Started: []string{"a TaintUntolerated"}}},
		"tolerated for a minute since nobody knows when": {a: fine("a", unseen), binding: changes{tolerating(own, 60)}},
		"a minute is over since it was first seen":       {a: seen, binding: changes{tolerating(own, 60)}, want: story{Started: []string{"a TaintUntolerated"}}},
		"the earlier of two": {
			a:       fine("a", evicting(own, 20*time.Second), evicting("other", time.Second)),
			binding: changes{tolerating(own, 60), tolerating("other", 30)}, want: story{Next: 29 * time.Second},
		},
		"one of two is not tolerated": {
			a: fine("a", evicting(own, 0), evicting("other", 0)), binding: changes{tolerating(own, -1)}, want: story{Started: []string{"a TaintUntolerated"}},
		},

		"unreachable, by default five minutes":   {a: lost("a", evicting(unreachable, time.Minute)), want: story{Next: 4 * time.Minute}},
		"unreachable for five minutes":           {a: lost("a", evicting(unreachable, 5*time.Minute)), want: story{Started: []string{"a TaintUntolerated"}}},
		"not ready for five minutes":             {a: lost("a", evicting(notReady, 5*time.Minute)), want: story{Started: []string{"a TaintUntolerated"}}},
		"unreachable, the placement says longer": {a: lost("a", evicting(unreachable, 5*time.Minute)), binding: changes{tolerating(unreachable, 600)}, want: story{Next: 5 * time.Minute}},
		"unreachable, the placement says never":  {a: lost("a", evicting(unreachable, time.Hour)), binding: changes{tolerating(unreachable, -1)}},
		"unreachable, the placement says at once": {
			a: lost("a", evicting(unreachable, 0)), binding: changes{tolerating(unreachable, 0)}, want: story{Started: []string{"a TaintUntolerated"}},
		},
		"back, before its taint went": {a: fine("a", evicting(unreachable, time.Hour))},
		"one probe failed, and a taint of a user is older": {
			a: since(fine("a", evicting(unreachable, time.Hour)), 0, func(c *v1alpha1.Cluster) { c.Status.Probe = &v1alpha1.ProbeStatus{Outcome: metav1.ConditionFalse} }),
		},
		"it refuses the credentials, and a taint of a user is older": {
			a: since(lost("a", evicting(unreachable, time.Hour)), time.Minute, func(c *v1alpha1.Cluster) { c.Status.Conditions[0].Reason = v1alpha1.ReasonUnauthorized }),
		},
		"lost for a minute, and the taint is older": {a: since(lost("a", evicting(unreachable, time.Hour)), time.Minute), want: story{Next: 4 * time.Minute}},
		"lost for a minute, the taint is older, and the placement says at once": {
			a: since(lost("a", evicting(unreachable, time.Hour)), time.Minute), binding: changes{tolerating(unreachable, 0)}, want: story{Started: []string{"a TaintUntolerated"}},
		},

		"asked already": {
			a: fine("a", evicting(own, time.Minute)), binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
		},
		"somebody else has asked":      {a: fine("a", evicting(own, 0)), binding: changes{having(foreign)}},
		"somebody else's task is over": {a: fine("a"), left: true, binding: changes{having(foreign)}},
		"the taint went": {
			a: fine("a"), binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))}, want: story{Ended: []string{"a Withdrawn"}},
		},
		"the taint is tolerated now": {
			a: fine("a", evicting(own, time.Hour)), binding: changes{tolerating(own, -1), having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
			want: story{Ended: []string{"a Withdrawn"}},
		},
		"the taint is tolerated for longer now": {
			a: fine("a", evicting(own, time.Hour)), binding: changes{tolerating(own, 7200), having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
			want: story{Ended: []string{"a Withdrawn"}, Next: time.Hour},
		},
		"undrained with the gate off": {
			a: fine("a", evicting(own, 0)), gateOff: true, binding: changes{having(task("a", v1alpha1.ReasonDrained, time.Minute))}, want: story{Ended: []string{"a Withdrawn"}},
		},
		"it answers again, but is not ready": {
			a: lost("a", evicting(notReady, time.Second)), binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
		},
		"the taint went, and the other one stays": {
			a: lost("a", evicting(notReady, 2*time.Minute)), binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
			want: story{Ended: []string{"a Withdrawn"}, Next: 3 * time.Minute},
		},
		"the cluster was left": {
			a: fine("a", evicting(own, time.Hour)), left: true, binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
			want: story{Ended: []string{"a Done"}},
		},
		"the cluster was left, but holds its copy": {
			a: fine("a", evicting(own, time.Hour)), left: true, binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute)), retaining("a")},
		},
		"the cluster holds its copy, and nothing evicts from it any more": {
			a: fine("a"), left: true, binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute)), retaining("a")},
			want: story{Ended: []string{"a Withdrawn"}},
		},
		"the copy goes first, and is still there": {
			a: fine("a", evicting(own, time.Hour)), left: true, binding: changes{having(directly(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))), reporting("a")},
		},
		"the copy goes first, is gone, and is not replaced yet": {
			a: fine("a", evicting(own, time.Hour)), left: true, binding: changes{having(directly(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))), nowhere},
		},
		"the copy goes first, is gone, and is replaced": {
			a: fine("a", evicting(own, time.Hour)), left: true, binding: changes{having(directly(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute)))},
			want: story{Ended: []string{"a Done"}},
		},
		"the cluster was left, and would be chosen again": {
			a: fine("a", evicting(own, time.Hour)), left: true, binding: changes{tolerating(own, 60), having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
		},
		"the cluster was left, and the time that a new taint is tolerated for is not over": {
			a: fine("a", evicting(own, time.Second)), left: true, binding: changes{tolerating(own, 60), having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))},
			want: story{Ended: []string{"a Done"}},
		},
		"the cluster is gone": {
			gone: true, binding: changes{having(task("a", v1alpha1.ReasonTaintUntolerated, time.Minute))}, want: story{Ended: []string{"a ClusterGone"}},
		},
		"one of two tasks ends": {
			a: fine("a"), binding: changes{having(task("a", v1alpha1.ReasonDrained, time.Minute), task("x", v1alpha1.ReasonDrained, time.Minute), foreign)},
			want: story{Ended: []string{"a Withdrawn", "x ClusterGone"}, Stays: []string{"a"}},
		},
		"another cause takes the place of one that went": {
			a: fine("a", evicting(drain, 0)), binding: changes{failing("a", v1alpha1.Healthy, nil), having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute))},
			want: story{Started: []string{"a Drained"}, Ended: []string{"a Withdrawn"}},
		},

		"a Job that works":                             {a: fine("a", evicting(drain, 0)), binding: changes{job(`{"active":1,"conditions":[{"type":"Suspended","status":"False"}]}`)}, want: story{Started: []string{"a Drained"}}},
		"a Job that is complete stays":                 {a: fine("a", evicting(drain, 0)), binding: changes{job(ended("Complete"))}},
		"a Job that has failed stays":                  {a: lost("a", evicting(unreachable, time.Hour)), binding: changes{job(ended("Failed"))}},
		"a Job that has failed is not tried elsewhere": {a: fine("a"), binding: changes{failing("a", v1alpha1.Unhealthy, ago(time.Hour)), job(ended("Failed"))}},
		"a Job that ends before it was left stays":     {a: fine("a", evicting(drain, 0)), binding: changes{job(ended("Complete")), having(task("a", v1alpha1.ReasonDrained, time.Minute))}, want: story{Ended: []string{"a Withdrawn"}}},
		"what is no Job, and says that it is complete": {a: fine("a", evicting(drain, 0)), binding: changes{job(ended("Complete")), func(b *v1alpha1.ResourceBinding) { b.Spec.Resource.Kind = "Order" }}, want: story{Started: []string{"a Drained"}}},
		"unhealthy for five minutes":                   {a: fine("a"), gateOff: true, binding: changes{failing("a", v1alpha1.Unhealthy, ago(5*time.Minute))}, want: story{Started: []string{"a ApplicationFailure"}}},
		"unhealthy for a minute":                       {a: fine("a"), binding: changes{failing("a", v1alpha1.Unhealthy, ago(time.Minute))}, want: story{Next: 4 * time.Minute}},
		"unhealthy, tolerated for ten minutes": {
			a: fine("a"), binding: changes{failing("a", v1alpha1.Unhealthy, ago(time.Minute)), without(func(f *v1alpha1.ApplicationFailoverBehavior) {
				f.DecisionConditions.TolerationSeconds = ptr.To[int32](600)
			})}, want: story{Next: 9 * time.Minute},
		},
		"unhealthy, and nobody asked": {
			a: fine("a"), binding: changes{failing("a", v1alpha1.Unhealthy, ago(time.Hour)), func(b *v1alpha1.ResourceBinding) { b.Spec.Failover = nil }},
		},
		"unhealthy, now nobody knows":              {a: fine("a"), binding: changes{failing("a", v1alpha1.HealthUnknown, ago(time.Hour))}},
		"unhealthy, in a cluster that is lost":     {a: lost("a"), binding: changes{failing("a", v1alpha1.Unhealthy, ago(time.Hour))}},
		"unhealthy in a cluster that is not named": {a: fine("a"), binding: changes{failing("d", v1alpha1.Unhealthy, ago(time.Hour))}},
		"unhealthy, and asked already": {
			a: fine("a"), binding: changes{failing("a", v1alpha1.Unhealthy, ago(time.Hour)), having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute))},
		},
		"asked, and nobody knows now": {
			a: fine("a"), binding: changes{failing("a", v1alpha1.HealthUnknown, ago(time.Hour)), having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute))},
		},
		"healthy again": {
			a: fine("a"), binding: changes{failing("a", v1alpha1.Healthy, nil), having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute))},
			want: story{Ended: []string{"a Withdrawn"}},
		},
		"healthy again, when the replacement was decided": {
			a: fine("a"), left: true, binding: changes{failing("a", v1alpha1.Healthy, nil), having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute)), retaining("a")},
		},
		"left, and cools down": {
			a: fine("a"), left: true, binding: changes{failing("b", v1alpha1.Healthy, nil), having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute))},
			want: story{Next: 9 * time.Minute},
		},
		"left, and has cooled down": {
			a: fine("a"), left: true, binding: changes{failing("b", v1alpha1.Healthy, nil), having(task("a", v1alpha1.ReasonApplicationFailure, 10*time.Minute))},
			want: story{Ended: []string{"a Done"}},
		},
		"left, with the shortest cool-down": {
			a: fine("a"), left: true, binding: changes{failing("b", v1alpha1.Healthy, nil), having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute)),
				without(func(f *v1alpha1.ApplicationFailoverBehavior) { f.CoolDownSeconds = ptr.To[int32](60) })},
			want: story{Ended: []string{"a Done"}},
		},
		"left, and nobody asks any more": {
			a: fine("a"), left: true, binding: changes{having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute))}, want: story{Ended: []string{"a Done"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := Input{Clusters: []v1alpha1.Cluster{fine("b"), fine("c"), fine("d")}, Now: start, Settings: settings()}
			in.Settings.Failover = !tc.gateOff
			if !tc.gone {
				in.Clusters = append(in.Clusters, tc.a)
			}
			b := web("a", "b")
			if tc.left {
				b = web("b")
			}
			for _, change := range tc.binding {
				change(b)
			}
			in.Bindings = []v1alpha1.Binding{b}
			before := b.DeepCopy()
			result := Plan(in)
			if diff := cmp.Diff(tc.want, tell(result)); diff != "" {
				t.Errorf("Plan() (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, b); diff != "" {
				t.Errorf("Plan() changed the binding (-before +after):\n%s", diff)
			}
			for _, c := range result.Changes {
				b.Spec.GracefulEvictionTasks = c.Tasks
			}
			if again := Plan(in); len(again.Changes) > 0 {
				t.Errorf("Plan() of its own result = %+v, want no changes", tell(again))
			}
		})
	}
}

func TestATaskSaysWhatIsAskedAndWhy(t *testing.T) {
	state := &v1alpha1.StatePreservation{Rules: []v1alpha1.StatePreservationRule{
		{AliasLabelName: "state/job", JSONPath: "{.job.id}"}, {AliasAnnotationName: "state/savepoint", JSONPath: ".savepoint"}, {AliasLabelName: "state/none", JSONPath: ".none"},
	}}
	reported := func(b *v1alpha1.ResourceBinding) {
		b.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{
			ClusterName: "a", Health: v1alpha1.Unhealthy, UnhealthySince: ago(time.Hour),
			Status: &runtime.RawExtension{Raw: []byte(`{"job": {"id": 17}, "savepoint": "s3://here/there"}`)},
		}}
	}
	application := func(f v1alpha1.ApplicationFailoverBehavior) func(*v1alpha1.ResourceBinding) {
		return func(b *v1alpha1.ResourceBinding) {
			reported(b)
			b.Spec.Failover = &v1alpha1.FailoverBehavior{Application: &f}
		}
	}
	cluster := func(f v1alpha1.ClusterFailoverBehavior) func(*v1alpha1.ResourceBinding) {
		return func(b *v1alpha1.ResourceBinding) {
			reported(b)
			b.Spec.Failover = &v1alpha1.FailoverBehavior{Cluster: &f}
		}
	}
	const failed = "the application has been unhealthy there since 2023-11-14T21:13:20Z; its policy tolerates 5m0s"
	tainted := fine("a", evicting("example.com/broken", 0))
	want := func(change func(*v1alpha1.GracefulEvictionTask)) v1alpha1.GracefulEvictionTask {
		w := task("a", v1alpha1.ReasonApplicationFailure, 0)
		w.Message, w.Replicas, w.PurgeMode, w.ClustersBeforeFailover = failed, ptr.To[int32](3), v1alpha1.PurgeGracefully, []string{"a", "b"}
		change(&w)
		return w
	}
	taint := func(change func(*v1alpha1.GracefulEvictionTask)) v1alpha1.GracefulEvictionTask {
		return want(func(w *v1alpha1.GracefulEvictionTask) {
			w.Reason, w.Message = v1alpha1.ReasonTaintUntolerated, "the cluster has the taint {example.com/broken=x:NoExecute}, which the placement does not tolerate"
			change(w)
		})
	}
	keep := func(*v1alpha1.GracefulEvictionTask) {}
	tests := map[string]struct {
		a       v1alpha1.Cluster
		change  func(*v1alpha1.ResourceBinding)
		gateOff bool // GracefulEviction
		want    v1alpha1.GracefulEvictionTask
		lost    string
	}{
		"an application": {a: fine("a"), change: application(v1alpha1.ApplicationFailoverBehavior{}), want: want(keep)},
		"an application with a grace period": {
			a: fine("a"), change: application(v1alpha1.ApplicationFailoverBehavior{PurgeMode: v1alpha1.PurgeGracefully, GracePeriodSeconds: ptr.To[int32](60)}),
			want: want(func(w *v1alpha1.GracefulEvictionTask) { w.GracePeriodSeconds = ptr.To[int32](60) }),
		},
		"an application, directly": {
			a: fine("a"), change: application(v1alpha1.ApplicationFailoverBehavior{PurgeMode: v1alpha1.PurgeDirectly}),
			want: want(func(w *v1alpha1.GracefulEvictionTask) { w.PurgeMode = v1alpha1.PurgeDirectly }),
		},
		"an application, until a user says so": {
			a: fine("a"), change: application(v1alpha1.ApplicationFailoverBehavior{PurgeMode: v1alpha1.PurgeNever}), gateOff: true,
			want: want(func(w *v1alpha1.GracefulEvictionTask) {
				w.PurgeMode, w.SuppressDeletion = v1alpha1.PurgeNever, ptr.To(true)
			}),
		},
		"an application, with the gate off": {
			a: fine("a"), change: application(v1alpha1.ApplicationFailoverBehavior{GracePeriodSeconds: ptr.To[int32](60)}), gateOff: true,
			want: want(func(w *v1alpha1.GracefulEvictionTask) { w.PurgeMode = v1alpha1.PurgeDirectly }),
		},
		"an application with state": {
			a: fine("a"), change: application(v1alpha1.ApplicationFailoverBehavior{StatePreservation: state}),
			want: want(func(w *v1alpha1.GracefulEvictionTask) {
				w.PreservedLabelState, w.PreservedAnnotationState = map[string]string{"state/job": "17"}, map[string]string{"state/savepoint": "s3://here/there"}
				w.Message += "; not preserved: state/none (none is not found)"
			}), lost: "state/none (none is not found)",
		},
		"a cluster": {a: tainted, change: func(*v1alpha1.ResourceBinding) {}, want: taint(keep)},
		"a cluster, directly, with state": {
			a: tainted, change: cluster(v1alpha1.ClusterFailoverBehavior{PurgeMode: v1alpha1.PurgeDirectly, StatePreservation: &v1alpha1.StatePreservation{Rules: state.Rules[:1]}}),
			want: taint(func(w *v1alpha1.GracefulEvictionTask) {
				w.PurgeMode, w.PreservedLabelState = v1alpha1.PurgeDirectly, map[string]string{"state/job": "17"}
			}),
		},
		"a cluster, whose application's rules do not count": {
			a: tainted, change: application(v1alpha1.ApplicationFailoverBehavior{
				PurgeMode: v1alpha1.PurgeNever, StatePreservation: state, DecisionConditions: v1alpha1.DecisionConditions{TolerationSeconds: ptr.To[int32](7200)},
			}), want: taint(keep),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := web("b", "a")
			tc.change(b)
			in := Input{Clusters: []v1alpha1.Cluster{tc.a, fine("b")}, Bindings: []v1alpha1.Binding{b}, Now: start.Add(time.Millisecond), Settings: settings()}
			in.Settings.Graceful = !tc.gateOff
			result := Plan(in)
			if len(result.Changes) != 1 || len(result.Changes[0].Started) != 1 {
				t.Fatalf("Plan() = %+v, want one task", tell(result))
			}
			got := result.Changes[0].Started[0]
			if diff := cmp.Diff(Start{Task: tc.want, Lost: tc.lost}, got); diff != "" {
				t.Errorf("task (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAUserChangedInATaskStays(t *testing.T) {
	mine := task("a", v1alpha1.ReasonDrained, time.Minute)
	mine.SuppressDeletion, mine.Message = ptr.To(false), "go now"
	b := web("a", "b", "c")
	b.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{mine}
	drained := evicting(v1alpha1.DrainTaint, time.Minute)
	result := Plan(Input{
		Clusters: []v1alpha1.Cluster{fine("a", drained), fine("b", drained), fine("c")}, Bindings: []v1alpha1.Binding{b}, Now: start, Settings: settings(),
	})
	if diff := cmp.Diff(mine, result.Changes[0].Tasks[0]); diff != "" {
		t.Errorf("the first task (-want +got):\n%s", diff)
	}
	if want := (story{Started: []string{"b Drained"}, Stays: []string{"a"}}); !cmp.Equal(want, tell(result)) {
		t.Errorf("Plan() (-want +got):\n%s", cmp.Diff(want, tell(result)))
	}
}

func TestStateIsForTheReplacementAlone(t *testing.T) {
	with := task("a", v1alpha1.ReasonApplicationFailure, time.Minute)
	with.PreservedLabelState = map[string]string{"state/job": "17"}
	foreign := with
	foreign.FromCluster, foreign.Producer = "c", "somebody"
	for name, tc := range map[string]struct {
		clusters []string
		change   func(*v1alpha1.ResourceBinding)
		want     int // tasks with state; 0 when it is taken back
	}{
		"while the cluster is named": {[]string{"a", "b"}, func(*v1alpha1.ResourceBinding) {}, 2},
		"while it holds its copy":    {[]string{"b"}, retaining("a"), 2},
		"when it has let go":         {[]string{"b"}, func(*v1alpha1.ResourceBinding) {}, 1},
		"when it went first, and its replacement is not placed yet": {nil, func(b *v1alpha1.ResourceBinding) {
			b.Spec.GracefulEvictionTasks[0] = directly(b.Spec.GracefulEvictionTasks[0])
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := web(tc.clusters...)
			failing("a", v1alpha1.Unhealthy, ago(time.Hour))(b)
			b.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{with, foreign}
			tc.change(b)
			in := Input{Clusters: []v1alpha1.Cluster{fine("a"), fine("b"), fine("c")}, Bindings: []v1alpha1.Binding{b}, Now: start, Settings: settings()}
			for _, c := range Plan(in).Changes {
				b.Spec.GracefulEvictionTasks = c.Tasks
			}
			got := 0
			for _, task := range b.Spec.GracefulEvictionTasks {
				got += len(task.PreservedLabelState)
			}
			if got != tc.want || len(b.Spec.GracefulEvictionTasks) != 2 {
				t.Errorf("%d of %d tasks have state, want %d of 2", got, len(b.Spec.GracefulEvictionTasks), tc.want)
			}
			if again := Plan(in).Changes; len(again) > 0 {
				t.Errorf("Plan() of its own result changes %+v, want nothing", again)
			}
		})
	}
}

func BenchmarkPlanWithNothingToDo(b *testing.B) {
	in := Input{Now: start, Settings: settings()}
	for i := range 100 {
		in.Clusters = append(in.Clusters, fine(fmt.Sprintf("member%d", i)))
	}
	in.Clusters[0].Spec.Taints = []corev1.Taint{evicting(v1alpha1.UnreachableTaint, time.Minute)}
	in.Clusters[0].Status.Conditions[0].Status, in.Clusters[0].Status.Conditions[0].Reason = metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable
	for i := range 10_000 {
		binding := web("member0", "member1", "member2")
		binding.Name = fmt.Sprintf("web-%d", i)
		in.Bindings = append(in.Bindings, binding)
	}
	for b.Loop() {
		if result := Plan(in); len(result.Changes) > 0 || result.Next.IsZero() {
			b.Fatalf("Plan() = %+v, want nothing for now", tell(result))
		}
	}
}

func TestAnApplicationLeavesOnlyWhenItsMemberWasHeardToSayThatItIsUnhealthy(t *testing.T) {
	doubt := []Doubt{{Binding: types.NamespacedName{Namespace: "shop", Name: "web"}, Cluster: "a"}}
	asked := having(task("a", v1alpha1.ReasonApplicationFailure, time.Minute))
	for name, tc := range map[string]struct {
		since   time.Duration
		change  func(*v1alpha1.ResourceBinding)
		health  v1alpha1.Health // empty when it has not been asked
		cluster v1alpha1.Cluster
		want    story
		doubts  []Doubt
	}{
		"the status is an hour old, and nobody asked":   {since: time.Hour, cluster: fine("a"), doubts: doubt},
		"the status is an hour old, and it is still so": {since: time.Hour, cluster: fine("a"), health: v1alpha1.Unhealthy, want: story{Started: []string{"a ApplicationFailure"}}},
		"the status is an hour old, and it is healthy":  {since: time.Hour, cluster: fine("a"), health: v1alpha1.Healthy},
		"the status is an hour old, and nobody knows":   {since: time.Hour, cluster: fine("a"), health: v1alpha1.HealthUnknown},
		"it is tolerated for a while, and nobody asked": {since: time.Minute, cluster: fine("a"), want: story{Next: 4 * time.Minute}},
		"the cluster is lost":                           {since: time.Hour, cluster: lost("a")},
		"a drain does not ask":                          {since: time.Hour, cluster: fine("a", evicting(v1alpha1.DrainTaint, 0)), want: story{Started: []string{"a Drained"}}, doubts: doubt},
		"it is to leave, and nobody asked again":        {since: time.Hour, cluster: fine("a"), change: asked},
		"it is to leave, and it is healthy":             {since: time.Hour, cluster: fine("a"), change: asked, health: v1alpha1.Healthy, want: story{Ended: []string{"a Withdrawn"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := web("a", "b")
			failing("a", v1alpha1.Unhealthy, ago(tc.since))(b)
			if tc.change != nil {
				tc.change(b)
			}
			result := Plan(Input{
				Clusters: []v1alpha1.Cluster{tc.cluster, fine("b"), fine("c")}, Bindings: []v1alpha1.Binding{b}, Now: start, Settings: settings(),
				Heard: func(binding types.NamespacedName, cluster *v1alpha1.Cluster) (v1alpha1.Health, bool) {
					return tc.health, tc.health != "" && binding.Name == "web" && cluster.Name == "a"
				},
			})
			if diff := cmp.Diff(tc.want, tell(result)); diff != "" {
				t.Errorf("Plan() (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.doubts, result.Doubts); diff != "" {
				t.Errorf("doubts (-want +got):\n%s", diff)
			}
		})
	}
}
