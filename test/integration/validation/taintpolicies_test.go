package validation

import (
	"os"
	"testing"
)

// fullTaintPolicy sets every field, in the way that users of the field names know.
const fullTaintPolicy = `
apiVersion: flotilla.dev/v1alpha1
kind: ClusterTaintPolicy
metadata: {name: full}
spec:
  targetClusters:
    clusterNames: [member1]
    fieldSelector: {matchExpressions: [{key: region, operator: In, values: [eu]}]}
    exclude: [member2]
  addOnConditions:
  - {conditionType: Ready, operator: NotIn, statusValues: ["True"]}
  - {conditionType: example.com/DNSWorks, operator: In, statusValues: ["False", Unknown]}
  removeOnConditions:
  - {conditionType: Ready, operator: In, statusValues: ["True"]}
  taints:
  - {key: example.com/dns, value: failed, effect: NoSchedule}
  - {key: example.com/dns, effect: NoExecute}
`

func TestTaintPoliciesAreStoredAsTheyWereWritten(t *testing.T) {
	sample, err := os.ReadFile("../../../config/samples/clustertaintpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	storedAsWritten(t, map[string]string{"every field": fullTaintPolicy, "the sample": string(sample)})
}

func TestTaintPoliciesThatMakeNoSenseAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ old, replacement, message string }{
		"no taints": {
			"  taints:\n  - {key: example.com/dns, value: failed, effect: NoSchedule}\n  - {key: example.com/dns, effect: NoExecute}\n", "  taints: []\n",
			"spec.taints: Invalid value: 0: spec.taints in body should have at least 1 items",
		},
		"the same taint twice": {
			"{key: example.com/dns, effect: NoExecute}", "{key: example.com/dns, effect: NoSchedule}",
			`spec.taints[1]: Duplicate value: {"effect":"NoSchedule","key":"example.com/dns"}`,
		},
		"an effect of nodes": {
			"{key: example.com/dns, effect: NoExecute}", "{key: example.com/dns, effect: PreferNoSchedule}",
			`spec.taints[1].effect: Unsupported value: "PreferNoSchedule": supported values: "NoSchedule", "NoExecute"`,
		},
		"a key of Flotilla's own": {
			"{key: example.com/dns, effect: NoExecute}", "{key: cluster.flotilla.dev/unreachable, effect: NoExecute}",
			"keys that begin with cluster.flotilla.dev/ are Flotilla's own",
		},
		"a key that is none": {
			"{key: example.com/dns, effect: NoExecute}", "{key: a/b/c, effect: NoExecute}", "key must be a label key",
		},
		"a value that is none": {
			"value: failed", `value: "-"`, "value must be a label value",
		},
		"a condition of no type": {"conditionType: example.com/DNSWorks", `conditionType: ""`, "spec.addOnConditions[1].conditionType"},
		"an unknown operator": {
			"conditionType: Ready, operator: NotIn", "conditionType: Ready, operator: Exists",
			`spec.addOnConditions[0].operator: Unsupported value: "Exists": supported values: "In", "NotIn"`,
		},
		"a status of no condition": {`["False", Unknown]`, "[Maybe]", `Unsupported value: "Maybe": supported values: "True", "False", "Unknown"`},
		"a condition of no status": {`["False", Unknown]`, "[]", "should have at least 1 items"},
		"a field of another name":  {"addOnConditions:", "addConditions:", `unknown field "spec.addConditions"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := create(t, edit(t, fullTaintPolicy, tc.old, tc.replacement))
			wantRefused(t, err, tc.message)
		})
	}
}
