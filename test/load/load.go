package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

const (
	// DefaultRate is how many changes a second there are unless told otherwise.
	DefaultRate = 10
	// DefaultPopulation is how many templates there are, about, once the load has run for a while.
	DefaultPopulation = 60
	// foreignNames is how many names are taken in one member each.
	foreignNames = 6
	// oneDeploymentIn of so many names is a Deployment's: each of its replicas costs a member many writes.
	oneDeploymentIn = 8
	// setupTimeout bounds what Prepare waits for.
	setupTimeout = 2 * time.Minute
)

// Options is the load that is wanted.
type Options struct {
	// Namespace on the host, and in each member; it must not exist on the host.
	Namespace string
	// Rate in changes per second; 0 means DefaultRate.
	Rate float64
	// Population is how many templates to keep, about; 0 means DefaultPopulation.
	Population int
	// Seed of every choice.
	Seed uint64
}

// Load is a steady load on a fleet.
type Load struct {
	fleet   *local.Fleet
	host    client.Client
	options Options
	ledger  *ledger
	// chance is the picker's alone.
	chance *rand.Rand
	// names counts those that were ever used.
	names int
	// foreign are the objects that were in members before, by member.
	foreign map[string]map[verdict.Key]verdict.Object
	// skipped counts the changes that were due while too many were waiting for the host.
	skipped atomic.Int64
	// late counts the creations that arrived after their template had been deleted again.
	late atomic.Int64
	// observers end when the load is closed.
	observers sync.WaitGroup
	end       context.CancelFunc
}

// Prepare makes the namespaces, the policies, and the foreign objects, and begins to watch the members. Close ends that.
func Prepare(ctx context.Context, fleet *local.Fleet, options Options) (*Load, error) {
	if options.Rate == 0 {
		options.Rate = DefaultRate
	}
	if options.Population == 0 {
		options.Population = DefaultPopulation
	}
	if len(fleet.Members) < 2 {
		return nil, errors.New("preparing the load: it needs two members at least")
	}
	l := &Load{
		fleet: fleet, host: fleet.Host.Client(), options: options, ledger: newLedger(), chance: rand.New(rand.NewPCG(options.Seed, 1)),
		foreign: map[string]map[verdict.Key]verdict.Object{},
	}
	bounded, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	if err := l.prepare(bounded); err != nil {
		return nil, fmt.Errorf("preparing the load: %w", err)
	}
	ctx, l.end = context.WithCancel(ctx)
	for _, member := range fleet.Members {
		for _, kind := range observed {
			l.observers.Go(func() { l.observe(ctx, member, kind) })
		}
	}
	return l, nil
}

// Close ends the watches. What the load made stays, so that it can be looked at.
func (l *Load) Close() {
	l.end()
	l.observers.Wait()
}

// Remove deletes the namespace on the host; members are emptied by Flotilla.
func (l *Load) Remove(ctx context.Context) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.options.Namespace}}
	if err := client.IgnoreNotFound(l.host.Delete(ctx, namespace)); err != nil {
		return fmt.Errorf("removing the load: %w", err)
	}
	return nil
}

func (l *Load) prepare(ctx context.Context) error {
	ns := l.options.Namespace
	if err := l.host.Create(ctx, builder.TemplateNamespace(ns)); err != nil {
		return fmt.Errorf("creating the namespace of the templates: %w", err)
	}
	for _, member := range l.fleet.Members {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
		if err := client.IgnoreAlreadyExists(member.Client().Create(ctx, namespace)); err != nil {
			return fmt.Errorf("creating the namespace in %s: %w", member.Name, err)
		}
	}
	if err := l.takeNames(ctx); err != nil {
		return err
	}
	for _, policy := range l.policies() {
		if err := l.host.Create(ctx, policy); err != nil {
			return fmt.Errorf("creating policy %s: %w", policy.Name, err)
		}
	}
	return nil
}

// policies select by the mode of a template.
func (l *Load) policies() []*v1alpha1.PropagationPolicy {
	all, some := l.memberNames(), l.memberNames()[:2]
	weights := map[string]int64{}
	for _, name := range all {
		weights[name] = 1
	}
	selecting := func(mode string) builder.PolicyOption {
		return func(s *v1alpha1.PropagationSpec) {
			for apiVersion, kind := range map[string]string{"v1": kindConfigMap, "apps/v1": kindDeployment} {
				s.ResourceSelectors = append(s.ResourceSelectors, v1alpha1.ResourceSelector{
					APIVersion: apiVersion, Kind: kind,
					LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{modeLabel: mode}},
				})
			}
		}
	}
	ns := l.options.Namespace
	return []*v1alpha1.PropagationPolicy{
		builder.Policy(ns, modeEverywhere, selecting(modeEverywhere), builder.Clusters(all...)),
		builder.Policy(ns, modeSome, selecting(modeSome), builder.Clusters(some...)),
		builder.Policy(ns, modeDivided, selecting(modeDivided), builder.Clusters(all...), builder.Weights(weights)),
	}
}

// takeNames puts foreign objects into members, with names that templates will have.
func (l *Load) takeNames(ctx context.Context) error {
	for i := range foreignNames {
		member := l.fleet.Members[i%len(l.fleet.Members)]
		key := verdict.Key{Kind: kindConfigMap, Namespace: l.options.Namespace, Name: fmt.Sprintf("taken-%d", i)}
		if i%2 == 1 {
			key.Kind = kindDeployment
		}
		// Its image is never pulled and its replicas are none: only its owner could change it.
		foreign := build(key, shape{mode: "foreign"}, 0, 0, "foreign:1")
		if err := client.IgnoreAlreadyExists(member.Client().Create(ctx, foreign)); err != nil {
			return fmt.Errorf("taking the name %s in %s: %w", key.Name, member.Name, err)
		}
		if err := member.Client().Get(ctx, client.ObjectKeyFromObject(foreign), foreign); err != nil {
			return fmt.Errorf("reading %s in %s: %w", key.Name, member.Name, err)
		}
		if l.foreign[member.Name] == nil {
			l.foreign[member.Name] = map[verdict.Key]verdict.Object{}
		}
		_, l.foreign[member.Name][key] = describe(foreign)
		l.ledger.enter(key, shape{mode: modeEverywhere, members: l.memberNames(), taken: []string{member.Name}})
	}
	return nil
}

func (l *Load) memberNames() []string {
	names := make([]string, 0, len(l.fleet.Members))
	for _, member := range l.fleet.Members {
		names = append(names, member.Name)
	}
	return names
}
