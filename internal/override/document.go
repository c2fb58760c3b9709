package override

import (
	"bytes"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/pointer"
)

// layOut writes a document on several lines when it was before.
func layOut(document, before []byte) ([]byte, error) {
	if !bytes.ContainsRune(before, '\n') {
		return document, nil
	}
	var indented bytes.Buffer
	err := json.Indent(&indented, document, "", "  ")
	if bytes.HasSuffix(before, []byte("\n")) {
		indented.WriteByte('\n')
	}
	return indented.Bytes(), err
}

// onJSON applies the operations to the text of a document. What is not touched stays as it is, in its order.
func (o operations) onJSON() (func(text string, cluster *v1alpha1.Cluster) (string, error), error) {
	resolve, err := o.compile()
	if err != nil {
		return nil, err
	}
	return func(text string, cluster *v1alpha1.Cluster) (string, error) {
		patch, err := resolve(cluster)
		if err != nil {
			return "", err
		}
		var parsed json.RawMessage
		if err := json.Unmarshal([]byte(text), &parsed); err != nil {
			return "", fmt.Errorf("the text is no JSON: %w", err)
		}
		changed, err := applyPatch(patch, []byte(text))
		if err != nil {
			return "", fmt.Errorf("json: %w", err)
		}
		changed, err = layOut(changed, []byte(text))
		return string(changed), err
	}, nil
}

// compileDocument compiles operations on a document that is the text of a field.
func compileDocument(o *v1alpha1.FieldOverrider) (action, error) {
	written, name := o.JSON, "json"
	if len(o.YAML) > 0 {
		written, name = o.YAML, "yaml"
	}
	compiled := make(operations, len(written))
	for i := range written {
		var err error
		if compiled[i], err = compileOperation(string(written[i].Operator), written[i].SubPath, written[i].Value); err != nil {
			return nil, fmt.Errorf("%s[%d].%w", name, i, err)
		}
	}
	change, err := compiled.onJSON() // it checks the operations, whatever the format
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if name == "yaml" {
		change = compiled.onYAML
	}
	place, path := pointer.Parse(o.FieldPath), o.FieldPath
	return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
		found, _ := place.Get(obj.Object)
		document, isText := found.(string)
		if !isText {
			return fmt.Errorf("fieldPath: %s does not lead to a text", path)
		}
		changed, err := change(document, cluster)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		place.Set(obj.Object, changed)
		return nil
	}, nil
}
