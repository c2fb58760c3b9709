package interpreter

import (
	"testing"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestHealth(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest string
		want     v1alpha1.Health
	}{
		"a Deployment with all replicas updated and available is healthy":   {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, updatedReplicas: 2, availableReplicas: 2}}`, v1alpha1.Healthy},
		"a Deployment with an old replica is not":                           {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, updatedReplicas: 1, availableReplicas: 2}}`, v1alpha1.Unhealthy},
		"a Deployment with a replica that is unavailable is not":            {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, updatedReplicas: 2, availableReplicas: 1}}`, v1alpha1.Unhealthy},
		"a Deployment whose newest generation nobody saw is not":            {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 3}, spec: {replicas: 2}, status: {observedGeneration: 2, updatedReplicas: 2, availableReplicas: 2}}`, v1alpha1.Unhealthy},
		"a Deployment of none is healthy":                                   {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 1}, spec: {replicas: 0}, status: {observedGeneration: 1}}`, v1alpha1.Healthy},
		"a Deployment that is being deleted is not":                         {`{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 1, deletionTimestamp: "2026-01-02T03:04:05Z"}, spec: {replicas: 0}, status: {observedGeneration: 1}}`, v1alpha1.Unhealthy},
		"a ReplicaSet with all replicas available is healthy":               {`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1, availableReplicas: 2}}`, v1alpha1.Healthy},
		"a ReplicaSet without status is not":                                {`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {generation: 1}, spec: {replicas: 2}}`, v1alpha1.Unhealthy},
		"a StatefulSet that is updated above its partition is healthy":      {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {generation: 1}, spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}}, status: {observedGeneration: 1, updatedReplicas: 1, availableReplicas: 3}}`, v1alpha1.Healthy},
		"a StatefulSet with a replica of the old revision is not":           {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {generation: 1}, spec: {replicas: 3}, status: {observedGeneration: 1, updatedReplicas: 2, availableReplicas: 3}}`, v1alpha1.Unhealthy},
		"a StatefulSet that is updated by hand is healthy when available":   {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {generation: 1}, spec: {replicas: 1, updateStrategy: {type: OnDelete}}, status: {observedGeneration: 1, availableReplicas: 1}}`, v1alpha1.Healthy},
		"a DaemonSet on every node is healthy":                              {`{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 4, updatedNumberScheduled: 4, numberAvailable: 4}}`, v1alpha1.Healthy},
		"a DaemonSet that lacks a node is not":                              {`{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 4, updatedNumberScheduled: 4, numberAvailable: 3}}`, v1alpha1.Unhealthy},
		"a Job that works is healthy":                                       {`{apiVersion: batch/v1, kind: Job, status: {active: 1}}`, v1alpha1.Healthy},
		"a Job that failed is not":                                          {`{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: "True"}]}}`, v1alpha1.Unhealthy},
		"a Job that is about to fail is not":                                {`{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: FailureTarget, status: "True"}]}}`, v1alpha1.Unhealthy},
		"a CronJob is healthy":                                              {`{apiVersion: batch/v1, kind: CronJob}`, v1alpha1.Healthy},
		"a Pod that is ready is healthy":                                    {`{apiVersion: v1, kind: Pod, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`, v1alpha1.Healthy},
		"a Pod that runs without being ready is not":                        {`{apiVersion: v1, kind: Pod, status: {phase: Running, conditions: [{type: Ready, status: "False"}]}}`, v1alpha1.Unhealthy},
		"a Pod that has done its work is healthy":                           {`{apiVersion: v1, kind: Pod, status: {phase: Succeeded}}`, v1alpha1.Healthy},
		"a Pod that failed is not":                                          {`{apiVersion: v1, kind: Pod, status: {phase: Failed}}`, v1alpha1.Unhealthy},
		"a Service is healthy":                                              {`{apiVersion: v1, kind: Service, spec: {type: ClusterIP}}`, v1alpha1.Healthy},
		"a load balancer without an address is not":                         {`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}, status: {loadBalancer: {}}}`, v1alpha1.Unhealthy},
		"a load balancer with an address is healthy":                        {`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}}`, v1alpha1.Healthy},
		"a ConfigMap is healthy":                                            {`{apiVersion: v1, kind: ConfigMap}`, v1alpha1.Healthy},
		"a volume claim that is not bound is not":                           {`{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}}`, v1alpha1.Unhealthy},
		"a custom resource that is Ready is healthy":                        {`{apiVersion: example.com/v1, kind: Database, status: {conditions: [{type: Ready, status: "True"}]}}`, v1alpha1.Healthy},
		"a custom resource that is not Ready is not":                        {`{apiVersion: example.com/v1, kind: Database, status: {conditions: [{type: Ready, status: "False"}]}}`, v1alpha1.Unhealthy},
		"a custom resource whose status nobody understands cannot be known": {`{apiVersion: example.com/v1, kind: Database, status: {conditions: 7}}`, v1alpha1.HealthUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := New().Health(object(t, tc.manifest)); got != tc.want {
				t.Errorf("health is %s, want %s", got, tc.want)
			}
		})
	}
}

func TestHealthOfNothingIsUnknown(t *testing.T) {
	if got := New().Health(nil); got != v1alpha1.HealthUnknown {
		t.Errorf("health is %s", got)
	}
}
