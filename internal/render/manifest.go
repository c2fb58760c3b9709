package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
)

// Marks say whose an object in a member is.
type Marks struct {
	// HostUID is the UID of the host's kube-system namespace.
	HostUID string
	// Binding is the binding that wants the object; without namespace for a ClusterResourceBinding.
	Binding types.NamespacedName
}

// Ignored are fields that are left to the member, as JSON pointers.
type Ignored struct {
	// Always are never in what the member gets.
	Always []string
	// AfterCreation are given to the member when the object is created, and not later.
	AfterCreation []string
}

// Rendered is what a member gets.
type Rendered struct {
	// Object is the manifest to apply, with its marks.
	Object *unstructured.Unstructured
	// Hash of everything in Object but the annotation that holds it: 16 hexadecimal digits.
	Hash string
	// Initial is Object with the fields that are given at creation only; nil when there are none. Left are those fields, as JSON
	// pointers.
	Initial *unstructured.Unstructured
	Left    []string
}

// hashBytes of a SHA-256 are enough to tell the versions of one object apart.
const hashBytes = 8

// ErrNoIdentity is the error for a template that lacks its apiVersion, kind or name.
var ErrNoIdentity = errors.New("apiVersion, kind and metadata.name are required")

// ErrTimeToLive is the error for a Job's copy that would vanish by itself, and so be made and run again.
var ErrTimeToLive = errors.New("spec.ttlSecondsAfterFinished cannot be set for a member: the Job would be made, and run, again when its time is up")

// ErrTooLarge is the error for a manifest of more than MaxSize.
var ErrTooLarge = errors.New("the manifest is too large")

// MaxSize is how large a manifest may be, in bytes of its JSON. etcd takes 1.5 MiB (its --max-request-bytes) with everything that
// the member adds: managedFields and the status have the rest.
const MaxSize = 1_310_720

// Manifest makes the manifest of a template whose replicas are already those of the member. The template is
// not changed. Rendering a rendered manifest again gives the same manifest.
func Manifest(template *unstructured.Unstructured, marks Marks, ignored Ignored) (Rendered, error) {
	return Finish(Strip(template), marks, ignored)
}

// Strip copies a template without what only means something on the host. What is added to the copy afterwards, as by an
// override, reaches the member.
func Strip(template *unstructured.Unstructured) *unstructured.Unstructured {
	fields, _ := clean(template.Object).(map[string]any)
	obj := &unstructured.Unstructured{Object: fields}
	if fields == nil {
		return obj
	}
	delete(fields, "status")
	stripMetadata(obj)
	if strip, known := kinds[obj.GroupVersionKind().GroupKind()]; known {
		strip(fields)
	}
	return obj
}

// Finish makes the manifest of a stripped template that has everything that is the member's own. The template is not changed.
func Finish(stripped *unstructured.Unstructured, marks Marks, ignored Ignored) (Rendered, error) {
	fields, _ := clean(stripped.Object).(map[string]any)
	obj := &unstructured.Unstructured{Object: fields}
	if obj.GetAPIVersion() == "" || obj.GetKind() == "" || obj.GetName() == "" {
		return Rendered{}, fmt.Errorf("rendering %s %q: %w", obj.GetKind(), obj.GetName(), ErrNoIdentity)
	}
	delete(fields, "status")
	stripMetadata(obj)
	if vanishes(obj) {
		return Rendered{}, fmt.Errorf("rendering %s %q: %w", obj.GetKind(), obj.GetName(), ErrTimeToLive)
	}
	left := ignored.AfterCreation
	if obj.GetLabels()[v1alpha1.RetainReplicasLabel] == "true" {
		// An autoscaler in the member takes over from the share that the scheduler gave: a copy that replaces another one must not
		// begin with a single replica.
		left = append(slices.Clone(left), "/spec/replicas")
	}
	initial := &unstructured.Unstructured{Object: applyplan.Without(fields, ignored.Always)}
	obj = &unstructured.Unstructured{Object: applyplan.Without(initial.Object, left)}
	mark(obj, marks)
	hash, err := hashOf(obj.Object)
	if err != nil {
		return Rendered{}, fmt.Errorf("rendering %s %q: %w", obj.GetKind(), obj.GetName(), err)
	}
	setHash(obj, hash)
	if len(left) == 0 {
		return Rendered{Object: obj, Hash: hash}, nil
	}
	mark(initial, marks)
	setHash(initial, hash)
	return Rendered{Object: obj, Hash: hash, Initial: initial, Left: left}, nil
}

func setHash(obj *unstructured.Unstructured, hash string) {
	annotations := obj.GetAnnotations()
	annotations[v1alpha1.HashAnnotation] = hash
	obj.SetAnnotations(annotations)
}

// clean copies a value without the nulls in its objects. Server-side apply would take a null for a field that is
// ours; clients write them without meaning anything, as in "creationTimestamp: null". Empty objects stay: an
// "emptyDir: {}" means something.
func clean(value any) any {
	switch value := value.(type) {
	case map[string]any:
		fields := make(map[string]any, len(value))
		for name, field := range value {
			if field != nil {
				fields[name] = clean(field)
			}
		}
		return fields
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = clean(item)
		}
		return items
	default:
		return value
	}
}

// stripMetadata keeps what users write: names, labels and annotations. Everything else in metadata is the
// host's: its UIDs, owners and finalizers mean nothing, or harm, in a member.
func stripMetadata(obj *unstructured.Unstructured) {
	kept := map[string]any{"name": obj.GetName()}
	if namespace := obj.GetNamespace(); namespace != "" {
		kept["namespace"] = namespace
	}
	labels, annotations := obj.GetLabels(), obj.GetAnnotations()
	for _, key := range hostLabels {
		delete(labels, key)
	}
	for _, key := range hostAnnotations {
		delete(annotations, key)
	}
	obj.Object["metadata"] = kept
	if len(labels) > 0 {
		obj.SetLabels(labels)
	}
	if len(annotations) > 0 {
		obj.SetAnnotations(annotations)
	}
}

func mark(obj *unstructured.Unstructured, marks Marks) {
	labels, annotations := obj.GetLabels(), obj.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[v1alpha1.ManagedLabel] = "true"
	annotations[v1alpha1.HostAnnotation] = marks.HostUID
	annotations[v1alpha1.BindingAnnotation] = marks.Binding.String()
	obj.SetLabels(labels)
	obj.SetAnnotations(annotations)
}

// hashOf relies on Go writing the keys of objects in order.
func hashOf(fields map[string]any) (string, error) {
	canonical, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("encoding the manifest: %w", err)
	}
	if len(canonical) > MaxSize {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(canonical), MaxSize)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:hashBytes]), nil
}
