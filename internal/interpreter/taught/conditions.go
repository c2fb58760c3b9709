package taught

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
)

// maxConditionMessage bounds what is quoted of the members in one condition.
const maxConditionMessage = 1024

// Conditions adds up the conditions that the reports have in their field "conditions": one for each type, True when it is so in
// every report, or in any for the types in anyOf. Their times are those of old while they say the same.
func Conditions(old any, reports Reports, anyOf ...string) []any {
	f := aggregated{AggregatedField: v1alpha1.AggregatedField{AnyOf: anyOf}, path: []string{"conditions"}, reports: reports, old: old}
	list, _ := f.conditions().([]any)
	if list == nil {
		return []any{}
	}
	return list
}

// conditions has one condition for each type that any cluster reports, ordered by type; nil for none.
func (f aggregated) conditions() any {
	reported := make([]map[string]map[string]any, len(f.reports.Items)) // by cluster, then by type
	var types []string
	for i, item := range f.reports.Items {
		reported[i] = byType(item.Status, f.path)
		for conditionType := range reported[i] {
			types = append(types, conditionType)
		}
	}
	if len(types) == 0 {
		return nil
	}
	slices.Sort(types)
	old := conditionsOf(f.old)
	list := make([]any, 0, len(types))
	for _, conditionType := range slices.Compact(types) {
		list = append(list, f.condition(conditionType, reported, old[conditionType]))
	}
	return list
}

func (f aggregated) condition(conditionType string, reported []map[string]map[string]any, old map[string]any) map[string]any {
	// A condition that should be True shows whatever is not, one that should not shows whatever is.
	usual := "True"
	if slices.Contains(f.AnyOf, conditionType) {
		usual = "False"
	}
	// Reason and message are always there, because the schemas of many kinds require them.
	result := map[string]any{"type": conditionType, "status": usual, "reason": "AsExpected", "message": ""}
	var said []string
	for i, conditions := range reported {
		condition := conditions[conditionType]
		status := statusIn(condition, usual)
		if status != usual {
			if len(said) == 0 || result["status"] == "Unknown" {
				result["status"], result["reason"] = status, "Unknown"
				carry(result, condition, "reason")
			}
			said = append(said, quote(f.reports.Items[i].Cluster, condition, status))
		} else if len(said) == 0 {
			carry(result, condition, "reason")
		}
	}
	if len(said) > 0 {
		result["message"] = conditions.Shorten(strings.Join(said, "; "), maxConditionMessage)
	}
	result["lastTransitionTime"] = f.since(old, result["status"])
	return result
}

// since is when a condition got its status.
func (f aggregated) since(old map[string]any, status any) string {
	if before, ok := old["lastTransitionTime"].(string); ok && old["status"] == status {
		return before
	}
	return f.reports.Now.UTC().Format(time.RFC3339)
}

// statusIn is a condition's status. One that a cluster does not report is Unknown, or False when it should be.
func statusIn(condition map[string]any, usual string) string {
	status, _ := condition["status"].(string)
	switch {
	case status != "":
		return status
	case usual == "False":
		return usual
	default:
		return "Unknown"
	}
}

func quote(cluster string, condition map[string]any, status string) string {
	message, _ := condition["message"].(string)
	if message == "" {
		message = status
	}
	return cluster + ": " + message
}

func carry(result, condition map[string]any, field string) {
	if text, ok := condition[field].(string); ok && text != "" {
		result[field] = text
	}
}

func byType(status map[string]any, path []string) map[string]map[string]any {
	value, _, err := unstructured.NestedFieldNoCopy(status, path...)
	if err != nil {
		return nil
	}
	return conditionsOf(value)
}

func conditionsOf(value any) map[string]map[string]any {
	list, _ := value.([]any)
	found := make(map[string]map[string]any, len(list))
	for _, item := range list {
		condition, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if conditionType, ok := condition["type"].(string); ok && conditionType != "" {
			found[conditionType] = condition
		}
	}
	return found
}
