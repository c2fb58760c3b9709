package performance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// What a template that goes to three members costs on the host whatever the machine: the user's own write, the
// binding, and the decision. How often its status is told besides depends on how long its pods take: the budgets of
// the design are 3 writes until present everywhere and 8 until reported; a closest peer was measured at 31 to 40.
const specWrites = 3

func TestWritesPerTemplate(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	const n = 100
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", "")))
	start := time.Now()
	for i := range n {
		expect.Create(t, fleet.Host, builder.Deployment(ns, fmt.Sprintf("d%03d", i)))
	}
	reported(t, fleet, ns, n)
	t.Logf("%d Deployments were ready in 3 members and reported %s after the first was created", n, time.Since(start).Round(time.Millisecond))
	quiet(t, fleet, ns, start)

	present := applied(t, fleet, ns, start)
	c := hostWrites(t, fleet, ns, start, present)
	t.Logf("host writes per template until present everywhere: %s", spread(c.untilPresent))
	t.Logf("host writes per template until ready and reported: %s", spread(c.inAll))
	if want := specWrites * n; c.specs != want {
		t.Errorf("%d host writes of templates' and bindings' specs, want %d: %d each", c.specs, want, specWrites)
	}
}

// reported waits until n bindings of a namespace are healthy everywhere.
func reported(t *testing.T, fleet *local.Fleet, ns string, n int) {
	t.Helper()
	expect.Eventually(t, fmt.Sprintf("%d healthy bindings", n), func(ctx context.Context) error {
		var bindings v1alpha1.ResourceBindingList
		if err := fleet.Host.Client().List(ctx, &bindings, client.InNamespace(ns)); err != nil {
			return err
		}
		healthy := 0
		for _, b := range bindings.Items {
			if meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionHealthy) && meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionApplied) {
				healthy++
			}
		}
		if healthy < n {
			return fmt.Errorf("%d are healthy", healthy)
		}
		return nil
	})
}

// quiet waits until Flotilla adds no more writes about a namespace on the host: ten looks in a row. The host's own
// controllers go on trying, and being refused, for a while.
func quiet(t *testing.T, fleet *local.Fleet, ns string, since time.Time) {
	t.Helper()
	last, same := -1, 0
	expect.Eventually(t, "quiet", func(context.Context) error {
		writes, err := fleet.Host.Writes(since)
		if err != nil {
			return err
		}
		now := 0
		for _, w := range writes {
			if w.Namespace == ns && isFlotilla(w) {
				now++
			}
		}
		if now != last {
			last, same = now, 0
		}
		if same++; same < 10 {
			return fmt.Errorf("%d writes, quiet for %d looks", now, same)
		}
		return nil
	})
}

// applied finds when each Deployment had been applied in every member, and makes sure that it took one write each.
func applied(t *testing.T, fleet *local.Fleet, ns string, since time.Time) map[string]time.Time {
	t.Helper()
	present := map[string]time.Time{}
	for _, member := range fleet.Members {
		writes, err := member.Writes(since)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, w := range writes {
			if w.Namespace != ns || w.Resource != "deployments" || w.Subresource != "" || !isFlotilla(w) || w.Code >= 300 {
				continue
			}
			count[w.Name]++
			if w.Time.After(present[w.Name]) {
				present[w.Name] = w.Time
			}
		}
		total := 0
		for name, n := range count {
			total += n
			if n != 1 {
				t.Errorf("%s was written %d times to %s, want once", name, n, member.Name)
			}
		}
		t.Logf("%s: %d writes of %d Deployments by Flotilla", member.Name, total, len(count))
	}
	return present
}

func isFlotilla(w local.Write) bool {
	return strings.HasPrefix(w.User, "system:serviceaccount:"+v1alpha1.SystemNamespace+":")
}

// cost is what templates cost on the host.
type cost struct {
	// specs is how many writes changed a spec, of all templates together.
	specs int
	// untilPresent and inAll count, per template, its writes until every member held it, and all of them.
	untilPresent, inAll []int
}

// hostWrites counts the writes on the host about Deployments and their bindings.
func hostWrites(t *testing.T, fleet *local.Fleet, ns string, since time.Time, present map[string]time.Time) cost {
	t.Helper()
	writes, err := fleet.Host.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	early, all, kinds := map[string]int{}, map[string]int{}, map[string]int{}
	var c cost
	for _, w := range writes {
		template, _, _ := strings.Cut(w.Name, "-deployment-")
		moment, known := present[template]
		if w.Namespace != ns || !known || (w.Resource != "deployments" && w.Resource != "resourcebindings") {
			continue
		}
		if w.Code >= 300 {
			continue // refused, as the host's own controllers are by the admission policies: nothing was written
		}
		all[template]++
		kinds[strings.TrimSuffix(w.Verb+" "+w.Resource+"/"+w.Subresource, "/")]++
		if w.Subresource == "" {
			c.specs++
		}
		if !w.Time.After(moment) {
			early[template]++
		}
	}
	for template := range present {
		c.untilPresent, c.inAll = append(c.untilPresent, early[template]), append(c.inAll, all[template])
	}
	for kind, n := range kinds {
		t.Logf("host: %d x %s", n, kind)
	}
	return c
}

// spread says how numbers are spread.
func spread(numbers []int) string {
	return fmt.Sprintf("median %d, most %d", median(numbers), slices.Max(numbers))
}

func median(numbers []int) int {
	return slices.Sorted(slices.Values(numbers))[len(numbers)/2]
}

func TestMemoryOfTheManager(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	memory := func(when string) {
		kib, err := fleet.ResidentMemory(expect.Leader(t, fleet))
		if err != nil {
			t.Skipf("memory cannot be measured here: %v", err)
		}
		t.Logf("resident memory of the active manager %s: %d MiB", when, kib/1024)
	}
	memory("idle")
	n := atScale(1000, 400)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "")))
	start := time.Now()
	for i := range n {
		expect.Create(t, fleet.Host, builder.ConfigMap(ns, fmt.Sprintf("c%04d", i), "number", fmt.Sprint(i)))
	}
	created := time.Since(start)
	for _, member := range fleet.Members {
		expect.Eventually(t, "all of them in "+member.Name, func(ctx context.Context) error {
			var list corev1.ConfigMapList
			if err := member.Client().List(ctx, &list, client.InNamespace(ns), client.MatchingLabels{v1alpha1.ManagedLabel: "true"}); err != nil {
				return err
			}
			if len(list.Items) < n {
				return fmt.Errorf("%d of %d", len(list.Items), n)
			}
			return nil
		})
	}
	t.Logf("%d ConfigMaps: created on the host in %s, in every member after %s", n, created.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	reported(t, fleet, ns, n)
	memory(fmt.Sprintf("with %d bindings for 3 members each", n))
}
