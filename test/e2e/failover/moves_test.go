package failover

import (
	"context"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// strategies are the ways to place foo so that six of its replicas run in members of a list.
var strategies = map[string]struct {
	replicas int32
	options  []builder.PolicyOption
}{
	"duplicated":     {3, nil},
	"static weight":  {6, []builder.PolicyOption{builder.Weights(map[string]int64{"member1": 1, "member2": 1, "member3": 1})}},
	"dynamic weight": {6, []builder.PolicyOption{builder.ByRoom()}},
	"aggregated":     {6, []builder.PolicyOption{builder.Aggregating()}},
}

const wanted = 6

// placed makes foo and its policy, which names two members, and waits until six replicas are ready.
func placed(t *testing.T, fleet *local.Fleet, ns string, replicas int32, options ...builder.PolicyOption) (*appsv1.Deployment, *v1alpha1.PropagationPolicy) {
	t.Helper()
	foo := builder.Deployment(ns, "foo", builder.Replicas(replicas))
	p := policy(ns, options...)
	expect.Create(t, fleet.Host, p, foo.DeepCopy())
	serves(t, fleet, foo, wanted)
	return foo, p
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

func TestAnEditedAffinityMovesATemplateWithoutALoss(t *testing.T) {
	for name, tc := range strategies {
		t.Run(name, func(t *testing.T) {
			fleet, ns := start(t)
			foo, p := placed(t, fleet, ns, tc.replicas, append(tc.options, builder.Clusters("member1", "member2"))...)
			watched := serve(t, fleet, foo, wanted)
			for range runs(t) {
				for _, names := range [][]string{{"member2", "member3"}, {"member3", "member1"}, {"member1", "member2"}} {
					expect.Change(t, fleet.Host, p.DeepCopy(), func(p *v1alpha1.PropagationPolicy) { p.Spec.Placement.ClusterAffinity.ClusterNames = names })
					only(t, fleet, foo, names...)
				}
			}
			watched.neverDipped(t)
		})
	}
}

func TestATaintedClusterIsLeftWithoutALoss(t *testing.T) {
	for name, tc := range strategies {
		t.Run(name, func(t *testing.T) {
			fleet, ns := start(t)
			foo, _ := placed(t, fleet, ns, tc.replicas, append(tc.options, atMostTwo)...)
			watched := serve(t, fleet, foo, wanted)
			for range runs(t) {
				for _, tainted := range []string{"member1", "member2", "member3"} {
					taint(t, fleet, tainted, "example.com/maintenance", func() {
						only(t, fleet, foo, others(fleet, tainted)...)
					})
				}
			}
			watched.neverDipped(t)
		})
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
	foo, _ := placed(t, fleet, ns, 6, builder.ByRoom(), atMostTwo)
	watched := serve(t, fleet, foo, wanted)
	for range runs(t) {
		for _, name := range []string{"member1", "member2", "member3"} {
			expect.Delete(t, fleet.Host, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}})
			only(t, fleet, foo, others(fleet, name)...)
			expect.Gone(t, fleet.Host, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}})
			if err := fleet.Join(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			healthy(t, fleet)
		}
	}
	watched.neverDipped(t)
}

func TestAReplacementThatNeverBecomesReadyKeepsTheOldCopy(t *testing.T) {
	fleet, ns := start(t)
	nowhere := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "nowhere"}, Spec: v1alpha1.OverrideSpec{
		OverrideRules: []v1alpha1.OverrideRule{{
			TargetCluster: &v1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}},
			Overriders: v1alpha1.Overriders{Plaintext: []v1alpha1.PlaintextOverrider{{
				Path: "/spec/template/spec/nodeSelector", Operator: v1alpha1.OverrideAdd,
				Value: &apiextensionsv1.JSON{Raw: []byte(`{"example.com/no":"where"}`)},
			}}},
		}},
	}}
	expect.Create(t, fleet.Host, nowhere)
	foo, p := placed(t, fleet, ns, 6, builder.ByRoom(), builder.Clusters("member1"))
	watched := serve(t, fleet, foo, wanted)
	expect.Change(t, fleet.Host, p.DeepCopy(), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	// The fleet's grace period is a few seconds: it ends, and the old copy stays.
	expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Condition(v1alpha1.ConditionMoving, metav1.ConditionTrue, v1alpha1.ReasonLastCopy, "member1 keeps 6 replicas"))
	serves(t, fleet, foo, wanted)

	expect.Delete(t, fleet.Host, nowhere)
	only(t, fleet, foo, "member2")
	expect.Seen(t, fleet.Host, expect.Binding(foo), expect.Condition(v1alpha1.ConditionMoving, metav1.ConditionFalse, v1alpha1.ReasonMoved, ""))
	watched.neverDipped(t)
}
