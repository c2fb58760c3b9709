package load

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

const (
	// modeLabel of a template is the name of the policy that selects it.
	modeLabel = "load.example.com/mode"
	// sequenceAnnotation numbers the changes of a template.
	sequenceAnnotation = "load.example.com/sequence"

	kindConfigMap  = "ConfigMap"
	kindDeployment = "Deployment"

	// contentKey is the key of a ConfigMap's content.
	contentKey = "content"
)

// Modes are the names of policies.
const (
	modeEverywhere = "everywhere"
	modeSome       = "some"
	modeDivided    = "divided"
)

// shape is what stays the same about a template while its content changes.
type shape struct {
	mode string
	// members are where its policy lets it go, and taken where a foreign object has its name.
	members, taken []string
}

// reached are the members in which its changes show. The weights of what is divided are equal, and it never has fewer replicas than
// there are members, so it is in each of them.
func (s shape) reached() []string {
	return slices.DeleteFunc(slices.Clone(s.members), func(m string) bool { return slices.Contains(s.taken, m) })
}

// build makes a template with the content of a sequence. The image is the only thing that restarts pods.
func build(key verdict.Key, s shape, sequence int, replicas int32, image string) client.Object {
	number := strconv.Itoa(sequence)
	labels := map[string]string{modeLabel: s.mode}
	annotations := map[string]string{sequenceAnnotation: number}
	if key.Kind == kindConfigMap {
		c := builder.ConfigMap(key.Namespace, key.Name, contentKey, key.Name+" in its version "+number)
		c.Labels, c.Annotations = labels, annotations
		return c
	}
	d := builder.Deployment(key.Namespace, key.Name, builder.Replicas(replicas), builder.Image(image))
	maps.Copy(d.Labels, labels)
	d.Annotations = annotations
	return d
}

// sequenceOf reads the number that build wrote; 0 when there is none.
func sequenceOf(obj client.Object) int {
	n, err := strconv.Atoi(obj.GetAnnotations()[sequenceAnnotation])
	if err != nil {
		return 0
	}
	return n
}

// describe is an object as the verdict compares it. Of a Deployment the generation is its version: its own controller writes the
// status.
func describe(obj client.Object) (verdict.Key, verdict.Object) {
	key := verdict.Key{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	seen := verdict.Object{UID: string(obj.GetUID()), Ours: obj.GetLabels()[v1alpha1.ManagedLabel] != ""}
	content := []string{"version " + obj.GetAnnotations()[sequenceAnnotation]}
	switch o := obj.(type) {
	case *corev1.ConfigMap:
		key.Kind, seen.Version = kindConfigMap, o.ResourceVersion
		content = append(content, o.Data[contentKey])
	case *appsv1.Deployment:
		key.Kind, seen.Version = kindDeployment, fmt.Sprint(o.Generation)
		seen.Replicas = ptr.Deref(o.Spec.Replicas, 0)
		for _, container := range o.Spec.Template.Spec.Containers {
			content = append(content, container.Image)
		}
	}
	seen.Content = strings.Join(content, ", ")
	return key, seen
}

func compareNames(a, b verdict.Key) int { return strings.Compare(a.Kind+a.Name, b.Kind+b.Name) }
