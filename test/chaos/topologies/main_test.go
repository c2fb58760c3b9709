package topologies

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// One fleet after the other: they take too much of a machine to run beside each other.
var stacked, external = bed(local.TopologyStacked), bed(local.TopologyExternal)

func bed(topology string) *local.Bed {
	return &local.Bed{Options: local.Options{
		Topology: topology, Members: 2, Nodes: 2, Managers: 2, ManagerConfig: managerConfig(),
	}}
}

func managerConfig() string {
	if os.Getenv(latencyVariable) != "" {
		return "testdata/slow.yaml"
	}
	return "testdata/manager.yaml"
}

func TestMain(m *testing.M) {
	// That requests fail here is no news.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	code := m.Run()
	stacked.End(code != 0)
	external.End(code != 0)
	os.Exit(code)
}
