package eviction

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/jsonpath"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// maxValue is the longest value that is preserved in an annotation, in bytes: the annotations of an object may have 256 KiB
// all together.
const maxValue = 4096

// maxReading bounds what is read for one task: the bytes of the status, times the rules that read it. A rule may look at every value
// of the status, all rules of a task are read in the one sweep of the fleet, and whoever may write a policy may write them.
const maxReading = 256 << 10

// preserved is the part of an old copy's state that its replacement gets.
type preserved struct {
	labels, annotations map[string]string
	// lost says what could not be found out, and why.
	lost []string
}

// preserve reads from the status that a member last reported what the rules want. What cannot be read is left out: a dead
// member will not report it any more, and an application that does not run is worse than one that starts anew.
func preserve(rules *v1alpha1.StatePreservation, item *v1alpha1.AggregatedStatusItem) preserved {
	var p preserved
	if rules == nil {
		return p
	}
	status, err := statusOf(item)
	if err == nil && len(item.Status.Raw)*len(rules.Rules) > maxReading {
		err = fmt.Errorf("the status has %d bytes, too many for %d rules", len(item.Status.Raw), len(rules.Rules))
	}
	for i := range rules.Rules {
		p.apply(&rules.Rules[i], status, err)
	}
	return p
}

func statusOf(item *v1alpha1.AggregatedStatusItem) (any, error) {
	if item == nil || item.Status == nil || len(item.Status.Raw) == 0 {
		return nil, errors.New("the member has not reported a status")
	}
	var status any
	if err := json.Unmarshal(item.Status.Raw, &status); err != nil {
		return nil, fmt.Errorf("decoding the status: %w", err)
	}
	return status, nil
}

// apply hands over the value of one rule; err says that there is no status to read it from.
func (p *preserved) apply(rule *v1alpha1.StatePreservationRule, status any, err error) {
	name := rule.AliasLabelName
	if name == "" {
		name = rule.AliasAnnotationName
	}
	var value string
	if err == nil {
		value, err = extract(rule.JSONPath, status)
	}
	if err == nil {
		err = checkState(rule, value)
	}
	switch {
	case err != nil:
		p.lost = append(p.lost, fmt.Sprintf("%s (%v)", name, err))
	case rule.AliasLabelName != "":
		p.labels = set(p.labels, name, value)
	default:
		p.annotations = set(p.annotations, name, value)
	}
}

// checkState refuses what the API server of the member would refuse: a value must not keep the replacement from running.
func checkState(rule *v1alpha1.StatePreservationRule, value string) error {
	name := rule.AliasLabelName
	if name == "" {
		name = strings.ToLower(rule.AliasAnnotationName) // annotations may have capitals in their prefix
	}
	if problems := validation.IsQualifiedName(name); len(problems) > 0 {
		return errors.New("it is not a valid name")
	}
	if rule.AliasLabelName == "" {
		return nil
	}
	if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
		return errors.New("the value is no label value; an annotation can take it")
	}
	return nil
}

func set(values map[string]string, key, value string) map[string]string {
	if values == nil {
		values = map[string]string{}
	}
	values[key] = value
	return values
}

// CheckPath says whether values can be read at a jsonPath of a rule, as far as that can be told without a status.
func CheckPath(path string) error {
	_, err := compile(path)
	return err
}

// compile parses a path. It may be written as kubectl wants it, {.a.b}, or bare, .a.b.
func compile(path string) (*jsonpath.JSONPath, error) {
	if !strings.Contains(path, "{") {
		path = "{" + path + "}"
	}
	parsed, err := jsonpath.Parse("state", path)
	if err != nil {
		return nil, fmt.Errorf("the jsonPath is not valid: %w", err)
	}
	if err := bounded(parsed.Root); err != nil {
		return nil, err
	}
	if err := single(parsed.Root); err != nil {
		return nil, err
	}
	expression := jsonpath.New("state")
	if err := expression.Parse(path); err != nil {
		return nil, fmt.Errorf("the jsonPath is not valid: %w", err)
	}
	return expression, nil
}

// extract is the text at a path.
func extract(path string, status any) (string, error) {
	expression, err := compile(path)
	if err != nil {
		return "", err
	}
	var text value
	if err := expression.Execute(&text, status); err != nil {
		return "", err
	}
	if len(text.bytes) == 0 || string(text.bytes) == "null" {
		return "", errors.New("the status has no value there")
	}
	return string(text.bytes), nil
}

// value is what a path yields, while it is not too long.
type value struct{ bytes []byte }

// Write refuses what makes the value too long, so that it is not made first and measured then.
func (v *value) Write(more []byte) (int, error) {
	if len(v.bytes)+len(more) > maxValue {
		return 0, fmt.Errorf("the value has more than %d bytes", maxValue)
	}
	v.bytes = append(v.bytes, more...)
	return len(more), nil
}

// single refuses a path that reads more than once: 256 times {.a} would be 256 times the status.
func single(root *jsonpath.ListNode) error {
	reads := 0
	for _, node := range root.Nodes {
		if node.Type() != jsonpath.NodeText {
			reads++
		}
	}
	if reads != 1 {
		return errors.New("the jsonPath must have exactly one {...}")
	}
	return nil
}

// bounded refuses what can visit a value more than once, because then a short path on a small status takes for ever: descents
// (..), unions ([a,b]) and ranges.
func bounded(node jsonpath.Node) error {
	refused := errors.New("the jsonPath must not have .., unions or ranges")
	var inner []jsonpath.Node
	switch n := node.(type) {
	case *jsonpath.RecursiveNode, *jsonpath.UnionNode, *jsonpath.IdentifierNode:
		return refused
	case *jsonpath.ListNode:
		inner = n.Nodes
	case *jsonpath.FilterNode:
		inner = []jsonpath.Node{n.Left, n.Right}
	}
	for _, i := range inner {
		if err := bounded(i); err != nil {
			return err
		}
	}
	return nil
}
