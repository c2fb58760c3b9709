package scheduling

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// Policies that were written for Karmada work after their apiVersion was changed, and give members the same. The policies here are
// our own, in the field shapes of Karmada's policy.karmada.io/v1alpha1; what they lead to was worked out by hand from its rules as of
// release 1.18; each case names the file or package, and the function, that has them (pkg/scheduler, pkg/util/overridemanager, pkg/detector).
const (
	peerVersion = "policy.karmada.io/v1alpha1"
	ownVersion  = "flotilla.dev/v1alpha1"
)

// copied is what one member holds of a Deployment.
type copied struct {
	Replicas      int32
	Image         string
	Command, Args []string
	Labels        map[string]string
}

// The members have room for 4, 4 and 6 replicas of two CPUs; member1 and member2 lie in the region eu, member3 in us.
const (
	nginx   = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: nginx, labels: {app: nginx}}\nspec:\n  replicas: %d\n  selector: {matchLabels: {app: nginx}}\n  template:\n    metadata: {labels: {app: nginx}}\n    spec: {containers: [{name: nginx, image: \"nginx:1.25\", args: [-q], resources: {requests: {cpu: \"%s\"}}}]}\n---\n"
	policyP = "apiVersion: policy.karmada.io/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: nginx}\nspec:\n  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: nginx}]\n"
	everyP  = policyP + "  placement: {clusterAffinity: {clusterNames: [member1, member2, member3]}, "
	rule    = "---\napiVersion: policy.karmada.io/v1alpha1\nkind: OverridePolicy\nmetadata: {name: nginx}\nspec:\n  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: nginx}]\n  overrideRules:\n"
)

// same is the same copy with the replicas of each member.
func same(replicas map[string]int32) []map[string]copied {
	members := map[string]copied{}
	for name, n := range replicas {
		members[name] = copied{Replicas: n, Image: "nginx:1.25", Args: []string{"-q"}, Labels: map[string]string{"app": "nginx"}}
	}
	return []map[string]copied{members}
}

// changed is the same copy in member1 and member2, one replica each, changed in member1.
func changed(change func(*copied)) []map[string]copied {
	want := same(map[string]int32{"member1": 1, "member2": 1})
	c := want[0]["member1"]
	c.Labels = map[string]string{"app": "nginx"}
	change(&c)
	want[0]["member1"] = c
	return want
}

// onceReady stands before what is applied when the policy nginx is known: a template stays with the first policy that takes it, and
// policies of two kinds and a template come to the manager in any order.
const onceReady = "# once the policy is ready\n"

const twoMembers = "  placement: {clusterAffinity: {clusterNames: [member1, member2]}}\n"

// peerCases say what members hold in the end; where a tie lets Karmada choose by the hash of a UID, each outcome is one.
var peerCases = map[string]struct {
	documents string
	want      []map[string]copied
}{
	"without replicaScheduling every cluster gets all replicas (assignment.go, assignByDuplicatedStrategy)": {
		fmt.Sprintf(nginx, 2, "10m") + policyP + twoMembers, same(map[string]int32{"member1": 2, "member2": 2}),
	},
	"Duplicated is the same, written out (assignment.go, assignByDuplicatedStrategy)": {
		fmt.Sprintf(nginx, 3, "10m") + policyP + "  placement: {clusterAffinity: {clusterNames: [member1, member2]}, replicaScheduling: {replicaSchedulingType: Duplicated}}\n",
		same(map[string]int32{"member1": 3, "member2": 3}),
	},
	"static weights 1:1 (assignment.go, assignByStaticWeightStrategy: 4 = 2 + 2)": {
		fmt.Sprintf(nginx, 4, "10m") + everyP + "replicaScheduling: {replicaDivisionPreference: Weighted, replicaSchedulingType: Divided, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [member1]}, weight: 1}, {targetCluster: {clusterNames: [member2]}, weight: 1}]}}}\n",
		same(map[string]int32{"member1": 2, "member2": 2}),
	},
	"static weights 1:1 with a remainder, which the template's UID gives to one of them (assignment.go, assignByStaticWeightStrategy)": {
		fmt.Sprintf(nginx, 5, "10m") + everyP + "replicaScheduling: {replicaDivisionPreference: Weighted, replicaSchedulingType: Divided, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [member1]}, weight: 1}, {targetCluster: {clusterNames: [member2]}, weight: 1}]}}}\n",
		slices.Concat(same(map[string]int32{"member1": 3, "member2": 2}), same(map[string]int32{"member1": 2, "member2": 3})),
	},
	// Votes over odd numbers: 2/1 1/1 2/3 2/5 1/3 2/7 2/9: five for member1, two for member2.
	"static weights 2:1 with a remainder (assignment.go, assignByStaticWeightStrategy: 7 = 5 + 2)": {
		fmt.Sprintf(nginx, 7, "10m") + everyP + "replicaScheduling: {replicaDivisionPreference: Weighted, replicaSchedulingType: Divided, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [member1]}, weight: 2}, {targetCluster: {clusterNames: [member2]}, weight: 1}]}}}\n",
		same(map[string]int32{"member1": 5, "member2": 2}),
	},
	"no weights are equal weights (assignment.go, getDefaultWeightPreference: 6 = 2 + 2 + 2)": {
		fmt.Sprintf(nginx, 6, "10m") + everyP + "replicaScheduling: {replicaSchedulingType: Divided}}\n",
		same(map[string]int32{"member1": 2, "member2": 2, "member3": 2}),
	},
	// Votes over odd numbers for the rooms 4, 4 and 6: 6/1 4/1 4/1 6/3 4/3 4/3 6/5.
	"dynamic weights by available replicas (assignment.go, assignByDynamicStrategy: 7 = 2 + 2 + 3)": {
		fmt.Sprintf(nginx, 7, "2") + everyP + "replicaScheduling: {replicaDivisionPreference: Weighted, replicaSchedulingType: Divided, weightPreference: {dynamicWeight: AvailableReplicas}}}\n",
		same(map[string]int32{"member1": 2, "member2": 2, "member3": 3}),
	},
	"aggregated: the fewest clusters that hold all (assignment.go, assignByDynamicStrategy: 6 fit in member3)": {
		fmt.Sprintf(nginx, 6, "2") + everyP + "replicaScheduling: {replicaDivisionPreference: Aggregated, replicaSchedulingType: Divided}}\n",
		same(map[string]int32{"member3": 6}),
	},
	// eu has two equal clusters: Karmada takes the first by name, Flotilla one by the template's UID.
	"spread over two regions, a cluster of each (spreadconstraint, select_clusters_by_region.go)": {
		fmt.Sprintf(nginx, 1, "2") + everyP + "spreadConstraints: [{spreadByField: region, minGroups: 2, maxGroups: 2}, {spreadByField: cluster, minGroups: 2, maxGroups: 2}]}\n",
		slices.Concat(same(map[string]int32{"member1": 1, "member3": 1}), same(map[string]int32{"member2": 1, "member3": 1})),
	},
	"ordered affinity groups: the first that has a cluster (scheduler.go, scheduleResourceBindingWithClusterAffinities)": {
		fmt.Sprintf(nginx, 2, "10m") + policyP + "  placement: {clusterAffinities: [{affinityName: none, clusterNames: [member9]}, {affinityName: us, labelSelector: {matchLabels: {environment: staging}}}]}\n",
		same(map[string]int32{"member3": 2}),
	},
	"an image of another registry and tag (imageoverride.go)": {
		fmt.Sprintf(nginx, 1, "10m") + policyP + twoMembers + rule + "  - {targetCluster: {clusterNames: [member1]}, overriders: {imageOverrider: [{component: Registry, operator: add, value: registry.example.com}, {component: Tag, operator: replace, value: \"1.27\"}]}}\n",
		changed(func(c *copied) { c.Image = "registry.example.com/nginx:1.27" }),
	},
	"command and arguments (commandargsoverride.go)": {
		fmt.Sprintf(nginx, 1, "10m") + policyP + twoMembers + rule + "  - {targetCluster: {labelSelector: {matchLabels: {example.com/power: north}}, clusterNames: [member1]}, overriders: {commandOverrider: [{containerName: nginx, operator: add, value: [nginx]}], argsOverrider: [{containerName: nginx, operator: add, value: [-g, daemon off;]}, {containerName: nginx, operator: remove, value: [-q]}]}}\n",
		changed(func(c *copied) { c.Command, c.Args = []string{"nginx"}, []string{"-g", "daemon off;"} }),
	},
	"JSON patches, after the other overriders (overridemanager.go, applyPolicyOverriders)": {
		fmt.Sprintf(nginx, 1, "10m") + policyP + twoMembers + rule + "  - {targetCluster: {clusterNames: [member1]}, overriders: {plaintext: [{path: /spec/replicas, operator: replace, value: 2}, {path: /metadata/labels/tier, operator: add, value: gold}], labelsOverrider: [{operator: add, value: {tier: lead}}]}}\n",
		changed(func(c *copied) { c.Replicas = 2; c.Labels["tier"] = "gold" }),
	},
	"labels are replaced only where they are (labelannotationoverrider.go)": {
		fmt.Sprintf(nginx, 1, "10m") + policyP + twoMembers + rule + "  - {targetCluster: {clusterNames: [member1]}, overriders: {labelsOverrider: [{operator: replace, value: {app: web, none: x}}]}}\n",
		changed(func(c *copied) { c.Labels = map[string]string{"app": "web"} }),
	},
	"a ClusterPropagationPolicy takes what no policy of the namespace does (pkg/detector, LookForMatchedClusterPolicy)": {
		fmt.Sprintf(nginx, 1, "10m") + strings.NewReplacer("kind: PropagationPolicy", "kind: ClusterPropagationPolicy", "{name: nginx}\nspec", "{name: peer-NAMESPACE}\nspec", "kind: Deployment, name", "kind: Deployment, namespace: NAMESPACE, name").Replace(policyP) +
			"  placement: {clusterAffinity: {clusterNames: [member2]}}\n",
		same(map[string]int32{"member2": 1}),
	},
	"the policy of the namespace comes before a ClusterPropagationPolicy (pkg/detector, propagateResource)": {
		strings.NewReplacer("kind: PropagationPolicy", "kind: ClusterPropagationPolicy", "{name: nginx}\nspec", "{name: peer-NAMESPACE}\nspec", "kind: Deployment, name", "kind: Deployment, namespace: NAMESPACE, name").Replace(policyP) +
			"  placement: {clusterAffinity: {clusterNames: [member2]}}\n---\n" + policyP + "  placement: {clusterAffinity: {clusterNames: [member1]}}\n" + onceReady + fmt.Sprintf(nginx, 1, "10m"),
		same(map[string]int32{"member1": 1}),
	},
}

func TestPoliciesOfThePeerGiveMembersTheSame(t *testing.T) {
	for name, tc := range peerCases {
		t.Run(name, func(t *testing.T) {
			fleet, ns := start(t)
			documents := strings.NewReplacer(peerVersion, ownVersion, "NAMESPACE", ns).Replace(tc.documents)
			for i, part := range strings.Split(documents, onceReady) {
				if i > 0 {
					expect.Seen(t, fleet.Host, builder.Policy(ns, "nginx"), func(p *v1alpha1.PropagationPolicy) error {
						return expect.HasCondition(p.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonWatching, "")
					})
				}
				applyText(t, fleet, ns, part)
			}
			expect.Eventually(t, "what the peer gives", func(ctx context.Context) error {
				got, err := copies(ctx, fleet, ns)
				if err != nil {
					return err
				}
				if slices.ContainsFunc(tc.want, func(want map[string]copied) bool { return cmp.Equal(want, got) }) {
					return nil
				}
				return fmt.Errorf("(-want, the first of %d, +got):\n%s", len(tc.want), cmp.Diff(tc.want[0], got))
			})
		})
	}
}

// applyText applies documents as users do.
func applyText(t *testing.T, fleet *local.Fleet, ns, documents string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer-") // t.TempDir has the test's name in it, and kubectl splits that at its commas
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "policies.yaml")
	if err := os.WriteFile(file, []byte(documents), 0o600); err != nil {
		t.Fatal(err)
	}
	apply(t, fleet, ns, file)
}

// copies is what each member holds of the Deployment nginx.
func copies(ctx context.Context, fleet *local.Fleet, ns string) (map[string]copied, error) {
	found := map[string]copied{}
	for _, member := range fleet.Members {
		d := builder.Deployment(ns, "nginx")
		err := member.Client().Get(ctx, client.ObjectKeyFromObject(d), d)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil {
			found[member.Name] = copyOf(d)
		}
	}
	return found, nil
}

func copyOf(d *appsv1.Deployment) copied {
	container := d.Spec.Template.Spec.Containers[0]
	c := copied{Replicas: *d.Spec.Replicas, Image: container.Image, Command: container.Command, Args: container.Args, Labels: map[string]string{}}
	for key, value := range d.Labels {
		if !strings.HasPrefix(key, "flotilla.dev/") {
			c.Labels[key] = value
		}
	}
	return c
}
