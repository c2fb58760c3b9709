package render

import "github.com/flotilla-dev/flotilla/api/v1alpha1"

// hostLabels never reach a member.
var hostLabels = []string{
	v1alpha1.TemplatesLabel,
	v1alpha1.DeletionProtectedLabel,
	v1alpha1.ManagedLabel,
	// Every API server labels its namespaces with their own names.
	"kubernetes.io/metadata.name",
}

// hostAnnotations never reach a member: bookkeeping of clients and controllers about the host's own object.
// Flotilla's marks are among them so that an object that one host put into another as a template is marked anew.
var hostAnnotations = []string{
	v1alpha1.HostAnnotation,
	v1alpha1.BindingAnnotation,
	v1alpha1.HashAnnotation,
	v1alpha1.WrittenAnnotation,
	"kubectl.kubernetes.io/last-applied-configuration",
	"deployment.kubernetes.io/revision",
	"deployment.kubernetes.io/desired-replicas",
	"deployment.kubernetes.io/max-replicas",
	"deprecated.daemonset.template.generation",
	"batch.kubernetes.io/job-tracking",
	"pv.kubernetes.io/bind-completed",
	"pv.kubernetes.io/bound-by-controller",
	"volume.kubernetes.io/selected-node",
	"volume.kubernetes.io/storage-provisioner",
	"volume.beta.kubernetes.io/storage-provisioner",
	"endpoints.kubernetes.io/last-change-trigger-time",
}
