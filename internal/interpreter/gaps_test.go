package interpreter

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const route = `apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute`

func TestHealthOfWhatServesWorkloads(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest string
		want     v1alpha1.Health
	}{
		"an Ingress without an address is not":             {`{apiVersion: networking.k8s.io/v1, kind: Ingress}`, v1alpha1.Unhealthy},
		"an Ingress with an address is healthy":            {`{apiVersion: networking.k8s.io/v1, kind: Ingress, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}}`, v1alpha1.Healthy},
		"a claim that is bound is healthy":                 {`{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Bound}}`, v1alpha1.Healthy},
		"a claim that is lost is not":                      {`{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Lost}}`, v1alpha1.Unhealthy},
		"a budget with enough healthy pods is healthy":     {`{apiVersion: policy/v1, kind: PodDisruptionBudget, status: {currentHealthy: 2, desiredHealthy: 2}}`, v1alpha1.Healthy},
		"a budget with too few healthy pods is not":        {`{apiVersion: policy/v1, kind: PodDisruptionBudget, status: {currentHealthy: 1, desiredHealthy: 2}}`, v1alpha1.Unhealthy},
		"an autoscaler that scales is healthy":             {`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, status: {conditions: [{type: ScalingActive, status: "True"}, {type: ScalingLimited, status: "False"}]}}`, v1alpha1.Healthy},
		"an autoscaler without metrics is not":             {`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, status: {conditions: [{type: ScalingActive, status: "False", reason: FailedGetResourceMetric}]}}`, v1alpha1.Unhealthy},
		"an autoscaler of a target of none is healthy":     {`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, status: {conditions: [{type: ScalingActive, status: "False", reason: ScalingDisabled}]}}`, v1alpha1.Healthy},
		"a route that its gateway accepted is healthy":     {`{` + route + `, spec: {parentRefs: [{name: a}]}, status: {parents: [{conditions: [{type: Accepted, status: "True"}, {type: ResolvedRefs, status: "True"}]}]}}`, v1alpha1.Healthy},
		"a route whose backend does not exist is not":      {`{` + route + `, spec: {parentRefs: [{name: a}]}, status: {parents: [{conditions: [{type: Accepted, status: "True"}, {type: ResolvedRefs, status: "False"}]}]}}`, v1alpha1.Unhealthy},
		"a route that one of two gateways ignores is not":  {`{` + route + `, spec: {parentRefs: [{name: a}, {name: b}]}, status: {parents: [{conditions: [{type: Accepted, status: "True"}]}]}}`, v1alpha1.Unhealthy},
		"a route that no gateway has looked at yet is not": {`{` + route + `, spec: {parentRefs: [{name: a}]}}`, v1alpha1.Unhealthy},
	} {
		t.Run(name, func(t *testing.T) {
			if got := New().Health(object(t, tc.manifest)); got != tc.want {
				t.Errorf("health is %s, want %s", got, tc.want)
			}
		})
	}
}

func TestReflectOfWhatServesWorkloads(t *testing.T) {
	for name, tc := range map[string]struct{ manifest, want string }{
		"leaves out what an autoscaler measures": {
			`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, status: {currentReplicas: 2, desiredReplicas: 3, currentMetrics: [{type: Resource}], conditions: [{type: AbleToScale, status: "True"}, {type: ScalingLimited, status: "True", reason: TooManyReplicas, message: m, lastTransitionTime: "2026-01-02T03:04:05Z"}]}}`,
			`{currentReplicas: 2, desiredReplicas: 3, conditions: [{type: ScalingLimited, status: "True", reason: TooManyReplicas, message: m}]}`,
		},
		"leaves out which pods a budget disrupts": {
			`{apiVersion: policy/v1, kind: PodDisruptionBudget, status: {observedGeneration: 1, disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2, disruptedPods: {a: "2026-01-02T03:04:05Z"}}}`,
			`{observedGeneration: 1, disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2}`,
		},
		"keeps what gateways say of a route": {
			`{` + route + `, status: {parents: [{parentRef: {name: a}, controllerName: x/y, conditions: [{type: Accepted, status: "True", reason: Accepted, observedGeneration: 4, lastTransitionTime: "2026-01-02T03:04:05Z"}]}]}}`,
			`{parents: [{parentRef: {name: a}, controllerName: x/y, conditions: [{type: Accepted, status: "True", reason: Accepted}]}]}`,
		},
		"keeps nothing of a route that nobody speaks of": {`{` + route + `, status: {parents: []}}`, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := New().Reflect(object(t, tc.manifest))
			if diff := cmp.Diff(fields(t, tc.want), got); diff != "" {
				t.Errorf("reflected (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAggregateOfWhatServesWorkloads(t *testing.T) {
	const at = `lastTransitionTime: "2026-05-04T12:00:00Z"`
	const before = `lastTransitionTime: "2026-01-02T03:04:05Z"`
	accepted := func(status string) string {
		return `{parents: [{parentRef: {name: a}, controllerName: x/y, conditions: [{type: Accepted, status: "` + status + `", reason: R, message: m}]}]}`
	}
	for name, tc := range map[string]struct {
		template string
		fleet    Fleet
		want     string
	}{
		"lists the addresses of an Ingress once": {
			`{apiVersion: networking.k8s.io/v1, kind: Ingress}`,
			reports(t, false, `{loadBalancer: {ingress: [{ip: 1.2.3.4}]}}`, `{loadBalancer: {ingress: [{ip: 1.2.3.4}, {hostname: b.example.com}]}}`, ``),
			`{loadBalancer: {ingress: [{ip: 1.2.3.4}, {hostname: b.example.com}]}}`,
		},
		"takes a claim for bound when it is so everywhere": {
			`{apiVersion: v1, kind: PersistentVolumeClaim}`,
			reports(t, false, `{phase: Bound, accessModes: [ReadWriteOnce], capacity: {storage: 2Gi}}`, `{phase: Bound, accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}}`),
			`{phase: Bound, accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}}`,
		},
		"takes a claim for pending while a cluster is silent": {
			`{apiVersion: v1, kind: PersistentVolumeClaim}`, reports(t, false, `{phase: Bound}`, ``), `{phase: Pending}`,
		},
		"shows the budget that has least to spare": {
			`{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {generation: 3}}`,
			reports(t, false, `{disruptionsAllowed: 2, currentHealthy: 3, desiredHealthy: 1, expectedPods: 3}`, `{disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 3}`),
			`{observedGeneration: 3, disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 3}`,
		},
		"says where an autoscaler is stuck, and since when": {
			`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {generation: 1}, status: {conditions: [{type: ScalingActive, status: "False", ` + before + `}]}}`,
			reports(t, false, `{currentReplicas: 2, desiredReplicas: 3}`, `{currentReplicas: 1, desiredReplicas: 1, conditions: [{type: ScalingActive, status: "False", reason: NoMetrics, message: none}]}`),
			`{observedGeneration: 1, currentReplicas: 2, desiredReplicas: 3, currentMetrics: null, conditions: [{type: AbleToScale, status: "True", reason: AsExpected, message: It is so in every cluster., ` + at +
				`}, {type: ScalingActive, status: "False", reason: NoMetrics, message: "b: none", ` + before + `}, {type: ScalingLimited, status: "False", reason: AsExpected, message: It is so in no cluster., ` + at + `}]}`,
		},
		"takes a route for accepted when it is so everywhere": {
			`{` + route + `, status: {parents: [{controllerName: x/y, parentRef: {name: a}, conditions: [{type: Accepted, status: "False", ` + before + `}]}]}}`,
			reports(t, false, accepted("True"), accepted("False")),
			`{parents: [{parentRef: {name: a}, controllerName: x/y, conditions: [{type: Accepted, status: "False", reason: R, message: "b: m", ` + before + `}]}]}`,
		},
		"says nothing of a route of which no gateway speaks": {`{` + route + `}`, reports(t, false, ``, ``), `{parents: []}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := New().Aggregate(object(t, tc.template), tc.fleet)
			if diff := cmp.Diff(fields(t, tc.want), got); !ok || diff != "" {
				t.Errorf("aggregated %v (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestTheStatusOfAnAutoscalerOfVersion1IsLeftAlone(t *testing.T) {
	got, ok := New().Aggregate(object(t, `{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler}`), reports(t, true, `{currentReplicas: 2}`))
	if ok {
		t.Errorf("aggregated %v", got)
	}
}
