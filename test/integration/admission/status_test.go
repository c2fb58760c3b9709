package admission

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fleetStatus is a status that the host's own controllers would never write, for every kind that has one.
var fleetStatus = map[string]struct{ template, status string }{
	"Deployment":              {deploymentYAML, `{"observedGeneration":1,"replicas":6,"updatedReplicas":6,"readyReplicas":6,"availableReplicas":6}`},
	"StatefulSet":             {statefulSetYAML, `{"observedGeneration":1,"replicas":6,"readyReplicas":6,"availableReplicas":6}`},
	"DaemonSet":               {daemonSetYAML, `{"observedGeneration":1,"currentNumberScheduled":9,"desiredNumberScheduled":9,"numberReady":9,"numberMisscheduled":0}`},
	"ReplicaSet":              {replicaSetYAML, `{"observedGeneration":1,"replicas":6,"readyReplicas":6}`},
	"Job":                     {jobYAML, `{"active":3}`},
	"CronJob":                 {cronJobYAML, `{"lastScheduleTime":"2026-01-01T00:00:00Z"}`},
	"HorizontalPodAutoscaler": {autoscalerYAML, `{"currentReplicas":6,"desiredReplicas":7}`},
	"Service":                 {loadBalancerYAML, `{"loadBalancer":{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"}]}}`},
	"Pod":                     {podYAML, `{"phase":"Running"}`},
	"PodDisruptionBudget":     {disruptionBudgetYAML, `{"currentHealthy":6,"desiredHealthy":1,"disruptionsAllowed":5,"expectedPods":6}`},
}

func patchStatus(t *testing.T, c client.Client, object client.Object, status string) error {
	t.Helper()
	return c.Status().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"status":`+status+`}`)))
}

func TestOnlyWhoManagesTemplatesWritesTheirStatus(t *testing.T) {
	templates := templateNamespace(t)
	refusedTo := map[string]string{
		"Deployment": deploymentController, "StatefulSet": statefulSetController, "DaemonSet": daemonSetController,
		"ReplicaSet": replicaSetController, "Job": jobController, "CronJob": cronJobController,
		"HorizontalPodAutoscaler": autoscaler,
	}
	written := map[string]*unstructured.Unstructured{}
	for kind, tc := range fleetStatus {
		t.Run(kind, func(t *testing.T) {
			object := createAll(t, as(t, editor), templates, tc.template)[0]
			message := "templates do not run on the host: the status of "
			wantRefused(t, patchStatus(t, as(t, statusWriter), object.DeepCopy(), tc.status), "flotilla-templates-status", message)
			if controller, ok := refusedTo[kind]; ok {
				// Built-in controllers may update, not patch.
				err := as(t, controller).Status().Update(t.Context(), object.DeepCopy())
				wantRefused(t, err, "flotilla-templates-status", message)
			}
			wantAllowed(t, patchStatus(t, as(t, fleetWriter), object, tc.status))
			written[kind] = object
		})
	}
	// A change of the template wakes its controller, which then wants to write its own status.
	for kind, object := range written {
		t.Run(kind+" keeps the fleet's status", func(t *testing.T) {
			want, _, err := unstructured.NestedMap(object.Object, "status")
			if err != nil {
				t.Fatal(err)
			}
			base := object.DeepCopy()
			object.SetAnnotations(map[string]string{"touched": "yes"})
			wantAllowed(t, as(t, editor).Patch(t.Context(), object, client.MergeFrom(base)))
			eventually(t, "its controller looked at it", func(context.Context) error {
				controller, ok := refusedTo[kind]
				if !ok || kind == "CronJob" || kind == "DaemonSet" || kind == "StatefulSet" {
					return nil // these stop before they come to the status
				}
				if refusals(t, templates)[controller+" update "+plural[kind]+"/status"] < 2 {
					return errors.New("no refused write of its status")
				}
				return nil
			})
			now := get(t, templates, object.GetName(), object.DeepCopy())
			got, _, err := unstructured.NestedMap(now.Object, "status")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("status written by the fleet (-) and now (+):\n%s", diff)
			}
		})
	}
}

// plural are the resource names of the kinds whose controllers write status at once.
var plural = map[string]string{
	"Deployment": "deployments", "ReplicaSet": "replicasets", "Job": "jobs", "HorizontalPodAutoscaler": "horizontalpodautoscalers",
}

func TestKubectlBelievesTheFleetsStatus(t *testing.T) {
	templates := templateNamespace(t)
	object := createAll(t, admin(t), templates, deploymentYAML)[0]
	status := `{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2,
		"conditions":[{"type":"Available","status":"True"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]}`
	wantAllowed(t, patchStatus(t, as(t, fleetWriter), object, status))
	for _, arguments := range [][]string{
		{"rollout", "status", "deployment/web", "--timeout=" + patience.String()},
		{"wait", "--for=condition=Available", "deployment/web", "--timeout=" + patience.String()},
	} {
		if output, err := kubectl(t, append(arguments, "--namespace="+templates)...); err != nil {
			t.Errorf("kubectl %v: %v\n%s", arguments, err, output)
		}
	}
}

func TestAPodThatRunsOnANodeKeepsItsStatusWriters(t *testing.T) {
	// A Pod from before the namespace was labelled still has its kubelet.
	place := namespace(t, nil)
	pod := parse(t, place, podYAML)[0]
	if err := unstructured.SetNestedField(pod.Object, "node-1", "spec", "nodeName"); err != nil {
		t.Fatal(err)
	}
	create(t, admin(t), pod)
	label(t, place)
	eventually(t, "the label counts", func(context.Context) error {
		if err := as(t, editor).Create(t.Context(), parse(t, place, claimYAML)[0], client.DryRunAll); err == nil {
			return fmt.Errorf("a claim is still accepted")
		}
		return nil
	})
	wantAllowed(t, patchStatus(t, as(t, statusWriter), pod, `{"phase":"Running"}`))
	base := pod.DeepCopy()
	pod.SetLabels(map[string]string{"changed": "yes"})
	wantAllowed(t, as(t, editor).Patch(t.Context(), pod, client.MergeFrom(base)))
}
