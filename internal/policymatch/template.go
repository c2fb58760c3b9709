package policymatch

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Template is what policies see of a template.
type Template struct {
	// GVK is the template's kind.
	GVK schema.GroupVersionKind
	// Namespace of the template; empty for cluster-scoped kinds.
	Namespace string
	// Name of the template.
	Name string
	// Labels of the template.
	Labels map[string]string
	// Controlled is true when a controller made the object (it has a controller ownerReference): what is
	// propagated is then the object that the controller makes it from.
	Controlled bool
}

// Of is what policies see of an object.
func Of(gvk schema.GroupVersionKind, obj metav1.Object) Template {
	return Template{
		GVK: gvk, Namespace: obj.GetNamespace(), Name: obj.GetName(), Labels: obj.GetLabels(),
		Controlled: metav1.GetControllerOfNoCopy(obj) != nil,
	}
}

// neverPropagated are kinds that each cluster makes for itself.
var neverPropagated = map[schema.GroupKind]bool{
	{Kind: "Event"}:                                    true,
	{Group: "events.k8s.io", Kind: "Event"}:            true,
	{Group: "coordination.k8s.io", Kind: "Lease"}:      true,
	{Kind: "Node"}:                                     true,
	{Kind: "Endpoints"}:                                true,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}: true,
}

// KindAllowed says whether objects of a kind can be templates at all. Flotilla's own kinds cannot, nor can
// kinds that each cluster makes for itself: Events, Leases, Nodes, Endpoints, EndpointSlices.
func KindAllowed(kind schema.GroupKind) bool {
	return kind.Group != v1alpha1.GroupVersion.Group && !neverPropagated[kind]
}

// Allowed says whether an object can be a template: its kind is allowed, it does not lie in (and is not) a
// namespace of the system, it is no part of Flotilla, wherever that is installed, and neither a controller nor
// Kubernetes itself made it.
func Allowed(t Template) bool {
	switch {
	case !KindAllowed(t.GVK.GroupKind()), t.Controlled, systemNamespace(t.Namespace), t.Labels[v1alpha1.PartOfLabel] == v1alpha1.PartOfFlotilla:
		return false
	case t.GVK.Group != "":
		return true
	}
	switch t.GVK.Kind {
	case "Namespace":
		return !systemNamespace(t.Name)
	case "ConfigMap":
		return t.Name != "kube-root-ca.crt"
	case "ServiceAccount":
		return t.Name != "default"
	case "Service":
		return t.Namespace != "default" || t.Name != "kubernetes"
	default:
		return true
	}
}

func systemNamespace(name string) bool {
	return name == v1alpha1.SystemNamespace ||
		strings.HasPrefix(name, v1alpha1.ExecutionNamespacePrefix) ||
		strings.HasPrefix(name, "kube-")
}
