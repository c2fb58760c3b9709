package kinds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
	"github.com/flotilla-dev/flotilla/internal/render"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const podSpec = `{containers: [{name: main, image: shop/main, ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53, protocol: TCP}], volumeMounts: [{name: scratch, mountPath: /tmp}]}], volumes: [{name: scratch, emptyDir: {}}]}`

var manifests = map[string]struct {
	manifest string
	// believed are kubectl's ways to wait for the object; the name and a timeout are added.
	believed [][]string
	// unhealthy says that no member ever makes it healthy: it takes a cloud.
	unhealthy bool
}{
	"Deployment": {
		manifest: `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 2, selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: ` + podSpec + `}}}`,
		believed: [][]string{{"rollout", "status", "deployment"}, {"wait", "--for=condition=Available", "deployment"}},
	},
	"StatefulSet": {
		manifest: `{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, serviceName: a, selector: {matchLabels: {app: b}}, template: {metadata: {labels: {app: b}}, spec: ` + podSpec + `}}}`,
		believed: [][]string{{"rollout", "status", "statefulset"}},
	},
	"DaemonSet": {
		manifest: `{apiVersion: apps/v1, kind: DaemonSet, spec: {selector: {matchLabels: {app: c}}, template: {metadata: {labels: {app: c}}, spec: ` + podSpec + `}}}`,
		believed: [][]string{{"rollout", "status", "daemonset"}},
	},
	"ReplicaSet": {
		manifest: `{apiVersion: apps/v1, kind: ReplicaSet, spec: {replicas: 2, selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: ` + podSpec + `}}}`,
	},
	"Job": {
		manifest: `{apiVersion: batch/v1, kind: Job, spec: {completions: 2, parallelism: 2, ttlSecondsAfterFinished: 3600, template: {spec: {restartPolicy: Never, containers: [{name: main, image: shop/main}]}}}}`,
		believed: [][]string{{"wait", "--for=condition=Complete", "job"}},
	},
	"CronJob": {
		manifest: `{apiVersion: batch/v1, kind: CronJob, spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: shop/main}]}}}}}}`,
	},
	"Pod": {
		manifest: `{apiVersion: v1, kind: Pod, spec: {schedulingGates: [{name: flotilla.dev/template}], ` + strings.TrimPrefix(podSpec, "{") + `}`,
		believed: [][]string{{"wait", "--for=condition=Ready", "pod"}},
	},
	"Service":          {manifest: `{apiVersion: v1, kind: Service, spec: {type: NodePort, selector: {app: a}, ports: [{port: 80}]}}`},
	"headless Service": {manifest: `{apiVersion: v1, kind: Service, spec: {clusterIP: None, selector: {app: a}, ports: [{port: 80}]}}`},
	"load balancer":    {manifest: `{apiVersion: v1, kind: Service, spec: {type: LoadBalancer, loadBalancerClass: flotilla.dev/template, selector: {app: a}, ports: [{port: 80}]}}`, unhealthy: true},
	"ConfigMap":        {manifest: `{apiVersion: v1, kind: ConfigMap, data: {a: b}}`},
	"Secret":           {manifest: `{apiVersion: v1, kind: Secret, stringData: {a: b}}`},
	"ServiceAccount":   {manifest: `{apiVersion: v1, kind: ServiceAccount}`},
	"NetworkPolicy":    {manifest: `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {podSelector: {}}}`},
	"Ingress":          {manifest: `{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {defaultBackend: {service: {name: a, port: {number: 80}}}}}`, unhealthy: true},
	"PodDisruptionBudget": {
		manifest: `{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: 1, selector: {matchLabels: {app: nothing}}}}`, unhealthy: true,
	},
	"autoscaler": {
		manifest: `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}}}`, unhealthy: true,
	},
	"autoscaler of version 1": {
		manifest: `{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, spec: {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}}}`, unhealthy: true,
	},
}

func TestKinds(t *testing.T) {
	fleet := inertFleet(t)
	namespace := expect.Namespace(t, fleet)
	for _, member := range fleet.Members {
		expect.Create(t, member, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
		expect.Eventually(t, "the default account of "+member.Name, func(ctx context.Context) error {
			return member.Client().Get(ctx, types.NamespacedName{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{})
		})
	}
	for name, tc := range manifests {
		t.Run(name, func(t *testing.T) {
			template := read(t, tc.manifest)
			template.SetNamespace(namespace)
			template.SetName(strings.ToLower(strings.ReplaceAll(name, " ", "-")))
			expect.Create(t, fleet.Host, template)
			for _, member := range fleet.Members {
				applyTwice(t, member, template)
			}
			awaitStatus(t, fleet, template, !tc.unhealthy)
			for _, args := range tc.believed {
				args = append(slices.Clone(args), template.GetName(), "--namespace="+namespace, "--timeout="+expect.Patience.String())
				if _, err := kubectl(t, fleet, args...); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func read(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatalf("reading the manifest: %v", err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(raw); err != nil {
		t.Fatalf("reading the object: %v", err)
	}
	return obj
}

// applyTwice applies what is rendered, and once more, which must not lead to a new generation.
func applyTwice(t *testing.T, member *local.Cluster, template *unstructured.Unstructured) {
	t.Helper()
	rendered, err := render.Manifest(template, render.Marks{HostUID: "host", Binding: types.NamespacedName{Namespace: "a", Name: "b"}}, render.Ignored{})
	if err != nil {
		t.Fatalf("rendering: %v", err)
	}
	var generations []int64
	for range 2 {
		obj := rendered.Object.DeepCopy()
		if err := member.Client().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner("flotilla")); err != nil {
			t.Fatalf("applying in %s: %v", member.Name, err)
		}
		generations = append(generations, obj.GetGeneration())
		for _, key := range []string{v1alpha1.TemplatesLabel, v1alpha1.RetainReplicasLabel} {
			if _, found := obj.GetLabels()[key]; found {
				t.Errorf("label %s reached %s", key, member.Name)
			}
		}
	}
	if generations[0] != generations[1] {
		t.Errorf("applying the same again in %s went from generation %d to %d", member.Name, generations[0], generations[1])
	}
}

// awaitStatus writes the aggregated status to the host until every member is healthy and up to date, and the host
// still has what was written the last time. A status that is overwritten all the time never gets there.
func awaitStatus(t *testing.T, fleet *local.Fleet, template *unstructured.Unstructured, healthy bool) {
	t.Helper()
	kinds, host := interpreter.New(), fleet.Host.Client()
	expect.Eventually(t, "health and status of "+template.GetName(), func(ctx context.Context) error {
		members := interpreter.Fleet{Now: metav1.Now().Rfc3339Copy()}
		well := 0
		for _, member := range fleet.Members {
			obj := &unstructured.Unstructured{}
			obj.SetGroupVersionKind(template.GroupVersionKind())
			if err := member.Client().Get(ctx, client.ObjectKeyFromObject(template), obj); err != nil {
				return fmt.Errorf("reading from %s: %w", member.Name, err)
			}
			status, upToDate := kinds.Reflect(obj)
			members.Members = append(members.Members, interpreter.MemberStatus{Cluster: member.Name, Status: status, UpToDate: upToDate})
			if kinds.Health(obj) == v1alpha1.Healthy && upToDate && finished(obj) {
				well++
			}
		}
		if err := host.Get(ctx, client.ObjectKeyFromObject(template), template); err != nil {
			return fmt.Errorf("reading the template: %w", err)
		}
		stayed := true
		if want, has := kinds.Aggregate(template, members); has {
			wrote, err := objectpatch.MergeStatus(ctx, host, template, want)
			if apierrors.IsInvalid(err) {
				t.Fatalf("the host refuses the status: %v", err)
			}
			if err != nil {
				return fmt.Errorf("writing the status: %w", err)
			}
			stayed = !wrote
		}
		if healthy && well < len(fleet.Members) {
			return fmt.Errorf("%d members are healthy", well)
		}
		if !stayed {
			return errors.New("the status was written, to be looked at once more")
		}
		return nil
	})
}

// finished waits for the end of Jobs, which are healthy before.
func finished(obj *unstructured.Unstructured) bool {
	if obj.GetKind() != "Job" {
		return true
	}
	completed, _, err := unstructured.NestedString(obj.Object, "status", "completionTime")
	return err == nil && completed != ""
}
