package admission

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// offspring are the kinds that controllers create from the templates of workloadsYAML.
var offspring = []struct{ apiVersion, kind string }{
	{"apps/v1", "ReplicaSet"},
	{"apps/v1", "ControllerRevision"},
	{"batch/v1", "Job"},
	{"v1", "Pod"},
	{"v1", "PersistentVolumeClaim"},
	{"v1", "Event"},
}

// repairing is the reason of an event of the API server itself, about any Service whose address its own watch has not shown it yet
// (k8s.io/kubernetes/pkg/registry/core/service/ipallocator/controller).
const repairing = "ClusterIPNotAllocated"

// contents counts what a namespace holds of the kinds in offspring, by kind and controller owner. Events
// count only when they are warnings of controllers: others are harmless.
func contents(t *testing.T, namespace string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, kind := range offspring {
		for _, object := range list(t, namespace, kind.apiVersion, kind.kind) {
			key := kind.kind
			if owner := metav1.GetControllerOf(&object); owner != nil {
				key += " of " + owner.Kind
			}
			if kind.kind == "Event" {
				if object.Object["type"] != "Warning" || object.Object["reason"] == repairing {
					continue
				}
				key = fmt.Sprintf("Warning %v: %v", object.Object["reason"], object.Object["message"])
			}
			counts[key]++
		}
	}
	return counts
}

func TestNothingSpawnsFromTemplates(t *testing.T) {
	templates, elsewhere := templateNamespace(t), namespace(t, nil)
	createAll(t, admin(t), templates, workloadsYAML)
	createAll(t, admin(t), elsewhere, workloadsYAML)

	eventually(t, "a namespace without the label behaves as always", func(context.Context) error {
		want := map[string]int{
			"ReplicaSet": 1, "ReplicaSet of Deployment": 1, "ControllerRevision of StatefulSet": 1,
			"ControllerRevision of DaemonSet": 1, "Job": 1, "Pod": 1, "Pod of ReplicaSet": 7,
			"Pod of StatefulSet": 1, "Pod of Job": 1, "PersistentVolumeClaim": 1,
		}
		got := contents(t, elsewhere)
		maps.DeleteFunc(got, func(key string, _ int) bool { return len(key) > 7 && key[:7] == "Warning" })
		return differ(want, got)
	})
	attempted := []string{
		deploymentController + " create replicasets",
		replicaSetController + " create pods",
		statefulSetController + " create controllerrevisions",
		daemonSetController + " create controllerrevisions",
		jobController + " create pods",
		autoscaler + " update deployments/scale",
	}
	eventually(t, "the controllers tried and were refused", func(context.Context) error {
		refused := refusals(t, templates)
		for _, attempt := range attempted {
			if refused[attempt] == 0 {
				return fmt.Errorf("not seen: %s", attempt)
			}
		}
		return nil
	})

	want := map[string]int{"ReplicaSet": 1, "Job": 1, "Pod": 1}
	if diff := cmp.Diff(want, contents(t, templates)); diff != "" {
		t.Errorf("the template namespace holds (-want +got):\n%s", diff)
	}
	if replicas := get(t, templates, "web", &appsv1.Deployment{}).Spec.Replicas; *replicas != 2 {
		t.Errorf("the autoscaler of the host scaled the template to %d", *replicas)
	}
	if slices := list(t, templates, "discovery.k8s.io/v1", "EndpointSlice"); len(slices) != 2 {
		t.Errorf("%d EndpointSlices of the two Services, want them let through", len(slices))
	}
}

func differ(want, got map[string]int) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("want (-), got (+):\n%s", diff)
	}
	return nil
}

func TestObjectsWithAControllerOwnerAreRefusedInATemplateNamespace(t *testing.T) {
	templates, elsewhere := templateNamespace(t), namespace(t, nil)
	tests := map[string]struct {
		as, owner, child string
		policy, message  string
	}{
		"a ReplicaSet of a Deployment": {
			as: deploymentController, owner: deploymentYAML, child: replicaSetYAML,
			message: "templates do not run on the host: ReplicaSet of Deployment web is refused in template namespace " + templates,
		},
		"a Pod of a ReplicaSet": {
			as: replicaSetController, owner: replicaSetYAML, child: podYAML,
			message: "templates do not run on the host: Pod of ReplicaSet cache is refused",
		},
		"a Job of a CronJob": {
			as: cronJobController, owner: cronJobYAML, child: jobYAML,
			message: "templates do not run on the host: Job of CronJob report is refused",
		},
		"a claim of a StatefulSet": {
			as: statefulSetController, owner: statefulSetYAML, child: claimYAML,
			message: "templates do not run on the host: PersistentVolumeClaim of StatefulSet db is refused",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, place := range []string{templates, elsewhere} {
				owner := createAll(t, admin(t), place, tc.owner)[0]
				child := ownedBy(owner, parse(t, place, tc.child)[0])
				child.SetName("child")
				err := as(t, tc.as).Create(t.Context(), child, client.DryRunAll)
				if place == elsewhere {
					wantAllowed(t, err)
					continue
				}
				wantRefused(t, err, "flotilla-templates-spawn", tc.message)
			}
		})
	}
}

func TestATemplateIsNotAdopted(t *testing.T) {
	templates := templateNamespace(t)
	deployment := createAll(t, admin(t), templates, deploymentYAML)[0]
	replicaSet := createAll(t, admin(t), templates, replicaSetYAML)[0]

	adopted := ownedBy(deployment, replicaSet.DeepCopy())
	err := as(t, deploymentController).Patch(t.Context(), adopted, client.MergeFrom(replicaSet))
	wantRefused(t, err, "flotilla-templates-spawn", "ReplicaSet of Deployment web is refused")

	plain := replicaSet.DeepCopy()
	plain.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: deployment.GetUID(),
	}})
	wantAllowed(t, as(t, editor).Patch(t.Context(), plain, client.MergeFrom(replicaSet)))
}

func TestUsersChangeAndDeleteTemplatesAsTheyLike(t *testing.T) {
	templates := templateNamespace(t)
	user := as(t, editor)
	for _, template := range createAll(t, user, templates, workloadsYAML) {
		t.Run(template.GetKind(), func(t *testing.T) {
			eventually(t, "changing a label", func(ctx context.Context) error {
				if err := user.Get(ctx, client.ObjectKeyFromObject(template), template); err != nil {
					return err
				}
				template.SetLabels(map[string]string{"changed": "yes"})
				return user.Update(ctx, template)
			})
			wantAllowed(t, user.Delete(t.Context(), template))
		})
	}
}

func TestATemplateNamespaceCanBeDeleted(t *testing.T) {
	templates := templateNamespace(t)
	objects := createAll(t, admin(t), templates, workloadsYAML)
	// A fleet status says that Pods run; the host must not wait for them.
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		wantAllowed(t, as(t, fleetWriter).Status().Patch(t.Context(), object,
			client.RawPatch("application/merge-patch+json", []byte(`{"status":{"replicas":6,"readyReplicas":6,"availableReplicas":6}}`))))
	}
	gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: templates}}
	if err := admin(t).Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace goes", func(ctx context.Context) error {
		err := admin(t).Get(ctx, client.ObjectKeyFromObject(gone), gone)
		if err == nil {
			return fmt.Errorf("still there: %v", slices.Collect(conditions(gone)))
		}
		return client.IgnoreNotFound(err)
	})
}

// conditions yields what a namespace says about its deletion.
func conditions(namespace *corev1.Namespace) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, condition := range namespace.Status.Conditions {
			if condition.Status == corev1.ConditionTrue && !yield(condition.Message) {
				return
			}
		}
	}
}

func TestKindsWithoutTheLabelOnTheirNamespaceKeepTheirBehaviour(t *testing.T) {
	elsewhere := namespace(t, map[string]string{"flotilla.dev/templates": "disabled"})
	for _, documents := range []string{podYAML, loadBalancerYAML, claimYAML} {
		object := createAll(t, as(t, editor), elsewhere, documents)[0]
		if gates, found, _ := unstructured.NestedSlice(object.Object, "spec", "schedulingGates"); found {
			t.Errorf("%s got scheduling gates %v", object.GetKind(), gates)
		}
		if class, found, _ := unstructured.NestedString(object.Object, "spec", "loadBalancerClass"); found {
			t.Errorf("%s got load balancer class %s", object.GetKind(), class)
		}
	}
}
