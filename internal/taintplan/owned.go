package taintplan

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Owned reads from an object's managedFields which taints a field manager has applied. Whose a taint is cannot be told by its key:
// policies and users may name any.
func Owned(fields []metav1.ManagedFieldsEntry, manager string) map[Key]bool {
	owned := map[Key]bool{}
	for _, entry := range fields {
		if entry.Manager != manager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var set struct {
			Spec struct {
				Taints map[string]json.RawMessage `json:"f:taints"`
			} `json:"f:spec"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set) != nil {
			continue // the API server writes nothing that cannot be read
		}
		for name := range set.Spec.Taints {
			// The name of an item of a list is "k:" and its keys: k:{"effect":"NoSchedule","key":"a"}.
			var key struct {
				Key    string             `json:"key"`
				Effect corev1.TaintEffect `json:"effect"`
			}
			if text, isItem := strings.CutPrefix(name, "k:"); isItem && json.Unmarshal([]byte(text), &key) == nil {
				owned[Key{Key: key.Key, Effect: key.Effect}] = true
			}
		}
	}
	return owned
}
