package wrapping

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/render"
	"github.com/flotilla-dev/flotilla/internal/templates"
)

var noon = time.Unix(1_700_000_000, 0)

func wrapper(name, kind, object, data string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"manifest": map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": object}, "data": map[string]any{"a": data},
	}}}}
	u.SetGroupVersionKind(v1alpha1.WrapperKind("shop"))
	u.SetNamespace("shop")
	u.SetName(name)
	u.SetUID(types.UID(name))
	u.SetGeneration(3)
	return u
}

func TestAcceptedSaysWhetherWhatIsWrappedIsWhatMembersGet(t *testing.T) {
	for name, tc := range map[string]struct {
		wrapper, holder *unstructured.Unstructured
		native          bool
		status          metav1.ConditionStatus
		reason, message string
	}{
		"the only one": {
			wrapper: wrapper("w", "ConfigMap", "c", ""), status: metav1.ConditionTrue, reason: v1alpha1.ReasonWrapped, message: "policies see ConfigMap c",
		},
		"one that the host has too": {
			wrapper: wrapper("w", "ConfigMap", "c", ""), native: true, status: metav1.ConditionTrue, reason: v1alpha1.ReasonHidesHostObject,
			message: "the host has a ConfigMap c, too: what is wrapped is what members get, and the host's own stays on the host",
		},
		"the younger of two": {
			wrapper: wrapper("w", "ConfigMap", "c", ""), holder: wrapper("older", "ConfigMap", "c", ""), native: true,
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonDuplicate, message: "ConfigMap c is wrapped in the older ResourceTemplate older, too, which counts: delete one of them",
		},
		"more than a member takes": {
			wrapper: wrapper("w", "ConfigMap", "c", strings.Repeat("x", render.MaxSize)), status: metav1.ConditionFalse, reason: v1alpha1.ReasonManifestTooLarge,
			message: "the manifest has 1310798 bytes of JSON, at most 1310720 can be given to a member",
		},
		"what the system makes in each cluster": {
			wrapper: wrapper("w", "ConfigMap", "kube-root-ca.crt", ""), status: metav1.ConditionFalse, reason: v1alpha1.ReasonNotATemplate,
			message: "ConfigMap kube-root-ca.crt is never propagated: each cluster makes its own, or it belongs to the system",
		},
	} {
		t.Run(name, func(t *testing.T) {
			template, _ := templates.Unwrap(tc.wrapper)
			f := facts{wrapper: tc.wrapper, template: template, holder: tc.wrapper, native: tc.native, now: noon}
			if tc.holder != nil {
				f.holder = tc.holder
			}
			want := metav1.Condition{
				Type: v1alpha1.ConditionAccepted, Status: tc.status, Reason: tc.reason, Message: tc.message, ObservedGeneration: 3, LastTransitionTime: metav1.NewTime(noon),
			}
			got := accepted(f, nil)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			f.now = noon.Add(time.Hour)
			if diff := cmp.Diff(want, accepted(f, []metav1.Condition{got})); diff != "" {
				t.Errorf("asked again (-want +got):\n%s", diff)
			}
		})
	}
}
