package builder

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// TemplateNamespace is a namespace whose objects are templates only.
func TemplateNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled},
	}}
}

// DeploymentOption changes one thing about a Deployment.
type DeploymentOption func(*appsv1.Deployment)

// Replicas sets the number of replicas.
func Replicas(n int32) DeploymentOption {
	return func(d *appsv1.Deployment) { d.Spec.Replicas = &n }
}

// Image sets the image of the one container.
func Image(image string) DeploymentOption {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image }
}

// Label adds a label to the Deployment.
func Label(key, value string) DeploymentOption {
	return func(d *appsv1.Deployment) { d.Labels[key] = value }
}

// Resources are amounts of resources, given as pairs of names and amounts.
func Resources(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i+1 < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// Requests makes each replica ask for resources, given as pairs of names and amounts.
func Requests(pairs ...string) DeploymentOption {
	list := Resources(pairs...)
	return func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: list, Limits: list}
	}
}

// Paused makes a Deployment that asks for replicas and never starts a pod.
func Paused() DeploymentOption {
	return func(d *appsv1.Deployment) { d.Spec.Paused = true }
}

// Deployment has one replica of one container.
func Deployment(namespace, name string, options ...DeploymentOption) *appsv1.Deployment {
	one := int32(1)
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: podTemplate(labels),
		},
	}
	for _, option := range options {
		option(d)
	}
	return d
}

// Job runs one pod to its end.
func Job(namespace, name string) *batchv1.Job {
	job := &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       batchv1.JobSpec{Template: podTemplate(map[string]string{"job": name})},
	}
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return job
}

// ConfigMap holds data given as pairs of keys and values.
func ConfigMap(namespace, name string, pairs ...string) *corev1.ConfigMap {
	data := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data:       data,
	}
}

func podTemplate(labels map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "web:1"}}},
	}
}
