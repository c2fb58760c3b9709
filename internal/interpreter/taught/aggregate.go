package taught

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/expression"
)

// Item is what one target cluster reports.
type Item struct {
	// Cluster is the member's name.
	Cluster string
	// Status is what it reports; empty while it is silent.
	Status map[string]any
	// UpToDate is true when Status speaks of the template's newest generation.
	UpToDate bool
}

// Reports is what all target clusters report, ordered by name.
type Reports struct {
	Items []Item
	// Divided is true when the clusters share the replicas.
	Divided bool
	// Now is the time of transitions.
	Now metav1.Time
}

// Aggregate is the template's status that the reports add up to. It shares no memory with them.
func (m *Meaning) Aggregate(template *unstructured.Unstructured, reports Reports) (map[string]any, error) {
	if m.aggregation != nil {
		return m.aggregateByExpression(template, reports)
	}
	old, _ := template.Object["status"].(map[string]any)
	status := map[string]any{}
	for _, field := range m.spec.Aggregation.Fields {
		f := aggregated{AggregatedField: field, path: split(field.Path), reports: reports, generation: template.GetGeneration()}
		f.old, _, _ = unstructured.NestedFieldNoCopy(old, f.path...)
		value := f.value()
		if value == nil {
			continue
		}
		if err := unstructured.SetNestedField(status, value, f.path...); err != nil {
			return nil, m.failed("spec.aggregation.fields", template, err)
		}
	}
	return status, nil
}

func (m *Meaning) aggregateByExpression(template *unstructured.Unstructured, reports Reports) (map[string]any, error) {
	items := make([]any, 0, len(reports.Items))
	for _, item := range reports.Items {
		status := item.Status
		if status == nil {
			status = map[string]any{}
		}
		items = append(items, map[string]any{"cluster": item.Cluster, "status": status, "upToDate": item.UpToDate})
	}
	value, err := m.evaluate(m.aggregation, template, map[string]any{
		expression.Template: template.Object, expression.Items: items, expression.Divided: reports.Divided,
	})
	if err != nil {
		return nil, err
	}
	status, _ := value.(map[string]any)
	return status, nil
}

// aggregated is one field whose values are added up.
type aggregated struct {
	v1alpha1.AggregatedField
	path       []string
	reports    Reports
	old        any // what the template's status says
	generation int64
}

// value is what the field adds up to; nil when there is nothing to say.
func (f aggregated) value() any {
	switch f.Rule {
	case v1alpha1.AggregateConditions:
		return f.conditions()
	case v1alpha1.AggregateGeneration:
		return f.observed()
	}
	values := f.values()
	if len(values) == 0 {
		return nil
	}
	switch f.Rule {
	case v1alpha1.AggregateReplicas:
		return f.replicas(values)
	case v1alpha1.AggregateSum:
		return sum(values)
	case v1alpha1.AggregateMin:
		return extreme(values, -1)
	case v1alpha1.AggregateMax:
		return extreme(values, 1)
	case v1alpha1.AggregateFirst:
		return values[0]
	case v1alpha1.AggregateWorst:
		return f.worst(values)
	case v1alpha1.AggregateAnd:
		return countTrue(values) == len(f.reports.Items)
	case v1alpha1.AggregateOr:
		return countTrue(values) > 0
	default:
		return nil
	}
}

// values of the clusters that have one, in the clusters' order.
func (f aggregated) values() []any {
	var values []any
	for _, item := range f.reports.Items {
		if value, found, err := unstructured.NestedFieldCopy(item.Status, f.path...); err == nil && found && value != nil {
			values = append(values, value)
		}
	}
	return values
}

// replicas is how far the fleet has come: a silent cluster of those that have all to do has nothing.
func (f aggregated) replicas(values []any) any {
	if f.reports.Divided {
		return sum(values)
	}
	if len(values) < len(f.reports.Items) {
		return int64(0)
	}
	return extreme(values, -1)
}

// worst is the first value of the order that any cluster has; the first one at all when none is in it.
func (f aggregated) worst(values []any) any {
	silent := len(values) < len(f.reports.Items)
	for i, candidate := range f.Order {
		if slices.Contains(values, any(candidate)) && (!silent || i < len(f.Order)-1) {
			return candidate
		}
	}
	if silent {
		return f.old
	}
	return values[0]
}

// observed is the generation that the whole fleet has observed. Some kinds write it as a string.
func (f aggregated) observed() any {
	values := f.values()
	if len(values) == 0 {
		return f.old
	}
	for _, item := range f.reports.Items {
		if !item.UpToDate {
			return f.old
		}
	}
	if _, isText := values[0].(string); isText {
		return decimal(f.generation)
	}
	return f.generation
}
