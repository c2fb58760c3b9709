package local

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// acquired is when the leader of these tests got its lease.
var acquired = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// newLed returns a fleet on paper with two managers, of which the first runs, and the given lease and writes.
func newLed(t *testing.T, holder string, writes ...auditv1.Event) *Fleet {
	t.Helper()
	dir := folder(t.TempDir())
	plan := controlplane.Plan{
		Name: hostName, Dir: dir.path("host"), Kubeconfigs: string(dir), Programs: kubebin.Set{Dir: "/programs"},
		Ports: []int{1, 2, 3}, ProxyAddress: "127.0.0.1:4",
	}
	planned, err := plan.Write()
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: leaderLease},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To(holder), AcquireTime: ptr.To(metav1.NewMicroTime(acquired)),
		},
	}
	fleet := &Fleet{folder: dir, processes: dir.processes(), Host: &Cluster{
		Name: hostName, auditLogs: []string{filepath.Join(string(dir), "audit.log")},
		client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(lease).Build(),
	}}
	for _, name := range []string{"manager-0", "manager-1"} {
		spec := process.Spec{Name: name, Path: "/bin/sleep", Args: []string{"60"}}
		fleet.state.Managers = append(fleet.state.Managers, controlplane.Component{Spec: spec})
		claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"jti":%q}`, name+"-token"))
		err := controlplane.WriteTokenKubeconfig(dir.path(name+".kubeconfig"), planned.Kubeconfig, "127.0.0.1:4", "x."+claims+".x")
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fleet.processes.Start(fleet.state.Managers[0].Spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.processes.Stop(context.Background(), time.Second, "manager-0") })
	var log []byte
	for _, write := range writes {
		line, err := json.Marshal(write)
		if err != nil {
			t.Fatal(err)
		}
		log = append(append(log, line...), '\n')
	}
	if err := os.WriteFile(fleet.Host.auditLogs[0], log, 0o600); err != nil {
		t.Fatal(err)
	}
	return fleet
}

// renewal is a write of the lease with a token, some seconds after the leader got it.
func renewal(token string, seconds int, code int32) auditv1.Event {
	return auditv1.Event{
		Stage:                    auditv1.StageResponseComplete,
		RequestReceivedTimestamp: metav1.NewMicroTime(acquired.Add(time.Duration(seconds) * time.Second)),
		Verb:                     "update",
		User: authenticationv1.UserInfo{
			Extra: map[string]authenticationv1.ExtraValue{credentialKey: {"JTI=" + token}},
		},
		ObjectRef:      &auditv1.ObjectReference{Resource: "leases", Namespace: v1alpha1.SystemNamespace, Name: leaderLease},
		ResponseStatus: &metav1.Status{Code: code},
	}
}

func TestTheLeaderIsTheManagerWhoseTokenWroteTheLease(t *testing.T) {
	tests := map[string]struct {
		holder  string
		writes  []auditv1.Event
		want    string
		wantErr string
	}{
		"the one that wrote last": {
			holder: "random",
			writes: []auditv1.Event{renewal("manager-1-token", -70, 200), renewal("manager-0-token", 0, 200)},
			want:   "manager-0",
		},
		"an attempt that was refused does not count": {
			holder: "random",
			writes: []auditv1.Event{renewal("manager-0-token", 0, 200), renewal("manager-1-token", 1, 409)},
			want:   "manager-0",
		},
		"one that is dead by now": {
			holder:  "random",
			writes:  []auditv1.Event{renewal("manager-1-token", 0, 200)},
			wantErr: "manager-1 holds the lease, but is gone",
		},
		"somebody else": {
			holder:  "random",
			writes:  []auditv1.Event{renewal("another", 0, 200)},
			wantErr: "random holds the lease, who is no manager of this fleet",
		},
		"nobody": {
			writes:  []auditv1.Event{renewal("manager-0-token", 0, 200)},
			wantErr: "nobody holds the lease",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := newLed(t, tc.holder, tc.writes...).Leader(t.Context())
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("leader (-want +got):\n%s", diff)
			}
			if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Errorf("got error %v, want %q", err, tc.wantErr)
			}
		})
	}
}
