package manager

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/flotilla-dev/flotilla/controllers/aggregation"
	"github.com/flotilla-dev/flotilla/controllers/cluster"
	"github.com/flotilla-dev/flotilla/controllers/dependencies"
	"github.com/flotilla-dev/flotilla/controllers/eviction"
	"github.com/flotilla-dev/flotilla/controllers/execution"
	"github.com/flotilla-dev/flotilla/controllers/overrides"
	"github.com/flotilla-dev/flotilla/controllers/propagation"
	"github.com/flotilla-dev/flotilla/controllers/rebalance"
	"github.com/flotilla-dev/flotilla/controllers/scheduling"
	"github.com/flotilla-dev/flotilla/controllers/tainting"
	"github.com/flotilla-dev/flotilla/controllers/wrapping"
	"github.com/flotilla-dev/flotilla/internal/admission"
	"github.com/flotilla-dev/flotilla/internal/configfile"
	leaving "github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/features"
	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/hostindex"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/journal"
	"github.com/flotilla-dev/flotilla/internal/lookout"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/report"
	"github.com/flotilla-dev/flotilla/internal/stampede"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

// parts are what the stages share.
type parts struct {
	hostUID     string
	interpreter *interpreter.Interpreter
	board       *report.Board
	templates   *templates.Cache
	pool        *membercluster.Pool
	needs       *dependencies.Interests
	lookout     *lookout.Lookout
	gates       features.Set
	memory      *journal.Journal
	journeys    *telemetry.Journeys
	guard       *fence.Fence // nil without elections
	// unserved is for how long changes may have gone unserved when this manager takes over: as long as the lease of one that died
	// lasts, and as one that was about to die may have been slow.
	unserved time.Duration
}

// assembly is what a manager is assembled from.
type assembly struct {
	hostUID       string
	configuration configfile.Manager
	memory        *journal.Journal
	// guard goes around the transports to members; nil for nothing.
	guard *fence.Fence
}

// assemble adds everything to the manager: first what the stages share, then the stages in the order in
// which a template walks through them.
func assemble(ctx context.Context, mgr ctrl.Manager, a assembly) error {
	c := a.configuration
	if err := hostindex.Register(ctx, mgr.GetFieldIndexer()); err != nil {
		return fmt.Errorf("indexing bindings: %w", err)
	}
	p, err := newParts(mgr, a.hostUID)
	if err != nil {
		return err
	}
	p.memory, p.guard, p.unserved = a.memory, a.guard, 2*c.LeaderElection.LeaseDuration.Duration
	p.lookout = lookout.New(clock.RealClock{}, timings(c.Clusters).LooksCount())
	if p.gates, err = features.Read(c.FeatureGates); err != nil {
		return err
	}
	showGates(p.gates)
	for _, stage := range []struct {
		name  string
		setup func() error
	}{
		{"probes and admission", func() error { return setupAdmission(ctx, mgr, p, c.Admission) }},
		{"interpretation", func() error { return setupInterpretation(ctx, mgr, p) }},
		{"cluster", func() error { return cluster.Setup(mgr, clusterOptions(p, c)) }},
		{"tainting", func() error { return tainting.Setup(mgr, taintingOptions(p, c.Failover)) }},
		{"propagation", func() error {
			return propagation.Setup(mgr, propagation.Options{
				Templates: p.templates, Interpreter: p.interpreter, Needed: p.needs.Needed, Journeys: p.journeys, Unserved: p.unserved,
			})
		}},
		{"dependencies", func() error {
			return dependencies.Setup(mgr, dependencies.Options{Templates: p.templates, Interpreter: p.interpreter, Interests: p.needs})
		}},
		{"scheduling", func() error {
			return scheduling.Setup(mgr, scheduling.Options{
				Members: p.pool, Capacity: c.Scheduling.Capacity, Grace: c.Failover.GracePeriod.Duration, Abrupt: !p.gates.GracefulEviction,
				Journeys: p.journeys,
			})
		}},
		{"rebalance", func() error { return rebalance.Setup(mgr, rebalance.Options{Templates: p.templates}) }},
		{"descheduling", func() error { return setupDescheduling(mgr, p, c.Descheduling) }},
		{"eviction", func() error { return eviction.Setup(mgr, evictionOptions(p, c.Failover)) }},
		{"execution", func() error { return execution.Setup(ctx, mgr, executionOptions(p, c.Execution)) }},
		{"aggregation", func() error {
			return aggregation.Setup(mgr, aggregation.Options{Board: p.board, Templates: p.templates, Interpreter: p.interpreter})
		}},
		{"overrides", func() error { return overrides.Setup(mgr, overrides.Options{Board: p.board, Templates: p.templates}) }},
		{"wrapping", func() error { return wrapping.Setup(mgr, wrapping.Options{Templates: p.templates}) }},
		{"templates", func() error { return mgr.Add(p.templates) }},
		{"members", func() error { return mgr.Add(p.pool) }},
	} {
		if err := stage.setup(); err != nil {
			return fmt.Errorf("setting up %s: %w", stage.name, err)
		}
	}
	return nil
}

func newParts(mgr ctrl.Manager, hostUID string) (parts, error) {
	client, err := dynamic.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return parts{}, fmt.Errorf("making the client for templates: %w", err)
	}
	i := interpreter.New()
	return parts{
		hostUID:     hostUID,
		interpreter: i,
		needs:       dependencies.NewInterests(),
		journeys:    telemetry.NewJourneys(clock.RealClock{}),
		board:       report.NewBoard(),
		templates: templates.New(objectcache.Options{
			Client: client, Mapper: mgr.GetRESTMapper(), Transform: cache.TransformStripManagedFields(),
		}),
		pool: membercluster.NewPool(hostUID, i),
	}, nil
}

// setupAdmission adds the admission policies, where this manager installs them, and the probes that wait for them.
func setupAdmission(ctx context.Context, mgr ctrl.Manager, p parts, a configfile.Admission) error {
	if !a.Install {
		return addProbes(ctx, mgr, p, nil)
	}
	presence, err := admission.Setup(mgr, admission.Options{})
	if err != nil {
		return err
	}
	return addProbes(ctx, mgr, p, presence.InForce)
}

func clusterOptions(p parts, c configfile.Manager) cluster.Options {
	o := cluster.Options{
		HostUID:     p.hostUID,
		Connections: p.pool,
		Capacity:    c.Scheduling.Capacity,
		Failover:    p.gates.Failover,
		Timings:     timings(c.Clusters),
		Lookout:     p.lookout,
		Leftovers:   p.leftovers,
		// An overlay that renames the role renames it there, too (config/manager/references.yaml).
		CredentialsRole: os.Getenv("FLOTILLA_CREDENTIALS_ROLE"),
	}
	if p.guard != nil {
		o.Wrap = p.guard.Wrap
	}
	return o
}

func timings(c configfile.Clusters) cluster.Timings {
	return cluster.Timings{
		ProbeInterval: c.ProbeInterval.Duration, ProbeTimeout: c.ProbeTimeout.Duration,
		SuccessThreshold: c.SuccessThreshold.Duration, FailureThreshold: c.FailureThreshold.Duration,
	}
}

func taintingOptions(p parts, f configfile.Failover) tainting.Options {
	return tainting.Options{
		Failover: p.gates.Failover, Delay: f.NoExecuteDelay.Duration, Limits: evictionLimits(f), Board: p.board, Lookout: p.lookout,
	}
}

func evictionOptions(p parts, f configfile.Failover) eviction.Options {
	return eviction.Options{Lookout: p.lookout, Board: p.board, Settings: leaving.Settings{
		Failover: p.gates.Failover, Graceful: p.gates.GracefulEviction, Toleration: f.Toleration.Duration, Limits: evictionLimits(f),
	}}
}

// evictionLimits are what the taints and the evictions are judged by.
func evictionLimits(f configfile.Failover) stampede.Limits {
	return stampede.Limits{Share: float64(f.UnhealthyPercent) / 100, Rate: f.EvictionRate, SlowRate: f.SlowEvictionRate}
}

func executionOptions(p parts, e configfile.Execution) execution.Options {
	return execution.Options{
		HostUID: p.hostUID, Pool: p.pool, Templates: p.templates, Board: p.board, Memory: p.memory,
		Interpreter: p.interpreter, WorkersPerMember: e.WorkersPerMember, Journeys: p.journeys, Unserved: p.unserved,
	}
}
