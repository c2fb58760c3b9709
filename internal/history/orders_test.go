package history

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestAChangeOfTheStatusIsNoChangeOfATemplate(t *testing.T) {
	noon := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	entry := func(subresource string, d time.Duration) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Subresource: subresource, Time: ptr.To(metav1.NewTime(noon.Add(d)))}
	}
	template := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		CreationTimestamp: metav1.NewTime(noon),
		ManagedFields:     []metav1.ManagedFieldsEntry{entry("", time.Minute), entry("", time.Second), entry("status", time.Hour), {}},
	}}
	if got, want := LastChange(template), noon.Add(time.Minute); !got.Equal(want) {
		t.Errorf("changed at %s, want %s", got, want)
	}
}

func TestAConfirmationIsThatOfItsOwnFieldManager(t *testing.T) {
	noon := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		manager, subresource, fields string
		want                         time.Time
	}{
		"said":                       {v1alpha1.ConfirmedManager, "", `{"f:metadata":{"f:annotations":{"f:flotilla.dev/confirmed":{}}}}`, noon},
		"said first":                 {v1alpha1.ConfirmedManager, "", `{"f:metadata":{"f:annotations":{".":{},"f:flotilla.dev/confirmed":{}}}}`, noon},
		"another manager said it":    {"kubectl-annotate", "", `{"f:metadata":{"f:annotations":{"f:flotilla.dev/confirmed":{}}}}`, time.Time{}},
		"it said something else":     {v1alpha1.ConfirmedManager, "", `{"f:metadata":{"f:annotations":{"f:flotilla.dev/force-delete":{}}}}`, time.Time{}},
		"it was said of the status":  {v1alpha1.ConfirmedManager, "status", `{"f:metadata":{"f:annotations":{"f:flotilla.dev/confirmed":{}}}}`, time.Time{}},
		"what it said is unreadable": {v1alpha1.ConfirmedManager, "", `[]`, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{}, {
				Manager: tc.manager, Subresource: tc.subresource, Time: ptr.To(metav1.NewTime(noon)), FieldsV1: metav1.NewFieldsV1(tc.fields),
			}}}}
			if got := Confirmed(cluster); !got.Equal(tc.want) {
				t.Errorf("Confirmed() = %s, want %s", got, tc.want)
			}
		})
	}
}
