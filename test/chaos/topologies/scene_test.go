package topologies

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

const (
	// keepInterval is how soon a manager that has ended is started again, as a kubelet would.
	keepInterval = 250 * time.Millisecond
	// attemptTimeout bounds one request to a host that may be half dead.
	attemptTimeout = 2 * time.Second
	// settings is how many ConfigMaps lie in every member from the beginning.
	settings = 5
	// flotilla is how the names of the accounts begin that Flotilla acts as, in the host and in members.
	flotilla = "system:serviceaccount:" + v1alpha1.SystemNamespace + ":"
)

// scene is a fleet with templates that have arrived in its members: some ConfigMaps in both, and a Deployment whose
// replicas are divided between them, so that Failover would move them.
type scene struct {
	fleet *local.Fleet
	ns    string
	web   *appsv1.Deployment
	// numbered counts the templates that were added since.
	numbered int
}

// newScene starts the fleet of a bed, which ends with the test.
func newScene(t *testing.T, bed *local.Bed) *scene {
	t.Helper()
	begin := time.Now()
	s := &scene{fleet: bed.Fleet(t)}
	t.Logf("a fleet whose host is %s started in %s", bed.Options.Topology, time.Since(begin).Round(100*time.Millisecond))
	t.Cleanup(func() { bed.End(t.Failed()) })
	s.keepManagers(t)
	s.ns = expect.Namespace(t, s.fleet)
	stay := builder.Placing(func(p *v1alpha1.Placement) {
		p.ClusterTolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	})
	s.web = builder.Deployment(s.ns, "web", builder.Replicas(4))
	expect.Create(t, s.fleet.Host,
		builder.Policy(s.ns, "settings", builder.Selecting("v1", "ConfigMap", ""), stay),
		builder.Policy(s.ns, "web", builder.Selecting("apps/v1", "Deployment", "web"),
			builder.Weights(map[string]int64{"member1": 1, "member2": 1})),
		s.web.DeepCopy())
	for range settings {
		s.add(t)
	}
	for i := range settings {
		s.arrived(t, s.named(i), s.fleet.Members...)
	}
	s.runs(t, map[string]int32{"member1": 2, "member2": 2})
	return s
}

// runs waits until the Deployment is ready as it was divided.
func (s *scene) runs(t *testing.T, want map[string]int32) {
	t.Helper()
	expect.Runs(t, s.fleet, s.web.DeepCopy(), want)
}

// keepManagers starts managers again that end because they lost their lease.
func (s *scene) keepManagers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	for _, name := range s.fleet.Managers() {
		keeping.Go(func() {
			wait.UntilWithContext(ctx, func(ctx context.Context) {
				if s.fleet.Status(name) == process.Gone {
					// One that does not come up, because the host is away, is tried again.
					_ = s.fleet.Start(ctx, name)
				}
			}, keepInterval)
		})
	}
	t.Cleanup(func() { cancel(); keeping.Wait() })
}

func (s *scene) named(i int) *corev1.ConfigMap {
	return builder.ConfigMap(s.ns, fmt.Sprintf("c%03d", i), "number", fmt.Sprint(i))
}

// add creates another template, as a user does who tries again, and returns it.
func (s *scene) add(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	created := s.named(s.numbered)
	s.numbered++
	expect.Eventually(t, "the creation of "+created.Name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		return client.IgnoreAlreadyExists(s.fleet.Host.Client().Create(ctx, created.DeepCopy()))
	})
	return created
}

// arrived waits until members hold a ConfigMap.
func (s *scene) arrived(t *testing.T, created *corev1.ConfigMap, members ...*local.Cluster) {
	t.Helper()
	for _, member := range members {
		expect.Seen(t, member, created.DeepCopy(), func(got *corev1.ConfigMap) error {
			if got.Data["number"] != created.Data["number"] {
				return fmt.Errorf("it holds %q", got.Data["number"])
			}
			return nil
		})
	}
}

// passes adds a template and says how long it took until both members hold it.
func (s *scene) passes(t *testing.T, when string) {
	t.Helper()
	begin := time.Now()
	created := s.add(t)
	accepted := time.Since(begin)
	s.arrived(t, created, s.fleet.Members...)
	t.Logf("%s: a new template was accepted after %s and in both members after %s", when,
		accepted.Round(10*time.Millisecond), time.Since(begin).Round(10*time.Millisecond))
}

// written are the writes of Flotilla to what it keeps in members for these templates, since a moment, without those
// that members refused. The arrival of what is new since then, which is numbered from a number on, is not among them.
func (s *scene) written(t *testing.T, since time.Time, from int, members ...*local.Cluster) []string {
	t.Helper()
	known := map[string]bool{s.web.Name: true}
	for i := range from {
		known[s.named(i).Name] = true
	}
	var found []string
	for _, member := range members {
		writes, err := member.Writes(since)
		if err != nil {
			t.Fatal(err)
		}
		arrived := map[string]bool{}
		for _, w := range writes {
			if w.Namespace != s.ns || !strings.HasPrefix(w.User, flotilla) || w.Code >= http.StatusBadRequest {
				continue
			}
			if !known[w.Name] && !arrived[w.Name] && w.Verb != "delete" {
				arrived[w.Name] = true
				continue
			}
			found = append(found, fmt.Sprintf("%s: %s %s %s", member.Name, w.Verb, w.Resource, w.Name))
		}
	}
	return found
}

// untouched fails the test when Flotilla changed something in members since a moment that nobody asked for.
func (s *scene) untouched(t *testing.T, since time.Time, from int, members ...*local.Cluster) {
	t.Helper()
	for _, write := range s.written(t, since, from, members...) {
		t.Errorf("nobody asked for this: %s", write)
	}
}

// do fails the test when a fault cannot be made or taken back.
func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// undo takes a fault back when the test fails before it did.
func undo(t *testing.T, back func(context.Context, string) error, name string) {
	t.Cleanup(func() {
		if t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = back(ctx, name)
		}
	})
}
