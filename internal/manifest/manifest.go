package manifest

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/override"
	"github.com/flotilla-dev/flotilla/internal/policymatch"
	"github.com/flotilla-dev/flotilla/internal/render"
)

// Order is what a manifest is made from. Nothing of it is changed.
type Order struct {
	// Template is the user's object.
	Template *unstructured.Unstructured
	// Binding is what was decided about it.
	Binding v1alpha1.Binding
	// Cluster is the member.
	Cluster *v1alpha1.Cluster
	// Overrides are the override policies that may be for the template.
	Overrides []*override.Policy
	// HostUID is the UID of the host's kube-system namespace.
	HostUID string
	// Observe sees the object before and after each rule that was applied; nil for nobody.
	Observe func(rule override.Applied, before, after *unstructured.Unstructured)
}

// Make makes the manifest. An *override.Error says that an override policy failed.
func Make(o Order, i *interpreter.Interpreter) (render.Rendered, error) {
	revised, spec := o.Template, o.Binding.BindingSpec()
	if share, divisible := interpreter.ShareOf(spec, o.Cluster.Name); divisible {
		revised = revised.DeepCopy()
		if err := i.Revise(revised, share); err != nil {
			return render.Rendered{}, fmt.Errorf("setting the replicas for %s: %w", o.Cluster.Name, err)
		}
	}
	policies := override.Order(policymatch.Of(o.Template.GroupVersionKind(), o.Template), o.Overrides)
	obj := render.Strip(revised) // before the overrides: what they add is meant for the member
	inherit(obj, spec, o.Cluster.Name)
	if _, err := override.Apply(obj, o.Cluster, policies, o.Observe); err != nil {
		return render.Rendered{}, err
	}
	binding := types.NamespacedName{Namespace: o.Binding.GetNamespace(), Name: o.Binding.GetName()}
	return render.Finish(obj, render.Marks{HostUID: o.HostUID, Binding: binding}, Ignored(spec.ApplyRules))
}

// inherit gives an object the state of the copy that it replaces.
func inherit(obj *unstructured.Unstructured, spec *v1alpha1.BindingSpec, cluster string) {
	for i := range spec.Clusters {
		target := &spec.Clusters[i]
		if target.Name != cluster || len(target.PreservedLabelState)+len(target.PreservedAnnotationState) == 0 {
			continue
		}
		obj.SetLabels(with(obj.GetLabels(), target.PreservedLabelState))
		obj.SetAnnotations(with(obj.GetAnnotations(), target.PreservedAnnotationState))
	}
}

// with is a copy of labels or annotations, with more of them.
func with(have, more map[string]string) map[string]string {
	if len(more) == 0 {
		return have
	}
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, more)
	return all
}

// Ignored are the fields that rules leave to the member; there may be no rules.
func Ignored(rules *v1alpha1.ApplyRules) render.Ignored {
	var ignored render.Ignored
	if rules == nil {
		return ignored
	}
	for _, field := range rules.IgnoreFields {
		if field.When == v1alpha1.IgnoreAfterCreation {
			ignored.AfterCreation = append(ignored.AfterCreation, field.Path)
		} else {
			ignored.Always = append(ignored.Always, field.Path)
		}
	}
	return ignored
}
