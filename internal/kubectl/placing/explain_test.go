package placing

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlfake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

// now is when these tests play.
var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// serving is a cluster that serves Deployments.
func serving(name string, options ...func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
	c := cluster(name)
	c.Status.APIEnablements = []v1alpha1.APIEnablement{
		{GroupVersion: "apps/v1", Resources: []v1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}}},
	}
	for _, option := range options {
		option(&c)
	}
	return &c
}

// withFree gives a cluster a summary with so many free cores.
func withFree(cores int64) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Status.ResourceSummary = &v1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
			corev1.ResourceCPU: *resource.NewQuantity(cores, resource.DecimalSI), corev1.ResourcePods: resource.MustParse("100"),
		}}
	}
}

func tainted(c *v1alpha1.Cluster) {
	c.Spec.Taints = []corev1.Taint{{Key: "maintenance", Effect: corev1.TaintEffectNoSchedule}}
}

// webTemplate is a Deployment of replicas that need a core each.
func webTemplate(replicas int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"namespace": "shop", "name": "web", "uid": "uid-web", "labels": map[string]any{"app": "web"}},
		"spec": map[string]any{"replicas": replicas, "template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "web", "resources": map[string]any{"requests": map[string]any{"cpu": "1"}}},
		}}}},
	}}
}

func policyFor(name string, placement v1alpha1.Placement, selectors ...v1alpha1.ResourceSelector) *v1alpha1.PropagationPolicy {
	if len(selectors) == 0 {
		selectors = []v1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment"}}
	}
	return &v1alpha1.PropagationPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PropagationPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       v1alpha1.PropagationSpec{ResourceSelectors: selectors, Placement: placement},
	}
}

func dividedPlacement(names ...string) v1alpha1.Placement {
	return v1alpha1.Placement{
		ClusterAffinity: &v1alpha1.ClusterAffinity{ClusterNames: names},
		ReplicaScheduling: &v1alpha1.ReplicaScheduling{
			ReplicaSchedulingType: v1alpha1.Divided, ReplicaDivisionPreference: v1alpha1.Weighted,
			WeightPreference: &v1alpha1.ClusterPreferences{DynamicWeight: v1alpha1.DynamicWeightByAvailableReplicas},
		},
	}
}

// bindingFor is the binding that propagation and scheduling made of a template.
func bindingFor(template *unstructured.Unstructured, policy *v1alpha1.PropagationPolicy, clusters ...*v1alpha1.Cluster) *v1alpha1.ResourceBinding {
	proposed := propose(template, []v1alpha1.Policy{policy}, nil)
	f := fleet{clusters: clusters, tables: map[string]*capacity.Table{}}
	for _, c := range clusters {
		f.tables[c.Name] = capacity.FromSummary(c)
	}
	d := f.decide(proposed, nil, now)
	proposed.spec.Clusters = d.Clusters
	ref := referenceTo(template)
	return &v1alpha1.ResourceBinding{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ResourceBinding"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ref.Namespace, Name: v1alpha1.BindingName("apps", ref.Kind, ref.Name),
			Annotations: map[string]string{v1alpha1.DecisionAnnotation: d.Memory.String()},
		},
		Spec: *proposed.spec,
		Status: v1alpha1.BindingStatus{
			PendingReplicas: d.Pending, LastScheduledTime: &metav1.Time{Time: now.Add(-time.Hour)},
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionScheduled, Reason: d.Reason, Message: d.Message}},
		},
	}
}

func reported(b *v1alpha1.ResourceBinding, items ...v1alpha1.AggregatedStatusItem) *v1alpha1.ResourceBinding {
	b.Status.AggregatedStatus = items
	return b
}

// onHost is a host with objects.
func onHost(objects ...client.Object) client.Client {
	return ctrlfake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(objects...).Build()
}

// explained is what explain prints about a template.
func explained(t *testing.T, host client.Client, template *unstructured.Unstructured, binding v1alpha1.Binding, output string) string {
	t.Helper()
	g := gatherer{host: host, rooms: roomReader{host: host, source: v1alpha1.CapacitySummary}, now: now}
	f, err := g.gather(t.Context(), template, binding)
	if err != nil {
		t.Fatal(err)
	}
	e := explainFacts(f)
	var out bytes.Buffer
	if err := printAs(&out, output, e, func(w io.Writer) error { return printExplanation(w, &e, now) }); err != nil {
		t.Fatal(err)
	}
	return trimmed(out.String())
}

// trimmed takes the blanks off the ends of lines, which editors eat.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func TestExplainTellsOfEveryCluster(t *testing.T) {
	berlin, paris, rome := serving("berlin", withFree(4)), serving("paris", withFree(2)), serving("rome", tainted)
	policy := policyFor("web", dividedPlacement("berlin", "paris", "rome"))
	applied := reported(bindingFor(webTemplate(3), policy, berlin, paris, rome),
		v1alpha1.AggregatedStatusItem{ClusterName: "berlin", Applied: true, Reason: v1alpha1.ReasonApplied, Health: v1alpha1.Healthy},
		v1alpha1.AggregatedStatusItem{ClusterName: "paris", Applied: true, Reason: v1alpha1.ReasonApplied, Health: v1alpha1.Healthy})
	foreign := applied.DeepCopy()
	foreign.Status.AggregatedStatus[1] = v1alpha1.AggregatedStatusItem{
		ClusterName: "paris", Reason: v1alpha1.ReasonForeignObject, AppliedMessage: "another web is there", Health: v1alpha1.HealthUnknown,
	}
	away := reported(bindingFor(webTemplate(3), policy, berlin), applied.Status.AggregatedStatus[0])
	cases := map[string]struct {
		host     []client.Object
		template *unstructured.Unstructured
		want     string
	}{
		"where all is well": {[]client.Object{berlin, paris, rome, policy, applied}, webTemplate(3), `
Template:  Deployment shop/web, 3 replicas
Policy:    PropagationPolicy shop/web: selected by kind; no other policy selects it
Binding:   web-deployment-902c5083
Decided:   Success: placed in 2 clusters (placed 60m ago)
Now:       Success: placed in 2 clusters (nothing moves)
Room:      from the summaries of berlin, paris, rome

CLUSTER   CHOSEN   BEFORE   NOW   ROOM   APPLIED   HEALTH    RULE               WHY                                                 TO CHANGE IT
berlin    yes      2        2     4      Applied   Healthy   Selected           gets the template                                   -
paris     yes      1        1     2      Applied   Healthy   Selected           gets the template                                   -
rome      no       -        -     -      -         -         UntoleratedTaint   had an untolerated taint {maintenance:NoSchedule}   add a matching entry to placement.clusterTolerations, or remove the taint from the Cluster

It runs where its placement wants it, in berlin (2), paris (1); not in rome, which had an untolerated taint {maintenance:NoSchedule}.
`},
		"where a member holds a foreign object": {[]client.Object{berlin, paris, rome, policy, foreign}, webTemplate(3), `
Template:  Deployment shop/web, 3 replicas
Policy:    PropagationPolicy shop/web: selected by kind; no other policy selects it
Binding:   web-deployment-902c5083
Decided:   Success: placed in 2 clusters (placed 60m ago)
Now:       Success: placed in 2 clusters (nothing moves)
Room:      from the summaries of berlin, paris, rome

CLUSTER   CHOSEN   BEFORE   NOW   ROOM   APPLIED         HEALTH    RULE               WHY                                                 TO CHANGE IT
berlin    yes      2        2     4      Applied         Healthy   Selected           gets the template                                   -
paris     yes      1        1     2      ForeignObject   Unknown   Selected           gets the template                                   -
rome      no       -        -     -      -               -         UntoleratedTaint   had an untolerated taint {maintenance:NoSchedule}   add a matching entry to placement.clusterTolerations, or remove the taint from the Cluster

It is placed in berlin (2), paris (1), but paris does not hold it (ForeignObject: another web is there).
`},
		"where a cluster was empty for a while": {
			[]client.Object{berlin, paris, policy, away}, webTemplate(3), `
Template:  Deployment shop/web, 3 replicas
Policy:    PropagationPolicy shop/web: selected by kind; no other policy selects it
Binding:   web-deployment-902c5083
Decided:   Success: placed in 1 cluster (placed 60m ago)
Now:       Success: placed in 1 cluster (nothing moves)
Room:      from the summaries of berlin, paris

CLUSTER   CHOSEN   BEFORE   NOW   ROOM   APPLIED   HEALTH    RULE       WHY                                                                                    TO CHANGE IT
berlin    yes      3        3     4      Applied   Healthy   Selected   gets the template                                                                      -
paris     no       -        -     2      -         -         NoShare    would get 1 replica in a fresh decision: what runs elsewhere does not come by itself   create a WorkloadRebalancer (docs/rebalancing.md)

It runs where its placement wants it, in berlin (3); not in paris, which would get 1 replica in a fresh decision: what runs elsewhere does not come by itself.
`},
		"where replicas are pending": {
			[]client.Object{
				serving("berlin", withFree(0)), serving("paris", withFree(0)), rome, policy,
				bindingFor(webTemplate(9), policy, berlin, paris, rome),
			}, webTemplate(9), `
Template:  Deployment shop/web, 9 replicas
Policy:    PropagationPolicy shop/web: selected by kind; no other policy selects it
Binding:   web-deployment-902c5083
Decided:   Unschedulable: 6 of 9 replicas placed, 3 pending: 0/3 clusters can take more: 2 had too little cpu, 1 had an untolerated taint {maintenance:NoSchedule} (placed 60m ago)
Now:       Unschedulable: 6 of 9 replicas placed, 3 pending: 0/3 clusters can take more: 2 had too little cpu, 1 had an untolerated taint {maintenance:NoSchedule} (trigger Pending)
Room:      from the summaries of berlin, paris, rome

CLUSTER   CHOSEN   BEFORE   NOW   ROOM   RULE               WHY                                                 TO CHANGE IT
berlin    yes      4        4     0      Selected           gets the template, as far as it has room            free resources in it, add nodes to it, or ask for less per replica
paris     yes      2        2     0      Selected           gets the template, as far as it has room            free resources in it, add nodes to it, or ask for less per replica
rome      no       -        -     -      UntoleratedTaint   had an untolerated taint {maintenance:NoSchedule}   add a matching entry to placement.clusterTolerations, or remove the taint from the Cluster

Not all of it runs: 6 of 9 replicas placed, 3 pending: 0/3 clusters can take more: 2 had too little cpu, 1 had an untolerated taint {maintenance:NoSchedule}; for berlin, paris: free resources in it, add nodes to it, or ask for less per replica.
`,
		},
		"where the binding is not there yet": {[]client.Object{berlin, policy}, webTemplate(3), `
Template:  Deployment shop/web, 3 replicas
Policy:    PropagationPolicy shop/web: selected by kind; no other policy selects it
Binding:   none
Now:       Success: placed in 1 cluster (trigger New)
Room:      from the summaries of berlin

CLUSTER   CHOSEN   NOW   ROOM   RULE       WHY
berlin    yes      3     4      Selected   gets the template

It runs in no cluster because it has no binding yet, though PropagationPolicy shop/web selects it: look whether a manager runs, and at the policy's condition Ready.
`},
		"where no policy selects it": {
			[]client.Object{
				berlin, policyFor("api", v1alpha1.Placement{}, v1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "Deployment", Name: "api"}),
				policyFor("db", v1alpha1.Placement{}, v1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "StatefulSet"}),
			}, webTemplate(3), `
Template:  Deployment shop/web
Policy:    none
Binding:   none

POLICY                       SELECTS IT   WHY
PropagationPolicy shop/api   no           resourceSelectors[0] selects the name api
PropagationPolicy shop/db    no           resourceSelectors[0] selects the kind StatefulSet

It runs in no cluster because none of the 2 policies above selects it.
`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := explained(t, onHost(append(tc.host, tc.template)...), tc.template, nil, "table")
			if diff := cmp.Diff(tc.want[1:], got); diff != "" {
				t.Errorf("explain (-want +got):\n%s", diff)
			}
		})
	}
}

func cluster(name string, conditions ...metav1.Condition) v1alpha1.Cluster {
	return v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.ClusterSpec{SyncMode: v1alpha1.Push, APIEndpoint: "https://" + name},
		Status:     v1alpha1.ClusterStatus{Conditions: conditions},
	}
}
