package failover

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// strategies are the ways to divide a template: so many replicas in all, of which two clusters have some.
var strategies = map[string][]builder.PolicyOption{
	"duplicated": nil,
	"static":     {builder.Weights(map[string]int64{"member1": 1, "member2": 1, "member3": 1})},
	"dynamic":    {builder.ByRoom()},
	"aggregated": {builder.Aggregating()},
}

// app is a template of one of the strategies, and how many of its replicas should be ready.
type app struct {
	name     string
	template *appsv1.Deployment
	policy   *v1alpha1.PropagationPolicy
	wanted   int
	watched  *service
}

// apps makes a template of so many replicas for each strategy, and waits until they are ready.
func apps(t *testing.T, fleet *local.Fleet, ns string, replicas int32, options ...builder.PolicyOption) (all []*app) {
	t.Helper()
	for strategy, how := range strategies {
		name := fmt.Sprintf("%s-%d", strategy, replicas)
		own := replicas
		if strategy == "duplicated" {
			own /= 2
		}
		a := &app{name: name, template: builder.Deployment(ns, name, builder.Replicas(own)), wanted: int(replicas)}
		selecting := append([]builder.PolicyOption{builder.Selecting("apps/v1", "Deployment", name)}, how...)
		a.policy = builder.Policy(ns, name, append(selecting, options...)...)
		expect.Create(t, fleet.Host, a.policy, a.template.DeepCopy())
		all = append(all, a)
	}
	for _, a := range all {
		serves(t, fleet, a.template, a.wanted)
	}
	return all
}

// watched watches apps from now on.
func watched(t *testing.T, fleet *local.Fleet, all []*app) []*app {
	t.Helper()
	for _, a := range all {
		a.watched = serve(t, fleet, a.template, a.wanted)
	}
	return all
}

// within waits until apps are in some of these members only.
func within(t *testing.T, fleet *local.Fleet, all []*app, names ...string) {
	t.Helper()
	for _, a := range all {
		only(t, fleet, a.template, names...)
	}
}

func neverDipped(t *testing.T, all []*app) {
	t.Helper()
	for _, a := range all {
		a.watched.neverDipped(t, a.name)
	}
}

// placed makes foo with six replicas, and waits until they are ready.
func placed(t *testing.T, fleet *local.Fleet, ns string, options ...builder.PolicyOption) (*appsv1.Deployment, *v1alpha1.PropagationPolicy) {
	t.Helper()
	foo := builder.Deployment(ns, "foo", builder.Replicas(wanted))
	p := builder.Policy(ns, "foo", append([]builder.PolicyOption{builder.Selecting("apps/v1", "Deployment", "foo")}, options...)...)
	expect.Create(t, fleet.Host, p, foo.DeepCopy())
	serves(t, fleet, foo, wanted)
	return foo, p
}

const wanted = 6

// namingClusters changes the clusters that a policy names.
func namingClusters(t *testing.T, fleet *local.Fleet, policy *v1alpha1.PropagationPolicy, names ...string) {
	t.Helper()
	expect.Change(t, fleet.Host, policy.DeepCopy(), func(p *v1alpha1.PropagationPolicy) { p.Spec.Placement.ClusterAffinity.ClusterNames = names })
}

// serves waits until so many pods of a template are ready.
func serves(t *testing.T, fleet *local.Fleet, template *appsv1.Deployment, wanted int) {
	t.Helper()
	expect.Eventually(t, fmt.Sprintf("%d ready pods of %s", wanted, template.Name), func(ctx context.Context) error {
		ready, where, err := count(ctx, fleet, template)
		if err == nil && ready != wanted {
			err = fmt.Errorf("%d are ready: %v", ready, where)
		}
		return err
	})
}

func TestAnEditedAffinityMovesTemplatesWithoutALoss(t *testing.T) {
	fleet, ns := start(t)
	all := watched(t, fleet, apps(t, fleet, ns, wanted, builder.Clusters("member1", "member2")))
	for range runs(t) {
		for _, names := range [][]string{{"member2", "member3"}, {"member3", "member1"}, {"member1", "member2"}} {
			for _, a := range all {
				namingClusters(t, fleet, a.policy, names...)
			}
			within(t, fleet, all, names...)
		}
	}
	neverDipped(t, all)
}

func TestATaintedClusterIsLeftWithoutALoss(t *testing.T) {
	fleet, ns := start(t)
	all := watched(t, fleet, apps(t, fleet, ns, wanted, atMostTwo))
	for range runs(t) {
		for _, tainted := range []string{"member1", "member2", "member3"} {
			taint(t, fleet, tainted, "example.com/maintenance", func() { within(t, fleet, all, others(fleet, tainted)...) })
		}
	}
	neverDipped(t, all)
}

func TestADrainedClusterIsLeftWithoutALoss(t *testing.T) {
	fleet, ns := start(t)
	all := watched(t, fleet, apps(t, fleet, ns, wanted, atMostTwo))
	for range runs(t) {
		for _, name := range []string{"member1", "member2", "member3"} {
			command(t, fleet, "cordon", name)
			command(t, fleet, "drain", name, "--timeout="+expect.Patience.String())
			within(t, fleet, all, others(fleet, name)...)
			command(t, fleet, "uncordon", name)
		}
	}
	neverDipped(t, all)
}

func TestABudgetLetsTwoDrainsLeaveOneClusterAtATime(t *testing.T) {
	fleet, ns := start(t)
	foo, _ := placed(t, fleet, ns, strategies["static"][0], func(spec *v1alpha1.PropagationSpec) {
		spec.Disruption = &v1alpha1.Disruption{MaxUnavailableClusters: new(int32(1))}
	})
	only(t, fleet, foo, "member1", "member2", "member3")
	watcher := serve(t, fleet, foo, wanted)
	most := mostRetained(t, fleet, ns)
	command(t, fleet, "drain", "member1", "member2", "--wait=false")
	only(t, fleet, foo, "member3")
	command(t, fleet, "uncordon", "member1", "member2")
	if n := most(); n != 1 {
		t.Errorf("as many as %d clusters were being left at the same time, want 1", n)
	}
	watcher.neverDipped(t, "foo")
}

// mostRetained says how many clusters a binding of a namespace retained at the same time, at most, from now on.
func mostRetained(t *testing.T, fleet *local.Fleet, ns string) func() int {
	t.Helper()
	seen := bindingsOf(t, fleet, ns)
	return func() (most int) {
		for {
			select {
			case b := <-seen:
				most = max(most, len(b.Spec.Retained))
			default:
				return most
			}
		}
	}
}

// bindingsOf are all versions of the bindings of a namespace from now on.
func bindingsOf(t *testing.T, fleet *local.Fleet, ns string) <-chan *v1alpha1.ResourceBinding {
	t.Helper()
	w, err := fleet.Host.Client().Watch(t.Context(), &v1alpha1.ResourceBindingList{}, client.InNamespace(ns))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	seen := make(chan *v1alpha1.ResourceBinding, 4096)
	go func() {
		for e := range w.ResultChan() {
			if b, ok := e.Object.(*v1alpha1.ResourceBinding); ok {
				seen <- b
			}
		}
	}()
	return seen
}

// command runs the plugin as a user does.
func command(t *testing.T, fleet *local.Fleet, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), fleet.Program("flotilla"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+fleet.Host.Kubeconfig)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("flotilla %v: %v\n%s", args, err, out)
	}
}

// atMostTwo keeps a template in two clusters, so that there is always one that can replace another.
func atMostTwo(spec *v1alpha1.PropagationSpec) {
	spec.Placement.SpreadConstraints = []v1alpha1.SpreadConstraint{{SpreadByField: v1alpha1.SpreadByCluster, MinGroups: 2, MaxGroups: new(int32(2))}}
}

// taint gives a cluster a taint that evicts, while something happens.
func taint(t *testing.T, fleet *local.Fleet, name, key string, meanwhile func()) {
	t.Helper()
	change(t, fleet, name, func(c *v1alpha1.Cluster) {
		c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute})
	})
	defer change(t, fleet, name, func(c *v1alpha1.Cluster) {
		c.Spec.Taints = slices.DeleteFunc(c.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == key })
	})
	meanwhile()
}

// others are the members but one.
func others(fleet *local.Fleet, but string) (names []string) {
	for _, member := range fleet.Members {
		if member.Name != but {
			names = append(names, member.Name)
		}
	}
	return names
}

func TestAClusterThatIsDeletedIsLeftWithoutALoss(t *testing.T) {
	fleet, ns := start(t)
	all := watched(t, fleet, apps(t, fleet, ns, wanted, atMostTwo))
	for range runs(t) {
		for _, name := range []string{"member1", "member3"} {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
			expect.Delete(t, fleet.Host, cluster)
			within(t, fleet, all, others(fleet, name)...)
			expect.Gone(t, fleet.Host, cluster)
			if err := fleet.Join(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			healthy(t, fleet)
		}
	}
	neverDipped(t, all)
}

// nowhere is an override that lets the pods of a namespace find no node in a cluster, so that they never become ready.
func nowhere(ns, cluster string) *v1alpha1.OverridePolicy {
	return &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "nowhere"}, Spec: v1alpha1.OverrideSpec{
		OverrideRules: []v1alpha1.OverrideRule{{
			TargetCluster: &v1alpha1.ClusterAffinity{ClusterNames: []string{cluster}},
			Overriders: v1alpha1.Overriders{Plaintext: []v1alpha1.PlaintextOverrider{{
				Path: "/spec/template/spec/nodeSelector", Operator: v1alpha1.OverrideAdd,
				Value: &apiextensionsv1.JSON{Raw: []byte(`{"example.com/no":"where"}`)},
			}}},
		}},
	}}
}

func TestAReplacementThatNeverBecomesReadyKeepsTheOldCopy(t *testing.T) {
	fleet, ns := start(t)
	broken := nowhere(ns, "member2")
	expect.Create(t, fleet.Host, broken)
	foo, p := placed(t, fleet, ns, builder.ByRoom(), builder.Clusters("member1"))
	watcher := serve(t, fleet, foo, wanted)
	expect.Change(t, fleet.Host, p.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	// The fleet's grace period is a few seconds: it ends, and the old copy stays.
	expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Condition(v1alpha1.ConditionMoving, metav1.ConditionTrue, v1alpha1.ReasonLastCopy, "member1 keeps 6 replicas"))
	serves(t, fleet, foo, wanted)

	expect.Delete(t, fleet.Host, broken)
	only(t, fleet, foo, "member2")
	expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Condition(v1alpha1.ConditionMoving, metav1.ConditionFalse, v1alpha1.ReasonMoved, ""))
	watcher.neverDipped(t, "foo")
}
