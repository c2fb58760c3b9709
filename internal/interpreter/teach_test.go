package interpreter

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/bundled"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// meaning compiles the spec of an interpreter, which has to compile unless broken is allowed.
func meaning(t *testing.T, name, spec string, broken bool) *taught.Meaning {
	t.Helper()
	ri := &v1alpha1.ResourceInterpreter{}
	ri.Name = name
	if err := yaml.UnmarshalStrict([]byte("{spec: "+spec+"}"), ri); err != nil {
		t.Fatalf("reading the interpreter: %v", err)
	}
	m, problems := taught.Compile(ri)
	if len(problems) > 0 != broken {
		t.Fatalf("problems: %v", problems)
	}
	return m
}

func TestWhatUsersTeachGoesBeforeWhatIsNativeAndThatBeforeWhatIsBundled(t *testing.T) {
	i := New()
	web := object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1}}`)
	rollout := object(t, `{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web}, spec: {replicas: 3}}`)
	origins := func() []string {
		return []string{i.Origin(web, taught.Health), i.Origin(web, taught.Replicas), i.Origin(rollout, taught.Health), i.Origin(rollout, taught.Replicas)}
	}
	if diff := cmp.Diff([]string{"native", "native", "bundled ResourceInterpreter argoproj.io-rollout", "bundled ResourceInterpreter argoproj.io-rollout"}, origins()); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	i.Teach(nil, []*taught.Meaning{
		meaning(t, "web", `{target: {apiVersion: apps/v1, kind: Deployment}, health: {expression: "true"}}`, false),
		meaning(t, "rollouts", `{target: {apiVersion: argoproj.io/*, kind: Rollout}, health: {expression: "'Unknown'"}}`, false),
	})
	if diff := cmp.Diff([]string{"ResourceInterpreter web", "native", "ResourceInterpreter rollouts", "bundled ResourceInterpreter argoproj.io-rollout"}, origins()); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	if i.Health(web) != v1alpha1.Healthy || i.Health(rollout) != v1alpha1.HealthUnknown {
		t.Errorf("health is %s and %s", i.Health(web), i.Health(rollout))
	}
}

func TestNothingBundledIsNative(t *testing.T) {
	interpreters, err := bundled.Load()
	if err != nil {
		t.Fatal(err)
	}
	i := New()
	for _, ri := range interpreters {
		if i.native(ri.Spec.Target.GroupVersionKind().GroupKind()) {
			t.Errorf("%s teaches what is native", ri.Name)
		}
	}
}

func TestOnlyWhatChangedIsTold(t *testing.T) {
	i := New()
	a := meaning(t, "a", `{target: {apiVersion: example.com/v1, kind: A}, health: {expression: "true"}}`, false)
	b := meaning(t, "b", `{target: {apiVersion: example.com/v1, kind: B}, health: {expression: "true"}}`, false)
	again := meaning(t, "b", `{target: {apiVersion: example.com/v1, kind: B}, health: {expression: "false"}}`, false)
	var told []string
	i.OnChange(func(changed []v1alpha1.InterpreterTarget) {
		for _, target := range changed {
			told = append(told, target.Kind)
		}
	})
	i.Teach(nil, []*taught.Meaning{a, b})
	i.Teach([]*taught.Meaning{a, b}, []*taught.Meaning{b, a})
	i.Teach([]*taught.Meaning{a, b}, []*taught.Meaning{a, again})
	i.Teach([]*taught.Meaning{a, again}, []*taught.Meaning{again})
	if diff := cmp.Diff([]string{"A", "B", "B", "A"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestReviseWritesAShareWhereItIsTaught(t *testing.T) {
	const thing = `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, spec: {size: 6, quota: 10}}`
	share := Share{Replicas: 4, Divided: true, All: []int32{4, 2}, Index: 0}
	for name, tc := range map[string]struct{ spec, want, err string }{
		"by default where it is read": {
			`{target: {apiVersion: example.com/v1, kind: Thing}, replicas: {path: spec.size}}`, `{size: 4, quota: 10}`, "",
		},
		"and in proportion": {
			`{target: {apiVersion: example.com/v1, kind: Thing}, replicas: {expression: object.spec.size}, revise: [{path: spec.size}, {path: spec.quota, write: Proportion}, {path: spec.other, write: Proportion}, {path: spec.pool.size}]}`,
			`{size: 4, quota: 7, pool: {size: 4}}`, "",
		},
		"and nowhere when the number cannot be told": {
			`{target: {apiVersion: example.com/v1, kind: Thing}, replicas: {expression: "object.spec.size +"}, revise: [{path: spec.size}]}`,
			`{size: 6, quota: 10}`, "ResourceInterpreter things cannot be used: spec.replicas.expression: ",
		},
		"and not into what is no map": {
			`{target: {apiVersion: example.com/v1, kind: Thing}, replicas: {path: spec.size}, revise: [{path: spec.size.of}]}`, `{size: 6, quota: 10}`, "setting [spec size of]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := New()
			i.Teach(nil, []*taught.Meaning{meaning(t, "things", tc.spec, strings.Contains(tc.err, "cannot be used"))})
			obj := object(t, thing)
			err := i.Revise(obj, share)
			if (err == nil) != (tc.err == "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error is %v, want %q", err, tc.err)
			}
			want := object(t, `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, spec: `+tc.want+`}`)
			if diff := cmp.Diff(want, obj); diff != "" {
				t.Errorf("revised (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsTaughtAndFailsSaysWhy(t *testing.T) {
	thing := object(t, `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a, namespace: shop}, spec: {size: many, list: [1]}}`)
	ask := map[string]func(*Interpreter, *unstructured.Unstructured) error{
		"replicas": func(i *Interpreter, o *unstructured.Unstructured) error { _, _, err := i.Replicas(o); return err },
		"components": func(i *Interpreter, o *unstructured.Unstructured) error {
			_, err := i.Components(o)
			return err
		},
		"health":       func(i *Interpreter, o *unstructured.Unstructured) error { _, err := i.Judge(o); return err },
		"dependencies": func(i *Interpreter, o *unstructured.Unstructured) error { _, err := i.Dependencies(o); return err },
	}
	for name, tc := range map[string]struct{ asked, spec, err string }{
		"a number that is none":                {"replicas", `replicas: {path: spec.size}`, "many is no whole number"},
		"a field that is absent":               {"replicas", `replicas: {expression: object.spec.none}, revise: [{path: spec.size}]`, "no such key: none"},
		"requirements that are none":           {"replicas", `replicas: {path: spec.n}, requirements: {expression: "{'requests': {'cpu': 'much'}}"}`, "reading what a replica needs"},
		"a pod's spec that is none":            {"replicas", `replicas: {path: spec.n}, requirements: {podSpecPath: spec.size}`, "podSpec: it is no map"},
		"components without a name":            {"components", `components: {expression: "[{'replicas': 1}]"}`, "component 0: its name has to be"},
		"components of one name":               {"components", `components: {expression: "[{'name': 'a'}, {'name': 'a'}]"}`, `component 1: the name "a" was given already`},
		"a component that is a number":         {"components", `components: {expression: object.spec.list}`, "component 0: it is no map"},
		"replicas of a component that is text": {"components", `components: {expression: "[{'name': 'a', 'replicas': 'x'}]"}`, "component 0: replicas: x is no whole number"},
		"a verdict that is none":               {"health", `health: {expression: "'Well'"}`, `"Well" is neither Healthy, Unhealthy nor Unknown`},
		"a dependency without a kind":          {"dependencies", `dependencies: {expression: "[{'name': 'a'}]"}`, "dependency 0: it needs apiVersion and kind"},
		"a dependency without a name":          {"dependencies", `dependencies: {expression: "[{'apiVersion': 'v1', 'kind': 'Secret'}]"}`, "dependency 0: it needs either name or labelSelector"},
	} {
		t.Run(name, func(t *testing.T) {
			i := New()
			m := meaning(t, "things", `{target: {apiVersion: example.com/v1, kind: Thing}, `+tc.spec+`}`, false)
			i.Teach(nil, []*taught.Meaning{m})
			err := ask[tc.asked](i, thing)
			if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.HasPrefix(err.Error(), "ResourceInterpreter things: spec.") {
				t.Errorf("error is %v, want %q", err, tc.err)
			}
			if !strings.Contains(m.Failure(), " of Thing shop/a: ") {
				t.Errorf("the failure is told as %q", m.Failure())
			}
		})
	}
}

func TestAggregateByExpression(t *testing.T) {
	i := New()
	m := meaning(t, "things", `{target: {apiVersion: example.com/v1, kind: Thing}, aggregation: {expression: "{'up': items.filter(i, i.upToDate).map(i, i.cluster), 'all': size(items), 'divided': divided, 'name': template.metadata.name, 'each': items.map(i, i.status.num)}"}}`, false)
	i.Teach(nil, []*taught.Meaning{m})
	thing := object(t, `{apiVersion: example.com/v1, kind: Thing, metadata: {name: x}}`)
	got, ok := i.Aggregate(thing, reports(t, true, `{num: 1}`, `{num: 2}`))
	if diff := cmp.Diff(fields(t, `{up: [a, b], all: 2, divided: true, name: x, each: [1, 2]}`), got); !ok || diff != "" {
		t.Errorf("aggregated %v (-want +got):\n%s", ok, diff)
	}
	if _, ok := i.Aggregate(thing, reports(t, true, `{num: 1}`, ``)); ok || m.Failure() == "" {
		t.Errorf("a silent cluster is no failure: %q", m.Failure())
	}
}
