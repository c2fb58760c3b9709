package override

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// idempotent are overriders that say how things shall be, not what to do.
const idempotent = `
imageOverrider:
- {component: Registry, operator: replace, value: "${cluster.region}.example.com"}
- {component: Tag, operator: replace, value: v2}
argsOverrider: [{containerName: web, operator: remove, value: [--a]}]
labelsOverrider: [{operator: add, value: {cluster: "${cluster.name}"}}, {operator: replace, value: {app: shop}}, {operator: remove, value: {none: ""}}]
annotationsOverrider: [{operator: add, value: {domain: "${cluster.annotations[example.com/domain]}"}}]
patches:
- patch: "spec: {template: {spec: {containers: [{name: web, env: [{name: CLUSTER, value: '${cluster.name}'}]}], nodeSelector: {zone: '${cluster.zone}'}}}}"
- patch: "[{op: add, path: /spec/paused, value: false}]"
plaintext:
- {path: /spec/replicas, operator: replace, value: 7}
- {path: /spec/strategy, operator: add, value: {type: "${cluster.labels[tier]}", list: [1, {a: b}]}}
`

func applyOnce(t testing.TB, compiled *Policy, obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) *unstructured.Unstructured {
	t.Helper()
	if _, err := Apply(obj, cluster, []*Policy{compiled}, nil); err != nil {
		t.Fatalf("Apply(): %v", err)
	}
	return obj
}

func TestApplyingTwiceIsApplyingOnceForOverridersThatSetThings(t *testing.T) {
	compiled, err := Compile(policyOf(t, idempotent))
	if err != nil {
		t.Fatalf("Compile(): %v", err)
	}
	once := applyOnce(t, compiled, read(t, webYAML), europe())
	twice := applyOnce(t, compiled, once.DeepCopy(), europe())
	if diff := cmp.Diff(once, twice); diff != "" {
		t.Errorf("once (-) and twice (+):\n%s", diff)
	}
}

func TestResultsShareNothingWithThePolicyNorWithEachOther(t *testing.T) {
	compiled, err := Compile(policyOf(t, idempotent))
	if err != nil {
		t.Fatalf("Compile(): %v", err)
	}
	want := applyOnce(t, compiled, read(t, webYAML), europe())
	spoil(applyOnce(t, compiled, read(t, webYAML), europe()).Object)
	if diff := cmp.Diff(want, applyOnce(t, compiled, read(t, webYAML), europe())); diff != "" {
		t.Errorf("after an earlier result was changed (-want +got):\n%s", diff)
	}
}

// spoil changes everything in a value.
func spoil(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			spoil(below)
			v[key] = "spoilt"
		}
	case []any:
		for i, below := range v {
			spoil(below)
			v[i] = "spoilt"
		}
	}
}

// Run with -race, this also shows that nothing in a policy is written to.
func TestAPolicyIsAppliedForManyClustersAtOnce(t *testing.T) {
	compiled, err := Compile(policyOf(t, idempotent))
	if err != nil {
		t.Fatalf("Compile(): %v", err)
	}
	clusters := map[string]*v1alpha1.Cluster{"eu1": europe(), "us1": europe()}
	clusters["us1"].Name, clusters["us1"].Spec.Region = "us1", "us"
	want := map[string]*unstructured.Unstructured{}
	for name, cluster := range clusters {
		want[name] = applyOnce(t, compiled, read(t, webYAML), cluster)
	}
	if cmp.Equal(want["eu1"], want["us1"]) {
		t.Fatal("the clusters make no difference")
	}
	var running sync.WaitGroup
	for name, cluster := range clusters {
		for range 8 {
			running.Go(func() {
				for range 20 {
					got := read(t, webYAML)
					if _, err := Apply(got, cluster, []*Policy{compiled}, nil); err != nil {
						t.Errorf("Apply(): %v", err)
					}
					if diff := cmp.Diff(want[name], got); diff != "" {
						t.Errorf("for %s (-want +got):\n%s", name, diff)
					}
				}
			})
		}
	}
	running.Wait()
}

func TestAllThatIsWrongIsSaidAtOnceAndConcernsItsOwnRuleOnly(t *testing.T) {
	policy := policyOf(t, `
labelsOverrider: [{operator: add, value: {a: "${cluster.nam}"}}]
patches: [{patch: "- {op: put, path: /x}"}]`)
	policy.Spec.OverrideRules = append(policy.Spec.OverrideRules, policyOf(t, `labelsOverrider: [{operator: add, value: {good: "yes"}}]`).Spec.OverrideRules...)
	policy.Spec.OverrideRules[0].TargetCluster = &v1alpha1.ClusterAffinity{ClusterNames: []string{"eu1"}}
	compiled, err := Compile(policy)
	const path = "spec.overrideRules[0].overriders."
	want := path + "labelsOverrider[0]: value[a]: ${cluster.nam} is not known: use cluster.name, .region, .zone, .provider, .labels[KEY] or .annotations[KEY], or write $${ for a ${ that means nothing\n" +
		path + "patches[0]: patch: [0]: must be an operation with op (add, remove, replace, move, copy or test) and path"
	if err == nil || err.Error() != want {
		t.Errorf("Compile() =\n%v\nwant\n%s", err, want)
	}
	var failed *Error
	if _, err := Apply(read(t, webYAML), europe(), []*Policy{compiled}, nil); !errors.As(err, &failed) || failed.Field != path+"labelsOverrider[0]" || failed.Policy != compiled {
		t.Errorf("Apply() for the cluster of the broken rule = %v, want its first error", err)
	}
	other := europe()
	other.Name = "us1"
	got := applyOnce(t, compiled, read(t, webYAML), other)
	if diff := cmp.Diff(map[string]string{"app": "web", "good": "yes"}, got.GetLabels()); diff != "" {
		t.Errorf("labels for another cluster (-want +got):\n%s", diff)
	}
}

// A policy of every overrider that is not expensive, on a Deployment of two containers: a full render of 10,000 templates for
// ten clusters shall stay below a minute, so one of them below half a millisecond.
func BenchmarkApplyEverything(b *testing.B) {
	compiled, err := Compile(policyOf(b, idempotent))
	if err != nil {
		b.Fatal(err)
	}
	template, cluster, policies := read(b, webYAML), europe(), []*Policy{compiled}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Apply(template.DeepCopy(), cluster, policies, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// The documents of ConfigMaps are the other expensive thing.
func BenchmarkApplyToDocument(b *testing.B) {
	compiled, err := Compile(policyOf(b, `fieldOverrider: [{fieldPath: /data/app.yaml, yaml: [{subPath: /db/host, operator: replace, value: "${cluster.name}"}]}]`))
	if err != nil {
		b.Fatal(err)
	}
	template, cluster, policies := read(b, configYAML), europe(), []*Policy{compiled}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Apply(template.DeepCopy(), cluster, policies, nil); err != nil {
			b.Fatal(err)
		}
	}
}
