package takeover

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/configfile"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// leaseVariable chooses the leases: default for those of config/manager, else those of testdata.
const leaseVariable = "FLOTILLA_LEASE"

var bed = local.Bed{Options: local.Options{Members: 2, Managers: 3, Nodes: 1, ManagerConfig: managerConfig()}}

func managerConfig() string {
	if os.Getenv(leaseVariable) == "default" {
		return ""
	}
	return "testdata/manager.yaml"
}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }

// leases are the settings of the fleet's managers.
func leases(t *testing.T) configfile.LeaderElection {
	t.Helper()
	c, err := configfile.Load(managerConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c.LeaderElection
}

// readyFleet is a fleet all of whose managers run and could take over.
func readyFleet(t *testing.T) *local.Fleet {
	t.Helper()
	fleet := bed.Fleet(t)
	for _, manager := range fleet.Managers() {
		if fleet.Status(manager) == process.Gone { // it lost the lease on a machine that is very busy
			if err := fleet.Start(t.Context(), manager); err != nil {
				t.Fatal(err)
			}
		}
		expect.Eventually(t, manager+" to be ready", func(ctx context.Context) error { return probe(ctx, fleet, manager, "/readyz") })
	}
	expect.Leader(t, fleet)
	return fleet
}

// probe asks a manager, as a kubelet does.
func probe(ctx context.Context, fleet *local.Fleet, manager, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+fleet.Argument(manager, "--health-probe-bind-address")+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s: %s", manager, path, response.Status)
	}
	return nil
}

// terminate asks a manager to end (SIGTERM), as Kubernetes does, and returns when it is gone.
func terminate(ctx context.Context, fleet *local.Fleet, manager string) error {
	dir := filepath.Dir(filepath.Dir(fleet.Program("flotilla")))
	return process.Table{PIDs: filepath.Join(dir, "pids"), Logs: filepath.Join(dir, "logs")}.Stop(ctx, 30*time.Second, manager)
}

// leaseWrites are the writes of the managers to their lease since then.
func leaseWrites(t *testing.T, fleet *local.Fleet, since time.Time) []local.Write {
	t.Helper()
	writes, err := fleet.Host.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(writes, func(w local.Write) bool {
		return w.Resource != "leases" || w.Namespace != v1alpha1.SystemNamespace || w.Code >= http.StatusBadRequest
	})
}

// taken is when the manager that leads took the lease, and the times that it holds for forgotten.
func taken(t *testing.T, fleet *local.Fleet) (at time.Time, gaps string) {
	t.Helper()
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: "flotilla-manager"}
	if err := fleet.Host.Client().Get(t.Context(), key, lease); err != nil {
		t.Fatal(err)
	}
	if lease.Spec.AcquireTime == nil {
		t.Fatal("nobody has taken the lease")
	}
	return lease.Spec.AcquireTime.Time, lease.Annotations[v1alpha1.GapsAnnotation]
}

// holdersOf follows who holds the lease from now on; what it returns ends that and names them in turn, "" for nobody.
func holdersOf(t *testing.T, fleet *local.Fleet) func() []string {
	t.Helper()
	w, err := fleet.Host.Client().Watch(t.Context(), &coordinationv1.LeaseList{}, client.InNamespace(v1alpha1.SystemNamespace),
		client.MatchingFields{"metadata.name": "flotilla-manager"})
	if err != nil {
		t.Fatal(err)
	}
	var holders []string
	var following sync.WaitGroup
	following.Go(func() {
		for e := range w.ResultChan() {
			lease, ok := e.Object.(*coordinationv1.Lease)
			if !ok {
				continue
			}
			if holder := ptr.Deref(lease.Spec.HolderIdentity, ""); len(holders) == 0 || holders[len(holders)-1] != holder {
				holders = append(holders, holder)
			}
		}
	})
	end := func() []string {
		w.Stop()
		following.Wait()
		return holders
	}
	t.Cleanup(func() { end() })
	return end
}

// propagated makes n ConfigMaps with the value "first" in a namespace of their own, and waits until every member holds them.
func propagated(t *testing.T, fleet *local.Fleet, n int) string {
	t.Helper()
	ns := expect.Namespace(t, fleet)
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("v1", "ConfigMap", "")))
	for i := range n {
		expect.Create(t, fleet.Host, builder.ConfigMap(ns, nameOf(i), "value", "first"))
	}
	everywhere(t, fleet, ns, n, "first")
	expect.Quiet(t, fleet)
	return ns
}

func nameOf(i int) string { return "c" + strconv.Itoa(i) }

// write gives one of the ConfigMaps a value, as a user does.
func write(t *testing.T, fleet *local.Fleet, ns string, i int, value string) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"data":{"value":%q}}`, value))
	if err := fleet.Host.Client().Patch(t.Context(), builder.ConfigMap(ns, nameOf(i), "", ""), patch); err != nil {
		t.Fatal(err)
	}
}

// everywhere waits until every member holds all of n ConfigMaps with a value.
func everywhere(t *testing.T, fleet *local.Fleet, ns string, n int, value string) {
	t.Helper()
	for _, member := range fleet.Members {
		expect.Eventually(t, fmt.Sprintf("%d config maps with the value %s in %s", n, value, member.Name), func(ctx context.Context) error {
			held, err := count(ctx, member, ns, value)
			if err != nil {
				return err
			}
			if held != n {
				return fmt.Errorf("it holds %d of %d", held, n)
			}
			return nil
		})
	}
}

// count is how many ConfigMaps of a namespace a member holds with a value, because of templates.
func count(ctx context.Context, member *local.Cluster, ns, value string) (int, error) {
	var list corev1.ConfigMapList
	if err := member.Client().List(ctx, &list, client.InNamespace(ns), client.MatchingLabels{v1alpha1.ManagedLabel: "true"}); err != nil {
		return 0, err
	}
	held := 0
	for _, c := range list.Items {
		if c.Data["value"] == value {
			held++
		}
	}
	return held, nil
}

// holding is count, which must not fail.
func holding(t *testing.T, member *local.Cluster, ns, value string) int {
	t.Helper()
	n, err := count(t.Context(), member, ns, value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// arrived waits until every member holds one of the ConfigMaps with a value, and returns when that was.
func arrived(t *testing.T, fleet *local.Fleet, ns string, i int, value string) time.Time {
	t.Helper()
	for _, member := range fleet.Members {
		expect.Seen(t, member, builder.ConfigMap(ns, nameOf(i), "", ""), func(c *corev1.ConfigMap) error {
			if c.Data["value"] != value {
				return fmt.Errorf("it holds %s", c.Data["value"])
			}
			return nil
		})
	}
	return time.Now()
}

// writesSince are the writes to a cluster's ConfigMaps in a namespace, by name.
func writesSince(t *testing.T, cluster *local.Cluster, ns string, since time.Time) map[string]int {
	t.Helper()
	writes, err := cluster.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, w := range writes {
		// One that was cut off on its way arrives in part, and is refused.
		if w.Namespace == ns && w.Resource == "configmaps" && w.Code < 300 {
			found[w.Name]++
		}
	}
	return found
}
