package descheduling

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

const threshold = 5 * time.Minute

// members play the members for tests.
type members struct {
	pods    map[string][]membercluster.StuckPod
	objects map[string]*membercluster.Origin // by "cluster/Kind/name"
	fail    map[string]error                 // by cluster
	reads   int
}

func (m *members) Stuck(cluster string) ([]membercluster.StuckPod, bool) {
	pods, known := m.pods[cluster]
	return pods, known
}

func (m *members) Origin(_ context.Context, cluster string, gvk schema.GroupVersionKind, key types.NamespacedName) (*membercluster.Origin, error) {
	m.reads++
	if err := m.fail[cluster]; err != nil {
		return nil, err
	}
	return m.objects[cluster+"/"+gvk.Kind+"/"+key.Name], nil
}

func owner(apiVersion, kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID(name), Controller: ptr.To(true)}
}

// stuckPods are n pods of the ReplicaSet web-1 that were unschedulable at a time.
func stuckPods(n int, since time.Time) []membercluster.StuckPod {
	var pods []membercluster.StuckPod
	for range n {
		pods = append(pods, membercluster.StuckPod{Controller: owner("apps/v1", "ReplicaSet", "web-1"), Namespace: "shop", Since: since, Message: "too little cpu"})
	}
	return pods
}

// webMembers hold the ReplicaSet web-1 of the Deployment web, which is this host's; 4 of its pods are stuck in
// member1.
func webMembers() *members {
	deployment := owner("apps/v1", "Deployment", "web")
	m := &members{objects: map[string]*membercluster.Origin{}, fail: map[string]error{}, pods: map[string][]membercluster.StuckPod{
		"member1": stuckPods(4, start.Add(-6*time.Minute)), "member2": {},
	}}
	for _, cluster := range []string{"member1", "member2"} {
		m.objects[cluster+"/ReplicaSet/web-1"] = &membercluster.Origin{UID: "web-1", Controller: &deployment}
		m.objects[cluster+"/Deployment/web"] = &membercluster.Origin{UID: "web", Ours: true, Binding: "shop/web-deployment"}
	}
	return m
}

// bed is a reconciler on a fake host that counts writes.
type bed struct {
	*Reconciler
	host     client.WithWatch
	members  *members
	clock    *clocktesting.FakePassiveClock
	recorder *events.FakeRecorder
	writes   int
}

func newBed(t *testing.T, m *members, objects ...client.Object) *bed {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := &bed{members: m, clock: clocktesting.NewFakePassiveClock(start), recorder: events.NewFakeRecorder(10)}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithInterceptorFuncs(interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
				b.writes++
				return c.Apply(ctx, obj, opts...)
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
	b.Reconciler = newReconciler(b.host, b.recorder, Options{
		Members: b.members, Threshold: threshold, CoolDown: coolDown, Interval: 30 * time.Second, Clock: b.clock,
	})
}

// indexer registers indexes with a fake client.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, values)
	return nil
}

func (b *bed) sweep(t *testing.T) {
	t.Helper()
	result, err := b.Reconcile(t.Context(), sweep)
	if err != nil {
		t.Fatalf("Reconcile(): %v", err)
	}
	if want := (ctrl.Result{RequeueAfter: 30 * time.Second}); result != want {
		t.Errorf("Reconcile() = %v, want %v", result, want)
	}
}

// limits are the limits of the binding web-deployment, as text.
func (b *bed) limits(t *testing.T) []string {
	t.Helper()
	got := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web-deployment"}, got); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, l := range got.Spec.ReplicaLimits {
		texts = append(texts, fmt.Sprintf("%s at most %d since %v", l.Cluster, l.MaxReplicas, l.Since.Sub(start)))
	}
	return texts
}

func (b *bed) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, b.limits(t)); diff != "" {
		t.Errorf("%s, limits (-want +got):\n%s", when, diff)
	}
}

func webBinding() *v1alpha1.ResourceBinding {
	return &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-deployment", UID: "binding-uid"}, Spec: aggregated(),
		Status: v1alpha1.BindingStatus{AggregatedStatus: []v1alpha1.AggregatedStatusItem{
			reporting("member1", map[string]any{"replicas": 6, "readyReplicas": 2}), reporting("member2", map[string]any{"replicas": 4, "readyReplicas": 4}),
		}},
	}
}

func cluster(name string, ready metav1.ConditionStatus) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.ClusterStatus{
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready}},
	}}
}

func TestPodsThatStayUnschedulableLowerWhatTheirClusterMayHold(t *testing.T) {
	b := newBed(t, webMembers(), webBinding(), cluster("member1", "True"), cluster("member2", "True"))
	b.members.pods["member1"] = stuckPods(4, start.Add(-threshold).Add(time.Second))
	b.sweep(t)
	b.expect(t, "before the threshold")
	b.clock.SetTime(start.Add(time.Minute))
	b.sweep(t)
	b.sweep(t)
	b.expect(t, "after it", "member1 at most 2 since 1m0s")
	if b.writes != 1 {
		t.Errorf("the binding was written %d times, want once", b.writes)
	}
	want := "Warning Descheduled member1 holds at most 2 replicas for now: 4 of 6 replicas had no room since 2023-11-14T22:08:21Z: too little cpu"
	if len(b.recorder.Events) != 1 {
		t.Fatalf("%d events were sent, want one", len(b.recorder.Events))
	}
	if diff := cmp.Diff(want, <-b.recorder.Events); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestALimitIsLiftedAfterTheCoolDownAlsoByAManagerThatTookOver(t *testing.T) {
	b := newBed(t, webMembers(), webBinding(), cluster("member1", "True"), cluster("member2", "True"))
	b.sweep(t)
	b.members.pods["member1"] = nil
	b.restart()
	b.clock.SetTime(start.Add(coolDown - time.Second))
	b.sweep(t)
	b.expect(t, "before the end", "member1 at most 2 since 0s")
	b.clock.SetTime(start.Add(coolDown))
	b.sweep(t)
	b.expect(t, "at the end")
	b.sweep(t)
	if b.writes != 2 || len(b.recorder.Events) != 1 {
		t.Errorf("%d writes and %d events, want 2 and 1", b.writes, len(b.recorder.Events))
	}
}

func TestOthersFieldsOfTheBindingStay(t *testing.T) {
	b := newBed(t, webMembers(), webBinding(), cluster("member1", "True"), cluster("member2", "True"))
	b.sweep(t)
	got := &v1alpha1.ResourceBinding{}
	if err := b.host.Get(t.Context(), types.NamespacedName{Namespace: "shop", Name: "web-deployment"}, got); err != nil {
		t.Fatal(err)
	}
	// The fake host clears spec.resource, whose fields have no omitempty; the API server does not.
	want := aggregated()
	got.Spec.ReplicaLimits, got.Spec.Resource = nil, want.Resource
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotThisHostsOrNotKnownLimitsNothing(t *testing.T) {
	for name, change := range map[string]func(*members){
		"a foreign workload":            func(m *members) { m.objects["member1/Deployment/web"].Ours = false },
		"another workload of that name": func(m *members) { m.objects["member1/Deployment/web"].UID = "other" },
		"a controller that is gone":     func(m *members) { delete(m.objects, "member1/ReplicaSet/web-1") },
		"a pod of nobody's":             func(m *members) { m.objects["member1/ReplicaSet/web-1"].Controller = nil },
		"a controller that owns itself": func(m *members) {
			m.objects["member1/ReplicaSet/web-1"].Controller = ptr.To(owner("apps/v1", "ReplicaSet", "web-1"))
		},
		"a member that does not know":   func(m *members) { delete(m.pods, "member1") },
		"a binding that does not exist": func(m *members) { m.objects["member1/Deployment/web"].Binding = "shop/other" },
		"a controller that may not be read": func(m *members) {
			m.fail["member1"] = fmt.Errorf("reading: %w", apierrors.NewForbidden(schema.GroupResource{}, "", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := webMembers()
			change(m)
			b := newBed(t, m, webBinding(), cluster("member1", "True"), cluster("member2", "True"))
			b.sweep(t)
			b.expect(t, "after a sweep")
		})
	}
}

func TestAMemberThatIsNotReadyLimitsNothing(t *testing.T) {
	b := newBed(t, webMembers(), webBinding(), cluster("member1", "Unknown"), cluster("member2", "True"))
	b.sweep(t)
	b.expect(t, "after a sweep")
}

func TestAMemberThatFailsDelaysNoOther(t *testing.T) {
	m := webMembers()
	m.pods["member2"] = stuckPods(1, start.Add(-time.Hour))
	m.fail["member1"] = errors.New("connection refused")
	binding := webBinding()
	binding.Status.AggregatedStatus[1] = reporting("member2", map[string]any{"replicas": 4, "readyReplicas": 3})
	b := newBed(t, m, binding, cluster("member1", "True"), cluster("member2", "True"))
	if _, err := b.Reconcile(t.Context(), sweep); !errors.Is(err, m.fail["member1"]) {
		t.Errorf("Reconcile() = %v, want %v", err, m.fail["member1"])
	}
	b.expect(t, "after a sweep", "member2 at most 3 since 0s")
}

func TestWhereAPodComesFromIsReadOnce(t *testing.T) {
	b := newBed(t, webMembers(), webBinding(), cluster("member1", "True"), cluster("member2", "True"))
	b.sweep(t)
	b.sweep(t)
	if b.members.reads != 2 { // the ReplicaSet and the Deployment
		t.Errorf("the member was asked %d times, want 2", b.members.reads)
	}
	b.members.objects["member1/Deployment/web"].Ours = false
	b.restart()
	b.sweep(t)
	b.sweep(t)
	if b.members.reads != 4 {
		t.Errorf("the member was asked %d times about a foreign pod, want 4 in all", b.members.reads)
	}
	b.clock.SetTime(start.Add(foreignAge))
	b.sweep(t)
	if b.members.reads != 6 {
		t.Errorf("the member was asked %d times after the foreign pod's time, want 6 in all", b.members.reads)
	}
}
