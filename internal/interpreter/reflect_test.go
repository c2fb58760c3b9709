package interpreter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReflect(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest string
		want     string
		upToDate bool
	}{
		"keeps a Deployment's numbers and drops conditions that are as they should be": {
			`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, status: {observedGeneration: 2, replicas: 2, readyReplicas: 1, collisionCount: 3, conditions: [{type: Available, status: "True"}, {type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: stuck, lastUpdateTime: "2026-01-02T03:04:05Z"}]}}`,
			`{observedGeneration: 2, replicas: 2, readyReplicas: 1, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: stuck}]}`, true,
		},
		"knows that a Deployment nobody has looked at yet is not up to date": {
			`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 1}}`, `null`, false,
		},
		"knows that a StatefulSet's newest generation was not seen": {
			`{apiVersion: apps/v1, kind: StatefulSet, metadata: {generation: 2}, status: {observedGeneration: 1, replicas: 1}}`, `{observedGeneration: 1, replicas: 1}`, false,
		},
		"keeps what a Job counts, and how it ended": {
			`{apiVersion: batch/v1, kind: Job, metadata: {generation: 1}, status: {succeeded: 1, uncountedTerminatedPods: {}, startTime: "2026-01-02T03:04:05Z", conditions: [{type: Complete, status: "True", lastTransitionTime: "2026-01-02T03:04:05Z"}]}}`,
			`{succeeded: 1, startTime: "2026-01-02T03:04:05Z", conditions: [{type: Complete, status: "True"}]}`, true,
		},
		"keeps what kubectl shows of a Pod and no address": {
			`{apiVersion: v1, kind: Pod, status: {phase: Running, podIP: 10.0.0.1, conditions: [{type: Ready, status: "True", lastProbeTime: null}], containerStatuses: [{name: a, ready: true, restartCount: 2, imageID: x, state: {running: {startedAt: "2026-01-02T03:04:05Z"}}}]}}`,
			`{phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: a, ready: true, restartCount: 2, state: {running: {}}}]}`, true,
		},
		"keeps all of a kind that it does not know": {
			`{apiVersion: example.com/v1, kind: Database, metadata: {generation: 4}, status: {observedGeneration: 3, nested: {a: [1]}}}`,
			`{observedGeneration: 3, nested: {a: [1]}}`, false,
		},
		"takes a kind that does not tell for up to date": {`{apiVersion: v1, kind: ConfigMap}`, `null`, true},
	} {
		t.Run(name, func(t *testing.T) {
			obj := object(t, tc.manifest)
			got, upToDate := New().Reflect(obj)
			if diff := cmp.Diff(fields(t, tc.want), got); diff != "" {
				t.Errorf("reflected (-want +got):\n%s", diff)
			}
			if upToDate != tc.upToDate {
				t.Errorf("upToDate is %v", upToDate)
			}
			if diff := cmp.Diff(object(t, tc.manifest), obj); diff != "" {
				t.Errorf("the object was changed:\n%s", diff)
			}
		})
	}
}
