package schedule

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// cluster is one that serves Deployments and ConfigMaps; options change it.
func cluster(name string, options ...func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}}}
	c.Status.APIEnablements = []v1alpha1.APIEnablement{
		{GroupVersion: "apps/v1", Resources: []v1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}}},
		{GroupVersion: "v1", Resources: []v1alpha1.APIResource{{Name: "configmaps", Kind: "ConfigMap"}}},
	}
	for _, option := range options {
		option(c)
	}
	return c
}

func labelled(key, value string) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) { c.Labels[key] = value }
}

func tainted(key, value string, effect corev1.TaintEffect) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: effect})
	}
}

func in(provider, region string, zones ...string) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) { c.Spec.Provider, c.Spec.Region, c.Spec.Zones = provider, region, zones }
}

func leaving(c *v1alpha1.Cluster) { c.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

func pulling(c *v1alpha1.Cluster) { c.Spec.SyncMode = v1alpha1.Pull }

func serving(groupVersion, kind string) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Status.APIEnablements = []v1alpha1.APIEnablement{{GroupVersion: groupVersion, Resources: []v1alpha1.APIResource{{Kind: kind}}}}
	}
}

func unknownAPIs(c *v1alpha1.Cluster) { c.Status.APIEnablements = nil }

func three() []*v1alpha1.Cluster {
	return []*v1alpha1.Cluster{cluster("member1"), cluster("member2"), cluster("member3")}
}

// deployment is the binding of a Deployment; a negative number of replicas makes it one of a ConfigMap.
func binding(replicas int32, placement *v1alpha1.Placement, current ...v1alpha1.TargetCluster) *v1alpha1.BindingSpec {
	spec := &v1alpha1.BindingSpec{
		Resource:  v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "uid-1"},
		Placement: placement, Clusters: current, Replicas: ptr.To(replicas),
	}
	if replicas < 0 {
		spec.Resource.APIVersion, spec.Resource.Kind, spec.Replicas = "v1", "ConfigMap", nil
	}
	return spec
}

func at(name string, replicas int32) v1alpha1.TargetCluster {
	if replicas < 0 {
		return v1alpha1.TargetCluster{Name: name}
	}
	return v1alpha1.TargetCluster{Name: name, Replicas: ptr.To(replicas)}
}

func affine(a v1alpha1.ClusterAffinity) *v1alpha1.Placement {
	return &v1alpha1.Placement{ClusterAffinity: &a}
}

func where(key v1alpha1.FieldSelectorKey, operator v1alpha1.FieldSelectorOperator, values ...string) *v1alpha1.Placement {
	return affine(v1alpha1.ClusterAffinity{FieldSelector: &v1alpha1.FieldSelector{
		MatchExpressions: []v1alpha1.FieldSelectorRequirement{{Key: key, Operator: operator, Values: values}},
	}})
}

type weights map[string]int64

// dividedBy divides by static weights; nil gives every cluster the same.
func dividedBy(w weights) *v1alpha1.Placement {
	scheduling := &v1alpha1.ReplicaScheduling{ReplicaSchedulingType: v1alpha1.Divided, ReplicaDivisionPreference: v1alpha1.Weighted}
	for name, weight := range w {
		if scheduling.WeightPreference == nil {
			scheduling.WeightPreference = &v1alpha1.ClusterPreferences{}
		}
		scheduling.WeightPreference.StaticWeightList = append(scheduling.WeightPreference.StaticWeightList, v1alpha1.StaticClusterWeight{
			TargetCluster: v1alpha1.ClusterAffinity{ClusterNames: []string{name}}, Weight: weight,
		})
	}
	return &v1alpha1.Placement{ReplicaScheduling: scheduling}
}

func with(p *v1alpha1.Placement, change func(*v1alpha1.Placement)) *v1alpha1.Placement {
	p = p.DeepCopy()
	change(p)
	return p
}

type outcome struct {
	Clusters []v1alpha1.TargetCluster
	Reason   string
	Message  string
}

type story struct {
	binding  *v1alpha1.BindingSpec
	clusters []*v1alpha1.Cluster
	want     outcome
}

func placed(message string, clusters ...v1alpha1.TargetCluster) outcome {
	return outcome{Clusters: clusters, Reason: v1alpha1.ReasonScheduled, Message: message}
}

func tell(t *testing.T, stories map[string]story) {
	t.Helper()
	for name, tc := range stories {
		t.Run(name, func(t *testing.T) {
			got := Decide(Input{Binding: tc.binding, Clusters: tc.clusters})
			if diff := cmp.Diff(tc.want, outcome{got.Clusters, got.Reason, got.Message}, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Decide() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecideSelectsByAffinity(t *testing.T) {
	located := []*v1alpha1.Cluster{
		cluster("a", in("aws", "eu", "eu-1", "eu-2")), cluster("b", in("gcp", "us", "us-1")), cluster("c"),
	}
	tell(t, map[string]story{
		"no placement is everywhere": {binding(2, nil), three(), placed("placed in 3 clusters", at("member1", 2), at("member2", 2), at("member3", 2))},
		"by name": {
			binding(2, affine(v1alpha1.ClusterAffinity{ClusterNames: []string{"member2", "unknown"}})), three(),
			placed("placed in 1 cluster", at("member2", 2)),
		},
		"exclude wins over a name": {
			binding(2, affine(v1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2"}, ExcludeClusters: []string{"member2"}})), three(),
			placed("placed in 1 cluster", at("member1", 2)),
		},
		"by label": {
			binding(2, affine(v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}})),
			[]*v1alpha1.Cluster{cluster("a", labelled("tier", "gold")), cluster("b", labelled("tier", "tin"))},
			placed("placed in 1 cluster", at("a", 2)),
		},
		"name and label must both match": {
			binding(2, affine(v1alpha1.ClusterAffinity{
				ClusterNames:  []string{"a", "b"},
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}},
			})),
			[]*v1alpha1.Cluster{cluster("a", labelled("tier", "gold")), cluster("b"), cluster("c", labelled("tier", "gold"))},
			placed("placed in 1 cluster", at("a", 2)),
		},
		"region In":                       {binding(1, where(v1alpha1.RegionField, v1alpha1.FieldIn, "eu")), located, placed("placed in 1 cluster", at("a", 1))},
		"provider NotIn":                  {binding(1, where(v1alpha1.ProviderField, v1alpha1.FieldNotIn, "aws")), located, placed("placed in 2 clusters", at("b", 1), at("c", 1))},
		"any zone In":                     {binding(1, where(v1alpha1.ZoneField, v1alpha1.FieldIn, "eu-2")), located, placed("placed in 1 cluster", at("a", 1))},
		"no zone NotIn, none at all fits": {binding(1, where(v1alpha1.ZoneField, v1alpha1.FieldNotIn, "eu-2")), located, placed("placed in 2 clusters", at("b", 1), at("c", 1))},
		"an affinity that cannot be parsed keeps the old placement": {
			binding(2, affine(v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Is"}},
			}}), at("member1", 2)), three(),
			outcome{
				[]v1alpha1.TargetCluster{at("member1", 2)}, v1alpha1.ReasonInvalidPlacement,
				`placement.clusterAffinity.labelSelector: "Is" is not a valid label selector operator`,
			},
		},
	})
}

func TestDecideFiltersClusters(t *testing.T) {
	tolerating := func(tolerations ...corev1.Toleration) *v1alpha1.Placement {
		return &v1alpha1.Placement{ClusterTolerations: tolerations}
	}
	maintained := []*v1alpha1.Cluster{cluster("a"), cluster("b", tainted("work", "yes", corev1.TaintEffectNoSchedule))}
	tell(t, map[string]story{
		"a taint keeps new templates away":            {binding(1, nil), maintained, placed("placed in 1 cluster", at("a", 1))},
		"a taint lets stay what is there":             {binding(1, nil, at("b", 1)), maintained, placed("placed in 2 clusters", at("a", 1), at("b", 1))},
		"a taint with NoExecute also keeps away":      {binding(1, nil), []*v1alpha1.Cluster{cluster("a"), cluster("b", tainted("k", "", corev1.TaintEffectNoExecute))}, placed("placed in 1 cluster", at("a", 1))},
		"a toleration of key and value":               {binding(1, tolerating(corev1.Toleration{Key: "work", Value: "yes"})), maintained, placed("placed in 2 clusters", at("a", 1), at("b", 1))},
		"a toleration of the key":                     {binding(1, tolerating(corev1.Toleration{Key: "work", Operator: corev1.TolerationOpExists})), maintained, placed("placed in 2 clusters", at("a", 1), at("b", 1))},
		"a toleration of everything":                  {binding(1, tolerating(corev1.Toleration{Operator: corev1.TolerationOpExists})), maintained, placed("placed in 2 clusters", at("a", 1), at("b", 1))},
		"a toleration of another value":               {binding(1, tolerating(corev1.Toleration{Key: "work", Value: "no"})), maintained, placed("placed in 1 cluster", at("a", 1))},
		"a toleration of another effect":              {binding(1, tolerating(corev1.Toleration{Key: "work", Value: "yes", Effect: corev1.TaintEffectNoExecute})), maintained, placed("placed in 1 cluster", at("a", 1))},
		"a cluster that is being deleted":             {binding(1, nil, at("b", 1)), []*v1alpha1.Cluster{cluster("a"), cluster("b", leaving)}, placed("placed in 1 cluster", at("a", 1))},
		"a cluster that pulls":                        {binding(1, nil), []*v1alpha1.Cluster{cluster("a"), cluster("b", pulling)}, placed("placed in 1 cluster", at("a", 1))},
		"a cluster without the kind":                  {binding(1, nil), []*v1alpha1.Cluster{cluster("a"), cluster("b", serving("apps/v1", "StatefulSet"))}, placed("placed in 1 cluster", at("a", 1))},
		"a cluster that lost the kind keeps the copy": {binding(1, nil, at("b", 1)), []*v1alpha1.Cluster{cluster("a"), cluster("b", unknownAPIs)}, placed("placed in 2 clusters", at("a", 1), at("b", 1))},
	})
}

func TestDecideDividesReplicas(t *testing.T) {
	tell(t, map[string]story{
		"by weight":            {binding(8, dividedBy(weights{"member1": 2, "member2": 1, "member3": 1})), three(), placed("placed in 3 clusters", at("member1", 4), at("member2", 2), at("member3", 2))},
		"equally":              {binding(6, dividedBy(nil)), three(), placed("placed in 3 clusters", at("member1", 2), at("member2", 2), at("member3", 2))},
		"no weight, no share":  {binding(6, dividedBy(weights{"member1": 2, "member3": 1})), three(), placed("placed in 2 clusters", at("member1", 4), at("member3", 2))},
		"a share of 0 is left": {binding(2, dividedBy(weights{"member1": 100, "member2": 1})), three(), placed("placed in 1 cluster", at("member1", 2))},
		"0 replicas stay everywhere that has a weight": {
			binding(0, dividedBy(weights{"member1": 100, "member2": 1})), three(),
			placed("placed in 2 clusters", at("member1", 0), at("member2", 0)),
		},
		"the largest of several weights counts": {
			binding(4, with(dividedBy(weights{"member1": 1}), func(p *v1alpha1.Placement) {
				list := &p.ReplicaScheduling.WeightPreference.StaticWeightList
				*list = append(*list,
					v1alpha1.StaticClusterWeight{TargetCluster: v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"name": "member1"}}}, Weight: 3},
					v1alpha1.StaticClusterWeight{TargetCluster: v1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}}, Weight: 1})
			})), three(), placed("placed in 2 clusters", at("member1", 3), at("member2", 1)),
		},
		"no weights match, and the old placement stays": {
			binding(6, dividedBy(weights{"elsewhere": 1}), at("member1", 6)), three(),
			outcome{[]v1alpha1.TargetCluster{at("member1", 6)}, v1alpha1.ReasonNoWeightMatches, "none of the 3 clusters that fit is in the staticWeightList"},
		},
		"a kind without replicas goes everywhere, whatever the weights": {
			binding(-1, dividedBy(weights{"member1": 1})), three(),
			placed("placed in 3 clusters", at("member1", -1), at("member2", -1), at("member3", -1)),
		},
		"replicaScheduling without a type divides": {
			binding(3, &v1alpha1.Placement{ReplicaScheduling: &v1alpha1.ReplicaScheduling{}}), three(),
			placed("placed in 3 clusters", at("member1", 1), at("member2", 1), at("member3", 1)),
		},
		"Duplicated gives all replicas to each": {
			binding(3, &v1alpha1.Placement{ReplicaScheduling: &v1alpha1.ReplicaScheduling{ReplicaSchedulingType: v1alpha1.Duplicated}}), three(),
			placed("placed in 3 clusters", at("member1", 3), at("member2", 3), at("member3", 3)),
		},
	})
}

func TestDecideKeepsTheOldPlacement(t *testing.T) {
	typo := affine(v1alpha1.ClusterAffinity{ClusterNames: []string{"membre1"}})
	dividedTypo := with(dividedBy(nil), func(p *v1alpha1.Placement) { p.ClusterAffinity = typo.ClusterAffinity })
	noFit := func(message string, clusters ...v1alpha1.TargetCluster) outcome {
		return outcome{clusters, v1alpha1.ReasonNoClusterFit, message}
	}
	mismatch := "0/3 clusters fit: 3 did not match the affinity"
	tell(t, map[string]story{
		"when nothing fits":                {binding(2, typo, at("member1", 2)), three(), noFit(mismatch, at("member1", 2))},
		"or nothing, when there was none":  {binding(2, typo), three(), noFit(mismatch)},
		"for a kind without replicas":      {binding(-1, typo, at("member1", -1)), three(), noFit(mismatch, at("member1", -1))},
		"but not a cluster that is gone":   {binding(2, typo, at("member1", 2), at("member9", 2)), three(), noFit(mismatch, at("member1", 2))},
		"duplicated, the replicas follow":  {binding(5, typo, at("member1", 2), at("member2", 2)), three(), noFit(mismatch, at("member1", 5), at("member2", 5))},
		"divided, nothing moves":           {binding(6, dividedTypo, at("member1", 5), at("member2", 1)), three(), noFit(mismatch, at("member1", 5), at("member2", 1))},
		"divided, the proportion stays":    {binding(12, dividedTypo, at("member1", 5), at("member2", 1)), three(), noFit(mismatch, at("member1", 10), at("member2", 2))},
		"divided, from 0 equally":          {binding(4, dividedTypo, at("member1", 0), at("member2", 0)), three(), noFit(mismatch, at("member1", 2), at("member2", 2))},
		"divided, to 0 keeps the clusters": {binding(0, dividedTypo, at("member1", 5), at("member2", 1)), three(), noFit(mismatch, at("member1", 0), at("member2", 0))},
		"a cluster that is being deleted is left even then": {
			binding(6, dividedTypo, at("member1", 4), at("member2", 2)),
			[]*v1alpha1.Cluster{cluster("member1", leaving), cluster("member2")},
			noFit("0/2 clusters fit: 1 did not match the affinity, 1 was being deleted", at("member2", 6)),
		},
		"every cause is counted, the most frequent first": {
			binding(1, affine(v1alpha1.ClusterAffinity{ExcludeClusters: []string{"a", "b"}})),
			[]*v1alpha1.Cluster{
				cluster("a"), cluster("b"), cluster("c", tainted("k", "v", corev1.TaintEffectNoSchedule)),
				cluster("d", serving("v1", "ConfigMap")), cluster("e", unknownAPIs), cluster("f", pulling),
			},
			noFit("0/6 clusters fit: 2 did not match the affinity, 1 did not serve apps/v1 Deployment, " +
				"1 had an untolerated taint {k=v:NoSchedule}, 1 had not told which APIs it serves, 1 had the syncMode Pull, which is not supported yet"),
		},
		"without any cluster": {binding(1, nil, at("member1", 1)), nil, noFit("0/0 clusters fit: no cluster has joined")},
	})
}

func TestDecideGivesAVerdictOnEveryCluster(t *testing.T) {
	got := Decide(Input{
		Binding: binding(2, with(dividedBy(weights{"b": 100, "a": 1, "d": 5}), func(*v1alpha1.Placement) {})),
		Clusters: []*v1alpha1.Cluster{
			cluster("d", tainted("k", "", corev1.TaintEffectNoExecute)), cluster("c"), cluster("b"), cluster("a"),
		},
	})
	want := []Verdict{
		{Cluster: "a", Reason: VerdictNoShare, Message: "has a share of 0 replicas", Hint: hints[VerdictNoShare], Weight: 1, Room: EndlessRoom},
		{Cluster: "b", Reason: VerdictSelected, Message: "gets the template", Weight: 100, Room: EndlessRoom, Replicas: ptr.To[int32](2)},
		{Cluster: "c", Reason: VerdictNoWeight, Message: "is not in the staticWeightList", Hint: hints[VerdictNoWeight], Room: EndlessRoom},
		{Cluster: "d", Reason: VerdictUntoleratedTaint, Message: "had an untolerated taint {k:NoExecute}", Hint: hints[VerdictUntoleratedTaint], Room: EndlessRoom},
	}
	if diff := cmp.Diff(want, got.Verdicts); diff != "" {
		t.Errorf("Verdicts (-want +got):\n%s", diff)
	}
	if got.Verdicts[3].Fits() || !got.Verdicts[2].Fits() {
		t.Errorf("c fits and d does not, but Fits() says %t and %t", got.Verdicts[2].Fits(), got.Verdicts[3].Fits())
	}
}

func TestDecideIsDeterministicAndSettles(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for round := range 2000 {
		spec, clusters := randomBinding(random), randomClusters(random)
		first := Decide(Input{Binding: spec, Clusters: clusters})
		random.Shuffle(len(clusters), func(i, j int) { clusters[i], clusters[j] = clusters[j], clusters[i] })
		random.Shuffle(len(spec.Clusters), func(i, j int) { spec.Clusters[i], spec.Clusters[j] = spec.Clusters[j], spec.Clusters[i] })
		if diff := cmp.Diff(first, Decide(Input{Binding: spec, Clusters: clusters})); diff != "" {
			t.Fatalf("round %d: another order gives another decision (-first +second):\n%s", round, diff)
		}
		checkSum(t, spec, first)
		carriedOut := spec.DeepCopy()
		carriedOut.Clusters = first.Clusters
		again := Decide(Input{Binding: carriedOut, Clusters: clusters})
		if diff := cmp.Diff(first.Clusters, again.Clusters); diff != "" {
			t.Fatalf("round %d: a decision that was carried out changes again (-first +second):\n%s", round, diff)
		}
	}
}

// checkSum: divided replicas and those that are pending add up to those of the template, wherever any go anywhere.
func checkSum(t *testing.T, spec *v1alpha1.BindingSpec, d Decision) {
	t.Helper()
	if spec.Replicas == nil || spec.Placement == nil || !spec.Placement.Divides() || len(d.Clusters) == 0 {
		return
	}
	var sum int32
	for _, c := range d.Clusters {
		sum += *c.Replicas
	}
	if sum+d.Pending != *spec.Replicas {
		t.Fatalf("%d replicas are divided into %d, and %d are pending: %+v", *spec.Replicas, sum, d.Pending, d)
	}
}

func randomBinding(random *rand.Rand) *v1alpha1.BindingSpec {
	placement := &v1alpha1.Placement{}
	if random.IntN(2) == 0 {
		w := weights{}
		for i := range random.IntN(4) {
			w[fmt.Sprintf("c%d", i*2)] = 1 + random.Int64N(5)
		}
		placement = dividedBy(w)
	}
	if random.IntN(2) == 0 {
		placement.ClusterAffinity = &v1alpha1.ClusterAffinity{ExcludeClusters: []string{fmt.Sprintf("c%d", random.IntN(6))}}
	}
	if random.IntN(4) == 0 {
		placement.ClusterAffinity = &v1alpha1.ClusterAffinity{ClusterNames: []string{"c9"}}
	}
	spec := binding(random.Int32N(12)-1, placement)
	for i := range 6 {
		if random.IntN(3) == 0 {
			replicas := random.Int32N(5)
			if spec.Replicas == nil {
				replicas = -1
			}
			spec.Clusters = append(spec.Clusters, at(fmt.Sprintf("c%d", i), replicas))
		}
	}
	return spec
}

func randomClusters(random *rand.Rand) []*v1alpha1.Cluster {
	var clusters []*v1alpha1.Cluster
	for i := range 6 {
		var options []func(*v1alpha1.Cluster)
		switch random.IntN(8) {
		case 0:
			continue
		case 1:
			options = append(options, leaving)
		case 2:
			options = append(options, tainted("k", "v", corev1.TaintEffectNoSchedule))
		case 3:
			options = append(options, unknownAPIs)
		}
		clusters = append(clusters, cluster(fmt.Sprintf("c%d", i), options...))
	}
	return clusters
}
