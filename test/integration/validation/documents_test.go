package validation

// fullPolicy sets every field of a policy that can be set together with the others, in the way that users
// of the field names know.
const fullPolicy = `
apiVersion: flotilla.dev/v1alpha1
kind: PropagationPolicy
metadata: {name: full, namespace: default}
spec:
  applyRules: {mode: Always, takeOver: IfSame, driftPolicy: Report, ignoreFields: [{path: /spec/replicas, when: AfterCreation}]}
  resourceSelectors:
  - {apiVersion: apps/v1, kind: Deployment, name: web}
  - apiVersion: v1
    kind: ConfigMap
    namespace: default
    labelSelector: {matchLabels: {app: web}}
  propagateDeps: true
  placement:
    clusterAffinity:
      labelSelector: {matchExpressions: [{key: tier, operator: In, values: [gold]}]}
      fieldSelector: {matchExpressions: [{key: provider, operator: NotIn, values: [acme]}]}
      clusterNames: [member1, member2]
      exclude: [member3]
    clusterTolerations: [{key: maintenance, operator: Exists, effect: NoExecute, tolerationSeconds: 30}]
    spreadConstraints:
    - {spreadByField: region, minGroups: 1, maxGroups: 2}
    - {spreadByField: cluster, minGroups: 2, maxGroups: 4}
    replicaScheduling:
      replicaSchedulingType: Divided
      replicaDivisionPreference: Weighted
      weightPreference:
        staticWeightList:
        - {targetCluster: {clusterNames: [member1]}, weight: 2}
        - {targetCluster: {clusterNames: [member2]}, weight: 1}
      replicaBounds:
      - {targetCluster: {clusterNames: [member1]}, minReplicas: 1, maxReplicas: 5}
      - {targetCluster: {labelSelector: {matchLabels: {tier: gold}}}, maxReplicas: 0}
    failback: {stabilizationSeconds: 60}
    workloadAffinity:
      affinity: {groupByLabelKey: example.com/together}
      antiAffinity: {groupByLabelKey: example.com/apart}
  priority: 10
  preemption: Always
  dependentOverrides: [images]
  schedulerName: default-scheduler
  failover:
    application:
      decisionConditions: {tolerationSeconds: 60}
      purgeMode: Gracefully
      gracePeriodSeconds: 600
      coolDownSeconds: 120
      statePreservation: {rules: [{aliasLabelName: example.com/checkpoint, jsonPath: "{.checkpoint}"}]}
    cluster:
      purgeMode: Directly
      statePreservation: {rules: [{aliasLabelName: example.com/checkpoint, jsonPath: "{.checkpoint}"}]}
  conflictResolution: Overwrite
  activationPreference: Lazy
  suspension: {dispatchingOnClusters: {clusterNames: [member1]}}
  preserveResourcesOnDeletion: true
  schedulePriority: {priorityClassSource: KubePriorityClass, priorityClassName: high}
`

// overflowPolicy uses affinity groups with overflow tiers instead of one affinity.
const overflowPolicy = `
apiVersion: flotilla.dev/v1alpha1
kind: ClusterPropagationPolicy
metadata: {name: overflow}
spec:
  resourceSelectors:
  - {apiVersion: apps/v1, kind: Deployment, namespace: shop}
  placement:
    clusterAffinities:
    - affinityName: own
      clusterNames: [member1]
      overflowAffinities:
      - {affinityName: cloud, labelSelector: {matchLabels: {kind: cloud}}}
    - affinityName: backup
      clusterNames: [member2]
    replicaScheduling:
      replicaSchedulingType: Divided
      replicaDivisionPreference: Weighted
      weightPreference: {dynamicWeight: AvailableReplicas}
`

const smallPolicy = `
apiVersion: flotilla.dev/v1alpha1
kind: PropagationPolicy
metadata: {name: small, namespace: default}
spec:
  resourceSelectors:
  - {apiVersion: apps/v1, kind: Deployment}
`

const fullCluster = `
apiVersion: flotilla.dev/v1alpha1
kind: Cluster
metadata: {name: member1}
spec:
  id: 7d7b9a3e
  syncMode: Push
  apiEndpoint: https://192.0.2.1:6443
  secretRef: {name: credentials}
  insecureSkipTLSVerification: true
  proxyURL: socks5://192.0.2.2:1080
  proxyHeader: {X-Tenant: blue}
  provider: acme
  region: eu-west
  zones: [a, b]
  taints: [{key: maintenance, value: "true", effect: NoExecute}, {key: maintenance, effect: NoSchedule}]
  resourceModels: [{grade: 1, ranges: [{name: cpu, min: "1", max: "2"}]}]
  deletionPolicy: Keep
`

const fullBinding = `
apiVersion: flotilla.dev/v1alpha1
kind: ResourceBinding
metadata: {name: web-deployment-1, namespace: default}
spec:
  resource: {apiVersion: apps/v1, kind: Deployment, namespace: default, name: web, uid: u}
  policy: {kind: PropagationPolicy, namespace: default, name: full, reason: names it}
  replicas: 3
  clusters: [{name: member1, replicas: 2}, {name: member2, replicas: 1}]
  gracefulEvictionTasks:
  - {fromCluster: member3, purgeMode: Gracefully, reason: TaintUntolerated, producer: taint-manager, gracePeriodSeconds: 600}
`

const fullRebalancer = `
apiVersion: flotilla.dev/v1alpha1
kind: WorkloadRebalancer
metadata: {name: anew}
spec:
  workloads: [{apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}]
  selector: {apiVersion: apps/v1, kind: Deployment, namespaces: [shop], labelSelector: {matchLabels: {app: web}}}
  ttlSecondsAfterFinished: 600
`
