package validation

import (
	"testing"
)

// fullOverride sets every field of an override policy, in the way that users of the field names know.
const fullOverride = `
apiVersion: flotilla.dev/v1alpha1
kind: OverridePolicy
metadata: {name: full, namespace: default}
spec:
  resourceSelectors:
  - {apiVersion: apps/v1, kind: Deployment, name: web}
  - apiVersion: v1
    kind: ConfigMap
    labelSelector: {matchLabels: {app: web}}
  overrideRules:
  - targetCluster:
      clusterNames: [member1]
      fieldSelector: {matchExpressions: [{key: region, operator: In, values: [eu]}]}
    overriders:
      imageOverrider:
      - {component: Registry, operator: replace, value: "${cluster.labels[registry]}"}
      - {predicate: {path: /spec/template/spec/containers/0/image}, component: Tag, operator: remove}
      commandOverrider:
      - {containerName: main, operator: add, value: [--verbose]}
      argsOverrider:
      - {containerName: main, operator: remove, value: [--quiet]}
      labelsOverrider:
      - {operator: replace, value: {tier: gold}}
      annotationsOverrider:
      - {operator: add, value: {example.com/region: "${cluster.region}"}}
      fieldOverrider:
      - fieldPath: /data/config.json
        json:
        - {subPath: /servers/0, operator: replace, value: {port: 80, tags: [a, b]}}
      - fieldPath: /data/config.yaml
        yaml:
        - {subPath: /debug, operator: remove}
      patches:
      - target:
          {group: apps, version: v1, kind: Deployment, name: web, labelSelector: {matchLabels: {app: web}}}
        patch: |
          spec: {minReadySeconds: 5}
      plaintext:
      - {path: /spec/replicas, operator: replace, value: 3}
      - {path: /metadata/annotations/example.com~1owner, operator: remove}
  - overriders:
      plaintext:
      - {path: /spec/paused, operator: add, value: false}
`

const smallOverride = `
apiVersion: flotilla.dev/v1alpha1
kind: ClusterOverridePolicy
metadata: {name: small}
spec:
  overrideRules:
  - overriders:
      labelsOverrider: [{operator: add, value: {tier: gold}}]
`

func TestOverridePoliciesAreStoredAsTheyWereWritten(t *testing.T) {
	storedAsWritten(t, map[string]string{
		"every field":                         fullOverride,
		"every field, for all namespaces":     edit(t, edit(t, fullOverride, "kind: OverridePolicy", "kind: ClusterOverridePolicy"), ", namespace: default", ""),
		"every template, labels in every one": smallOverride,
	})
}

func TestABadOverridePolicyIsRefusedWithAMessageThatNamesTheField(t *testing.T) {
	tests := map[string]struct {
		document         string
		old, replacement string
		message          string
	}{
		"no rules": {
			smallOverride, "\n  - overriders:\n      labelsOverrider: [{operator: add, value: {tier: gold}}]", " []",
			"spec.overrideRules in body should have at least 1 items",
		},
		"a rule without overriders": {
			smallOverride, "  - overriders:\n      labelsOverrider: [{operator: add, value: {tier: gold}}]", "  - {targetCluster: {clusterNames: [member1]}}",
			"spec.overrideRules[0].overriders: Required value",
		},
		"overriders that override nothing": {
			smallOverride, "\n      labelsOverrider: [{operator: add, value: {tier: gold}}]", " {}",
			"spec.overrideRules[0].overriders in body should have at least 1 properties",
		},
		"the peer's deprecated form": {
			smallOverride, "spec:\n", "spec:\n  targetCluster: {}\n", `unknown field "spec.targetCluster"`,
		},
		"an unknown part of an image": {
			fullOverride, "component: Registry", "component: Host",
			`imageOverrider[0].component: Unsupported value: "Host": supported values: "Registry", "Repository", "Tag", "Digest"`,
		},
		"an image without a value": {
			fullOverride, `operator: replace, value: "${cluster.labels[registry]}"`, "operator: replace",
			"imageOverrider[0]: Invalid value: value is required for add and replace, and must be left out for remove",
		},
		"a removed part of an image with a value": {
			fullOverride, "component: Tag, operator: remove", "component: Tag, operator: remove, value: v1",
			"imageOverrider[1]: Invalid value: value is required for add and replace, and must be left out for remove",
		},
		"an image without a repository": {
			fullOverride, "component: Tag, operator: remove", "component: Repository, operator: remove",
			"imageOverrider[1]: Invalid value: component Repository cannot be removed: an image has no name without it",
		},
		"an image at what is no pointer": {
			fullOverride, "path: /spec/template/spec/containers/0/image", "path: \"spec.template.spec.containers[0].image\"",
			"imageOverrider[1].predicate.path in body should match",
		},
		"an unknown operator": {
			fullOverride, "{containerName: main, operator: add,", "{containerName: main, operator: append,",
			`commandOverrider[0].operator: Unsupported value: "append": supported values: "add", "remove", "replace"`,
		},
		"a replaced command": {
			fullOverride, "{containerName: main, operator: add,", "{containerName: main, operator: replace,",
			"commandOverrider[0]: Invalid value: operator must be add or remove",
		},
		"args of no container": {
			fullOverride, "{containerName: main, operator: remove,", "{operator: remove,", "argsOverrider[0].containerName: Required value",
		},
		"args without words": {
			fullOverride, "[--quiet]", "[]", "argsOverrider[0].value in body should have at least 1 items",
		},
		"no labels": {
			fullOverride, "{tier: gold}", "{}", "labelsOverrider[0].value in body should have at least 1 properties",
		},
		"a label that is a number": {
			fullOverride, "{tier: gold}", "{tier: 1}", "labelsOverrider[0].value.tier: Invalid value",
		},
		"a document in both formats": {
			fullOverride, "\n      - fieldPath: /data/config.yaml", "",
			"fieldOverrider[0]: Invalid value: give either json or yaml operations",
		},
		"a document in no format": {
			fullOverride, "\n        yaml:\n        - {subPath: /debug, operator: remove}", "",
			"fieldOverrider[1]: Invalid value: give either json or yaml operations",
		},
		"a document without operations": {
			fullOverride, "\n        - {subPath: /debug, operator: remove}", " []", "fieldOverrider[1].yaml in body should have at least 1 items",
		},
		"a document at what is no pointer": {
			fullOverride, "/data/config.json", "data/config.json", "fieldOverrider[0].fieldPath in body should match",
		},
		"a place in a document that is no pointer": {
			fullOverride, "subPath: /servers/0", "subPath: servers.0", "fieldOverrider[0].json[0].subPath in body should match",
		},
		"an empty patch": {
			fullOverride, "patch: |\n          spec: {minReadySeconds: 5}", `patch: ""`, "patches[0].patch in body should be at least 1 chars long",
		},
		"a pointer without a slash": {
			fullOverride, "path: /spec/paused", "path: spec/paused", "spec.overrideRules[1].overriders.plaintext[0].path in body should match",
		},
		"a pointer with a wrong escape": {
			fullOverride, "example.com~1owner", "example.com~2owner", "plaintext[1].path in body should match",
		},
		"a cluster by an unknown field": {
			fullOverride, "key: region", "key: country",
			`targetCluster.fieldSelector.matchExpressions[0].key: Unsupported value: "country": supported values: "provider", "region", "zone"`,
		},
		"a selector without a kind": {
			fullOverride, ", kind: Deployment, name: web}\n  - apiVersion", ", name: web}\n  - apiVersion", "spec.resourceSelectors[0].kind: Required value",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := create(t, edit(t, tc.document, tc.old, tc.replacement))
			wantRefused(t, err, tc.message)
		})
	}
}
