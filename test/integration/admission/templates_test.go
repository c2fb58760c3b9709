package admission

// The templates that the tests create, of every kind whose controllers act on the host.
const (
	deploymentYAML = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web:1}]}`

	statefulSetYAML = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db:1}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}`

	daemonSetYAML = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: agent:1}]}`

	replicaSetYAML = `
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: cache, labels: {app: cache}}
spec:
  replicas: 2
  selector: {matchLabels: {app: cache}}
  template:
    metadata: {labels: {app: cache}}
    spec: {containers: [{name: cache, image: cache:1}]}`

	jobYAML = `
apiVersion: batch/v1
kind: Job
metadata: {name: import}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: import, image: import:1}]}`

	cronJobYAML = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: report, image: report:1}]}`

	autoscalerYAML = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 5
  maxReplicas: 9
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]`

	serviceYAML = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}`

	loadBalancerYAML = `
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}`

	podYAML = `
apiVersion: v1
kind: Pod
metadata: {name: shell, labels: {app: shell}}
spec: {containers: [{name: shell, image: shell:1}]}`

	disruptionBudgetYAML = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}`

	claimYAML = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}`

	workloadsYAML = deploymentYAML + "\n---" + statefulSetYAML + "\n---" + daemonSetYAML + "\n---" + replicaSetYAML +
		"\n---" + jobYAML + "\n---" + cronJobYAML + "\n---" + autoscalerYAML + "\n---" + serviceYAML + "\n---" +
		loadBalancerYAML + "\n---" + podYAML + "\n---" + disruptionBudgetYAML
)
