package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestAMemberThatIsDoubtedIsAskedOnceAndHeard(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	b, told := NewBoard(), []string{}
	b.OnDoubt(func(key types.NamespacedName, cluster string) { told = append(told, "ask "+cluster+" about "+key.Name) })
	b.OnHearing(func() { told = append(told, "heard") })
	b.Post(web, "member1", Report{Health: v1alpha1.Unhealthy})
	if got, heard := b.Heard(web, "member1"); heard {
		t.Errorf("Heard() = %v of a member that nobody asked", got)
	}
	b.Hear(web, "member1", Hearing{At: at, Health: v1alpha1.Unhealthy}) // nobody asked
	b.Doubt(web, "member1")
	b.Doubt(web, "member1")
	b.Doubt(api, "member2")
	doubted := b.Doubted(web, "member1")
	b.Hear(web, "member1", Hearing{At: at, Health: v1alpha1.Healthy})
	if !doubted || b.Doubted(web, "member1") || !b.Doubted(api, "member2") {
		t.Error("doubted until heard: got otherwise")
	}
	if diff := cmp.Diff([]string{"ask member1 about web", "ask member2 about api", "heard"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	expect := func(when string, want Hearing, wantHeard bool) {
		t.Helper()
		got, heard := b.Heard(web, "member1")
		if diff := cmp.Diff(want, got); diff != "" || heard != wantHeard {
			t.Errorf("%s, Heard() = %t (-want +got):\n%s", when, heard, diff)
		}
	}
	expect("when it was asked", Hearing{At: at, Health: v1alpha1.Healthy}, true)
	b.Post(web, "member1", Report{Health: v1alpha1.Unhealthy})
	expect("when it has reported since", Hearing{At: at, Health: v1alpha1.Unhealthy}, true)
	b.ForgetMember("member1")
	expect("when the member has left", Hearing{}, false)
	b.ForgetBinding(api)
	if b.Doubted(api, "member2") {
		t.Error("a binding that is gone is still asked about")
	}
}
