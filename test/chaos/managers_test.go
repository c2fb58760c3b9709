package chaos

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// counting makes n ConfigMaps and a policy for them in a namespace.
func counting(t *testing.T, fleet *local.Fleet, ns string, n int, during func(i int)) {
	t.Helper()
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "")))
	for i := range n {
		expect.Create(t, fleet.Host, builder.ConfigMap(ns, fmt.Sprintf("c%03d", i), "number", fmt.Sprint(i)))
		during(i)
	}
}

// everywhere waits until every member holds exactly the ConfigMaps c000 to c(n-1) of a namespace, each with
// its own value.
func everywhere(t *testing.T, fleet *local.Fleet, ns string, n int) {
	t.Helper()
	for _, member := range fleet.Members {
		expect.Eventually(t, fmt.Sprintf("%d config maps in %s", n, member.Name), func(ctx context.Context) error {
			held, err := held(ctx, member, ns)
			if err != nil {
				return err
			}
			if len(held) != n {
				return fmt.Errorf("it holds %d of %d", len(held), n)
			}
			for i := range n {
				if got, want := held[fmt.Sprintf("c%03d", i)], fmt.Sprint(i); got != want {
					return fmt.Errorf("c%03d holds %q, want %q", i, got, want)
				}
			}
			return nil
		})
	}
}

// held are the ConfigMaps that a member holds because of templates, with their value.
func held(ctx context.Context, member *local.Cluster, ns string) (map[string]string, error) {
	var list corev1.ConfigMapList
	if err := member.Client().List(ctx, &list, client.InNamespace(ns), client.MatchingLabels{v1alpha1.ManagedLabel: "true"}); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, c := range list.Items {
		values[c.Name] = c.Data["number"]
	}
	return values, nil
}

func TestTheLeaderIsKilledInTheMiddleOfTwoHundredPropagations(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	const n = 200
	victim := expect.Leader(t, fleet)
	start := time.Now()
	counting(t, fleet, ns, n, func(i int) {
		if i == n/2 {
			if err := fleet.Kill(t.Context(), victim); err != nil {
				t.Fatal(err)
			}
		}
	})
	everywhere(t, fleet, ns, n)
	t.Logf("%s was killed; %d config maps were in every member %s after the first was created", victim, n, time.Since(start).Round(time.Millisecond))
	if now := expect.Leader(t, fleet); now == victim {
		t.Errorf("%s leads, but it was killed", now)
	}
	appliedOnce(t, fleet, ns, start)
	if err := fleet.Start(t.Context(), victim); err != nil {
		t.Fatal(err)
	}

	t.Log("half of the templates go: no orphan stays")
	for i := n / 2; i < n; i++ {
		expect.Delete(t, fleet.Host, builder.ConfigMap(ns, fmt.Sprintf("c%03d", i)))
	}
	everywhere(t, fleet, ns, n/2)
}

// appliedOnce makes sure that no member was written the same object more often than the two leaders may
// have overlapped: the new one repeats nothing that it finds done.
func appliedOnce(t *testing.T, fleet *local.Fleet, ns string, since time.Time) {
	t.Helper()
	for _, member := range fleet.Members {
		writes, err := member.Writes(since)
		if err != nil {
			t.Fatal(err)
		}
		times := map[string]int{}
		for _, w := range writes {
			if w.Namespace == ns && w.Resource == "configmaps" && strings.HasPrefix(w.Name, "c") && w.Code < 300 {
				times[w.Name]++
			}
		}
		for name, count := range times {
			if count > 1 {
				t.Errorf("%s was written %d times to %s, want once", name, count, member.Name)
			}
		}
	}
}
