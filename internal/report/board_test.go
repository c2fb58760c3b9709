package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

var (
	web = types.NamespacedName{Namespace: "shop", Name: "web"}
	api = types.NamespacedName{Namespace: "shop", Name: "api"}
)

func listening() (*Board, *[]string) {
	b, heard := NewBoard(), &[]string{}
	b.OnChange(func(key types.NamespacedName) { *heard = append(*heard, key.Name) })
	return b, heard
}

func TestTheSameReportAgainIsNoNews(t *testing.T) {
	b, heard := listening()
	b.Post(web, "member1", Report{Applied: true})
	b.Post(web, "member1", Report{Applied: true})
	b.Post(web, "member2", Report{Applied: true})
	b.Post(web, "member1", Report{Reason: "ForeignObject"})
	if diff := cmp.Diff([]string{"web", "web", "web"}, *heard); diff != "" {
		t.Errorf("listeners heard otherwise (-want +got):\n%s", diff)
	}
	want := map[string]Report{"member1": {Reason: "ForeignObject"}, "member2": {Applied: true}}
	if diff := cmp.Diff(want, b.Reports(web)); diff != "" {
		t.Errorf("Reports() differs (-want +got):\n%s", diff)
	}
}

func TestReportsAreACopy(t *testing.T) {
	b, _ := listening()
	b.Post(web, "member1", Report{Applied: true})
	b.Reports(web)["member1"] = Report{}
	if diff := cmp.Diff(map[string]Report{"member1": {Applied: true}}, b.Reports(web)); diff != "" {
		t.Errorf("Reports() differs (-want +got):\n%s", diff)
	}
}

func TestAMemberThatLeftIsForgottenAndItsBindingsHearOfIt(t *testing.T) {
	b, heard := listening()
	b.Post(web, "member1", Report{Applied: true})
	b.Post(web, "member2", Report{Applied: true})
	b.Post(api, "member2", Report{Applied: true})
	*heard = nil
	b.ForgetMember("member1")
	if diff := cmp.Diff([]string{"web"}, *heard); diff != "" {
		t.Errorf("listeners heard otherwise (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]Report{"member2": {Applied: true}}, b.Reports(web)); diff != "" {
		t.Errorf("Reports() differs (-want +got):\n%s", diff)
	}
}

func TestABindingThatIsGoneIsForgotten(t *testing.T) {
	b, _ := listening()
	b.Post(web, "member1", Report{Applied: true})
	b.ForgetBinding(web)
	if got := b.Reports(web); len(got) != 0 {
		t.Errorf("Reports() = %v, want none", got)
	}
}

func TestTheTallyFollowsTheReports(t *testing.T) {
	b, _ := listening()
	applied := Report{Applied: true, Reason: "Applied", Health: "Healthy"}
	b.Post(web, "member1", Report{Reason: "Applying", Health: "Unknown"})
	b.Post(web, "member1", applied)
	b.Post(web, "member2", applied)
	b.Post(api, "member1", applied)
	b.Post(api, "member2", Report{Gone: true})
	want := map[Standing]int{{"member1", "Applied", "Healthy"}: 2, {"member2", "Applied", "Healthy"}: 1}
	if diff := cmp.Diff(want, b.Tally()); diff != "" {
		t.Errorf("Tally() differs (-want +got):\n%s", diff)
	}
	b.ForgetMember("member2")
	b.ForgetBinding(api)
	if diff := cmp.Diff(map[Standing]int{{"member1", "Applied", "Healthy"}: 1}, b.Tally()); diff != "" {
		t.Errorf("Tally() after a member and a binding went differs (-want +got):\n%s", diff)
	}
}

func TestAMemberIsClearedOfABindingThatIsDeletedWhenItWasAskedSince(t *testing.T) {
	deleted := metav1.Unix(1_700_000_000, 0)
	for name, tc := range map[string]struct {
		deletion *metav1.Time
		said     Report
		want     bool
	}{
		"nothing was said": {nil, Report{}, false},
		"it is there":      {nil, Report{Applied: true}, false},
		"it is gone":       {nil, Report{Gone: true}, true},
		"it was gone before the binding's deletion": {&deleted, Report{Gone: true, BindingGeneration: 2}, false},
		"it is gone since the binding's deletion":   {&deleted, Report{Gone: true, BindingGeneration: 3}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Generation: 3, DeletionTimestamp: tc.deletion}}
			if got := tc.said.Cleared(b); got != tc.want {
				t.Errorf("Cleared() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestLeftoversAreKnownFromWhenTheyWereTold(t *testing.T) {
	b := NewBoard()
	if diff := cmp.Diff(Leftovers{}, b.Leftovers("member1")); diff != "" {
		t.Errorf("of a member that nobody has looked at (-want +got):\n%s", diff)
	}
	b.PostUnlooked("member1", []string{"Job.batch"})
	if diff := cmp.Diff(Leftovers{Unlooked: []string{"Job.batch"}}, b.Leftovers("member1")); diff != "" {
		t.Errorf("of a member of which something is missing (-want +got):\n%s", diff)
	}
	if got := b.AllLeftovers(); len(got) > 0 {
		t.Errorf("AllLeftovers() = %v, want nothing while nobody has looked", got)
	}
	b.PostLeftovers("member1", []string{"ConfigMap shop/a"})
	b.PostLeftovers("member2", nil)
	b.PostLeftovers("member3", []string{"ConfigMap shop/b"})
	b.ForgetMember("member3")
	want := map[string][]string{"member1": {"ConfigMap shop/a"}, "member2": nil}
	if diff := cmp.Diff(want, b.AllLeftovers()); diff != "" {
		t.Errorf("AllLeftovers() differs (-want +got):\n%s", diff)
	}
	b.PostUnlooked("member1", nil) // it was connected anew
	want = map[string][]string{"member1": {"ConfigMap shop/a"}, "member2": nil}
	if diff := cmp.Diff(want, b.AllLeftovers()); diff != "" {
		t.Errorf("AllLeftovers() of what was known before differs (-want +got):\n%s", diff)
	}
	for cluster, want := range map[string]Leftovers{"member1": {Names: []string{"ConfigMap shop/a"}}, "member2": {Looked: true}, "member3": {}} {
		if diff := cmp.Diff(want, b.Leftovers(cluster)); diff != "" {
			t.Errorf("Leftovers(%q) differs (-want +got):\n%s", cluster, diff)
		}
	}
}
