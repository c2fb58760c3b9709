package propagation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/render"
)

// contentBytes of a hash tell the contents of one template apart.
const contentBytes = 16

// activate is what the binding says under a policy. Under a Lazy one it says what it said, until the template is another than
// it was when the policy was taken over last. What no policy has decided about yet runs nowhere, or only along with
// others: nothing of it can be upset, so it need not be touched to be propagated.
func (f facts) activate(governed v1alpha1.BindingSpec, preference v1alpha1.ActivationPreference) desired {
	if preference != v1alpha1.ActivationLazy {
		return desired{spec: f.complete(governed, false)}
	}
	content := contentOf(f.template)
	if f.current == nil || f.current.BindingSpec().Attached() || changed(activatedFor(f.current), content) {
		return desired{f.complete(governed, false), content}
	}
	kept := ownPart(f.current.BindingSpec())
	kept.Policy = governed.Policy
	return desired{f.complete(kept, false), content}
}

// changed says whether a template is another than it was. Without a memory, as when a policy has just become Lazy, it is not.
func changed(before, now string) bool { return before != "" && before != now }

// activatedFor is what a binding remembers of the template with which a Lazy policy was taken over; empty for nothing.
func activatedFor(binding v1alpha1.Binding) string {
	if binding == nil {
		return ""
	}
	return binding.GetAnnotations()[v1alpha1.ActivationAnnotation]
}

// contentOf identifies what users write in a template. Its status, and what the host adds, is not part of it.
func contentOf(template *unstructured.Unstructured) string {
	canonical, err := json.Marshal(render.Strip(template).Object)
	if err != nil {
		return "" // what came as JSON can be encoded
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:contentBytes])
}
