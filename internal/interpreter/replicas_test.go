package interpreter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestReplicas(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest string
		want     *int32
	}{
		"of a Deployment are its replicas":              {`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 4}}`, ptr.To[int32](4)},
		"of a Deployment that says none is one":         {`{apiVersion: apps/v1, kind: Deployment, spec: {}}`, ptr.To[int32](1)},
		"of a StatefulSet may be zero":                  {`{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 0}}`, ptr.To[int32](0)},
		"of a ReplicaSet are its replicas":              {`{apiVersion: apps/v1, kind: ReplicaSet, spec: {replicas: 2}}`, ptr.To[int32](2)},
		"of a Job are its parallelism":                  {`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 3}}`, ptr.To[int32](3)},
		"of a Job are never more than its completions":  {`{apiVersion: batch/v1, kind: Job, spec: {parallelism: 8, completions: 5}}`, ptr.To[int32](5)},
		"of a Job that says nothing is one":             {`{apiVersion: batch/v1, kind: Job, spec: {completions: 5}}`, ptr.To[int32](1)},
		"of a DaemonSet do not exist":                   {`{apiVersion: apps/v1, kind: DaemonSet, spec: {}}`, nil},
		"of a Pod do not exist":                         {`{apiVersion: v1, kind: Pod, spec: {}}`, nil},
		"of a Deployment of another group do not exist": {`{apiVersion: example.com/v1, kind: Deployment, spec: {replicas: 4}}`, nil},
		"that no API server would take are bounded":     {`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 99999999999}}`, ptr.To[int32](1<<31 - 1)},
		"of a broken spec are the default":              {`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: many}}`, ptr.To[int32](1)},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := New().Replicas(object(t, tc.manifest))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("replicas (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequirements(t *testing.T) {
	for name, tc := range map[string]struct {
		podSpec string
		want    *v1alpha1.ReplicaRequirements
	}{
		"add up containers and sidecars": {
			`{containers: [{name: a, resources: {requests: {cpu: 100m, memory: 1Gi}}}, {name: b, resources: {requests: {cpu: 50m}}}], initContainers: [{name: s, restartPolicy: Always, resources: {requests: {cpu: 10m}}}]}`,
			&v1alpha1.ReplicaRequirements{Namespace: "shop", ResourceRequest: list("cpu", "160m", "memory", "1Gi")},
		},
		"are those of an init container that needs more, and the overhead": {
			`{containers: [{name: a, resources: {requests: {cpu: 100m}}}], initContainers: [{name: i, resources: {requests: {cpu: "2"}}}], overhead: {cpu: 5m}}`,
			&v1alpha1.ReplicaRequirements{Namespace: "shop", ResourceRequest: list("cpu", "2005m")},
		},
		"take a limit for a request only once the API server has": {
			`{containers: [{name: a, resources: {limits: {cpu: 100m}}}]}`,
			&v1alpha1.ReplicaRequirements{Namespace: "shop"},
		},
		"say which nodes will do": {
			`{priorityClassName: high, nodeSelector: {disk: ssd}, tolerations: [{key: gpu, operator: Exists}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: arch, operator: Exists}]}]}}}, containers: [{name: a}]}`,
			&v1alpha1.ReplicaRequirements{Namespace: "shop", PriorityClassName: "high", NodeClaim: &v1alpha1.NodeClaim{
				NodeSelector: map[string]string{"disk": "ssd"},
				Tolerations:  []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}},
				HardNodeAffinity: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "arch", Operator: corev1.NodeSelectorOpExists}},
				}}},
			}},
		},
		"of something that is no pod are not known": {`{containers: 3}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, got, err := New().Replicas(object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop}, spec: {template: {spec: `+tc.podSpec+`}}}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("requirements (-want +got):\n%s", diff)
			}
		})
	}
}

func list(pairs ...string) corev1.ResourceList {
	resources := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		resources[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return resources
}
