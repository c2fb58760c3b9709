package interpreter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// podSpec mentions something in each way that a pod can.
const podSpec = `
serviceAccountName: robot
imagePullSecrets: [{name: pull}]
initContainers:
- {name: init, envFrom: [{configMapRef: {name: init-env}}]}
containers:
- name: web
  env:
  - {name: PLAIN, value: x}
  - {name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}
  - {name: AGAIN, valueFrom: {configMapKeyRef: {name: settings, key: again, optional: true}}}
  - {name: PASSWORD, valueFrom: {secretKeyRef: {name: password, key: p}}}
  - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  envFrom: [{secretRef: {name: secret-env, optional: true}}]
ephemeralContainers:
- {name: debug, envFrom: [{configMapRef: {name: debug-env}}]}
volumes:
- {name: a, configMap: {name: files}}
- {name: b, secret: {secretName: certificates}}
- {name: data, persistentVolumeClaim: {claimName: store}}
- {name: d, emptyDir: {}}
- {name: e, projected: {sources: [{configMap: {name: part}}, {secret: {name: key}}, {serviceAccountToken: {path: t}}]}}
- {name: f, csi: {driver: x, nodePublishSecretRef: {name: csi}}}
- {name: g, azureFile: {secretName: azure, shareName: s}}
- {name: h, cephfs: {monitors: [m], secretRef: {name: ceph}}}
- {name: i, flexVolume: {driver: x, secretRef: {name: flex}}}
- {name: j, iscsi: {targetPortal: p, iqn: q, lun: 0, secretRef: {name: iscsi}}}
- {name: k, rbd: {monitors: [m], image: i, secretRef: {name: rbd}}}
- {name: l, scaleIO: {gateway: g, system: s, secretRef: {name: scale}}}
- {name: m, storageos: {secretRef: {name: os}}}
`

// mentioned is what podSpec mentions, in its order.
var mentioned = []string{
	"v1 ServiceAccount robot", "v1 Secret pull",
	"v1 ConfigMap files", "v1 Secret certificates", "v1 PersistentVolumeClaim store", "v1 ConfigMap part", "v1 Secret key",
	"v1 Secret csi", "v1 Secret azure", "v1 Secret ceph", "v1 Secret flex", "v1 Secret iscsi", "v1 Secret rbd", "v1 Secret scale", "v1 Secret os",
	"v1 ConfigMap init-env", "v1 ConfigMap settings", "v1 Secret password", "v1 Secret secret-env", "v1 ConfigMap debug-env",
}

// at puts lines below a path of fields.
func at(text string, path ...string) string {
	for i := len(path) - 1; i >= 0; i-- {
		text = path[i] + ":\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
	}
	return text
}

func without(list []string, gone string) []string {
	var kept []string
	for _, item := range list {
		if item != gone {
			kept = append(kept, item)
		}
	}
	return kept
}

func TestWhatAnObjectDependsOn(t *testing.T) {
	for name, tc := range map[string]struct {
		kind, body string
		want       []string
	}{
		"Deployment":  {kind: "apps/v1 Deployment", body: at(podSpec, "spec", "template", "spec"), want: mentioned},
		"ReplicaSet":  {kind: "apps/v1 ReplicaSet", body: at(podSpec, "spec", "template", "spec"), want: mentioned},
		"DaemonSet":   {kind: "apps/v1 DaemonSet", body: at(podSpec, "spec", "template", "spec"), want: mentioned},
		"Job":         {kind: "batch/v1 Job", body: at(podSpec, "spec", "template", "spec"), want: mentioned},
		"CronJob":     {kind: "batch/v1 CronJob", body: at(podSpec, "spec", "jobTemplate", "spec", "template", "spec"), want: mentioned},
		"Pod":         {kind: "v1 Pod", body: at(podSpec, "spec"), want: mentioned},
		"StatefulSet": {kind: "apps/v1 StatefulSet", body: at(podSpec, "spec", "template", "spec"), want: mentioned},
		"a StatefulSet makes the claims of its templates itself": {
			kind: "apps/v1 StatefulSet",
			body: at("volumeClaimTemplates: [{metadata: {name: data}}]\n"+at(podSpec, "template", "spec"), "spec"),
			want: without(mentioned, "v1 PersistentVolumeClaim store"),
		},
		"each cluster has a default ServiceAccount": {
			kind: "apps/v1 Deployment", body: "spec: {template: {spec: {serviceAccountName: default, containers: []}}}",
		},
		"ServiceAccount": {
			kind: "v1 ServiceAccount", body: "imagePullSecrets: [{name: pull}]\nsecrets: [{name: mounted}]",
			want: []string{"v1 Secret pull", "v1 Secret mounted"},
		},
		"Ingress": {
			kind: "networking.k8s.io/v1 Ingress", body: "spec: {tls: [{secretName: a}, {hosts: [x]}, {secretName: b}, {secretName: a}]}",
			want: []string{"v1 Secret a", "v1 Secret b"},
		},
		"a kind that nobody taught":        {kind: "example.com/v1 Thing", body: at(podSpec, "spec", "template", "spec")},
		"a ConfigMap":                      {kind: "v1 ConfigMap", body: "data: {}"},
		"a template that is no pod's":      {kind: "apps/v1 Deployment", body: "spec: {template: {spec: {volumes: 7}}}"},
		"a Deployment without anything":    {kind: "apps/v1 Deployment", body: "spec: {}"},
		"a kind taught by what is bundled": {kind: "argoproj.io/v1alpha1 Rollout", body: at(podSpec, "spec", "template", "spec"), want: mentioned},
	} {
		t.Run(name, func(t *testing.T) {
			apiVersion, kind, _ := strings.Cut(tc.kind, " ")
			obj := object(t, fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {namespace: shop, name: web}\n%s", apiVersion, kind, tc.body))
			got, err := New().Dependencies(obj)
			if err != nil {
				t.Fatal(err)
			}
			var want []Dependency
			for _, line := range tc.want {
				parts := strings.Split(line, " ")
				want = append(want, Dependency{APIVersion: parts[0], Kind: parts[1], Namespace: "shop", Name: parts[2]})
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Dependencies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnObjectWithoutNamespaceDependsOnNothing(t *testing.T) {
	obj := object(t, "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {serviceAccountName: robot, containers: []}}")
	got, err := New().Dependencies(obj)
	if err != nil || got != nil {
		t.Errorf("Dependencies = %v, %v; want none", got, err)
	}
}

func TestWhatFollowsAWorkload(t *testing.T) {
	const (
		web     = "{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop, name: web}, spec: {template: {metadata: {labels: {app: web, tier: front}}}}}"
		nightly = "{apiVersion: batch/v1, kind: CronJob, metadata: {namespace: shop, name: web}, spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: web}}}}}}}"
	)
	scaler := func(spec string) string {
		return "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: s}, spec: " + spec + "}"
	}
	pdb := func(namespace, spec string) string {
		return "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {namespace: " + namespace + ", name: b}, spec: " + spec + "}"
	}
	for name, tc := range map[string]struct {
		follower, workload string
		want               bool
	}{
		"scales it":                        {scaler("{scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}"), web, true},
		"scales it in another version":     {scaler("{scaleTargetRef: {apiVersion: apps/v1beta1, kind: Deployment, name: web}}"), web, true},
		"scales one of another name":       {scaler("{scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}}"), web, false},
		"scales one of another kind":       {scaler("{scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: web}}"), web, false},
		"scales one of another group":      {scaler("{scaleTargetRef: {apiVersion: example.com/v1, kind: Deployment, name: web}}"), web, false},
		"selects its pods":                 {pdb("shop", "{selector: {matchLabels: {app: web}}}"), web, true},
		"selects them by expressions":      {pdb("shop", "{selector: {matchExpressions: [{key: tier, operator: In, values: [front]}]}}"), web, true},
		"selects all pods":                 {pdb("shop", "{selector: {}}"), web, true},
		"selects the pods of a CronJob":    {pdb("shop", "{selector: {matchLabels: {app: web}}}"), nightly, true},
		"selects no pods":                  {pdb("shop", "{minAvailable: 1}"), web, false},
		"selects other pods":               {pdb("shop", "{selector: {matchLabels: {app: api}}}"), web, false},
		"selects pods in another place":    {pdb("other", "{selector: {matchLabels: {app: web}}}"), web, false},
		"selects nothing that can be read": {pdb("shop", "{selector: {matchExpressions: [{key: tier, operator: Like}]}}"), web, false},
		"is something else":                {"{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {selector: {app: web}}}", web, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := New().Follows(object(t, tc.follower), object(t, tc.workload)); got != tc.want {
				t.Errorf("Follows = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestOnlyWorkloadsHaveFollowers(t *testing.T) {
	for kind, want := range map[string]int{"apps/v1 Deployment": 2, "batch/v1 CronJob": 2, "argoproj.io/v1alpha1 Rollout": 2, "v1 ConfigMap": 0, "example.com/v1 Thing": 0} {
		apiVersion, kind, _ := strings.Cut(kind, " ")
		obj := object(t, fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {namespace: shop, name: web}}", apiVersion, kind))
		if got := len(New().Followers(obj)); got != want {
			t.Errorf("a %s has %d kinds of followers, want %d", kind, got, want)
		}
	}
}
