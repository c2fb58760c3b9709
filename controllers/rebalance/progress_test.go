package rebalance

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func asked(at time.Time) func(*v1alpha1.ResourceBinding) {
	return func(b *v1alpha1.ResourceBinding) { b.Spec.RescheduleTriggeredAt = ptr.To(metav1.NewTime(at)) }
}

func suspending(b *v1alpha1.ResourceBinding) {
	b.Spec.Suspension = &v1alpha1.BindingSuspension{Scheduling: ptr.To(true)}
}

func TestJudge(t *testing.T) {
	type verdict struct {
		Result v1alpha1.RebalanceResult
		Reason string
		Ask    bool
	}
	for name, tc := range map[string]struct {
		binding v1alpha1.Binding
		later   time.Duration
		want    verdict
	}{
		"no binding":           {want: verdict{"Failed", "BindingNotFound", false}},
		"a binding that goes":  {binding: binding("web", func(b *v1alpha1.ResourceBinding) { b.DeletionTimestamp = ptr.To(metav1.NewTime(start)) }), want: verdict{"Failed", "BindingNotFound", false}},
		"no placement":         {binding: binding("web", func(b *v1alpha1.ResourceBinding) { b.Spec.Placement = nil }), want: verdict{"Failed", "NoPlacement", false}},
		"not asked":            {binding: binding("web"), want: verdict{"Pending", "Asked", true}},
		"asked long before":    {binding: binding("web", asked(start.Add(-time.Hour)), remembering(start.Add(-time.Hour))), want: verdict{"Pending", "Asked", true}},
		"asked":                {binding: binding("web", asked(start), remembering(start.Add(-time.Hour))), want: verdict{"Pending", "Asked", false}},
		"asked by another one": {binding: binding("web", asked(start.Add(time.Minute))), want: verdict{"Pending", "Asked", false}},
		"obeyed":               {binding: binding("web", asked(start), remembering(start)), want: verdict{"Successful", "Rescheduled", false}},
		"a later one obeyed":   {binding: binding("web", asked(start.Add(time.Minute)), remembering(start.Add(time.Minute))), want: verdict{"Successful", "Rescheduled", false}},
		"suspended":            {binding: binding("web", suspending), want: verdict{"Failed", "SchedulingSuspended", false}},
		"a memory that cannot be read": {binding: binding("web", asked(start), func(b *v1alpha1.ResourceBinding) {
			b.Annotations = map[string]string{v1alpha1.DecisionAnnotation: "{"}
		}), want: verdict{"Pending", "Asked", false}},
		"no answer":       {binding: binding("web", asked(start)), later: patience, want: verdict{"Failed", "NoAnswer", false}},
		"a late answer":   {binding: binding("web", asked(start), remembering(start)), later: patience, want: verdict{"Successful", "Rescheduled", false}},
		"nearly too late": {binding: binding("web", asked(start)), later: patience - 1, want: verdict{"Pending", "Asked", false}},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(target{workload: reference("web"), binding: tc.binding}, start, start.Add(tc.later))
			if diff := cmp.Diff(tc.want, verdict{got.result, got.reason, got.ask}); diff != "" {
				t.Errorf("judge() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheStatusOfALargeRequestNamesThoseThatMatterAndCountsAll(t *testing.T) {
	rebalancer := again(naming("web"))
	rebalancer.Status.StartTime = ptr.To(metav1.NewTime(start))
	var outcomes []outcome
	for i := range 1000 {
		o := outcome{workload: reference(fmt.Sprintf("web-%03d", i)), result: v1alpha1.RebalanceSuccessful, reason: "Rescheduled"}
		if i == 998 {
			o.result, o.reason = v1alpha1.RebalancePending, "Asked"
		}
		if i == 999 {
			o.result, o.reason = v1alpha1.RebalanceFailed, "NoAnswer"
		}
		outcomes = append(outcomes, o)
	}
	got := progressed(rebalancer, outcomes, start)
	type summary struct {
		Total, Done, Failed int32
		Named               int
		First               []string
	}
	want := summary{1000, 998, 1, v1alpha1.MaxObservedWorkloads, []string{"web-999", "web-998", "web-000"}}
	have := summary{got.Total, got.Done, got.Failed, len(got.ObservedWorkloads), nil}
	for _, w := range got.ObservedWorkloads[:3] {
		have.First = append(have.First, w.Workload.Name)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestOnlyAnswersWakeUpTheRequestsThatAreUnderWay(t *testing.T) {
	running, finished := again(naming("web")), again(naming("web"))
	running.Status.StartTime = ptr.To(metav1.NewTime(start))
	finished.Name, finished.Status.StartTime, finished.Status.FinishTime = "done", running.Status.StartTime, running.Status.StartTime
	for name, tc := range map[string]struct {
		before, after *v1alpha1.ResourceBinding
		want          int
	}{
		"a decision":     {binding("web"), binding("web", remembering(start)), 1},
		"the request":    {binding("web"), binding("web", asked(start)), 0},
		"a suspension":   {binding("web"), binding("web", suspending), 1},
		"the end of one": {binding("web"), nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, templates{}, running.DeepCopy(), finished.DeepCopy())
			q := &delays{}
			if tc.after == nil {
				b.onBinding().Delete(t.Context(), event.DeleteEvent{Object: tc.before}, q)
			} else {
				b.onBinding().Update(t.Context(), event.UpdateEvent{ObjectOld: tc.before, ObjectNew: tc.after}, q)
			}
			for _, req := range q.added {
				if req.Name != "again" {
					t.Errorf("%s was woken up", req.Name)
				}
			}
			if len(q.added) != tc.want {
				t.Errorf("woke up %v, want %d of them", q.added, tc.want)
			}
		})
	}
}

// delays is a queue that notes what is added with a delay.
type delays struct {
	workqueue.TypedRateLimitingInterface[ctrl.Request]
	added []ctrl.Request
}

func (q *delays) AddAfter(req ctrl.Request, _ time.Duration) { q.added = append(q.added, req) }
