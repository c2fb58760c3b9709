package configfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const header = "apiVersion: config.flotilla.dev/v1alpha1\nkind: ManagerConfiguration\n"

func load(t *testing.T, content string) (Manager, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func TestAFileChangesOnlyWhatItSays(t *testing.T) {
	got, err := load(t, header+"leaderElection:\n  leaseDuration: 30s\nclusters:\n  probeInterval: 1s\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.LeaderElection.LeaseDuration = metav1.Duration{Duration: 30 * time.Second}
	want.Clusters.ProbeInterval = metav1.Duration{Duration: time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load() differs (-want +got):\n%s", diff)
	}
}

func TestACertificateNeedsItsKey(t *testing.T) {
	folder := t.TempDir()
	for _, tc := range []struct{ name, want string }{
		{"tls.crt", "tls.key: no such file"}, {"tls.key", ""},
	} {
		if err := os.WriteFile(filepath.Join(folder, tc.name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := load(t, header+"metrics:\n  certDir: "+folder+"\n")
		if tc.want == "" && (err != nil || got.Metrics.CertDir != folder) || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("with %s: Load() = %q, %v, want the folder, or an error with %q", tc.name, got.Metrics.CertDir, err, tc.want)
		}
	}
}

func TestTheDefaultsAreValid(t *testing.T) {
	if errs := Validate(Default()); len(errs) > 0 {
		t.Errorf("Validate(Default()) = %v, want none", errs)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"unknown field":      {header + "leaderElektion: {}\n", `unknown field "leaderElektion"`},
		"no kind":            {"apiVersion: config.flotilla.dev/v1alpha1\n", `kind: Unsupported value: ""`},
		"another version":    {"apiVersion: v1\nkind: ManagerConfiguration\n", `apiVersion: Unsupported value: "v1"`},
		"no workers":         {header + "execution:\n  workersPerMember: 0\n", "execution.workersPerMember: Invalid value: 0: must be at least 1"},
		"deadline too short": {header + "leaderElection:\n  renewDeadline: 2400ms\n", `leaderElection.renewDeadline: Invalid value: "2.4s": must be more than 1.2 times retryPeriod`},
		"no retry period":    {header + "leaderElection:\n  retryPeriod: 0s\n", `leaderElection.retryPeriod: Invalid value: "0s": must be more than 0`},
		"seldom renewed": {
			header + "leaderElection:\n  leaseDuration: 5m\n  renewDeadline: 4m\n  retryPeriod: 31s\n",
			`leaderElection.retryPeriod: Invalid value: "31s": must be at most 30s`,
		},
		"lease not in seconds":  {header + "leaderElection:\n  leaseDuration: 10500ms\n", `leaderElection.leaseDuration: Invalid value: "10.5s": must be in whole seconds`},
		"lease below deadline":  {header + "leaderElection:\n  leaseDuration: 5s\n", "leaderElection.leaseDuration: Invalid value"},
		"probes too often":      {header + "clusters:\n  probeInterval: 1ms\n", "clusters.probeInterval: Invalid value: \"1ms\": must be at least 100ms"},
		"a capacity of nowhere": {header + "scheduling:\n  capacity: pods\n", `scheduling.capacity: Unsupported value: "pods": supported values: "nodes", "summary", "none"`},
		"descheduling at once":  {header + "descheduling:\n  threshold: 0s\n", "descheduling.threshold: Invalid value: \"0s\": must be at least 1s"},
		"no cool-down":          {header + "descheduling:\n  coolDown: 1ms\n", "descheduling.coolDown: Invalid value: \"1ms\": must be at least 1s"},
		"sweeps too often":      {header + "descheduling:\n  interval: 1ms\n", "descheduling.interval: Invalid value: \"1ms\": must be at least 100ms"},
		"a negative delay":      {header + "failover:\n  noExecuteDelay: -1s\n", "failover.noExecuteDelay: Invalid value: \"-1s\": must not be negative"},
		"a negative patience":   {header + "failover:\n  toleration: -1s\n", "failover.toleration: Invalid value: \"-1s\": must not be negative"},
		"more than everything":  {header + "failover:\n  unhealthyPercent: 101\n", "failover.unhealthyPercent: Invalid value: 101: must be from 1 to 100"},
		"a negative rate":       {header + "failover:\n  evictionRate: -1\n", "failover.evictionRate: Invalid value: -1: must not be negative"},
		"a negative slow rate":  {header + "failover:\n  slowEvictionRate: -1\n", "failover.slowEvictionRate: Invalid value: -1: must not be negative"},
		"a gate to nowhere":     {header + "featureGates:\n  Fallover: true\n", "unrecognized feature gate: Fallover (known: "},
		"not a duration":        {header + "clusters:\n  probeInterval: soon\n", `clusters.probeInterval: Invalid value: "soon": is no duration: use a unit, such as 10s`},
		"a duration, no unit":   {header + "leaderElection:\n  leaseDuration: 15\n", "leaderElection.leaseDuration: Invalid value: 15: is no duration: use a unit"},
		"a text without a unit": {header + "failover:\n  toleration: \"5\"\n", `failover.toleration: Invalid value: "5": is no duration: use a unit`},
		"an empty duration":     {header + "failover:\n  gracePeriod:\n", "failover.gracePeriod: Invalid value: null: is no duration: use a unit"},
		"no such folder": {header + "metrics:\n  certDir: /nope\n", `metrics.certDir: Invalid value: "/nope": must hold tls.crt and tls.key: ` +
			"stat /nope/tls.crt: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tc.content)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Load() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}
