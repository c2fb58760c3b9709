package execution

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestWhatAMemberRefusesIsTriedAgainSoonAndThenEverMoreSeldom(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Unix(1700000000, 0))
	r := newRefusals(c)
	web, api := types.NamespacedName{Namespace: "shop", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "api"}
	waits := func(binding types.NamespacedName, n int) []time.Duration {
		var got []time.Duration
		for range n {
			wait := r.wait(binding)
			got = append(got, wait)
			c.Step(wait)
		}
		return got
	}
	var want []time.Duration
	for _, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		want = append(want, time.Duration(seconds)*time.Second)
	}
	if diff := cmp.Diff(want, waits(web, len(want))); diff != "" {
		t.Errorf("the waits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:2], waits(api, 2)); diff != "" {
		t.Errorf("another object's waits (-want +got):\n%s", diff)
	}
	r.over(web)
	if diff := cmp.Diff(want[:2], waits(web, 2)); diff != "" {
		t.Errorf("the waits after the member has taken it (-want +got):\n%s", diff)
	}
}
