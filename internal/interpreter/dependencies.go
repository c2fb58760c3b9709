package interpreter

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/internal/interpreter/podneeds"
)

// Dependency names what an object needs: one object by its name, or all of a kind that a selector matches.
type Dependency struct {
	// APIVersion and Kind of what is needed.
	APIVersion, Kind string
	// Namespace is that of the object that needs it.
	Namespace string
	// Name; empty when there is a Selector.
	Name string
	// Selector over labels; nil when there is a Name.
	Selector *metav1.LabelSelector
}

// GroupVersionKind is the kind of what is needed.
func (d Dependency) GroupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(d.APIVersion, d.Kind)
}

var (
	serviceAccount = schema.GroupKind{Kind: "ServiceAccount"}
	ingress        = schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}
)

// Dependencies are the objects that an object cannot do its work without, each once, in the order of their mention: those
// that a ResourceInterpreter names, those that its pods mention (optional ones too: they count once they exist), the
// Secrets of a ServiceAccount, and the TLS Secrets of an Ingress. All are in the object's namespace; an object without one
// has none. The error is that of the ResourceInterpreter that teaches the kind.
func (i *Interpreter) Dependencies(obj *unstructured.Unstructured) ([]Dependency, error) {
	if obj.GetNamespace() == "" {
		return nil, nil
	}
	needs := &needs{namespace: obj.GetNamespace()}
	named, pods, err := i.taughtDependencies(obj)
	if err != nil {
		return nil, err
	}
	for _, d := range named {
		if d.Selector != nil {
			needs.all = append(needs.all, Dependency{APIVersion: d.APIVersion, Kind: d.Kind, Namespace: needs.namespace, Selector: d.Selector})
			continue
		}
		needs.add(d.APIVersion, d.Kind, d.Name)
	}
	for _, spec := range pods {
		needs.pod(spec, nil)
	}
	switch kindOf(obj) {
	case serviceAccount:
		for _, list := range []string{"imagePullSecrets", "secrets"} {
			for _, secret := range objects(obj.Object, list) {
				needs.add("v1", "Secret", text(secret, "name"))
			}
		}
	case ingress:
		for _, tls := range objects(obj.Object, "spec", "tls") {
			needs.add("v1", "Secret", text(tls, "secretName"))
		}
	default:
		if spec := podSpecOf(obj); spec != nil {
			needs.pod(spec, claimTemplates(obj))
		}
	}
	return needs.all, nil
}

// podTemplatePath is where a native kind has its pod template; nil for other kinds. That of a Pod is the Pod itself.
func podTemplatePath(kind schema.GroupKind) ([]string, bool) {
	switch kind {
	case deployment, statefulSet, daemonSet, replicaSet, job:
		return []string{"spec", "template"}, true
	case cronJob:
		return []string{"spec", "jobTemplate", "spec", "template"}, true
	case pod:
		return nil, true
	default:
		return nil, false
	}
}

// podSpecOf is the spec of a native kind's pods; nil for other kinds, and for one that cannot be read: members will say
// what is wrong with it.
func podSpecOf(obj *unstructured.Unstructured) *corev1.PodSpec {
	path, native := podTemplatePath(kindOf(obj))
	if !native {
		return nil
	}
	fields, found, err := unstructured.NestedFieldNoCopy(obj.Object, append(slices.Clone(path), "spec")...)
	content, ok := fields.(map[string]any)
	if err != nil || !found || !ok {
		return nil
	}
	spec, err := podneeds.Spec(content)
	if err != nil {
		return nil
	}
	return spec
}

// claimTemplates are the names of a StatefulSet's claim templates. Volumes of these names are made by it.
func claimTemplates(obj *unstructured.Unstructured) []string {
	var names []string
	for _, claim := range objects(obj.Object, "spec", "volumeClaimTemplates") {
		names = append(names, text(claim, "metadata", "name"))
	}
	return names
}

// needs gathers dependencies.
type needs struct {
	namespace string
	all       []Dependency
}

func (n *needs) add(apiVersion, kind, name string) {
	d := Dependency{APIVersion: apiVersion, Kind: kind, Namespace: n.namespace, Name: name}
	if name != "" && !slices.Contains(n.all, d) {
		n.all = append(n.all, d)
	}
}

func (n *needs) configMap(name string) { n.add("v1", "ConfigMap", name) }
func (n *needs) secret(name string)    { n.add("v1", "Secret", name) }

func (n *needs) secretRef(ref *corev1.LocalObjectReference) {
	if ref != nil {
		n.secret(ref.Name)
	}
}

// pod adds what a pod mentions, but for the volumes that made names.
func (n *needs) pod(spec *corev1.PodSpec, made []string) {
	if account := spec.ServiceAccountName; account != "default" {
		n.add("v1", "ServiceAccount", account)
	}
	for i := range spec.ImagePullSecrets {
		n.secretRef(&spec.ImagePullSecrets[i])
	}
	for i := range spec.Volumes {
		if !slices.Contains(made, spec.Volumes[i].Name) {
			n.volume(&spec.Volumes[i].VolumeSource)
			n.driver(&spec.Volumes[i].VolumeSource)
		}
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			n.environment(list[i].Env, list[i].EnvFrom)
		}
	}
	for i := range spec.EphemeralContainers {
		n.environment(spec.EphemeralContainers[i].Env, spec.EphemeralContainers[i].EnvFrom)
	}
}

func (n *needs) environment(env []corev1.EnvVar, from []corev1.EnvFromSource) {
	for _, v := range env {
		switch {
		case v.ValueFrom == nil:
		case v.ValueFrom.ConfigMapKeyRef != nil:
			n.configMap(v.ValueFrom.ConfigMapKeyRef.Name)
		case v.ValueFrom.SecretKeyRef != nil:
			n.secret(v.ValueFrom.SecretKeyRef.Name)
		}
	}
	for _, source := range from {
		if source.ConfigMapRef != nil {
			n.configMap(source.ConfigMapRef.Name)
		}
		if source.SecretRef != nil {
			n.secret(source.SecretRef.Name)
		}
	}
}

// volume adds what a volume shows to the pod.
func (n *needs) volume(v *corev1.VolumeSource) {
	switch {
	case v.ConfigMap != nil:
		n.configMap(v.ConfigMap.Name)
	case v.Secret != nil:
		n.secret(v.Secret.SecretName)
	case v.PersistentVolumeClaim != nil:
		n.add("v1", "PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName)
	case v.Projected != nil:
		for _, source := range v.Projected.Sources {
			if source.ConfigMap != nil {
				n.configMap(source.ConfigMap.Name)
			}
			if source.Secret != nil {
				n.secret(source.Secret.Name)
			}
		}
	}
}

// driver adds the Secrets that the driver of a volume signs in with.
func (n *needs) driver(v *corev1.VolumeSource) {
	switch {
	case v.CSI != nil:
		n.secretRef(v.CSI.NodePublishSecretRef)
	case v.AzureFile != nil:
		n.secret(v.AzureFile.SecretName)
	case v.CephFS != nil:
		n.secretRef(v.CephFS.SecretRef)
	case v.FlexVolume != nil:
		n.secretRef(v.FlexVolume.SecretRef)
	case v.ISCSI != nil:
		n.secretRef(v.ISCSI.SecretRef)
	case v.RBD != nil:
		n.secretRef(v.RBD.SecretRef)
	case v.ScaleIO != nil:
		n.secretRef(v.ScaleIO.SecretRef)
	case v.StorageOS != nil:
		n.secretRef(v.StorageOS.SecretRef)
	}
}
