package aggregation

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// drifted are the fields that a report tells of, each with the time since when it is known to differ.
func drifted(said string, before []v1alpha1.DriftedField, now time.Time) []v1alpha1.DriftedField {
	if said == "" {
		return nil
	}
	var fields []v1alpha1.DriftedField
	if err := json.Unmarshal([]byte(said), &fields); err != nil {
		return nil // execution wrote it
	}
	since := make(map[string]metav1.Time, len(before))
	for _, field := range before {
		since[field.Path] = field.Since
	}
	for i := range fields {
		first, known := since[fields[i].Path]
		if !known {
			first = metav1.NewTime(now.Truncate(time.Second))
		}
		fields[i].Since = first
	}
	return fields
}
