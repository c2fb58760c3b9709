package chaos

import (
	"context"
	"fmt"
	"testing"

	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

func TestAMemberThatHangsDelaysNobodyElseAndConvergesAfterwards(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "")))
	const n = 60
	if err := fleet.Stop(t.Context(), "member2"); err != nil {
		t.Fatal(err)
	}
	resumed := false
	resume := func() {
		if !resumed {
			resumed = true
			if err := fleet.Start(context.WithoutCancel(t.Context()), "member2"); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(resume)
	for i := range n {
		name := fmt.Sprintf("c%03d", i)
		expect.Create(t, fleet.Host, builder.ConfigMap(ns, name, "number", fmt.Sprint(i)))
		// One at a time: had the hanging member any hold on the others, each would wait for it.
		for _, member := range []string{"member1", "member3"} {
			expect.Seen(t, fleet.Member(member), builder.ConfigMap(ns, name), expect.Present)
		}
	}
	resume()
	everywhere(t, fleet, ns, n)
}

func TestAMemberThatIsCutOffConvergesWhenItIsBack(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	counting(t, fleet, ns, 20, func(int) {})
	everywhere(t, fleet, ns, 20)
	if err := fleet.Cut(t.Context(), "member3"); err != nil {
		t.Fatal(err)
	}
	healed := false
	heal := func() {
		if !healed {
			healed = true
			if err := fleet.Heal(context.WithoutCancel(t.Context()), "member3"); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(heal)
	for i := 10; i < 20; i++ {
		expect.Delete(t, fleet.Host, builder.ConfigMap(ns, fmt.Sprintf("c%03d", i)))
	}
	for i := 10; i < 20; i++ {
		expect.Gone(t, fleet.Member("member1"), builder.ConfigMap(ns, fmt.Sprintf("c%03d", i)))
	}
	held, err := held(t.Context(), fleet.Member("member3"), ns)
	if err != nil || len(held) != 20 {
		t.Fatalf("the member that is cut off holds %d config maps (%v), want all 20: nobody could have removed them", len(held), err)
	}
	heal()
	everywhere(t, fleet, ns, 10)
}
