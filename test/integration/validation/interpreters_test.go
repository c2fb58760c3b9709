package validation

import (
	"testing"
)

// fullInterpreter sets every field of an interpreter, but for those that exclude each other.
const fullInterpreter = `
apiVersion: flotilla.dev/v1alpha1
kind: ResourceInterpreter
metadata: {name: full}
spec:
  target: {apiVersion: example.com/v1, kind: Thing}
  replicas: {path: spec.replicas, defaultValue: 2}
  revise:
  - {path: spec.replicas, write: Replicas}
  - {path: spec.quota, write: Proportion}
  requirements: {podSpecPath: spec.template.spec}
  health: {expression: "object.status.ready"}
  status: {fields: [replicas, nested.phase]}
  aggregation:
    fields:
    - {path: replicas, rule: Replicas}
    - {path: conditions, rule: Conditions, anyOf: [Stalled]}
    - {path: nested.phase, rule: Worst, order: [Failed, Done]}
  dependencies: {expression: "[]"}
`

const expressiveInterpreter = `
apiVersion: flotilla.dev/v1alpha1
kind: ResourceInterpreter
metadata: {name: expressive}
spec:
  target: {apiVersion: "example.com/*", kind: Thing}
  replicas: {expression: object.spec.replicas}
  revise:
  - {path: spec.replicas}
  requirements: {expression: "{'podSpec': object.spec}"}
  aggregation: {expression: "{'all': size(items)}"}
`

const componentInterpreter = `
apiVersion: flotilla.dev/v1alpha1
kind: ResourceInterpreter
metadata: {name: components}
spec:
  target: {apiVersion: v1, kind: Thing}
  components: {expression: "[{'name': 'a'}]"}
`

func TestInterpretersAreStoredAsTheyWereWritten(t *testing.T) {
	storedAsWritten(t, map[string]string{
		"with every field": fullInterpreter, "of expressions": expressiveInterpreter, "of components": componentInterpreter,
	})
}

func TestBadInterpretersAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ document, old, replacement, message string }{
		"a target without a kind":              {fullInterpreter, ", kind: Thing", "", "spec.target.kind: Required value"},
		"a target of no version":               {fullInterpreter, "example.com/v1", "example.com/", "apiVersion must be a version (v1), a group and a version (apps/v1), or a group and * (apps/*)"},
		"replicas by path and expression":      {fullInterpreter, "{path: spec.replicas, defaultValue: 2}", "{path: spec.replicas, expression: object.a}", "set either path or expression"},
		"replicas by neither":                  {fullInterpreter, "{path: spec.replicas, defaultValue: 2}", "{}", "set either path or expression"},
		"a default for an expression":          {expressiveInterpreter, "{expression: object.spec.replicas}", "{expression: object.a, defaultValue: 1}", "defaultValue is for path: an expression has its own default"},
		"an expression without a place":        {expressiveInterpreter, "  revise:\n  - {path: spec.replicas}\n", "", "replicas from an expression need revise, which says where a cluster's share is written"},
		"a share without a number":             {componentInterpreter, "  components:", "  revise: [{path: spec.a}]\n  components:", "revise needs replicas: without a number there is no share of it"},
		"replicas and components":              {componentInterpreter, "  components:", "  replicas: {path: spec.a}\n  components:", "replicas and components exclude each other: a kind has one kind of pod or several"},
		"requirements of nothing":              {componentInterpreter, "  components:", "  requirements: {podSpecPath: spec.a}\n  components:", "requirements are those of one replica, so they need replicas"},
		"a path that is none":                  {fullInterpreter, "{podSpecPath: spec.template.spec}", `{podSpecPath: "spec.template[0]"}`, "spec.requirements.podSpecPath in body should match"},
		"requirements by path and expression":  {fullInterpreter, "{podSpecPath: spec.template.spec}", "{podSpecPath: spec, expression: object.a}", "set either podSpecPath or expression"},
		"a share that is written twice":        {fullInterpreter, "{path: spec.quota, write: Proportion}", "{path: spec.replicas}", "spec.revise[1]: Duplicate value"},
		"an unknown kind of share":             {fullInterpreter, "write: Proportion", "write: Half", `spec.revise[1].write: Unsupported value: "Half"`},
		"an empty expression":                  {fullInterpreter, `"object.status.ready"`, `""`, "spec.health.expression in body should be at least 1 chars long"},
		"aggregation by fields and expression": {expressiveInterpreter, `aggregation: {`, `aggregation: {fields: [{path: a, rule: Sum}], `, "set either fields or expression"},
		"an unknown rule":                      {fullInterpreter, "rule: Replicas}", "rule: Average}", `spec.aggregation.fields[0].rule: Unsupported value: "Average"`},
		"anyOf of numbers":                     {fullInterpreter, "rule: Conditions, anyOf", "rule: Sum, anyOf", "anyOf is for the rule Conditions"},
		"the worst without an order":           {fullInterpreter, ", order: [Failed, Done]", "", "order is for the rule Worst, which needs it"},
		"no field of the status":               {fullInterpreter, "{fields: [replicas, nested.phase]}", "{fields: []}", "spec.status.fields in body should have at least 1 items"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := create(t, edit(t, tc.document, tc.old, tc.replacement))
			wantRefused(t, err, tc.message)
		})
	}
}
