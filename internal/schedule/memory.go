package schedule

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Memory is what a decision was made upon. It is kept beside the decision, in the annotation
// v1alpha1.DecisionAnnotation, so that a later decision can tell what has changed: without it an edited weight and a
// cluster that joined would look the same.
type Memory struct {
	// Placement is a hash of the placement.
	Placement string `json:"placement,omitempty"`
	// Requirements is a hash of what one replica needs.
	Requirements string `json:"requirements,omitempty"`
	// Group is the affinity group.
	Group string `json:"group,omitempty"`
	// Pending is how many replicas found no room.
	Pending int32 `json:"pending,omitempty"`
	// Request is the spec.rescheduleTriggeredAt that was obeyed.
	Request *metav1.Time `json:"request,omitempty"`
	// PreferredSince is since when clusters that the placement prefers could take the template.
	PreferredSince *metav1.Time `json:"preferredSince,omitempty"`
}

// ParseMemory reads what Memory.String wrote. An empty text is the zero Memory.
func ParseMemory(text string) (Memory, error) {
	var m Memory
	if text == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Memory{}, fmt.Errorf("reading the memory of the last decision: %w", err)
	}
	return m, nil
}

// String is the memory as it is kept; the zero Memory is empty.
func (m Memory) String() string {
	if m == (Memory{}) {
		return ""
	}
	text, err := json.Marshal(m)
	if err != nil { // strings and times always can
		return ""
	}
	return string(text)
}
