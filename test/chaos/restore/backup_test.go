package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// store is the host's etcd.
type store struct {
	args map[string]string
	// etcdutl restores its snapshots.
	etcdutl string
}

// storeOf finds the host's etcd in what the fleet has on record, and builds what restores it.
func storeOf(t *testing.T, fleet *local.Fleet) store {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(fleet.Dir(), "fleet.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record struct {
		Clusters []struct {
			Etcd []struct {
				Args []string `json:"args"`
			} `json:"etcd"`
		} `json:"clusters"`
	}
	if err := json.Unmarshal(content, &record); err != nil {
		t.Fatal(err)
	}
	s := store{args: map[string]string{}, etcdutl: filepath.Join(t.TempDir(), "etcdutl")}
	for _, arg := range record.Clusters[0].Etcd[0].Args {
		name, value, _ := strings.Cut(arg, "=")
		s.args[name] = value
	}
	root, err := kubebin.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := kubebin.Own(t.Context(), filepath.Join(root, "test", "etcdutl"), "go.etcd.io/etcd/etcdutl/v3", s.etcdutl); err != nil {
		t.Fatal(err)
	}
	return s
}

// snapshot does what `etcdctl snapshot save` does.
func (s store) snapshot(t *testing.T) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.args["--listen-client-urls"]+"/v3/maintenance/snapshot", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var content []byte
	for decoder := json.NewDecoder(response.Body); ; {
		var part struct {
			Result struct {
				Blob []byte `json:"blob"`
			} `json:"result"`
		}
		err := decoder.Decode(&part)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, part.Result.Blob...)
	}
	name := filepath.Join(t.TempDir(), "snapshot.db")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("a snapshot of %d KiB", len(content)/1024)
	return name
}

// restore replaces the data of an etcd that does not run, as Kubernetes' documentation wants it: with revisions that no client
// has seen.
func (s store) restore(t *testing.T, snapshot string) {
	t.Helper()
	dir := s.args["--data-dir"]
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), s.etcdutl, "snapshot", "restore", snapshot, "--data-dir="+dir, "--name="+s.args["--name"],
		"--initial-cluster="+s.args["--initial-cluster"], "--initial-advertise-peer-urls="+s.args["--initial-advertise-peer-urls"],
		"--bump-revision=1000000000", "--mark-compacted")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("restoring the snapshot: %v\n%s", err, output)
	}
}

const lease = "flotilla-manager"

func managersLease(ctx context.Context, fleet *local.Fleet) (*coordinationv1.Lease, error) {
	found := &coordinationv1.Lease{}
	err := fleet.Host.Client().Get(ctx, client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: lease}, found)
	return found, err
}

// renewedSince waits until the lease was renewed after a moment.
func renewedSince(t *testing.T, fleet *local.Fleet, since time.Time) {
	t.Helper()
	expect.Eventually(t, "the lease to be renewed", func(ctx context.Context) error {
		found, err := managersLease(ctx, fleet)
		if err != nil {
			return err
		}
		if found.Spec.RenewTime == nil || !found.Spec.RenewTime.After(since) {
			return fmt.Errorf("it was renewed at %v", found.Spec.RenewTime)
		}
		return nil
	})
}

// goBack restores the host. Its managers are not told; those that end are run again, as a Deployment would.
func goBack(t *testing.T, fleet *local.Fleet, s store, snapshot string) {
	t.Helper()
	if err := fleet.Kill(t.Context(), "host"); err != nil {
		t.Fatal(err)
	}
	s.restore(t, snapshot)
	if err := fleet.Start(t.Context(), "host"); err != nil {
		t.Fatal(err)
	}
	restored := time.Now()
	expect.Eventually(t, "a manager to take over", func(ctx context.Context) error {
		for _, manager := range []string{"manager-0", "manager-1"} {
			if err := fleet.Start(ctx, manager); err != nil {
				return err
			}
		}
		found, err := managersLease(ctx, fleet)
		if err != nil {
			return err
		}
		if found.Spec.AcquireTime == nil || !found.Spec.AcquireTime.After(restored) {
			return fmt.Errorf("it was taken at %v, the host is back since %v", found.Spec.AcquireTime, restored)
		}
		return nil
	})
	found, err := managersLease(t.Context(), fleet)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("taken over %s after the host was back; what it has forgotten: %s", found.Spec.AcquireTime.Sub(restored).Round(time.Millisecond),
		found.Annotations[v1alpha1.GapsAnnotation])
}
