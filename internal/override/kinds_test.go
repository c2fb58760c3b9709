package override

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kindsWithPods are manifests around a pods' spec, in flow style.
var kindsWithPods = map[string]string{
	"Pod":                   `{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: shop}, spec: PODS}`,
	"PodTemplate":           `{apiVersion: v1, kind: PodTemplate, metadata: {name: x, namespace: shop}, template: {spec: PODS}}`,
	"ReplicationController": `{apiVersion: v1, kind: ReplicationController, metadata: {name: x, namespace: shop}, spec: {template: {spec: PODS}}}`,
	"Deployment":            `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, namespace: shop}, spec: {template: {spec: PODS}}}`,
	"ReplicaSet":            `{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: x, namespace: shop}, spec: {template: {spec: PODS}}}`,
	"StatefulSet":           `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: x, namespace: shop}, spec: {template: {spec: PODS}}}`,
	"DaemonSet":             `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: x, namespace: shop}, spec: {template: {spec: PODS}}}`,
	"Job":                   `{apiVersion: batch/v1, kind: Job, metadata: {name: x, namespace: shop}, spec: {template: {spec: PODS}}}`,
	"CronJob":               `{apiVersion: batch/v1, kind: CronJob, metadata: {name: x, namespace: shop}, spec: {jobTemplate: {spec: {template: {spec: PODS}}}}}`,
	"a custom kind":         `{apiVersion: example.com/v1, kind: Rollout, metadata: {name: x, namespace: shop}, spec: {template: {spec: PODS}}}`,
}

func around(manifest, pods string) string { return strings.Replace(manifest, "PODS", pods, 1) }

const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestWhatAnOverriderChangesInPodsItChangesInEveryKind(t *testing.T) {
	// Containers without an image have it from an admission webhook in the member.
	const every = `{initContainers: [{name: i, image: IMAGE}], containers: [{name: c, image: IMAGE}, {name: injected}], ephemeralContainers: [{name: e, image: IMAGE}]}`
	images := func(image string) string { return strings.ReplaceAll(every, "IMAGE", `"`+image+`"`) }
	const words = `{initContainers: [{name: i, image: a}], containers: [{name: other, image: a, command: [x], args: [last]}, {name: c, image: a, command: [run, --a, --b, --a]}]}`
	for name, tc := range map[string]struct{ overriders, before, after string }{
		"a registry where there is none":         {`imageOverrider: [{component: Registry, operator: replace, value: eu.example.com}]`, images("team/web:v1"), images("eu.example.com/team/web:v1")},
		"another registry":                       {`imageOverrider: [{component: Registry, operator: replace, value: "eu.example.com:5000"}]`, images("localhost/web:v1"), images("eu.example.com:5000/web:v1")},
		"a longer registry":                      {`imageOverrider: [{component: Registry, operator: add, value: ".cn"}]`, images("example.com/web:v1"), images("example.com.cn/web:v1")},
		"no registry":                            {`imageOverrider: [{component: Registry, operator: remove}]`, images("example.com:5000/team/web"), images("team/web")},
		"no registry where there is none":        {`imageOverrider: [{component: Registry, operator: remove}]`, images("team/web:v1"), images("team/web:v1")},
		"another repository":                     {`imageOverrider: [{component: Repository, operator: replace, value: eu/web}]`, images("example.com/team/web:v1"), images("example.com/eu/web:v1")},
		"a longer repository":                    {`imageOverrider: [{component: Repository, operator: add, value: "-${cluster.region}"}]`, images("web:v1"), images("web-eu:v1")},
		"another tag":                            {`imageOverrider: [{component: Tag, operator: replace, value: v2}]`, images("example.com:5000/web:v1"), images("example.com:5000/web:v2")},
		"a tag where there is none":              {`imageOverrider: [{component: Tag, operator: add, value: v2}]`, images("web"), images("web:v2")},
		"a longer tag":                           {`imageOverrider: [{component: Tag, operator: add, value: -slim}]`, images("web:v1"), images("web:v1-slim")},
		"no tag":                                 {`imageOverrider: [{component: Tag, operator: remove}]`, images("web:v1"), images("web")},
		"a tag instead of a digest":              {`imageOverrider: [{component: Tag, operator: replace, value: v2}]`, images("web@" + digest), images("web:v2")},
		"a digest":                               {`imageOverrider: [{component: Digest, operator: replace, value: "` + digest + `"}]`, images("web:v1"), images("web:v1@" + digest)},
		"no digest":                              {`imageOverrider: [{component: Digest, operator: remove}]`, images("web:v1@" + digest), images("web:v1")},
		"two parts, one after the other":         {`imageOverrider: [{component: Registry, operator: replace, value: example.com}, {component: Tag, operator: replace, value: "${cluster.name}"}]`, images("web"), images("example.com/web:eu1")},
		"words of a command are added":           {`commandOverrider: [{containerName: c, operator: add, value: [--cluster, "${cluster.name}"]}]`, words, strings.Replace(words, "--b, --a]", "--b, --a, --cluster, eu1]", 1)},
		"words of a command are taken away":      {`commandOverrider: [{containerName: c, operator: remove, value: [--a, --none]}]`, words, strings.Replace(words, "[run, --a, --b, --a]", "[run, --b]", 1)},
		"args are made":                          {`argsOverrider: [{containerName: c, operator: add, value: [--z]}]`, words, strings.Replace(words, "--b, --a]", "--b, --a], args: [--z]", 1)},
		"the last args are taken away":           {`argsOverrider: [{containerName: other, operator: remove, value: [last]}]`, words, strings.Replace(words, ", args: [last]", "", 1)},
		"words of an init container's are added": {`argsOverrider: [{containerName: i, operator: add, value: [--z]}]`, words, strings.Replace(words, "{name: i, image: a}", "{name: i, image: a, args: [--z]}", 1)},
	} {
		for kind, manifest := range kindsWithPods {
			t.Run(name+" in "+kind, func(t *testing.T) {
				wantApplied(t, tc.overriders, around(manifest, tc.before), around(manifest, tc.after))
			})
		}
	}
}

// A strategic merge patch is a part of the object, so the manifest around a part of the pods is one.
func TestAMergeFollowsTheKeysOfListsInEveryKindOfKubernetes(t *testing.T) {
	const before = `{initContainers: [{name: i, image: a}], containers: [{name: c, image: a, env: [{name: A, value: "1"}], ports: [{containerPort: 80, name: web}]}, {name: d, image: b}], volumes: [{name: v, emptyDir: {}}], tolerations: [{key: old, operator: Exists}]}`
	for name, tc := range map[string]struct{ patch, after string }{
		"an element is changed where it is": {
			`{containers: [{name: d, image: "b:${cluster.name}"}]}`, strings.Replace(before, "{name: d, image: b}", `{name: d, image: "b:eu1"}`, 1),
		},
		"what is below an element is merged too": {
			`{containers: [{name: c, env: [{name: A, value: "2"}, {name: B, value: "3"}]}]}`,
			strings.Replace(before, `[{name: A, value: "1"}]`, `[{name: A, value: "2"}, {name: B, value: "3"}]`, 1),
		},
		"an element is deleted": {
			`{containers: [{name: d, $patch: delete}]}`, strings.Replace(before, ", {name: d, image: b}", "", 1),
		},
		"another source replaces that of a volume": {
			`{volumes: [{name: v, emptyDir: null, configMap: {name: conf}}]}`, strings.Replace(before, "emptyDir: {}", "configMap: {name: conf}", 1),
		},
		"a list without a key is replaced": {
			`{tolerations: [{key: new, operator: Exists}]}`, strings.Replace(before, "key: old", "key: new", 1),
		},
		"a list is replaced on demand": {
			`{initContainers: [{$patch: replace}, {name: j, image: z}]}`, strings.Replace(before, "{name: i, image: a}", "{name: j, image: z}", 1),
		},
		"a field is taken away": {`{volumes: null}`, strings.Replace(before, ", volumes: [{name: v, emptyDir: {}}]", "", 1)},
	} {
		for kind, manifest := range kindsWithPods {
			if kind == "a custom kind" {
				continue
			}
			t.Run(name+" in "+kind, func(t *testing.T) {
				wantApplied(t, "patches:\n- patch: |\n    "+around(manifest, tc.patch), around(manifest, before), around(manifest, tc.after))
			})
		}
	}
}

func TestAMergeFollowsTheListsOfOtherKinds(t *testing.T) {
	for name, tc := range map[string]struct{ before, patch, after string }{
		"the ports of a Service have a key": {
			`{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: 80, name: web}, {port: 443, name: tls}]}}`,
			`spec: {ports: [{port: 443, targetPort: 8443}]}`,
			`{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: 80, name: web}, {port: 443, name: tls, targetPort: 8443}]}}`,
		},
		"the secrets of a ServiceAccount have a key, its pull secrets have none": {
			`{apiVersion: v1, kind: ServiceAccount, metadata: {name: x}, secrets: [{name: a}, {name: b}], imagePullSecrets: [{name: a}, {name: b}]}`,
			`{secrets: [{name: a, $patch: delete}], imagePullSecrets: [{name: c}]}`,
			`{apiVersion: v1, kind: ServiceAccount, metadata: {name: x}, secrets: [{name: b}], imagePullSecrets: [{name: c}]}`,
		},
		"the data of a ConfigMap": {
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: "1", b: "2"}}`, `data: {b: "${cluster.region}", c: "3"}`,
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: "1", b: eu, c: "3"}}`,
		},
		"the rules of an Ingress have no key": {
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: x}, spec: {rules: [{host: a}, {host: b}]}}`,
			`spec: {rules: [{host: "${cluster.name}.example.com"}]}`,
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: x}, spec: {rules: [{host: eu1.example.com}]}}`,
		},
		"the metrics of a HorizontalPodAutoscaler have no key": {
			`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: x}, spec: {maxReplicas: 9, metrics: [{type: Resource}]}}`,
			`spec: {metrics: [{type: Pods}]}`,
			`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: x}, spec: {maxReplicas: 9, metrics: [{type: Pods}]}}`,
		},
		"the labels of a Role": {
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: x}, rules: [{verbs: [get]}, {verbs: [list]}]}`, `metadata: {labels: {a: b}}`,
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: x, labels: {a: b}}, rules: [{verbs: [get]}, {verbs: [list]}]}`,
		},
		"the rules of another group's Role have no key": {
			`{apiVersion: example.com/v1, kind: Role, metadata: {name: x}, rules: [{verbs: [get]}, {verbs: [list]}]}`, `rules: [{verbs: [watch]}]`,
			`{apiVersion: example.com/v1, kind: Role, metadata: {name: x}, rules: [{verbs: [watch]}]}`,
		},
		"a PodDisruptionBudget": {
			`{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}, spec: {minAvailable: 1}}`, `spec: {minAvailable: null, maxUnavailable: 50%}`,
			`{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}, spec: {maxUnavailable: 50%}}`,
		},
		"a list of a custom kind, also one that looks like containers": {
			`{apiVersion: example.com/v1, kind: Rollout, metadata: {name: x}, spec: {template: {spec: {containers: [{name: c, image: a}, {name: d, image: b}]}}}}`,
			`spec: {template: {spec: {containers: [{name: d, image: z}]}}}`,
			`{apiVersion: example.com/v1, kind: Rollout, metadata: {name: x}, spec: {template: {spec: {containers: [{name: d, image: z}]}}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantApplied(t, "patches:\n- patch: |\n    "+tc.patch, tc.before, tc.after)
		})
	}
}

// wantApplied applies overriders for europe.
func wantApplied(t *testing.T, overriders, before, after string) {
	t.Helper()
	compiled, err := Compile(policyOf(t, overriders))
	if err != nil {
		t.Fatalf("Compile(): %v", err)
	}
	got := read(t, before)
	if _, err := Apply(got, europe(), []*Policy{compiled}, nil); err != nil {
		t.Fatalf("Apply(): %v", err)
	}
	if diff := cmp.Diff(read(t, after), got); diff != "" {
		t.Errorf("Apply() (-want +got):\n%s", diff)
	}
}
