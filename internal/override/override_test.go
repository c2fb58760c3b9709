package override

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
)

const (
	roleYAML    = `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: x}, rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}`
	bindingYAML = `{apiVersion: rbac.authorization.k8s.io/v1beta1, kind: RoleBinding, metadata: {name: x}, roleRef: {kind: Role, name: x}}`
)

// read reads an object as it comes from an API server: whole numbers are int64.
func read(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(content); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
	return obj
}

// policyOf makes a policy of one rule from its overriders.
func policyOf(t testing.TB, overriders string) *v1alpha1.OverridePolicy {
	t.Helper()
	policy := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p"}}
	policy.Spec.OverrideRules = make([]v1alpha1.OverrideRule, 1)
	if err := yaml.UnmarshalStrict([]byte(overriders), &policy.Spec.OverrideRules[0].Overriders); err != nil {
		t.Fatalf("reading %s: %v", overriders, err)
	}
	return policy
}

func europe() *v1alpha1.Cluster {
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{
		Name: "eu1", Labels: map[string]string{"tier": "gold"}, Annotations: map[string]string{"example.com/domain": "eu.example.com"},
	}}
	cluster.Spec.Region, cluster.Spec.Provider, cluster.Spec.Zones = "eu", "acme", []string{"eu-a", "eu-b"}
	return cluster
}

const (
	webYAML = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: init, image: busybox}]
      containers:
      - {name: web, image: "registry.example.com:5000/team/web:v1", args: [--a, --b], ports: [{containerPort: 80}]}
      - {name: log, image: "log@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
`
	configYAML = `
apiVersion: v1
kind: ConfigMap
metadata: {name: conf, namespace: shop}
data:
  app.yaml: "db: {host: a, port: 1}\nlist: [1, 2]\n"
  app.json: '{"db":{"host":"a"}}'
  text: "a: b: c"
`
	widgetYAML = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: shop}
spec: {parts: [{name: a}, {name: b}], size: 3}
`
)

// An overrider changes what it says and nothing else: the change is given as a JSON merge patch of the template, in which
// lists are written whole.
func TestEachOverrider(t *testing.T) {
	for name, tc := range map[string]struct {
		template, overriders, change string
	}{
		"the registry of every image": {webYAML, `imageOverrider: [{component: Registry, operator: replace, value: "${cluster.region}.example.com"}]`, `
spec: {template: {spec: {
  initContainers: [{name: init, image: eu.example.com/busybox}],
  containers: [{name: web, image: "eu.example.com/team/web:v1", args: [--a, --b], ports: [{containerPort: 80}]},
    {name: log, image: "eu.example.com/log@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}}}`},
		"the registry is taken away": {webYAML, `imageOverrider: [{predicate: {path: /spec/template/spec/containers/0/image}, component: Registry, operator: remove}]`, `
spec: {template: {spec: {containers: [{name: web, image: "team/web:v1", args: [--a, --b], ports: [{containerPort: 80}]},
    {name: log, image: "log@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}}}`},
		"the repository is appended to": {webYAML, `imageOverrider: [{predicate: {path: /spec/template/spec/initContainers/0/image}, component: Repository, operator: add, value: -fips}]`, `
spec: {template: {spec: {initContainers: [{name: init, image: busybox-fips}]}}}`},
		"a tag ends a digest": {webYAML, `imageOverrider: [{predicate: {path: /spec/template/spec/containers/1/image}, component: Tag, operator: replace, value: v2}]`, `
spec: {template: {spec: {containers: [{name: web, image: "registry.example.com:5000/team/web:v1", args: [--a, --b], ports: [{containerPort: 80}]},
    {name: log, image: "log:v2"}]}}}`},
		"a tag that is a digest": {webYAML, `imageOverrider: [{predicate: {path: /spec/template/spec/initContainers/0/image}, component: Tag, operator: replace,
  value: "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]`, `
spec: {template: {spec: {initContainers: [{name: init, image: "busybox@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]}}}`},
		"a digest beside a tag": {webYAML, `imageOverrider: [{predicate: {path: /spec/template/spec/containers/0/image}, component: Digest, operator: replace,
  value: "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}]`, `
spec: {template: {spec: {containers: [{name: web, image: "registry.example.com:5000/team/web:v1@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
      args: [--a, --b], ports: [{containerPort: 80}]},
    {name: log, image: "log@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}}}`},
		"images of an object without pods": {configYAML, `imageOverrider: [{component: Tag, operator: replace, value: v2}]`, `{}`},
		"a command where there is none": {webYAML, `commandOverrider: [{containerName: init, operator: add, value: [sh, -c, "echo ${cluster.name} $${x} ${HOME}"]}]`, `
spec: {template: {spec: {initContainers: [{name: init, image: busybox, command: [sh, -c, "echo eu1 ${x} ${HOME}"]}]}}}`},
		"args are taken away": {webYAML, `argsOverrider: [{containerName: web, operator: remove, value: [--a]}, {containerName: web, operator: add, value: [--c]}]`, `
spec: {template: {spec: {containers: [{name: web, image: "registry.example.com:5000/team/web:v1", args: [--b, --c], ports: [{containerPort: 80}]},
    {name: log, image: "log@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}}}`},
		"labels are set, and only those replaced that exist": {webYAML, `
labelsOverrider:
- {operator: add, value: {tier: "${cluster.labels[tier]}"}}
- {operator: replace, value: {app: shop, none: x}}`, `metadata: {labels: {app: shop, tier: gold}}`},
		"labels are taken away":   {webYAML, `labelsOverrider: [{operator: remove, value: {app: ""}}]`, `metadata: {labels: null}`},
		"annotations are created": {webYAML, `annotationsOverrider: [{operator: add, value: {host: "web.${cluster.annotations[example.com/domain]}", zone: "${cluster.zone}"}}]`, `metadata: {annotations: {host: web.eu.example.com, zone: eu-a}}`},
		"a document in YAML": {configYAML, `fieldOverrider: [{fieldPath: /data/app.yaml, yaml: [
  {subPath: /db/host, operator: replace, value: "db.${cluster.name}"}, {subPath: /list/0, operator: remove}, {subPath: /new, operator: add, value: {x: true}}]}]`,
			`data: {app.yaml: "db: {host: db.eu1, port: 1}\nlist: [2]\nnew:\n  x: true\n"}`},
		"a document in JSON": {configYAML, `fieldOverrider: [{fieldPath: /data/app.json, json: [{subPath: /db/port, operator: add, value: 5432}]}]`, `data: {app.json: '{"db":{"host":"a","port":5432}}'}`},
		"a strategic merge patch": {webYAML, `
patches:
- patch: |
    spec:
      template:
        spec:
          containers:
          - {name: web, env: [{name: CLUSTER, value: "${cluster.name}"}]}
          - {name: mesh, image: mesh}`, `
spec: {template: {spec: {containers: [
    {name: web, image: "registry.example.com:5000/team/web:v1", args: [--a, --b], ports: [{containerPort: 80}], env: [{name: CLUSTER, value: eu1}]},
    {name: mesh, image: mesh},
    {name: log, image: "log@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}}}`},
		"a patch that names another object": {webYAML, `patches: [{patch: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: api}, spec: {replicas: 9}}"}]`, `{}`},
		"a patch that names the object":     {webYAML, `patches: [{patch: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 9}}"}]`, `spec: {replicas: 9}`},
		"a patch with a target":             {webYAML, `patches: [{target: {kind: Deployment, labelSelector: {matchLabels: {app: web}}}, patch: "[{op: replace, path: /spec/replicas, value: 5}]"}]`, `spec: {replicas: 5}`},
		"a patch with another target":       {webYAML, `patches: [{target: {group: batch}, patch: "[{op: replace, path: /spec/replicas, value: 5}]"}]`, `{}`},
		"a merge patch of a custom kind":    {widgetYAML, `patches: [{patch: "spec: {parts: [{name: c}], size: null}"}]`, `spec: {parts: [{name: c}], size: null}`},
		"moves and tests":                   {widgetYAML, `patches: [{patch: "[{op: test, path: /spec/size, value: 3}, {op: move, from: /spec/size, path: /spec/length}]"}]`, `spec: {size: null, length: 3}`},
		"operations of JSON patch": {webYAML, `
plaintext:
- {path: /spec/replicas, operator: replace, value: 7}
- {path: /metadata/annotations, operator: add, value: {region: "${cluster.region} at ${cluster.provider}"}}
- {path: /spec/template/spec/containers/1, operator: remove}`, `
metadata: {annotations: {region: eu at acme}}
spec: {replicas: 7, template: {spec: {containers: [{name: web, image: "registry.example.com:5000/team/web:v1", args: [--a, --b], ports: [{containerPort: 80}]}]}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := Compile(policyOf(t, tc.overriders))
			if err != nil {
				t.Fatalf("Compile(): %v", err)
			}
			got := read(t, tc.template)
			if _, err := Apply(got, europe(), []*Policy{compiled}, nil); err != nil {
				t.Fatalf("Apply(): %v", err)
			}
			if diff := cmp.Diff(changed(t, tc.template, tc.change), got); diff != "" {
				t.Errorf("Apply() (-want +got):\n%s", diff)
			}
		})
	}
}

// changed is a template after a JSON merge patch.
func changed(t *testing.T, template, change string) *unstructured.Unstructured {
	t.Helper()
	obj := read(t, template)
	var patch map[string]any
	if err := yaml.Unmarshal([]byte(change), &patch); err != nil {
		t.Fatalf("reading %s: %v", change, err)
	}
	var into func(fields, patch map[string]any)
	into = func(fields, patch map[string]any) {
		for key, value := range patch {
			below, isMap := value.(map[string]any)
			old, wasMap := fields[key].(map[string]any)
			switch {
			case value == nil:
				delete(fields, key)
			case isMap && wasMap:
				into(old, below)
			default:
				fields[key] = value
			}
		}
	}
	into(obj.Object, patch)
	text, err := json.Marshal(obj.Object)
	if err != nil {
		t.Fatalf("encoding: %v", err)
	}
	return read(t, string(text))
}

func TestWhatIsWrongNamesTheFieldAndTheFault(t *testing.T) {
	for name, tc := range map[string]struct {
		template, overriders, want string
	}{
		"a path that does not exist": {webYAML, `plaintext: [{path: /spec/no/such, operator: replace, value: 1}]`,
			"plaintext[0]: replace operation does not apply: doc is missing path: /spec/no/such"},
		"a container that does not exist": {webYAML, `argsOverrider: [{containerName: nope, operator: add, value: [x]}]`,
			`argsOverrider[0]: containerName: the template has no container "nope"`},
		"a document that is none":        {configYAML, `fieldOverrider: [{fieldPath: /data/text, yaml: [{subPath: /a, operator: remove}]}]`, "fieldOverrider[0]: /data/text: the text is no YAML"},
		"a field that is no document":    {webYAML, `fieldOverrider: [{fieldPath: /spec/replicas, json: [{subPath: /a, operator: remove}]}]`, "fieldOverrider[0]: fieldPath: /spec/replicas does not lead to a text"},
		"a path that is not in it":       {configYAML, `fieldOverrider: [{fieldPath: /data/app.json, json: [{subPath: /x/y, operator: replace, value: 1}]}]`, "fieldOverrider[0]: /data/app.json: json: replace operation does not apply"},
		"an image that is none":          {webYAML, `imageOverrider: [{component: Tag, operator: replace, value: "not valid"}]`, `imageOverrider[0]: container init: image "busybox" would become "busybox:not valid"`},
		"a path to no image":             {webYAML, `imageOverrider: [{predicate: {path: /spec/replicas}, component: Tag, operator: remove}]`, "imageOverrider[0]: predicate.path: /spec/replicas does not lead to an image's name"},
		"a label that the cluster lacks": {webYAML, `labelsOverrider: [{operator: add, value: {x: "${cluster.labels[no]}"}}]`, "labelsOverrider[0]: value[x]: cluster eu1 has no value for ${cluster.labels[no]}"},
		"a property that there is not":   {webYAML, `labelsOverrider: [{operator: add, value: {x: "${cluster.nam}"}}]`, "labelsOverrider[0]: value[x]: ${cluster.nam} is not known: use cluster.name"},
		"a brace that is missing":        {webYAML, `commandOverrider: [{containerName: web, operator: add, value: ["${cluster.name"]}]`, "commandOverrider[0]: value[0]: \"${cluster.name\": the } after ${cluster. is missing"},
		"a patch that is no YAML":        {webYAML, `patches: [{patch: "a: b: c"}]`, "patches[0]: patch: "},
		"a patch that is a text":         {webYAML, `patches: [{patch: "hello"}]`, "patches[0]: patch: must be an object"},
		"an operation that there is not": {webYAML, `patches: [{patch: "[{op: put, path: /x}]"}]`, "patches[0]: patch: [0]: must be an operation with op"},
		"a value that is missing":        {webYAML, `plaintext: [{path: /spec/replicas, operator: replace}]`, "plaintext[0]: value: is required for add and replace"},
		"a value that says nothing":      {configYAML, `fieldOverrider: [{fieldPath: /data/app.json, json: [{subPath: /db, operator: remove, value: 1}]}]`, "fieldOverrider[0]: json[0].value: is required for add and replace, and must be left out for remove"},
		"another name":                   {webYAML, `plaintext: [{path: /metadata/name, operator: replace, value: other}]`, "plaintext[0]: an override must not change apiVersion"},
		"another type":                   {webYAML, `plaintext: [{path: /metadata, operator: replace, value: 7}]`, "plaintext[0]: an override must not change apiVersion"},
		"what a role allows":             {roleYAML, `plaintext: [{path: /rules/0/verbs/0, operator: replace, value: "*"}]`, "plaintext[0]: an override must not change the rules"},
		"what a role is made of":         {roleYAML, `patches: [{patch: "aggregationRule: {clusterRoleSelectors: [{}]}"}]`, "patches[0]: an override must not change the rules"},
		"which role is bound":            {bindingYAML, `plaintext: [{path: /roleRef/name, operator: replace, value: cluster-admin}]`, "plaintext[0]: an override must not change the rules"},
		"whom a role is bound to":        {bindingYAML, `patches: [{patch: "subjects: [{kind: User, name: eve}]"}]`, "patches[0]: an override must not change the rules"},
		"no object any more":             {webYAML, `plaintext: [{path: "", operator: replace, value: [7]}]`, "plaintext[0]: the result is not an object"},
		"a merge without the key":        {webYAML, `patches: [{patch: "{spec: {template: {spec: {containers: [{image: x}]}}}}"}]`, "patches[0]: merging"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := policyOf(t, tc.overriders)
			compiled, compileErr := Compile(policy)
			_, err := Apply(read(t, tc.template), europe(), []*Policy{compiled}, nil)
			var failed *Error
			if !errors.As(err, &failed) {
				t.Fatalf("Apply() = %v, want an *Error", err)
			}
			want := "OverridePolicy shop/p: spec.overrideRules[0].overriders." + tc.want
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Apply() =\n%s\nwant\n%s...", err, want)
			}
			if compileErr != nil && !strings.Contains(want, compileErr.Error()[:20]) {
				t.Errorf("Compile() = %v, which Apply does not say", compileErr)
			}
		})
	}
}

func TestARuleIsForItsClustersOnly(t *testing.T) {
	policy := policyOf(t, `labelsOverrider: [{operator: add, value: {x: y}}]`)
	policy.Spec.OverrideRules[0].TargetCluster = &v1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "silver"}}}
	compiled, err := Compile(policy)
	if err != nil {
		t.Fatalf("Compile(): %v", err)
	}
	got := read(t, webYAML)
	applied, err := Apply(got, europe(), []*Policy{compiled}, nil)
	if err != nil || len(applied) > 0 {
		t.Fatalf("Apply() = %v, %v, want nothing", applied, err)
	}
	if diff := cmp.Diff(read(t, webYAML), got); diff != "" {
		t.Errorf("the object was changed:\n%s", diff)
	}
}

func TestWhatWasAppliedIsTold(t *testing.T) {
	compiled, err := Compile(policyOf(t, `
labelsOverrider: [{operator: add, value: {x: y}}]
plaintext: [{path: /spec/replicas, operator: replace, value: 1}]`))
	if err != nil {
		t.Fatalf("Compile(): %v", err)
	}
	got, err := Apply(read(t, webYAML), europe(), []*Policy{compiled}, nil)
	if err != nil {
		t.Fatalf("Apply(): %v", err)
	}
	const path = "spec.overrideRules[0].overriders."
	want := []Applied{{Policy: compiled, Rule: 0, Fields: []string{path + "labelsOverrider[0]", path + "plaintext[0]"}}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *Policy) bool { return a == b })); diff != "" {
		t.Errorf("Apply() (-want +got):\n%s", diff)
	}
}

func TestTheMostSpecificPolicyHasTheLastWord(t *testing.T) {
	selecting := func(namespace, name string, selectors ...v1alpha1.ResourceSelector) *Policy {
		kind := NamespacedKind
		if namespace == "" {
			kind = ClusterKind
		}
		return &Policy{Kind: kind, Namespace: namespace, Name: name, selectors: selectors}
	}
	byKind := v1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "Deployment"}
	byName, byLabel, other := byKind, byKind, byKind
	byName.Name, other.Name = "web", "api"
	byLabel.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	policies := []*Policy{
		selecting("shop", "a-name", byName), selecting("shop", "b-all"), selecting("shop", "a-kind", byKind), selecting("shop", "z-labels", byLabel),
		selecting("", "z-name", byName), selecting("", "all"), selecting("other", "all"), selecting("shop", "not", other),
	}
	template := policymatch.Template{
		GVK: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"},
	}
	var got []string
	for _, p := range Order(template, policies) {
		got = append(got, p.String())
	}
	want := []string{
		"ClusterOverridePolicy all", "ClusterOverridePolicy z-name",
		"OverridePolicy shop/a-kind", "OverridePolicy shop/b-all", "OverridePolicy shop/z-labels", "OverridePolicy shop/a-name",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Order() (-want +got):\n%s", diff)
	}
}

func TestPodsAreFoundInEveryKind(t *testing.T) {
	pods := `{containers: [{name: c, image: a}], initContainers: [{name: i, image: a}], ephemeralContainers: [{name: e, image: a}]}`
	for kind, spec := range map[string]string{
		"v1 Pod": pods, "apps/v1 Deployment": `{template: {spec: ` + pods + `}}`, "apps/v1 StatefulSet": `{template: {spec: ` + pods + `}}`,
		"apps/v1 DaemonSet": `{template: {spec: ` + pods + `}}`, "apps/v1 ReplicaSet": `{template: {spec: ` + pods + `}}`,
		"v1 ReplicationController": `{template: {spec: ` + pods + `}}`, "batch/v1 Job": `{template: {spec: ` + pods + `}}`,
		"batch/v1 CronJob": `{jobTemplate: {spec: {template: {spec: ` + pods + `}}}}`, "example.com/v1 Rollout": `{template: {spec: ` + pods + `}}`,
	} {
		t.Run(kind, func(t *testing.T) {
			apiVersion, name, _ := strings.Cut(kind, " ")
			obj := read(t, `{apiVersion: `+apiVersion+`, kind: `+name+`, metadata: {name: x}, spec: `+spec+`}`)
			compiled, err := Compile(policyOf(t, `imageOverrider: [{component: Tag, operator: replace, value: v2}]`))
			if err != nil {
				t.Fatalf("Compile(): %v", err)
			}
			if _, err := Apply(obj, europe(), []*Policy{compiled}, nil); err != nil {
				t.Fatalf("Apply(): %v", err)
			}
			var images []string
			for _, container := range containers(podSpec(obj), "containers", "initContainers", "ephemeralContainers") {
				image, _ := container["image"].(string)
				images = append(images, image)
			}
			if diff := cmp.Diff([]string{"a:v2", "a:v2", "a:v2"}, images); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzApply: whatever is in a policy, nothing panics, and the object stays the object that it was.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		`{"plaintext":[{"path":"/spec/replicas","operator":"replace","value":1}]}`,
		`{"plaintext":[{"path":"/metadata/name","operator":"remove"}]}`,
		`{"patches":[{"patch":"spec: {template: {spec: {containers: [{name: web, $patch: delete}]}}}"}]}`,
		`{"patches":[{"patch":"[{op: copy, from: /spec, path: /spec/x}]"}]}`,
		`{"fieldOverrider":[{"fieldPath":"/data/x","yaml":[{"subPath":"/a","operator":"add","value":"${cluster.name}"}]}]}`,
		`{"imageOverrider":[{"component":"Tag","operator":"add","value":"-${cluster.labels[x]}"}]}`,
		`{"labelsOverrider":[{"operator":"replace","value":{"app":"$${"}}],"argsOverrider":[{"containerName":"web","operator":"remove","value":["--a"]}]}`,
	} {
		f.Add(seed, uint8(0))
	}
	templates := []string{webYAML, configYAML, widgetYAML}
	f.Fuzz(func(t *testing.T, overriders string, which uint8) {
		policy := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p"}}
		policy.Spec.OverrideRules = make([]v1alpha1.OverrideRule, 1)
		if json.Unmarshal([]byte(overriders), &policy.Spec.OverrideRules[0].Overriders) != nil {
			t.Skip("no overriders")
		}
		before := policy.DeepCopy()
		compiled, compileErr := Compile(policy)
		obj := read(t, templates[int(which)%len(templates)])
		identity := identityOf(obj)
		applied, err := Apply(obj, europe(), []*Policy{compiled}, nil)
		if compileErr != nil && err == nil {
			t.Errorf("Apply() accepts what Compile() refuses: %v", compileErr)
		}
		if err == nil && (identityOf(obj) != identity || len(applied) != 1) {
			t.Errorf("Apply() made %v of %v", identityOf(obj), identity)
		}
		if diff := cmp.Diff(before, policy); diff != "" {
			t.Errorf("the policy was changed:\n%s", diff)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	compiled, err := Compile(policyOf(b, `
imageOverrider: [{component: Registry, operator: replace, value: "${cluster.region}.example.com"}]
labelsOverrider: [{operator: add, value: {tier: gold}}]
plaintext: [{path: /spec/replicas, operator: replace, value: 7}]`))
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

func TestCopiesThatDoubleAnObjectAreBounded(t *testing.T) {
	operations := make([]string, 40)
	for i := range operations {
		operations[i] = fmt.Sprintf("{op: copy, from: /data, path: /data/a%d}", i)
	}
	compiled, err := Compile(policyOf(t, `patches: [{patch: "[`+strings.Join(operations, ", ")+`]"}]`))
	if err != nil {
		t.Fatalf("Compile(): %v", err)
	}
	if _, err := Apply(read(t, configYAML), europe(), []*Policy{compiled}, nil); err == nil || !strings.Contains(err.Error(), "copy") {
		t.Errorf("Apply() = %v, want the copies refused", err)
	}
}
