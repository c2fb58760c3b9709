package chaos

import (
	"testing"
	"time"

	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

func TestARestartWithThreeHundredBindingsWritesNothing(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	const n = 300
	counting(t, fleet, ns, n, func(int) {})
	everywhere(t, fleet, ns, n)
	expect.Quiet(t, fleet)

	start := time.Now()
	for _, name := range []string{"manager-0", "manager-1"} {
		if err := fleet.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"manager-0", "manager-1"} {
		if err := fleet.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	expect.Leader(t, fleet)
	t.Log("a new template is served: the restart is over")
	probe := builder.ConfigMap(ns, "probe", "number", "probe")
	expect.Create(t, fleet.Host, probe.DeepCopy())
	for _, member := range fleet.Members {
		expect.Seen(t, member, probe.DeepCopy(), expect.Present)
	}
	expect.Quiet(t, fleet)
	for _, cluster := range append([]*local.Cluster{fleet.Host}, fleet.Members...) {
		for _, w := range templateWrites(t, cluster, ns, start) {
			if w.Name != "probe" {
				t.Errorf("%s: %s %s %s/%s by %s, want no write", cluster.Name, w.Verb, w.Resource, w.Subresource, w.Name, w.User)
			}
		}
	}
}

// templateWrites are the writes to ConfigMaps of a namespace.
func templateWrites(t *testing.T, cluster *local.Cluster, ns string, since time.Time) []local.Write {
	t.Helper()
	writes, err := cluster.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	var found []local.Write
	for _, w := range writes {
		if w.Namespace == ns && w.Resource == "configmaps" {
			found = append(found, w)
		}
	}
	return found
}
