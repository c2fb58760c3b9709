package execution

import (
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

func TestTheFirstLookIsOverWhenAllThatWasThereIsDoneWith(t *testing.T) {
	type step struct {
		// told is what the watches say when it is asked; enter and leave are what happens before.
		enter, leave int
		told         bool
		want         bool
	}
	for name, steps := range map[string][]step{
		"nothing is there":                         {{told: true}, {told: true, want: true}},
		"the watches have not told":                {{}, {}, {}},
		"the watches tell late":                    {{}, {told: true}, {told: true, want: true}},
		"something is still looked at":             {{enter: 2, told: true}, {told: true}, {leave: 1, told: true}, {leave: 1, told: true, want: true}},
		"what comes later is not waited for":       {{told: true}, {enter: 1, told: true}, {leave: 1, enter: 1, told: true, want: true}},
		"it stays over when a kind is watched new": {{told: true}, {told: true, want: true}, {want: true}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &firstLook{}
			var leaves []func()
			for i, s := range steps {
				for range s.enter {
					leaves = append(leaves, l.enter())
				}
				for range s.leave {
					leaves[0]()
					leaves = leaves[1:]
				}
				if got := l.isOver(s.told); got != s.want {
					t.Errorf("step %d: isOver() = %t, want %t", i+1, got, s.want)
				}
				if got := l.wasOver(); got != s.want {
					t.Errorf("step %d: wasOver() = %t, want %t", i+1, got, s.want)
				}
			}
		})
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
	leave := w.first.enter()
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
	for range 3 {
		if again := look(); again != leftoversPause {
			t.Errorf("it is looked again after %s, want %s", again, leftoversPause)
		}
		if got := said(); got != "said before" {
			t.Errorf("before all is looked at the Cluster says %q", got)
		}
	}
	if _, known := w.Board.Leftovers("member1"); known {
		t.Error("what is left over counts as known before all is looked at")
	}
	leave()
	if again := look(); again != 0 {
		t.Errorf("it is looked again after %s, want never", again)
	}
	if got := said(); got != "" {
		t.Errorf("after all is looked at the Cluster says %q", got)
	}
	w.leftovers.note(webKey, []*membercluster.Observed{leftover("shop", "a")})
	want := []string{"ConfigMap shop/a"}
	got, known := w.Board.Leftovers("member1")
	if diff := cmp.Diff(want, got); diff != "" || !known {
		t.Errorf("the board, known %t (-want +got):\n%s", known, diff)
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
