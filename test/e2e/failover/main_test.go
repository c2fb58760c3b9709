package failover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// Each member has room for the pods of TestManyTemplatesLeaveALostCluster.
var bed = local.Bed{Options: local.Options{
	Members: 3, Managers: 1,
	MemberNodes: map[string]local.NodeGroup{"member1": large, "member2": large, "member3": large},
}}

var large = local.NodeGroup{Count: 5, Size: local.DefaultNodeSize()}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	cleanup, err := configured()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := bed.Run(m)
	cleanup()
	os.Exit(code)
}

// runs is how often a kind of move is repeated.
func runs(t *testing.T) int {
	t.Helper()
	text := os.Getenv("FLOTILLA_RUNS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("FLOTILLA_RUNS: %v", err)
	}
	return n
}

// readyPods counts the pods of a template that work in a member.
func readyPods(ctx context.Context, member *local.Cluster, template *appsv1.Deployment) (int, error) {
	var pods corev1.PodList
	err := member.Client().List(ctx, &pods, client.InNamespace(template.Namespace), client.MatchingLabels(template.Spec.Selector.MatchLabels))
	if err != nil {
		return 0, err
	}
	ready := 0
	for i := range pods.Items {
		if isReady(&pods.Items[i]) {
			ready++
		}
	}
	return ready, nil
}

// isReady says whether a pod works, and stays.
func isReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// service is what a watcher saw of a template that serves.
type service struct {
	mu      sync.Mutex
	wanted  int
	least   int
	samples int
	dips    []string
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// serve watches from outside, ten times a second, whether as many pods are ready as are wanted, in all members together.
func serve(t *testing.T, fleet *local.Fleet, template *appsv1.Deployment, wanted int) *service {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &service{wanted: wanted, least: 1 << 30, stop: cancel}
	ticks := time.NewTicker(100 * time.Millisecond)
	s.done.Go(func() {
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				s.sample(ctx, fleet, template)
			}
		}
	})
	t.Cleanup(func() { s.end() })
	return s
}

// sample asks the members one after the other, so that a pod that moves may be counted twice, or in none of them: what is
// missing is looked at once more before it counts.
func (s *service) sample(ctx context.Context, fleet *local.Fleet, template *appsv1.Deployment) {
	ready, where, err := count(ctx, fleet, template)
	if err == nil && ready < s.wanted {
		ready, where, err = count(ctx, fleet, template)
	}
	if err != nil {
		return // the test is over, or a member is lost, which the tests that cut members say themselves
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples++
	s.least = min(s.least, ready)
	if ready < s.wanted {
		s.dips = append(s.dips, fmt.Sprintf("%s: %d ready: %v", time.Now().Format("15:04:05.000"), ready, where))
	}
}

func count(ctx context.Context, fleet *local.Fleet, template *appsv1.Deployment) (sum int, where map[string]int, err error) {
	where = map[string]int{}
	for _, member := range fleet.Members {
		n, err := readyPods(ctx, member, template)
		if err != nil {
			return 0, nil, err
		}
		where[member.Name] = n
		sum += n
	}
	return sum, where, nil
}

func (s *service) end() {
	s.stop()
	s.done.Wait()
}

// neverDipped fails the test when at any moment fewer pods were ready than were wanted.
func (s *service) neverDipped(t *testing.T, name string) {
	t.Helper()
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.samples == 0 {
		t.Fatalf("nobody watched %s", name)
	}
	t.Logf("%s: %d samples, never fewer than %d of %d ready", name, s.samples, s.least, s.wanted)
	if len(s.dips) > 0 {
		t.Errorf("%s: fewer than %d were ready in %d of %d samples, first: %v", name, s.wanted, len(s.dips), s.samples, s.dips[:min(len(s.dips), 5)])
	}
}

// change edits a Cluster.
func change(t *testing.T, fleet *local.Fleet, name string, edit func(*v1alpha1.Cluster)) {
	t.Helper()
	cluster := &v1alpha1.Cluster{}
	cluster.Name = name
	expect.Change(t, fleet.Host, cluster, edit)
}

// healthy waits until every cluster can be used again, so that the next test begins as the first one did.
func healthy(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	expect.Eventually(t, "clusters without taints", func(ctx context.Context) error {
		var list v1alpha1.ClusterList
		if err := fleet.Host.Client().List(ctx, &list); err != nil {
			return err
		}
		var problems []error
		for i := range list.Items {
			if taints := list.Items[i].Spec.Taints; len(taints) > 0 {
				problems = append(problems, fmt.Errorf("%s has the taints %v", list.Items[i].Name, taints))
			}
		}
		return errors.Join(problems...)
	})
}

// start gives a test the fleet with all its clusters healthy, and a namespace of its own.
func start(t *testing.T) (*local.Fleet, string) {
	t.Helper()
	fleet := bed.Fleet(t)
	healthy(t, fleet)
	return fleet, expect.Namespace(t, fleet)
}

// only waits until a template is in some of these members and in no other, and nothing of it is on its way.
func only(t *testing.T, fleet *local.Fleet, template *appsv1.Deployment, names ...string) {
	t.Helper()
	expect.Seen(t, fleet.Host, expect.Binding(template), func(b v1alpha1.Binding) error {
		spec := b.BindingSpec()
		if len(spec.Retained)+len(spec.GracefulEvictionTasks) > 0 || b.BindingStatus().SchedulerObservedGeneration != b.GetGeneration() {
			return fmt.Errorf("it is still being moved: to %v, retained %v, tasks %v", spec.Clusters, spec.Retained, spec.GracefulEvictionTasks)
		}
		for _, target := range spec.Clusters {
			if !slices.Contains(names, target.Name) {
				return fmt.Errorf("it is still in %s", target.Name)
			}
		}
		return nil
	})
	for _, member := range fleet.Members {
		if !slices.Contains(names, member.Name) {
			expect.Gone(t, member, client.Object(template.DeepCopy()))
		}
	}
}

// thresholds are the times of testdata/manager.yaml that pass before a lost cluster is left: until it counts as lost, until
// it gets the taint that evicts, and until that is no longer tolerated. flap is shorter than the first of them.
const (
	thresholds = 2*time.Second + 3*time.Second + time.Second
	flap       = 1500 * time.Millisecond
)
