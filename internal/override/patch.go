package override

import (
	"encoding/json"
	"errors"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// native has the kinds whose strategic merge is known: how lists are merged stands in their Go types.
var native = nativeScheme()

func nativeScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme, schedulingv1.AddToScheme, storagev1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(fmt.Sprintf("registering a built-in kind: %v", err)) // a mistake in this list, seen by every test
		}
	}
	return scheme
}

// operation is a JSON patch operation whose value may name the cluster.
type operation struct {
	op, path, from string
	value          *value
}

func compileOperation(operator, path string, written *apiextensionsv1.JSON) (operation, error) {
	o := operation{op: operator, path: path}
	removes := operator == string(v1alpha1.OverrideRemove)
	switch {
	case removes != (written == nil):
		return o, errors.New("value: is required for add and replace, and must be left out for remove")
	case removes:
		return o, nil
	}
	var decoded any
	if err := kjson.Unmarshal(written.Raw, &decoded); err != nil {
		return o, fmt.Errorf("value: %w", err)
	}
	compiled, err := compileValue(decoded)
	if err != nil {
		return o, fmt.Errorf("value: %w", err)
	}
	o.value = &compiled
	return o, nil
}

// operations are applied to a document together.
type operations []operation

func (o operations) resolve(cluster *v1alpha1.Cluster) (jsonpatch.Patch, error) {
	resolved := make([]map[string]any, len(o))
	for i, operation := range o {
		resolved[i] = map[string]any{"op": operation.op, "path": operation.path}
		if operation.from != "" {
			resolved[i]["from"] = operation.from
		}
		if operation.value == nil {
			continue
		}
		v, err := operation.value.resolve(cluster)
		if err != nil {
			return nil, err
		}
		resolved[i]["value"] = v
	}
	text, err := json.Marshal(resolved)
	if err != nil {
		return nil, fmt.Errorf("encoding the operations: %w", err)
	}
	return jsonpatch.DecodePatch(text)
}

// compile decodes the operations once when they are the same for every cluster.
func (o operations) compile() (func(*v1alpha1.Cluster) (jsonpatch.Patch, error), error) {
	for i := range o {
		if o[i].value != nil && !o[i].value.fixed {
			return o.resolve, nil
		}
	}
	patch, err := o.resolve(nil)
	return func(*v1alpha1.Cluster) (jsonpatch.Patch, error) { return patch, nil }, err
}

func compilePlaintext(o *v1alpha1.PlaintextOverrider) (action, error) {
	compiled, err := compileOperation(string(o.Operator), o.Path, o.Value)
	if err != nil {
		return nil, err
	}
	return operations{compiled}.onObject()
}

func (o operations) onObject() (action, error) {
	resolve, err := o.compile()
	if err != nil {
		return nil, err
	}
	return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
		patch, err := resolve(cluster)
		if err != nil {
			return err
		}
		return throughJSON(obj, func(before []byte) ([]byte, error) { return applyPatch(patch, before) })
	}, nil
}

// maxCopied is how much the copy operations of one patch may add up to, in bytes: more than an API server stores of an object.
const maxCopied = 4 << 20

// applyPatch bounds what copying can make of a document: each copy may double it.
func applyPatch(patch jsonpatch.Patch, document []byte) ([]byte, error) {
	options := jsonpatch.NewApplyOptions()
	options.AccumulatedCopySizeLimit = maxCopied
	return patch.ApplyWithOptions(document, options)
}

// throughJSON changes an object by way of its JSON.
func throughJSON(obj *unstructured.Unstructured, change func([]byte) ([]byte, error)) error {
	before, err := json.Marshal(obj.Object)
	if err != nil {
		return fmt.Errorf("encoding the object: %w", err)
	}
	after, err := change(before)
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := kjson.Unmarshal(after, &fields); err != nil {
		return fmt.Errorf("the result is not an object: %w", err)
	}
	obj.Object = fields
	return nil
}

// compilePatch compiles a patch of a kustomization. Its target is the given one; without it, what a strategic merge patch
// says of apiVersion, kind and name.
func compilePatch(o *v1alpha1.OverridePatch) (action, error) {
	if _, err := readYAML(o.Patch); errors.Is(err, errSeveralDocuments) {
		return nil, fmt.Errorf("patch: %w: write a patch for each", err)
	}
	content, err := yaml.YAMLToJSONStrict([]byte(o.Patch))
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	var decoded any
	if err := kjson.Unmarshal(content, &decoded); err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	var apply action
	target := o.Target
	switch patch := decoded.(type) {
	case map[string]any:
		if target == nil {
			target = targetOf(patch)
		}
		apply, err = compileMerge(patch)
	case []any:
		apply, err = compileOperations(patch)
	default:
		return nil, errors.New("patch: must be an object (a strategic merge patch) or a list (of JSON patch operations)")
	}
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	return onlyFor(target, apply)
}

func targetOf(patch map[string]any) *v1alpha1.PatchTarget {
	named := unstructured.Unstructured{Object: patch}
	gvk := named.GroupVersionKind()
	return &v1alpha1.PatchTarget{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Name: named.GetName()}
}

func onlyFor(target *v1alpha1.PatchTarget, apply action) (action, error) {
	if target == nil {
		return apply, nil
	}
	selector := labels.Everything()
	if target.LabelSelector != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(target.LabelSelector); err != nil {
			return nil, fmt.Errorf("target.labelSelector: %w", err)
		}
	}
	matches := func(wanted, have string) bool { return wanted == "" || wanted == have }
	return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
		gvk := obj.GroupVersionKind()
		if !matches(target.Group, gvk.Group) || !matches(target.Version, gvk.Version) || !matches(target.Kind, gvk.Kind) ||
			!matches(target.Name, obj.GetName()) || !selector.Matches(labels.Set(obj.GetLabels())) {
			return nil
		}
		return apply(obj, cluster)
	}, nil
}

// compileMerge compiles a strategic merge patch. What identifies an object is no part of it.
func compileMerge(patch map[string]any) (action, error) {
	patch = runtime.DeepCopyJSON(patch)
	for _, path := range [][]string{{"apiVersion"}, {"kind"}, {"metadata", "name"}, {"metadata", "namespace"}} {
		unstructured.RemoveNestedField(patch, path...)
	}
	compiled, err := compileValue(patch)
	if err != nil {
		return nil, err
	}
	return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
		resolved, err := compiled.resolve(cluster)
		if err != nil {
			return err
		}
		fields, _ := resolved.(map[string]any)
		return merge(obj, fields)
	}, nil
}

// merge is strategic for kinds of Kubernetes; for others it is a JSON merge patch (RFC 7386), as in kustomize.
func merge(obj *unstructured.Unstructured, patch map[string]any) error {
	typed, err := native.New(obj.GroupVersionKind())
	if err != nil {
		text, err := json.Marshal(patch)
		if err != nil {
			return fmt.Errorf("encoding the patch: %w", err)
		}
		return throughJSON(obj, func(before []byte) ([]byte, error) { return jsonpatch.MergePatch(before, text) })
	}
	lists, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return fmt.Errorf("reading the type of %s: %w", obj.GetKind(), err)
	}
	merged, err := strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(obj.Object, patch, lists)
	if err != nil {
		return fmt.Errorf("merging: %w", err)
	}
	obj.Object = merged
	return nil
}

var knownOperations = map[string]bool{"add": true, "remove": true, "replace": true, "move": true, "copy": true, "test": true}

func compileOperations(list []any) (action, error) {
	compiled := make(operations, len(list))
	for i, element := range list {
		fields, _ := element.(map[string]any)
		op, _ := fields["op"].(string)
		path, hasPath := fields["path"].(string)
		if !knownOperations[op] || !hasPath {
			return nil, fmt.Errorf("[%d]: must be an operation with op (add, remove, replace, move, copy or test) and path", i)
		}
		from, _ := fields["from"].(string)
		compiled[i] = operation{op: op, path: path, from: from}
		if written, hasValue := fields["value"]; hasValue {
			v, err := compileValue(written)
			if err != nil {
				return nil, fmt.Errorf("[%d].value: %w", i, err)
			}
			compiled[i].value = &v
		}
	}
	return compiled.onObject()
}
