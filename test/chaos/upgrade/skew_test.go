package upgrade

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// version is a program and the sources that it comes from.
type version struct{ program, sources string }

// use lets every manager that is started from now on be of a version.
func use(t *testing.T, fleet *local.Fleet, v version) {
	t.Helper()
	if err := place(v.program, fleet.Program("flotilla")); err != nil {
		t.Fatal(err)
	}
	if err := place(configuration(v.sources), bed.Options.ManagerConfig); err != nil {
		t.Fatal(err)
	}
}

// replace ends a manager as a Deployment does, and starts it anew.
func replace(t *testing.T, fleet *local.Fleet, manager string) {
	t.Helper()
	end(t, fleet, manager)
	if err := fleet.Start(t.Context(), manager); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, fleet *local.Fleet, manager string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(fleet.Dir(), "pids", manager))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(content), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect.Eventually(t, "the end of "+manager, func(context.Context) error {
		if status := fleet.Status(manager); status != process.Gone {
			return fmt.Errorf("it is %s", status)
		}
		return nil
	})
}

// transitions is how often leadership has moved.
func transitions(t *testing.T, fleet *local.Fleet) int32 {
	t.Helper()
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: "flotilla-manager"}
	if err := fleet.Host.Client().Get(t.Context(), key, lease); err != nil {
		t.Fatal(err)
	}
	return ptr.Deref(lease.Spec.LeaseTransitions, 0)
}

// pods are the pods of a namespace in every member, as "member/name", with their UIDs.
func pods(ctx context.Context, fleet *local.Fleet, ns string) (map[string]string, error) {
	found := map[string]string{}
	for _, member := range fleet.Members {
		var list corev1.PodList
		if err := member.Client().List(ctx, &list, client.InNamespace(ns)); err != nil {
			return nil, err
		}
		for i := range list.Items {
			found[member.Name+"/"+list.Items[i].Name] = string(list.Items[i].UID)
		}
	}
	return found, nil
}

// ownWrites are the writes of Flotilla to what it propagates to members in a namespace.
func ownWrites(t *testing.T, fleet *local.Fleet, ns string, since time.Time) []string {
	t.Helper()
	var found []string
	for _, member := range fleet.Members {
		writes, err := member.Writes(since)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range writes {
			if w.Namespace == ns && strings.Contains(w.User, v1alpha1.SystemNamespace) {
				found = append(found, fmt.Sprintf("%s of %s %s in %s", w.Verb, w.Resource, w.Name, member.Name))
			}
		}
	}
	return found
}

// running makes an application of some Deployments with what they need, and waits until it runs in every member.
func running(t *testing.T, fleet *local.Fleet, ns string) map[string]string {
	t.Helper()
	const deployments, replicas = 5, 2
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", ""), builder.Selecting("v1", "ConfigMap", "")))
	for i := range deployments {
		name := fmt.Sprintf("app-%d", i)
		expect.Create(t, fleet.Host, builder.Deployment(ns, name, builder.Replicas(replicas)), builder.ConfigMap(ns, name, "a", "b"))
	}
	for i := range deployments {
		expect.Seen(t, fleet.Host, builder.Deployment(ns, fmt.Sprintf("app-%d", i)), func(d *appsv1.Deployment) error {
			if d.Status.ReadyReplicas != replicas {
				return fmt.Errorf("%d of %d replicas are ready", d.Status.ReadyReplicas, replicas)
			}
			return nil
		})
	}
	found, err := pods(t.Context(), fleet, ns)
	if err != nil {
		t.Fatal(err)
	}
	if want := deployments * replicas * len(fleet.Members); len(found) != want {
		t.Fatalf("%d pods run, want %d", len(found), want)
	}
	return found
}

// served shows that a change reaches every member, and how long it takes.
func served(t *testing.T, fleet *local.Fleet, ns, name string) {
	t.Helper()
	begin := time.Now()
	expect.Create(t, fleet.Host, builder.ConfigMap(ns, name, "a", "b"))
	for _, member := range fleet.Members {
		expect.Seen(t, member, builder.ConfigMap(ns, name), expect.Present)
	}
	t.Logf("%s: a change was in every member after %s", name, time.Since(begin).Round(time.Millisecond))
}

func TestAnUpgradeIsNotNoticedInMembers(t *testing.T) {
	root, commit := previous(t)
	fleet := bed.Fleet(t)
	program, sources := build(t, root, commit)
	old, current := version{program, sources}, version{filepath.Join(t.TempDir(), "flotilla"), root}
	if err := place(fleet.Program("flotilla"), current.program); err != nil {
		t.Fatal(err)
	}

	t.Log("the previous version's managers, with the new CustomResourceDefinitions")
	use(t, fleet, old)
	for _, manager := range []string{"manager-0", "manager-1"} {
		replace(t, fleet, manager)
	}
	ns := expect.Namespace(t, fleet)
	expect.Leader(t, fleet)
	before := running(t, fleet, ns)
	served(t, fleet, ns, "served-by-the-old")

	t.Log("the new version's managers, one after the other")
	begin, moves, leading := time.Now(), transitions(t, fleet), expect.Leader(t, fleet)
	use(t, fleet, current)
	standby := map[string]string{"manager-0": "manager-1", "manager-1": "manager-0"}[leading]
	replace(t, fleet, standby)
	served(t, fleet, ns, "served-by-the-old-beside-the-new")
	if now := expect.Leader(t, fleet); now != leading {
		t.Errorf("%s leads, %s led before a stand-by was replaced", now, leading)
	}
	replace(t, fleet, leading)
	served(t, fleet, ns, "served-by-the-new")
	if now := expect.Leader(t, fleet); now != standby {
		t.Errorf("%s leads, want %s, which was there first", now, standby)
	}
	if moved := transitions(t, fleet) - moves; moved != 1 {
		t.Errorf("leadership moved %d times, want once", moved)
	}

	t.Log("all that was there has been looked at again, and was not touched")
	settled(t, fleet)
	for _, write := range ownWrites(t, fleet, ns, begin) {
		if !strings.Contains(write, " served-by-") {
			t.Errorf("a needless write: %s", write)
		}
	}
	after, err := pods(t.Context(), fleet, ns)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("pods were restarted (-before +after):\n%s", diff)
	}
}

// settled waits until the host and the members have not been written to for a while.
func settled(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	const quiet = 3 * time.Second
	expect.Eventually(t, "quiet", func(context.Context) error {
		for _, cluster := range append([]*local.Cluster{fleet.Host}, fleet.Members...) {
			writes, err := cluster.Writes(time.Now().Add(-quiet))
			if err != nil {
				return err
			}
			for _, w := range writes {
				if w.Resource != "leases" && w.Resource != "events" && strings.Contains(w.User, v1alpha1.SystemNamespace) {
					return fmt.Errorf("%s of %s %s in %s", w.Verb, w.Resource, w.Name, cluster.Name)
				}
			}
		}
		return nil
	})
}
