package interpreter

import (
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/kubectl/pkg/polymorphichelpers"
)

var noon = metav1.NewTime(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))

const (
	deploymentHead  = `apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: 2}`
	statefulSetHead = `apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, generation: 2}`
	daemonSetHead   = `apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, generation: 2}`
	available       = `{type: Available, status: "True", reason: MinimumReplicasAvailable, message: Every cluster has the replicas that it needs at least., lastUpdateTime: "2026-05-04T12:00:00Z", lastTransitionTime: "2026-05-04T12:00:00Z"}`
	complete        = `{type: Progressing, status: "True", reason: NewReplicaSetAvailable, message: All replicas are up to date in 2 clusters., lastUpdateTime: "2026-05-04T12:00:00Z", lastTransitionTime: "2026-05-04T12:00:00Z"}`
	updating        = `{type: Progressing, status: "True", reason: ReplicaSetUpdated, message: The clusters are being brought up to date., lastUpdateTime: "2026-05-04T12:00:00Z", lastTransitionTime: "2026-05-04T12:00:00Z"}`
)

func unavailable(where string) string {
	return `{type: Available, status: "False", reason: MinimumReplicasUnavailable, message: "` + where + `", lastUpdateTime: "2026-05-04T12:00:00Z", lastTransitionTime: "2026-05-04T12:00:00Z"}`
}

// reports makes a fleet of members a, b, c... that are all up to date; an empty string is a silent one.
func reports(t *testing.T, divided bool, statuses ...string) Fleet {
	t.Helper()
	fleet := Fleet{Divided: divided, Now: noon}
	for i, s := range statuses {
		member := MemberStatus{Cluster: string(rune('a' + i))}
		if s != "" {
			member.Status, member.UpToDate = fields(t, s), true
		}
		fleet.Members = append(fleet.Members, member)
	}
	return fleet
}

// The table says what the fleet's status is, and asks kubectl and kstatus whether they take it for done.
func TestAggregateOfWorkloads(t *testing.T) {
	const ready4 = `{observedGeneration: 7, replicas: 4, updatedReplicas: 4, readyReplicas: 4, availableReplicas: 4}`
	const ready2 = `{observedGeneration: 3, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2}`
	const one2 = `{observedGeneration: 3, replicas: 2, updatedReplicas: 2, readyReplicas: 1, availableReplicas: 1, unavailableReplicas: 1, conditions: [{type: Available, status: "False"}]}`
	for name, tc := range map[string]struct {
		template string
		fleet    Fleet
		want     string
		done     bool
	}{
		"adds up a divided Deployment": {
			`{` + deploymentHead + `, spec: {replicas: 6, progressDeadlineSeconds: 600}, status: {observedGeneration: 1}}`,
			reports(t, true, ready4, ready2),
			`{observedGeneration: 2, replicas: 6, updatedReplicas: 6, readyReplicas: 6, availableReplicas: 6, conditions: [` + available + `, ` + complete + `]}`, true,
		},
		"shows how far every cluster of a duplicated Deployment is": {
			`{` + deploymentHead + `, spec: {replicas: 2, progressDeadlineSeconds: 600}, status: {}}`,
			reports(t, false, ready2, ready2),
			`{observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2, conditions: [` + available + `, ` + complete + `]}`, true,
		},
		"is not done while one cluster of a duplicated Deployment lacks a replica": {
			`{` + deploymentHead + `, spec: {replicas: 2, progressDeadlineSeconds: 600}, status: {}}`,
			reports(t, false, ready2, one2),
			`{observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 1, availableReplicas: 1, unavailableReplicas: 1, conditions: [` + unavailable("Too few replicas are available in b.") + `, ` + updating + `]}`, false,
		},
		"is not done while a cluster is silent": {
			`{` + deploymentHead + `, spec: {replicas: 2, progressDeadlineSeconds: 600}, status: {observedGeneration: 1}}`,
			reports(t, false, ready2, ""),
			`{observedGeneration: 1, replicas: 2, unavailableReplicas: 2, conditions: [` + unavailable("Too few replicas are available in b.") + `, ` + updating + `]}`, false,
		},
		"is not done while a cluster still has an old pod": {
			`{` + deploymentHead + `, spec: {replicas: 6, progressDeadlineSeconds: 600}, status: {}}`,
			reports(t, true, ready4, `{observedGeneration: 3, replicas: 3, updatedReplicas: 2, readyReplicas: 3, availableReplicas: 3}`),
			`{observedGeneration: 2, replicas: 7, updatedReplicas: 6, readyReplicas: 7, availableReplicas: 7, conditions: [` + available + `, ` + updating + `]}`, false,
		},
		"never says that more is available than is ready, whatever a member says": {
			`{` + deploymentHead + `, spec: {replicas: 2, progressDeadlineSeconds: 600}, status: {}}`,
			reports(t, true, `{replicas: 1, readyReplicas: 0, availableReplicas: 5}`, `{replicas: -3, readyReplicas: 2}`),
			`{observedGeneration: 2, replicas: 2, readyReplicas: 2, availableReplicas: 2, conditions: [` + unavailable("Too few replicas are available in b.") + `, ` + updating + `]}`, false,
		},
		"stops a Deployment that stopped anywhere": {
			`{` + deploymentHead + `, spec: {replicas: 2, progressDeadlineSeconds: 600}, status: {}}`,
			reports(t, true, `{replicas: 2, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}, {type: ReplicaFailure, status: "True"}]}`),
			`{observedGeneration: 2, replicas: 2, unavailableReplicas: 2, conditions: [` + unavailable("Too few replicas are available in a.") + `,
			  {type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: The rollout has come to a stop in a., lastUpdateTime: "2026-05-04T12:00:00Z", lastTransitionTime: "2026-05-04T12:00:00Z"},
			  {type: ReplicaFailure, status: "True", reason: FailedCreate, message: Pods cannot be created in a., lastUpdateTime: "2026-05-04T12:00:00Z", lastTransitionTime: "2026-05-04T12:00:00Z"}]}`, false,
		},
		"has nothing available without a target cluster": {
			`{` + deploymentHead + `, spec: {replicas: 2, progressDeadlineSeconds: 600}, status: {observedGeneration: 1}}`,
			Fleet{Now: noon},
			`{observedGeneration: 1, unavailableReplicas: 2, conditions: [` + unavailable("There is no target cluster.") + `, ` + updating + `]}`, false,
		},
		"adds up a divided StatefulSet": {
			`{` + statefulSetHead + `, spec: {replicas: 3, updateStrategy: {type: RollingUpdate}}, status: {replicas: 0, availableReplicas: 0}}`,
			reports(t, true, `{observedGeneration: 1, replicas: 2, readyReplicas: 2, availableReplicas: 2, currentReplicas: 2, updatedReplicas: 2, currentRevision: db-1, updateRevision: db-1}`,
				`{observedGeneration: 1, replicas: 1, readyReplicas: 1, availableReplicas: 1, currentReplicas: 1, updatedReplicas: 1, currentRevision: db-1, updateRevision: db-1}`),
			`{observedGeneration: 2, replicas: 3, readyReplicas: 3, availableReplicas: 3, currentReplicas: 3, updatedReplicas: 3, currentRevision: db-1, updateRevision: db-1}`, true,
		},
		"is not done while a StatefulSet is between two revisions anywhere": {
			`{` + statefulSetHead + `, spec: {replicas: 3, updateStrategy: {type: RollingUpdate}}, status: {replicas: 0, availableReplicas: 0}}`,
			reports(t, true, `{observedGeneration: 1, replicas: 2, readyReplicas: 2, availableReplicas: 2, currentReplicas: 2, updatedReplicas: 2, currentRevision: db-2, updateRevision: db-2}`,
				`{observedGeneration: 1, replicas: 1, readyReplicas: 1, availableReplicas: 1, currentReplicas: 1, currentRevision: db-1, updateRevision: db-2}`),
			`{observedGeneration: 2, replicas: 3, readyReplicas: 3, availableReplicas: 3, currentReplicas: 3, updatedReplicas: 2, currentRevision: db-1, updateRevision: db-2}`, false,
		},
		"adds up the nodes of a DaemonSet": {
			`{` + daemonSetHead + `, spec: {updateStrategy: {type: RollingUpdate}}, status: {currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0}}`,
			reports(t, false, `{observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 2, numberAvailable: 2}`,
				`{observedGeneration: 1, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3, numberAvailable: 3}`),
			`{observedGeneration: 2, desiredNumberScheduled: 5, currentNumberScheduled: 5, updatedNumberScheduled: 5, numberReady: 5, numberAvailable: 5, numberMisscheduled: 0}`, true,
		},
		"is not done while a DaemonSet is unknown anywhere": {
			`{` + daemonSetHead + `, spec: {updateStrategy: {type: RollingUpdate}}, status: {}}`,
			reports(t, false, `{observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 2, numberAvailable: 2}`, ""),
			`{desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 2, numberAvailable: 2, numberMisscheduled: 0}`, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			template := object(t, tc.template)
			got := aggregateTwice(t, template, tc.fleet)
			if diff := cmp.Diff(fields(t, tc.want), got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			template.Object["status"] = got
			if done := rolledOut(t, template); done != tc.done {
				t.Errorf("kubectl rollout status says done = %v", done)
			}
			result, err := status.Compute(template)
			if err != nil || (result.Status == status.CurrentStatus) != tc.done {
				t.Errorf("kstatus says %v, %v", result, err)
			}
		})
	}
}

// aggregateTwice also checks that a second look, an hour later, at an unchanged fleet changes nothing.
func aggregateTwice(t *testing.T, template *unstructured.Unstructured, fleet Fleet) map[string]any {
	t.Helper()
	first, ok := New().Aggregate(template, fleet)
	if !ok {
		t.Fatal("the kind has nothing to aggregate")
	}
	again := template.DeepCopy()
	again.Object["status"] = first
	fleet.Now = metav1.NewTime(fleet.Now.Add(time.Hour))
	second, _ := New().Aggregate(again, fleet)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("an unchanged fleet changed the status:\n%s", diff)
	}
	return first
}

func rolledOut(t *testing.T, obj *unstructured.Unstructured) bool {
	t.Helper()
	viewer, err := polymorphichelpers.StatusViewerFor(obj.GroupVersionKind().GroupKind())
	if err != nil {
		t.Fatalf("finding kubectl's viewer: %v", err)
	}
	_, done, err := viewer.Status(obj, 0)
	return done && err == nil
}

func TestAggregateOfReplicaSetAddsUp(t *testing.T) {
	template := object(t, `{apiVersion: apps/v1, kind: ReplicaSet, metadata: {generation: 1}, spec: {replicas: 3}}`)
	got := aggregateTwice(t, template, reports(t, true,
		`{observedGeneration: 1, replicas: 2, fullyLabeledReplicas: 2, readyReplicas: 2, availableReplicas: 1}`,
		`{observedGeneration: 1, replicas: 1, fullyLabeledReplicas: 1}`))
	want := fields(t, `{observedGeneration: 1, replicas: 3, fullyLabeledReplicas: 3, readyReplicas: 2, availableReplicas: 1}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestAggregateOfCronJobListsWhatRunsAnywhere(t *testing.T) {
	template := object(t, `{apiVersion: batch/v1, kind: CronJob, metadata: {generation: 1}}`)
	got := aggregateTwice(t, template, reports(t, false,
		`{active: [{kind: Job, name: report-1}], lastScheduleTime: "2026-05-04T11:00:00Z", lastSuccessfulTime: "2026-05-04T10:05:00Z"}`,
		``,
		`{active: [{kind: Job, name: report-2}], lastScheduleTime: "2026-05-04T10:00:00Z", lastSuccessfulTime: "2026-05-04T10:07:00Z"}`))
	want := fields(t, `{active: [{kind: Job, name: report-1}, {kind: Job, name: report-2}], lastScheduleTime: "2026-05-04T11:00:00Z", lastSuccessfulTime: "2026-05-04T10:07:00Z"}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestAggregateOfService(t *testing.T) {
	balancer := object(t, `{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}, status: {loadBalancer: {}}}`)
	got := aggregateTwice(t, balancer, reports(t, false,
		`{loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: Proxy}]}}`, ``,
		`{loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: VIP}, {ip: 192.0.2.2}, {hostname: c.example.com}]}}`))
	want := fields(t, `{loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: Proxy}, {ip: 192.0.2.2, ipMode: VIP}, {hostname: c.example.com}]}}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if _, ok := New().Aggregate(object(t, `{apiVersion: v1, kind: Service, spec: {type: ClusterIP}}`), reports(t, false, `{loadBalancer: {}}`)); ok {
		t.Error("a Service without load balancer has a status to aggregate")
	}
}

func TestAggregateOfPod(t *testing.T) {
	const running = `{phase: Running, conditions: [{type: PodScheduled, status: "True"}, {type: Initialized, status: "True"}, {type: ContainersReady, status: "True"}, {type: Ready, status: "True"}], containerStatuses: [{name: main, ready: true, restartCount: 1, state: {running: {}}}]}`
	const crashing = `{phase: Running, conditions: [{type: PodScheduled, status: "True"}, {type: Initialized, status: "True"}, {type: ContainersReady, status: "False", reason: ContainersNotReady}, {type: Ready, status: "False", reason: ContainersNotReady}], containerStatuses: [{name: main, ready: false, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}}]}`
	for name, tc := range map[string]struct {
		fleet Fleet
		want  string
	}{
		"is running when every member's is": {
			reports(t, false, running, running),
			`{phase: Running, qosClass: BestEffort, conditions: [
			  {type: PodScheduled, status: "True", lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"}, {type: Initialized, status: "True", lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"},
			  {type: ContainersReady, status: "True", lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"}, {type: Ready, status: "True", lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"}],
			  containerStatuses: [{name: main, image: shop/main, imageID: "", ready: true, restartCount: 2, lastState: {}, state: {running: {startedAt: null}}}]}`,
		},
		"shows the member that is worst off": {
			reports(t, false, running, crashing),
			`{phase: Running, qosClass: BestEffort, conditions: [
			  {type: PodScheduled, status: "True", lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"}, {type: Initialized, status: "True", lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"},
			  {type: ContainersReady, status: "False", reason: ContainersNotReady, message: not so in b, lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"}, {type: Ready, status: "False", reason: ContainersNotReady, message: not so in b, lastProbeTime: null, lastTransitionTime: "2026-05-04T12:00:00Z"}],
			  containerStatuses: [{name: main, image: shop/main, imageID: "", ready: false, restartCount: 5, lastState: {}, state: {waiting: {reason: CrashLoopBackOff}}}]}`,
		},
		"is pending without a target cluster": {Fleet{Now: noon}, `{phase: Pending, qosClass: BestEffort}`},
	} {
		t.Run(name, func(t *testing.T) {
			template := object(t, `{apiVersion: v1, kind: Pod, spec: {containers: [{name: main, image: shop/main}]}, status: {phase: Pending, qosClass: BestEffort, conditions: [{type: PodScheduled, status: "False", reason: SchedulingGated}]}}`)
			if diff := cmp.Diff(fields(t, tc.want), aggregateTwice(t, template, tc.fleet)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAggregateLeavesOtherKindsAlone(t *testing.T) {
	if got, ok := New().Aggregate(object(t, `{apiVersion: v1, kind: ConfigMap}`), reports(t, false, `{a: b}`)); ok {
		t.Errorf("a ConfigMap has the status %v", got)
	}
}
