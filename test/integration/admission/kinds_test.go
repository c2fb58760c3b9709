package admission

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestABarePodIsGatedForGood(t *testing.T) {
	templates := templateNamespace(t)
	gates := []corev1.PodSchedulingGate{{Name: v1alpha1.HostOnlyValue}}
	createAll(t, as(t, editor), templates, podYAML)
	pod := get(t, templates, "shell", &corev1.Pod{})
	if diff := cmp.Diff(gates, pod.Spec.SchedulingGates); diff != "" {
		t.Fatalf("scheduling gates (-want +got):\n%s", diff)
	}

	pod.Spec.SchedulingGates = nil
	wantAllowed(t, as(t, editor).Update(t.Context(), pod))
	if diff := cmp.Diff(gates, get(t, templates, "shell", pod).Spec.SchedulingGates); diff != "" {
		t.Errorf("scheduling gates after their removal (-want +got):\n%s", diff)
	}

	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "node-1"}}
	if err := admin(t).SubResource("binding").Create(t.Context(), pod, binding); err == nil {
		t.Error("a gated Pod was bound to a node")
	}
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}}
	wantAllowed(t, admin(t).SubResource("eviction").Create(t.Context(), pod, eviction))
}

func TestALoadBalancerOfATemplateNamespaceIsNobodysOnTheHost(t *testing.T) {
	templates := templateNamespace(t)
	user := as(t, editor)
	class := func(name string) string {
		service := get(t, templates, name, &corev1.Service{})
		if service.Spec.LoadBalancerClass == nil {
			return ""
		}
		return *service.Spec.LoadBalancerClass
	}
	createAll(t, user, templates, loadBalancerYAML)
	if got := class("front"); got != v1alpha1.HostOnlyValue {
		t.Errorf("class of a new Service = %q", got)
	}

	dropped := get(t, templates, "front", &corev1.Service{})
	dropped.Spec.LoadBalancerClass = nil
	wantAllowed(t, user.Update(t.Context(), dropped))
	if got := class("front"); got != v1alpha1.HostOnlyValue {
		t.Errorf("class after an update without one = %q", got)
	}

	createAll(t, user, templates, serviceYAML)
	for _, tc := range []struct {
		serviceType corev1.ServiceType
		want        string
	}{{corev1.ServiceTypeLoadBalancer, v1alpha1.HostOnlyValue}, {corev1.ServiceTypeClusterIP, ""}} {
		service := get(t, templates, "web", &corev1.Service{})
		service.Spec.Type = tc.serviceType
		wantAllowed(t, user.Update(t.Context(), service))
		if got := class("web"); got != tc.want {
			t.Errorf("class after the type became %s = %q, want %q", tc.serviceType, got, tc.want)
		}
	}

	own := parse(t, templates, loadBalancerYAML)[0]
	own.SetName("own")
	if err := unstructured.SetNestedField(own.Object, "example.com/lb", "spec", "loadBalancerClass"); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, user.Create(t.Context(), own), "flotilla-templates-services", loadBalancerMessage)
}

// The words that users get.
const (
	loadBalancerMessage = "a LoadBalancer Service in a template namespace must not get a load balancer on the host: " +
		"set spec.loadBalancerClass to flotilla.dev/template (Flotilla removes it for the members)"
	podMessage = "a Pod in a template namespace must not run on the host: " +
		"add {name: flotilla.dev/template} to spec.schedulingGates (Flotilla removes it for the members)"
	claimMessage = "a PersistentVolumeClaim in a template namespace would claim storage on the host: " +
		"use volumeClaimTemplates of a StatefulSet, or wrap the claim in a ResourceTemplate"
)

func TestAClaimIsRefused(t *testing.T) {
	templates := templateNamespace(t)
	for _, user := range []client.Client{as(t, editor), admin(t)} {
		err := user.Create(t.Context(), parse(t, templates, claimYAML)[0])
		wantRefused(t, err, "flotilla-templates-claims", claimMessage)
	}
}

func TestOnlyUsersScaleTemplates(t *testing.T) {
	templates := templateNamespace(t)
	scale := func(user string, replicas int64) error {
		object := createOrGet(t, templates)
		return as(t, user).SubResource("scale").Update(t.Context(), object, client.WithSubResourceBody(&unstructured.Unstructured{
			Object: map[string]any{
				"apiVersion": "autoscaling/v1", "kind": "Scale",
				"metadata": map[string]any{"name": "web", "namespace": templates},
				"spec":     map[string]any{"replicas": replicas},
			},
		}))
	}
	wantRefused(t, scale(autoscaler, 5), "flotilla-templates-scale",
		"templates do not run on the host: nothing scales deployments in template namespace "+templates)
	wantAllowed(t, scale(editor, 4))
	replicas, _, err := unstructured.NestedInt64(createOrGet(t, templates).Object, "spec", "replicas")
	if err != nil || replicas != 4 {
		t.Errorf("replicas = %d, %v, want 4", replicas, err)
	}
}

// createOrGet returns the Deployment web of a namespace.
func createOrGet(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	object := parse(t, namespace, deploymentYAML)[0]
	err := admin(t).Get(t.Context(), client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		create(t, admin(t), object)
	}
	return object
}

func TestWarningsAboutRefusalsAreDroppedAndOthersAreNot(t *testing.T) {
	templates, elsewhere := templateNamespace(t), namespace(t, nil)
	const refusal = `Error creating: pods "x" is forbidden: templates do not run on the host: Pod of ReplicaSet cache is refused`
	tests := map[string]struct {
		user, namespace, eventType, message string
		refused                             bool
	}{
		"a controller's warning about a refusal": {replicaSetController, templates, "Warning", refusal, true},
		"a controller's other warning":           {replicaSetController, templates, "Warning", "quota exceeded", false},
		"a controller's normal event":            {replicaSetController, templates, "Normal", refusal, false},
		"Flotilla's warning":                     {fleetWriter, templates, "Warning", refusal, false},
		"a warning in another namespace":         {replicaSetController, elsewhere, "Warning", refusal, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			about := corev1.ObjectReference{Kind: "ReplicaSet", Namespace: tc.namespace, Name: "cache"}
			meta := metav1.ObjectMeta{Namespace: tc.namespace, GenerateName: "cache-"}
			for api, event := range map[string]client.Object{
				"v1": &corev1.Event{
					ObjectMeta: meta, InvolvedObject: about, Type: tc.eventType, Reason: "FailedCreate", Message: tc.message,
				},
				"events.k8s.io/v1": &eventsv1.Event{
					ObjectMeta: meta, Regarding: about, Type: tc.eventType, Reason: "FailedCreate", Note: tc.message, Action: "Create",
					EventTime: metav1.NowMicro(), ReportingController: "example.com/test", ReportingInstance: "test",
				},
			} {
				err := as(t, tc.user).Create(t.Context(), event)
				t.Log(api)
				if !tc.refused {
					wantAllowed(t, err)
					continue
				}
				wantRefused(t, err, "flotilla-templates-events", "dropped, because in a template namespace it is no news")
			}
		})
	}
}

func TestAPropagationPolicySelectsItsOwnNamespaceOnly(t *testing.T) {
	place := namespace(t, nil)
	policy := func(namespace string) *v1alpha1.PropagationPolicy {
		return &v1alpha1.PropagationPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: place, GenerateName: "p-"},
			Spec: v1alpha1.PropagationSpec{ResourceSelectors: []v1alpha1.ResourceSelector{
				{APIVersion: "v1", Kind: "ConfigMap"},
				{APIVersion: "apps/v1", Kind: "Deployment", Namespace: namespace},
			}},
		}
	}
	err := admin(t).Create(t.Context(), policy("elsewhere"))
	wantRefused(t, err, "flotilla-policies-namespace", `spec.resourceSelectors: namespace "elsewhere" is not the policy's own namespace "`+
		place+`": leave it out, or use a ClusterPropagationPolicy`)
	wantAllowed(t, admin(t).Create(t.Context(), policy(place)))
	wantAllowed(t, admin(t).Create(t.Context(), policy("")))
	cluster := &v1alpha1.ClusterPropagationPolicy{ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"}, Spec: policy("elsewhere").Spec}
	wantAllowed(t, admin(t).Create(t.Context(), cluster, client.DryRunAll))
}

// label turns a namespace into a template namespace.
func label(t *testing.T, name string) {
	t.Helper()
	namespace := get(t, "", name, &corev1.Namespace{})
	base := namespace.DeepCopy()
	namespace.Labels[v1alpha1.TemplatesLabel] = v1alpha1.TemplatesEnabled
	if err := admin(t).Patch(context.WithoutCancel(t.Context()), namespace, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
}
