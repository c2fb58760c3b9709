package validation

import "testing"

// Each case breaks a good document in one place, and names the words that tell the user what to do.
func TestBadInputIsRefusedWithAMessageThatNamesTheField(t *testing.T) {
	tests := map[string]struct {
		document         string
		old, replacement string
		message          string
	}{
		"a capacity of nowhere": {
			fullCluster, "  resourceModels:", "  capacity: pods\n  resourceModels:", `spec.capacity: Unsupported value: "pods": supported values: "nodes", "summary", "none"`,
		},
		"two sizes of node of the same grade": {
			fullCluster, `max: "2"}]}`, `max: "2"}]}, {grade: 1, ranges: [{name: cpu, min: "2", max: "4"}]}`, "spec.resourceModels[1]: Duplicate value",
		},
		"a size of node that speaks of another resource": {
			fullCluster, `max: "2"}]}`, `max: "2"}]}, {grade: 2, ranges: [{name: memory, min: "2", max: "4"}]}`,
			"spec.resourceModels: Invalid value: every grade must have a range for the same resources as the first",
		},
		"a size of node that leaves a resource out": {
			fullCluster, `max: "2"}]}`, `max: "2"}, {name: memory, min: "0", max: "4"}]}, {grade: 2, ranges: [{name: cpu, min: "2", max: "4"}]}`,
			"spec.resourceModels: Invalid value: every grade must have a range for the same resources as the first",
		},
		"a size of node that bounds a resource twice": {
			fullCluster, `max: "2"}]}`, `max: "2"}, {name: cpu, min: "2", max: "4"}]}`, "spec.resourceModels[0].ranges[1]: Duplicate value",
		},
		"a policy without selectors": {
			smallPolicy, "\n  - {apiVersion: apps/v1, kind: Deployment}", " []",
			"spec.resourceSelectors: Invalid value: 0: spec.resourceSelectors in body should have at least 1 items",
		},
		"a policy without the field of selectors": {
			smallPolicy, "  resourceSelectors:\n  - {apiVersion: apps/v1, kind: Deployment}", "  priority: 1",
			"spec.resourceSelectors: Required value",
		},
		"a selector without a kind": {
			smallPolicy, ", kind: Deployment", "", "spec.resourceSelectors[0].kind: Required value",
		},
		"a selector without an apiVersion": {
			smallPolicy, "apiVersion: apps/v1, ", "", "spec.resourceSelectors[0].apiVersion: Required value",
		},
		"a selector of another namespace": {
			fullPolicy, "    namespace: default", "    namespace: elsewhere",
			`spec.resourceSelectors: namespace "elsewhere" is not the policy's own namespace "default": leave it out, or use a ClusterPropagationPolicy`,
		},
		"an ignored field that identifies the object": {
			fullPolicy, "path: /spec/replicas", "path: /metadata/name", "applyRules.ignoreFields[0]: Invalid value: path must not be apiVersion, kind, metadata",
		},
		"an ignored field that is one of Flotilla's marks": {
			fullPolicy, "path: /spec/replicas", "path: /metadata/annotations/flotilla.dev~1hash", "path must not be one of Flotilla's own marks",
		},
		"an ignored field that is no pointer": {
			fullPolicy, "path: /spec/replicas", "path: spec.replicas", "ignoreFields[0].path in body should match",
		},
		"an unknown way to take over": {
			fullPolicy, "takeOver: IfSame", "takeOver: Sometimes", `takeOver: Unsupported value: "Sometimes": supported values: "Never", "IfSame", "Always"`,
		},
		"both forms of affinity": {
			overflowPolicy, "    clusterAffinities:", "    clusterAffinity: {}\n    clusterAffinities:",
			"spec.placement: Invalid value: clusterAffinity and clusterAffinities exclude each other: remove one of them",
		},
		"no affinity group at all": {
			smallPolicy, "kind: Deployment}", "kind: Deployment}\n  placement: {clusterAffinities: []}",
			"spec.placement.clusterAffinities: Invalid value: 0: spec.placement.clusterAffinities in body should have at least 1 items",
		},
		"two affinity groups of one name": {
			overflowPolicy, "affinityName: backup", "affinityName: own",
			`spec.placement.clusterAffinities[1]: Duplicate value: {"affinityName":"own"}`,
		},
		"an overflow tier with its group's name": {
			overflowPolicy, "affinityName: cloud", "affinityName: own",
			"an overflow affinity must not have the name of its primary group",
		},
		"overflow tiers without a primary group": {
			overflowPolicy, "      clusterNames: [member1]\n", "",
			"overflowAffinities need a primary group: set clusterNames, labelSelector, fieldSelector or exclude beside them",
		},
		"overflow tiers that no division fills": {
			overflowPolicy, "weightPreference: {dynamicWeight: AvailableReplicas}",
			"weightPreference: {staticWeightList: [{targetCluster: {}, weight: 1}]}",
			"overflowAffinities need replicaScheduling Divided with replicaDivisionPreference Aggregated, or Weighted with a dynamicWeight",
		},
		"an affinity by an unknown field": {
			fullPolicy, "key: provider", "key: country",
			`fieldSelector.matchExpressions[0].key: Unsupported value: "country": supported values: "provider", "region", "zone"`,
		},
		"an affinity with an unknown operator": {
			fullPolicy, "operator: NotIn", "operator: Exists",
			`fieldSelector.matchExpressions[0].operator: Unsupported value: "Exists": supported values: "In", "NotIn"`,
		},
		"a weight of zero": {
			fullPolicy, "weight: 2", "weight: 0",
			"staticWeightList[0].weight: Invalid value: 0: spec.placement.replicaScheduling.weightPreference.staticWeightList[0].weight in body should be greater than or equal to 1",
		},
		"a weight beyond the maximum": {
			fullPolicy, "weight: 2", "weight: 1000000001", "should be less than or equal to 1000000000",
		},
		"an empty weight preference": {
			overflowPolicy, "weightPreference: {dynamicWeight: AvailableReplicas}", "weightPreference: {}",
			"set staticWeightList or dynamicWeight, or leave weightPreference out for equal weights",
		},
		"an unknown dynamic weight": {
			overflowPolicy, "dynamicWeight: AvailableReplicas", "dynamicWeight: Load",
			`dynamicWeight: Unsupported value: "Load": supported values: "AvailableReplicas"`,
		},
		"weights without Weighted": {
			fullPolicy, "replicaDivisionPreference: Weighted", "replicaDivisionPreference: Aggregated",
			"spec.placement.replicaScheduling: Invalid value: weightPreference needs replicaDivisionPreference: Weighted",
		},
		"weights without Divided": {
			fullPolicy, "replicaSchedulingType: Divided", "replicaSchedulingType: Duplicated",
			"spec.placement.replicaScheduling: Invalid value: replicaDivisionPreference, weightPreference and replicaBounds need replicaSchedulingType: Divided",
		},
		"bounds without Divided": {
			smallPolicy, "kind: Deployment}", "kind: Deployment}\n  placement: {replicaScheduling: {replicaSchedulingType: Duplicated, replicaBounds: [{targetCluster: {}, minReplicas: 1}]}}",
			"replicaDivisionPreference, weightPreference and replicaBounds need replicaSchedulingType: Divided",
		},
		"a bound that bounds nothing": {
			fullPolicy, ", minReplicas: 1, maxReplicas: 5", "",
			"replicaBounds[0]: Invalid value: set minReplicas, maxReplicas or both",
		},
		"a maximum of replicas below the minimum": {
			fullPolicy, "maxReplicas: 5", "maxReplicas: 0",
			"replicaBounds[0]: Invalid value: maxReplicas must not be smaller than minReplicas",
		},
		"a negative minimum of replicas": {
			fullPolicy, "minReplicas: 1", "minReplicas: -1", "replicaBounds[0].minReplicas in body should be greater than or equal to 0",
		},
		"a maximum of replicas that no number holds": {
			fullPolicy, "maxReplicas: 5", "maxReplicas: 2147483648", "replicaBounds[0].maxReplicas",
		},
		"no bounds at all": {
			smallPolicy, "kind: Deployment}", "kind: Deployment}\n  placement: {replicaScheduling: {replicaBounds: []}}",
			"replicaBounds in body should have at least 1 items",
		},
		"a bound for no cluster in particular": {
			fullPolicy, "{targetCluster: {clusterNames: [member1]}, minReplicas", "{minReplicas",
			"replicaBounds[0].targetCluster: Required value",
		},
		"a return before it was possible": {
			fullPolicy, "stabilizationSeconds: 60", "stabilizationSeconds: -1",
			"failback.stabilizationSeconds in body should be greater than or equal to 0",
		},
		"a return after more than a week": {
			fullPolicy, "stabilizationSeconds: 60", "stabilizationSeconds: 604801",
			"failback.stabilizationSeconds in body should be less than or equal to 604800",
		},
		"workloads neither together nor apart": {
			smallPolicy, "kind: Deployment}", "kind: Deployment}\n  placement: {workloadAffinity: {}}",
			"spec.placement.workloadAffinity: Invalid value: set affinity, antiAffinity or both",
		},
		"workloads together and apart": {
			fullPolicy, "example.com/together", "example.com/apart",
			"affinity and antiAffinity must not have the same groupByLabelKey: nothing can be together and apart",
		},
		"an unknown source of room": {
			fullCluster, "syncMode: Push", "syncMode: Push\n  capacity: guess",
			`spec.capacity: Unsupported value: "guess": supported values: "nodes", "summary", "none"`,
		},
		"an unknown scheduling type": {
			fullPolicy, "replicaSchedulingType: Divided", "replicaSchedulingType: Copied",
			`spec.placement.replicaScheduling.replicaSchedulingType: Unsupported value: "Copied": supported values: "Duplicated", "Divided"`,
		},
		"a negative minimum of groups": {
			fullPolicy, "minGroups: 2", "minGroups: -1",
			"spec.placement.spreadConstraints[1].minGroups: Invalid value: -1: spec.placement.spreadConstraints[1].minGroups in body should be greater than or equal to 0",
		},
		"a negative maximum of groups": {
			fullPolicy, "maxGroups: 4", "maxGroups: -1",
			"spec.placement.spreadConstraints[1].maxGroups in body should be greater than or equal to 1",
		},
		"a maximum of groups below the minimum": {
			fullPolicy, "maxGroups: 4", "maxGroups: 1",
			"spec.placement.spreadConstraints[1]: Invalid value: maxGroups must not be smaller than minGroups",
		},
		"the same spread twice": {
			fullPolicy, "spreadByField: region", "spreadByField: cluster",
			"spec.placement.spreadConstraints: Invalid value: each field or label may be spread by only once",
		},
		"a spread by regions alone": {
			fullPolicy, "    - {spreadByField: cluster, minGroups: 2, maxGroups: 4}\n", "",
			"spreadConstraints by region, zone or provider also need one with spreadByField: cluster, which bounds the number of clusters",
		},
		"a spread by a field and a label": {
			fullPolicy, "spreadByField: region,", "spreadByField: region, spreadByLabel: rack,",
			"spec.placement.spreadConstraints[0]: Invalid value: spreadByField and spreadByLabel exclude each other: remove one of them",
		},
		"a spread by an unknown field": {
			fullPolicy, "spreadByField: region", "spreadByField: rack",
			`spreadConstraints[0].spreadByField: Unsupported value: "rack": supported values: "cluster", "region", "zone", "provider"`,
		},
		"a toleration with an unknown operator": {
			fullPolicy, "key: maintenance, operator: Exists", "key: maintenance, operator: Gt, value: \"1\"",
			"spec.placement.clusterTolerations: Invalid value: the operator of a cluster toleration must be Exists or Equal",
		},
		"a toleration of everything without Exists": {
			fullPolicy, "{key: maintenance, operator: Exists,", "{operator: Equal,",
			"a cluster toleration without a key tolerates every taint and must have operator: Exists",
		},
		"a toleration with Exists and a value": {
			fullPolicy, "operator: Exists,", "operator: Exists, value: now,",
			"a cluster toleration with operator: Exists must not have a value",
		},
		"a toleration of an unknown effect": {
			fullPolicy, "effect: NoExecute", "effect: Never",
			"the effect of a cluster toleration must be NoSchedule or NoExecute, or be left out for both",
		},
		"a selector with a malformed apiVersion": {
			smallPolicy, "apps/v1", "apps/v1/deployments",
			`spec.resourceSelectors[0].apiVersion: Invalid value: "apps/v1/deployments": apiVersion must be a version (v1) or a group and a version (apps/v1)`,
		},
		"an unknown preemption": {
			fullPolicy, "preemption: Always", "preemption: Sometimes",
			`spec.preemption: Unsupported value: "Sometimes": supported values: "Always", "Never"`,
		},
		"an unknown conflict resolution": {
			fullPolicy, "conflictResolution: Overwrite", "conflictResolution: Merge",
			`spec.conflictResolution: Unsupported value: "Merge": supported values: "Abort", "Overwrite"`,
		},
		"both forms of suspension": {
			fullPolicy, "suspension: {dispatchingOnClusters:", "suspension: {dispatching: true, dispatchingOnClusters:",
			"spec.suspension: Invalid value: dispatching and dispatchingOnClusters exclude each other: remove one of them",
		},
		"a grace period without a graceful purge": {
			fullPolicy, "purgeMode: Gracefully\n      gracePeriodSeconds", "purgeMode: Never\n      gracePeriodSeconds",
			"spec.failover.application: Invalid value: gracePeriodSeconds needs purgeMode: Gracefully",
		},
		"a grace period of zero": {
			fullPolicy, "gracePeriodSeconds: 600", "gracePeriodSeconds: 0",
			"spec.failover.application.gracePeriodSeconds in body should be greater than or equal to 1",
		},
		"an application that never cools down": {
			fullPolicy, "coolDownSeconds: 120", "coolDownSeconds: 59",
			"spec.failover.application.coolDownSeconds in body should be greater than or equal to 60",
		},
		"a cluster failover that never purges": {
			fullPolicy, "purgeMode: Directly", "purgeMode: Never", `spec.failover.cluster.purgeMode: Invalid value: "Never": purgeMode of failover.cluster must be Directly or Gracefully`,
		},
		"a priority class of nowhere": {
			fullPolicy, "priorityClassSource: KubePriorityClass", "priorityClassSource: Pod",
			`spec.schedulePriority.priorityClassSource: Unsupported value: "Pod"`,
		},
		"a cluster with a name that is too long": {
			fullCluster, "name: member1", "name: m2345678901234567890123456789012345678901234567890",
			"the name of a Cluster must not be longer than 48 characters",
		},
		"a cluster with a dot in its name": {
			fullCluster, "name: member1", "name: member.1",
			"the name of a Cluster must be a DNS label: lower case letters, digits and dashes",
		},
		"a cluster that is reached without TLS": {
			fullCluster, "https://192.0.2.1:6443", "http://192.0.2.1:6443",
			`spec.apiEndpoint: Invalid value: "http://192.0.2.1:6443": apiEndpoint must be an https:// URL`,
		},
		"a cluster behind an unknown kind of proxy": {
			fullCluster, "socks5://192.0.2.2:1080", "ftp://192.0.2.2", `spec.proxyURL: Invalid value: "ftp://192.0.2.2": proxyURL must be an http://, https:// or socks5:// URL`,
		},
		"a cluster with an unknown mode": {
			fullCluster, "syncMode: Push", "syncMode: Poll",
			`spec.syncMode: Unsupported value: "Poll": supported values: "Push", "Pull"`,
		},
		"a cluster with the same taint twice": {
			fullCluster, "{key: maintenance, effect: NoSchedule}", "{key: maintenance, effect: NoExecute}",
			`spec.taints[1]: Duplicate value: {"effect":"NoExecute","key":"maintenance"}`,
		},
		"a cluster with a taint that only asks": {
			fullCluster, "effect: NoSchedule", "effect: PreferNoSchedule",
			"spec.taints: Invalid value: the effect of a cluster taint must be NoSchedule or NoExecute",
		},
		"a cluster in a region that cannot be a label": {
			fullCluster, "region: eu-west", "region: eu/west",
			`spec.region: Invalid value: "eu/west": region must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit`,
		},
		"a cluster in a zone that cannot be a label": {
			fullCluster, "zones: [a, b]", "zones: [a, b/c]",
			"spec.zones: Invalid value: each of zones must be a label value",
		},
		"a cluster with a taint without a key": {
			fullCluster, "{key: maintenance, effect: NoSchedule}", "{key: \"\", effect: NoSchedule}",
			"spec.taints: Invalid value: the key of a cluster taint must not be empty",
		},
		"a cluster with an unknown deletion policy": {
			fullCluster, "deletionPolicy: Keep", "deletionPolicy: Forget",
			`spec.deletionPolicy: Unsupported value: "Forget": supported values: "Remove", "Keep"`,
		},
		"an eviction that waits in two ways": {
			fullBinding, "gracePeriodSeconds: 600", "gracePeriodSeconds: 600, suppressDeletion: true",
			"gracePeriodSeconds and suppressDeletion exclude each other: remove one of them",
		},
		"a decision that names a cluster twice": {
			fullBinding, "name: member2, replicas: 1", "name: member1, replicas: 1",
			`spec.clusters[1]: Duplicate value: {"name":"member1"}`,
		},
		"a rebalancer of nothing": {
			fullRebalancer, "  workloads: [{apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}]\n  selector: {apiVersion: apps/v1, kind: Deployment, namespaces: [shop], labelSelector: {matchLabels: {app: web}}}\n", "",
			"spec: Invalid value: name workloads, set selector, or both; an empty selector ({}) selects every template that has a placement",
		},
		"a rebalancer of a template without a name": {
			fullRebalancer, ", name: web}]", "}]", "spec.workloads[0].name: Required value",
		},
		"a rebalancer that ended before it began": {
			fullRebalancer, "ttlSecondsAfterFinished: 600", "ttlSecondsAfterFinished: -1",
			"spec.ttlSecondsAfterFinished in body should be greater than or equal to 0",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := create(t, edit(t, tc.document, tc.old, tc.replacement))
			wantRefused(t, err, tc.message)
		})
	}
}
