package eviction

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/lookout"
	"github.com/flotilla-dev/flotilla/internal/report"
)

// TestAManagerThatBeginsAsksBeforeAnApplicationLeaves has a status that says since an hour ago that the application is unhealthy.
func TestAManagerThatBeginsAsksBeforeAnApplicationLeaves(t *testing.T) {
	web, a, c := binding("web", "a"), member("a"), member("b")
	a.UID, c.UID = "uid-a", "uid-b"
	web.Spec.Failover = &v1alpha1.FailoverBehavior{Application: &v1alpha1.ApplicationFailoverBehavior{}}
	web.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{
		ClusterName: "a", Health: v1alpha1.Unhealthy, UnhealthySince: ptr.To(metav1.NewTime(start.Add(-time.Hour))),
	}}
	b := newBed(t, a, c, web)
	key, board, looks := client.ObjectKeyFromObject(web), report.NewBoard(), lookout.New(b.clock, time.Minute)
	asked := 0
	board.OnDoubt(func(types.NamespacedName, string) { asked++ })
	b.Reconciler = newReconciler(b.host, b.recorder, Options{Settings: b.settings, Clock: b.clock, Board: board, Lookout: looks})
	look := func(answers bool) {
		looks.Note(a.UID, lookout.Look{Answers: answers, Ready: true})
		looks.Note(c.UID, lookout.Look{Answers: true, Ready: true})
	}
	says := func(health v1alpha1.Health) {
		board.Hear(key, "a", report.Hearing{At: b.clock.Now(), Health: health})
		board.Post(key, "a", report.Report{Health: health})
	}
	expectAsked := func(when string, want int) {
		t.Helper()
		if asked != want {
			t.Errorf("%s, the member was asked %d times, want %d", when, asked, want)
		}
	}
	b.sweep()
	expectAsked("before it was looked at", 0)
	look(true)
	board.Post(key, "a", report.Report{Health: v1alpha1.Unhealthy}) // a watch that may be behind
	b.sweep()
	b.sweep()
	b.expect("before it was heard")
	expectAsked("before it was heard", 1)
	says(v1alpha1.Healthy)
	b.sweep()
	b.expect("when it is healthy, and the status does not say so yet")
	look(false)
	b.after(10 * time.Second)
	look(true)
	b.sweep()
	b.expect("when it did not answer for a moment, since when nobody has heard it")
	expectAsked("when it did not answer for a moment", 2)
	says(v1alpha1.Unhealthy)
	b.sweep()
	b.expect("when it is unhealthy indeed", "web: a ApplicationFailure")
	expectAsked("in all", 2)
}
