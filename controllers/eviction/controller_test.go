package eviction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/ownwrites"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

var start = time.Unix(1_700_000_000, 0)

// bed is a reconciler on a fake host that counts writes, and can refuse them.
type bed struct {
	*Reconciler
	t        *testing.T
	host     client.WithWatch
	clock    *clocktesting.FakePassiveClock
	recorder *events.FakeRecorder
	settings eviction.Settings
	writes   int
	refuse   func(name string) error
	before   func() // a write
}

func newBed(t *testing.T, objects ...client.Object) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := &bed{
		t: t, clock: clocktesting.NewFakePassiveClock(start), recorder: events.NewFakeRecorder(1000),
		settings: eviction.Settings{Failover: true, Graceful: true, Toleration: 5 * time.Minute, Limits: stampede.Limits{Share: 0.55, Rate: 2, SlowRate: 1}},
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields().WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if b.before != nil {
				b.before()
				b.before = nil
			}
			if b.refuse != nil {
				if err := b.refuse(obj.GetName()); err != nil {
					return err
				}
			}
			b.writes++
			return c.Patch(ctx, obj, patch, opts...)
		},
	})
	if err := hostindex.Register(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	b.host = builder.Build()
	b.restart()
	return b
}

// restart forgets what is in memory.
func (b *bed) restart() {
	b.Reconciler = newReconciler(b.host, b.recorder, Options{Settings: b.settings, Clock: b.clock})
}

// indexer registers indexes with a fake client.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

func (b *bed) sweep() time.Duration {
	b.t.Helper()
	result, err := b.Reconcile(b.t.Context(), sweep)
	if err != nil {
		b.t.Fatalf("Reconcile(): %v", err)
	}
	return result.RequeueAfter
}

func (b *bed) after(d time.Duration) { b.clock.SetTime(b.clock.Now().Add(d)) }

func (b *bed) change(obj client.Object, change func()) {
	b.t.Helper()
	if err := b.host.Get(b.t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		b.t.Fatal(err)
	}
	change()
	if err := b.host.Update(b.t.Context(), obj); err != nil {
		b.t.Fatal(err)
	}
}

// expect compares the tasks of all bindings, as "binding: cluster reason, ...".
func (b *bed) expect(when string, want ...string) {
	b.t.Helper()
	bindings, err := hostindex.AllBindings(b.t.Context(), b.host)
	if err != nil {
		b.t.Fatal(err)
	}
	var got []string
	for _, binding := range bindings {
		var tasks []string
		for _, task := range binding.BindingSpec().GracefulEvictionTasks {
			tasks = append(tasks, task.FromCluster+" "+task.Reason)
		}
		if len(tasks) > 0 {
			got = append(got, binding.GetName()+": "+strings.Join(tasks, ", "))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s, tasks (-want +got):\n%s", when, diff)
	}
}

func (b *bed) told(want ...string) {
	b.t.Helper()
	var got []string
	for len(b.recorder.Events) > 0 {
		got = append(got, <-b.recorder.Events)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
}

func member(name string, taints ...corev1.Taint) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{Provider: "acme", Region: "eu", Taints: taints},
		Status: v1alpha1.ClusterStatus{
			KubernetesVersion: "v1.37.1",
			Conditions:        []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonClusterReady}},
		},
	}
}

func silent(name string, taints ...corev1.Taint) *v1alpha1.Cluster {
	c := member(name, taints...)
	c.Status.Conditions[0].Status, c.Status.Conditions[0].Reason = metav1.ConditionFalse, v1alpha1.ReasonClusterNotReachable
	return c
}

func taint(key string, since time.Time) corev1.Taint {
	return corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute, TimeAdded: ptr.To(metav1.NewTime(since))}
}

func binding(name string, clusters ...string) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)},
		Spec: v1alpha1.BindingSpec{
			Resource: v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: name, UID: types.UID(name)}, Placement: &v1alpha1.Placement{},
		},
	}
	for _, c := range clusters {
		b.Spec.Clusters = append(b.Spec.Clusters, v1alpha1.TargetCluster{Name: c, Replicas: ptr.To[int32](2)})
	}
	return b
}

func moved(b *bed, binding *v1alpha1.ResourceBinding, to ...string) {
	b.t.Helper()
	b.change(binding, func() {
		binding.Spec.Clusters = nil
		for _, c := range to {
			binding.Spec.Clusters = append(binding.Spec.Clusters, v1alpha1.TargetCluster{Name: c})
		}
	})
}

func TestATaintIsAnsweredByTasksAtTheRateUntilTheClusterIsLeft(t *testing.T) {
	web, api := binding("web", "a", "b"), binding("api", "a")
	b := newBed(t, silent("a", taint(v1alpha1.UnreachableTaint, start.Add(-4*time.Minute))), member("b"), member("c"), web, api, binding("other", "b"))
	if wait := b.sweep(); wait != time.Minute {
		t.Errorf("the next sweep is in %s, want it in a minute", wait)
	}
	b.expect("before its time")
	b.after(time.Minute)
	if wait := b.sweep(); wait <= 0 || wait > 501*time.Millisecond {
		t.Errorf("the next sweep is in %s, want it when the next may begin, in half a second", wait)
	}
	b.expect("at its time", "api: a TaintUntolerated")
	b.after(501 * time.Millisecond)
	b.sweep()
	b.expect("a turn later", "api: a TaintUntolerated", "web: a TaintUntolerated")
	const why = " a is to be left: the cluster has the taint {cluster.flotilla.dev/unreachable:NoExecute}, which is tolerated for 5m0s by default"
	b.told("Warning Evicting"+why, "Warning Evicting"+why)
	b.sweep()
	if b.writes != 2 {
		t.Errorf("%d writes, want one for each", b.writes)
	}
	moved(b, web, "b", "c")
	b.restart()
	b.sweep()
	b.expect("when one has moved", "api: a TaintUntolerated")
	b.told()
}

func TestADrainThatEndsIsTakenBackAndTouchesNothingElse(t *testing.T) {
	a, web := member("a", taint(v1alpha1.DrainTaint, start)), binding("web", "a")
	foreign := v1alpha1.GracefulEvictionTask{FromCluster: "b", Reason: "Maintenance", Producer: "somebody"}
	web.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{foreign}
	b := newBed(t, a, member("b"), web)
	b.settings.Failover = false
	b.restart()
	b.sweep()
	b.expect("drained", "web: a Drained, b Maintenance")
	b.change(a, func() { a.Spec.Taints = nil })
	b.sweep()
	b.expect("undrained", "web: b Maintenance")
	b.told("Warning Evicting a is to be left: the cluster has the taint {cluster.flotilla.dev/drain:NoExecute}, which the placement does not tolerate",
		"Normal EvictionWithdrawn a need not be left any more (Drained)")
	want := binding("web", "a").Spec
	want.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{foreign}
	if err := b.host.Get(t.Context(), client.ObjectKeyFromObject(web), web); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, web.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

func TestAClusterScopedTemplateIsEvictedToo(t *testing.T) {
	role := &v1alpha1.ClusterResourceBinding{ObjectMeta: metav1.ObjectMeta{Name: "role", UID: "role"}, Spec: binding("role", "a").Spec}
	b := newBed(t, member("a", taint("broken", start)), member("b"), role)
	b.sweep()
	b.expect("tainted", "role: a TaintUntolerated")
}

func TestAFailedApplicationLeavesWithItsState(t *testing.T) {
	web := binding("web", "a")
	web.Spec.Failover = &v1alpha1.FailoverBehavior{Application: &v1alpha1.ApplicationFailoverBehavior{StatePreservation: &v1alpha1.StatePreservation{
		Rules: []v1alpha1.StatePreservationRule{{AliasLabelName: "job", JSONPath: ".job"}, {AliasLabelName: "none", JSONPath: ".none"}},
	}}}
	since := ptr.To(metav1.NewTime(start))
	web.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{
		ClusterName: "a", Health: v1alpha1.Unhealthy, UnhealthySince: since, Status: &runtime.RawExtension{Raw: []byte(`{"job":"17"}`)},
	}}
	b := newBed(t, member("a"), member("b"), web)
	if wait := b.sweep(); wait != 5*time.Minute {
		t.Errorf("the next sweep is in %s, want it in five minutes", wait)
	}
	b.after(5 * time.Minute)
	b.sweep()
	b.expect("after five minutes", "web: a ApplicationFailure")
	if err := b.host.Get(t.Context(), client.ObjectKeyFromObject(web), web); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"job": "17"}, web.Spec.GracefulEvictionTasks[0].PreservedLabelState); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	b.told("Warning Evicting a is to be left: the application has been unhealthy there since 2023-11-14T22:13:20Z; its policy tolerates 5m0s; not preserved: none (none is not found)",
		"Warning StateNotPreserved what replaces the copy in a does not get none (none is not found)")
	moved(b, web, "b")
	if wait := b.sweep(); wait != 10*time.Minute {
		t.Errorf("the next sweep is in %s, want it when the cluster has cooled down, in ten minutes", wait)
	}
	b.expect("while it cools down", "web: a ApplicationFailure")
	b.after(10 * time.Minute)
	b.sweep()
	b.expect("after that")
}

func TestWhatAUserWritesMeanwhileIsNotPutBack(t *testing.T) {
	a, web := member("a", taint(v1alpha1.DrainTaint, start)), binding("web", "a", "b")
	b := newBed(t, a, member("b"), member("c"), web)
	b.sweep()
	b.after(time.Second)
	bb := member("b")
	b.change(bb, func() { bb.Spec.Taints = []corev1.Taint{taint(v1alpha1.DrainTaint, start)} })
	b.before = func() {
		b.change(web, func() { web.Spec.GracefulEvictionTasks[0].SuppressDeletion = ptr.To(false) })
	}
	if wait := b.sweep(); wait != ownwrites.Retry {
		t.Errorf("after a conflict the next sweep is in %s, want it in %s", wait, ownwrites.Retry)
	}
	b.expect("after a conflict", "web: a Drained")
	b.after(time.Second)
	b.sweep()
	b.expect("a moment later", "web: a Drained, b Drained")
	if err := b.host.Get(t.Context(), client.ObjectKeyFromObject(web), web); err != nil {
		t.Fatal(err)
	}
	if got := web.Spec.GracefulEvictionTasks[0].SuppressDeletion; got == nil || *got {
		t.Errorf("suppressDeletion = %v, want it as the user wrote it", got)
	}
}

func TestABindingThatCannotBeWrittenHoldsNobodyUp(t *testing.T) {
	b := newBed(t, member("a", taint("broken", start)), member("b"), binding("bad", "a"), binding("web", "a"), binding("web2", "a"))
	refused := apierrors.NewInvalid(schema.GroupKind{}, "bad", nil)
	b.refuse = func(name string) error {
		if name == "bad" {
			return refused
		}
		return nil
	}
	for range 3 {
		_, err := b.Reconcile(t.Context(), sweep)
		if err != nil && !errors.Is(err, refused) {
			t.Fatal(err)
		}
		b.after(500 * time.Millisecond)
	}
	b.expect("after three turns", "web2: a TaintUntolerated", "web: a TaintUntolerated")
	b.refuse = nil
	b.sweep()
	b.sweep()
	b.expect("when it can be", "bad: a TaintUntolerated", "web2: a TaintUntolerated", "web: a TaintUntolerated")
}

func TestABindingThatIsDeletedMeanwhileIsNoError(t *testing.T) {
	b := newBed(t, member("a", taint("broken", start)), member("b"), binding("web", "a"))
	b.refuse = func(name string) error { return apierrors.NewNotFound(schema.GroupResource{}, name) }
	b.sweep()
}

func TestACacheThatIsBehindIsWaitedFor(t *testing.T) {
	web := binding("web", "a")
	b := newBed(t, member("a", taint("broken", start)), member("b"), web)
	b.Reconciler.writes.Wrote(client.ObjectKeyFromObject(web), "1000000")
	if wait := b.sweep(); wait != ownwrites.Retry {
		t.Errorf("the next sweep is in %s, want it in %s", wait, ownwrites.Retry)
	}
	b.expect("before the cache has caught up")
	b.after(ownwrites.Patience)
	b.sweep()
	b.expect("after the patience ended", "web: a TaintUntolerated")
}

func TestWhatSomebodyElseWroteIsWaitedForMoreAndMoreSeldom(t *testing.T) {
	web := binding("web", "a")
	b := newBed(t, member("a", taint("broken", start)), member("b"), web)
	writes := 0
	b.refuse = func(name string) error {
		writes++
		return apierrors.NewConflict(schema.GroupResource{}, name, errors.New("changed"))
	}
	var waits []time.Duration
	for range 9 { // the cache shows the same version all the time
		wait := b.sweep()
		waits = append(waits, wait)
		b.after(wait)
	}
	const ms = time.Millisecond
	want := []time.Duration{20 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, time.Second, time.Second}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("sweeps are in (-want +got):\n%s", diff)
	}
	if writes != 1 {
		t.Errorf("%d writes upon a version that was refused, want 1", writes)
	}
}

func TestTheGuardIsTold(t *testing.T) {
	lost, second, given := silent("b"), silent("c"), silent("a", taint(v1alpha1.UnreachableTaint, start.Add(-time.Hour)))
	given.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: v1alpha1.TaintingManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: v1alpha1.GroupVersion.String(), FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:taints":{"k:{\"effect\":\"NoExecute\",\"key\":\"cluster.flotilla.dev/unreachable\"}":{}}}}`),
	}}
	b := newBed(t, given, lost, second, member("d"), binding("web", "a", "b"))
	evictions.Reset()
	if wait := b.sweep(); wait != 0 {
		t.Errorf("the next sweep is in %s, want none by time", wait)
	}
	b.sweep()
	b.expect("while most are lost")
	b.told("Warning EvictionHeld 2 of 3 clusters are lost at once: the host itself may be cut off, so that nothing is evicted")
	if diff := cmp.Diff([]float64{1, paceNone}, gauges(t, "flotilla_eviction_waiting", "flotilla_eviction_guard_state")); diff != "" {
		t.Errorf("waiting and guard (-want +got):\n%s", diff)
	}
	for _, c := range []*v1alpha1.Cluster{lost, second} {
		b.change(c, func() { c.Status = member("x").Status })
	}
	b.sweep()
	b.expect("when they are back", "web: a TaintUntolerated")
	b.told("Warning Evicting a is to be left: the cluster has the taint {cluster.flotilla.dev/unreachable:NoExecute}, which is tolerated for 5m0s by default",
		"Normal EvictionResumed the host sees enough clusters again")
	if diff := cmp.Diff([]float64{0, paceNormal, 1}, gauges(t, "flotilla_eviction_waiting", "flotilla_eviction_guard_state", "flotilla_evictions_total")); diff != "" {
		t.Errorf("waiting, guard and evictions (-want +got):\n%s", diff)
	}
}

// gauges are the values of metrics that have one series each.
func gauges(t *testing.T, names ...string) []float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	var values []float64
	for _, name := range names {
		if n := len(byName[name].GetMetric()); n != 1 {
			t.Fatalf("%s has %d series, want one", name, n)
		}
		m := byName[name].GetMetric()[0]
		values = append(values, m.GetGauge().GetValue()+m.GetCounter().GetValue())
	}
	return values
}

func TestWhatMattersWakes(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.Cluster)
		want   bool
	}{
		"nothing":          {func(*v1alpha1.Cluster) {}, false},
		"its capacity":     {func(c *v1alpha1.Cluster) { c.Status.NodeSummary = &v1alpha1.NodeSummary{TotalNum: 3} }, false},
		"a taint":          {func(c *v1alpha1.Cluster) { c.Spec.Taints = []corev1.Taint{taint("x", start)} }, true},
		"its region":       {func(c *v1alpha1.Cluster) { c.Spec.Region = "us" }, true},
		"Ready":            {func(c *v1alpha1.Cluster) { c.Status.Conditions[0].Status = metav1.ConditionUnknown }, true},
		"its deletion":     {func(c *v1alpha1.Cluster) { c.DeletionTimestamp = ptr.To(metav1.NewTime(start)) }, true},
		"a failed probe":   {func(c *v1alpha1.Cluster) { c.Status.Probe = &v1alpha1.ProbeStatus{Outcome: metav1.ConditionFalse} }, true},
		"a taint was seen": {func(c *v1alpha1.Cluster) { c.Status.TaintTimes = []v1alpha1.TaintTime{{Key: "x"}} }, true},
	} {
		t.Run("of a cluster: "+name, func(t *testing.T) {
			now := member("a")
			tc.change(now)
			if got := clusterMatters(member("a"), now); got != tc.want {
				t.Errorf("clusterMatters() = %t, want %t", got, tc.want)
			}
		})
	}
	ill := func(b *v1alpha1.ResourceBinding) {
		b.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{ClusterName: "a", Health: v1alpha1.Unhealthy}}
	}
	asks := func(b *v1alpha1.ResourceBinding) {
		b.Spec.Failover = &v1alpha1.FailoverBehavior{Application: &v1alpha1.ApplicationFailoverBehavior{}}
	}
	for name, tc := range map[string]struct {
		both, change func(*v1alpha1.ResourceBinding)
		want         bool
	}{
		"its spec":                    {func(*v1alpha1.ResourceBinding) {}, func(b *v1alpha1.ResourceBinding) { b.Generation++ }, true},
		"another one of its name":     {func(*v1alpha1.ResourceBinding) {}, func(b *v1alpha1.ResourceBinding) { b.UID = "another" }, true},
		"its health, and nobody asks": {func(*v1alpha1.ResourceBinding) {}, ill, false},
		"its health":                  {asks, ill, true},
		"the time": {func(b *v1alpha1.ResourceBinding) { asks(b); ill(b) }, func(b *v1alpha1.ResourceBinding) {
			b.Status.AggregatedStatus[0].UnhealthySince = ptr.To(metav1.NewTime(start))
		}, true},
		"how many replicas are ready":             {func(b *v1alpha1.ResourceBinding) { asks(b); ill(b) }, func(b *v1alpha1.ResourceBinding) { b.Status.AggregatedStatus[0].ReadyReplicas = ptr.To[int32](1) }, false},
		"its health, when it was so in one place": {func(b *v1alpha1.ResourceBinding) { asks(b); ill(b) }, func(b *v1alpha1.ResourceBinding) { b.Status.AggregatedStatus[0].Health = v1alpha1.Healthy }, true},
	} {
		t.Run("of a binding: "+name, func(t *testing.T) {
			old, now := binding("web"), binding("web")
			tc.both(old)
			tc.both(now)
			tc.change(now)
			if got := bindingMatters(old, now); got != tc.want {
				t.Errorf("bindingMatters() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestManyBindingsAreAllEvictedAndNoneTwice(t *testing.T) {
	objects := []client.Object{member("a", taint("broken", start)), member("b")}
	for i := range 200 {
		objects = append(objects, binding(fmt.Sprintf("web-%d", i), "a"))
	}
	b := newBed(t, objects...)
	b.settings.Limits.Rate = 50
	b.restart()
	for seconds := range 10 {
		result, err := b.Reconcile(t.Context(), ctrl.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if most := 1 + 50*seconds; b.writes > most {
			t.Fatalf("after %d s %d were evicted, want at most %d", seconds, b.writes, most)
		}
		if result.RequeueAfter == 0 {
			break
		}
		b.after(time.Second)
	}
	if b.writes != 200 {
		t.Errorf("%d writes, want one for each of 200", b.writes)
	}
}
