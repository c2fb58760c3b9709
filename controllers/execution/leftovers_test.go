package execution

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/report"
)

func leftover(namespace, name string) *membercluster.Observed {
	return &membercluster.Observed{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Kind: schema.GroupVersionKind{Kind: "ConfigMap"},
	}
}

// looking is a worker of a member that holds nothing, and its Cluster, which still says what a manager before has said.
func looking(t *testing.T) (*worker, client.Client) {
	t.Helper()
	pool := membercluster.NewPool("host", interpreter.New())
	if err := pool.Connect("member1", membercluster.Connection{Config: &rest.Config{Host: "http://member1.invalid"}}); err != nil {
		t.Fatal(err)
	}
	member, _ := pool.Member("member1")
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}}
	host := hostWith(t, cluster)
	before := &v1alpha1.ClusterStatus{Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionRemembered, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnremembered,
		Message: "said before", LastTransitionTime: metav1.NewTime(noon),
	}}}
	if err := objectpatch.ApplyStatus(t.Context(), host, cluster, objectpatch.ExecutionOwner, before); err != nil {
		t.Fatal(err)
	}
	d := &dispatcher{host: host, workers: map[string]*worker{}, named: newNamed(), Options: Options{Board: report.NewBoard(), Memory: memory{}, Unserved: time.Minute}}
	w := newWorker(t.Context(), d, member)
	d.workers["member1"] = w
	return w, host
}

func TestWhatAManagerBeforeSaidIsLeftOverStaysUntilAllIsLookedAt(t *testing.T) {
	w, host := looking(t)
	w.leftovers.first.Begin(webKey)
	said := func() string {
		t.Helper()
		cluster := &v1alpha1.Cluster{}
		if err := host.Get(t.Context(), client.ObjectKey{Name: "member1"}, cluster); err != nil {
			t.Fatal(err)
		}
		if condition := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionRemembered); condition != nil {
			return condition.Message
		}
		return ""
	}
	look := func() time.Duration {
		t.Helper()
		result, err := w.Reconcile(t.Context(), leftoversKey)
		if err != nil {
			t.Fatal(err)
		}
		return result.RequeueAfter
	}
	for _, want := range []time.Duration{leftoversPause, 0, 0} { // from the second on, who looks at the binding leads back
		if again := look(); again != want {
			t.Errorf("it is looked again after %s, want %s", again, want)
		}
		if got := said(); got != "said before" {
			t.Errorf("before all is looked at the Cluster says %q", got)
		}
	}
	missing := report.Leftovers{Unlooked: []string{"binding shop/web"}}
	if diff := cmp.Diff(missing, w.Board.Leftovers("member1")); diff != "" {
		t.Errorf("the board before all is looked at (-want +got):\n%s", diff)
	}
	w.leftovers.note(webKey, nil)
	if again := look(); again != 0 {
		t.Errorf("it is looked again after %s, want never", again)
	}
	if got := said(); got != "" {
		t.Errorf("after all is looked at the Cluster says %q", got)
	}
	w.leftovers.note(webKey, []*membercluster.Observed{leftover("shop", "a")})
	want := report.Leftovers{Names: []string{"ConfigMap shop/a"}, Looked: true}
	if diff := cmp.Diff(want, w.Board.Leftovers("member1")); diff != "" {
		t.Errorf("the board (-want +got):\n%s", diff)
	}
}

func TestALookThatFailedIsNone(t *testing.T) {
	w, host := looking(t)
	failing := true
	w.host = interceptor.NewClient(host.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if failing && key == webKey {
				return errors.New("no luck")
			}
			return c.Get(ctx, key, obj, opts...)
		},
	})
	if _, err := w.Reconcile(t.Context(), webKey); err == nil {
		t.Fatal("the look did not fail")
	}
	ask := func() report.Leftovers {
		t.Helper()
		if _, err := w.Reconcile(t.Context(), leftoversKey); err != nil {
			t.Fatal(err)
		}
		return w.Board.Leftovers("member1")
	}
	ask()
	if diff := cmp.Diff(report.Leftovers{Unlooked: []string{"binding shop/web"}}, ask()); diff != "" {
		t.Errorf("after a look that failed (-want +got):\n%s", diff)
	}
	failing = false
	if _, err := w.Reconcile(t.Context(), webKey); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report.Leftovers{Looked: true}, ask()); diff != "" {
		t.Errorf("after one that did not (-want +got):\n%s", diff)
	}
}

// TestAKindThatCannotTellIsNamed asks a member that does not answer: its watches have told nothing.
func TestAKindThatCannotTellIsNamed(t *testing.T) {
	w, _ := looking(t)
	w.member.Objects.Watch(schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"})
	w.member.Objects.Watch(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"})
	for range 3 {
		result, err := w.Reconcile(t.Context(), leftoversKey)
		if err != nil {
			t.Fatal(err)
		}
		if result.RequeueAfter != 0 {
			t.Errorf("it is asked again after %s, want never: what the watch tells leads back", result.RequeueAfter)
		}
	}
	if diff := cmp.Diff(report.Leftovers{Unlooked: []string{"ConfigMap", "Job.batch"}}, w.Board.Leftovers("member1")); diff != "" {
		t.Errorf("the board (-want +got):\n%s", diff)
	}
	queue := priorityqueue.New[types.NamespacedName](t.Name())
	t.Cleanup(queue.ShutDown)
	if err := w.feed.begin(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	w.stateChanged(t.Context(), schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"})
	if got, _ := queue.Get(); got != leftoversKey { // ends with the test's time when nothing comes
		t.Errorf("%s is looked at again, want what is left over", got)
	}
}

func TestWhatIsLeftOverIsLookedAtAgainWhenSomebodyDecides(t *testing.T) {
	cluster := func(change func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}}
		change(c)
		return c
	}
	keep := func(c *v1alpha1.Cluster) { c.Spec.DeletionPolicy = v1alpha1.KeepObjects }
	leave := func(c *v1alpha1.Cluster) { c.DeletionTimestamp = &metav1.Time{Time: noon} }
	for name, tc := range map[string]struct {
		before, after func(*v1alpha1.Cluster)
		want          bool
	}{
		"nothing changes":                {leave, leave, false},
		"it is labelled":                 {func(*v1alpha1.Cluster) {}, func(c *v1alpha1.Cluster) { c.Labels = map[string]string{"a": "b"} }, false},
		"it is deleted":                  {func(*v1alpha1.Cluster) {}, leave, true},
		"its objects are to stay in it":  {func(*v1alpha1.Cluster) {}, keep, true},
		"they are to go after all, then": {keep, func(*v1alpha1.Cluster) {}, true},
		"the host is right": {func(*v1alpha1.Cluster) {}, func(c *v1alpha1.Cluster) {
			c.Annotations = map[string]string{v1alpha1.ConfirmedAnnotation: "2027-03-01T12:00:00Z"}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := !sameOrders(cluster(tc.before), cluster(tc.after)); got != tc.want {
				t.Errorf("it is looked at again: %t, want %t", got, tc.want)
			}
		})
	}
	w, _ := looking(t)
	other := types.NamespacedName{Name: "other"}
	w.leftovers.note(webKey, []*membercluster.Observed{leftover("shop", "a")})
	w.leftovers.note(other, []*membercluster.Observed{leftover("", "b")})
	w.leftovers.note(other, nil)
	w.feed.latest.Take()
	w.leftoversDecided("member1")
	w.leftoversDecided("member2") // which is not connected
	if diff := cmp.Diff(map[types.NamespacedName]int{webKey: userPriority}, w.feed.latest.Take()); diff != "" {
		t.Errorf("what is looked at again (-want +got):\n%s", diff)
	}
}

func TestTheMetricCountsWhatIsLeftOver(t *testing.T) {
	w, _ := looking(t)
	w.showState()
	w.Board.PostLeftovers("member1", []string{"a", "b"})
	w.Board.PostLeftovers("member2", nil)
	series := make(chan prometheus.Metric, 10)
	leftOver.Collect(series)
	close(series)
	got := map[string]float64{}
	for metric := range series {
		var m dto.Metric
		if err := metric.Write(&m); err != nil {
			t.Fatal(err)
		}
		got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
	}
	if diff := cmp.Diff(map[string]float64{"member1": 2, "member2": 0}, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}
