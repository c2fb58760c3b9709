package override

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/pointer"
)

// format is how a document is written.
type format struct {
	name   string
	toJSON func([]byte) ([]byte, error)
	ofJSON func(document, before []byte) ([]byte, error)
}

var (
	jsonFormat = format{"json", checkJSON, layOut}
	yamlFormat = format{"yaml", yaml.YAMLToJSON, func(document, _ []byte) ([]byte, error) { return yaml.JSONToYAML(document) }}
)

func checkJSON(document []byte) ([]byte, error) {
	var any json.RawMessage
	return document, json.Unmarshal(document, &any)
}

// layOut writes a document on several lines when it was before.
func layOut(document, before []byte) ([]byte, error) {
	if !bytes.ContainsRune(before, '\n') {
		return document, nil
	}
	var indented bytes.Buffer
	err := json.Indent(&indented, document, "", "  ")
	return indented.Bytes(), err
}

// compileDocument compiles operations on a document that is the text of a field.
func compileDocument(o *v1alpha1.FieldOverrider) (action, error) {
	written, in := o.JSON, jsonFormat
	if len(o.YAML) > 0 {
		written, in = o.YAML, yamlFormat
	}
	compiled := make(operations, len(written))
	for i := range written {
		var err error
		if compiled[i], err = compileOperation(string(written[i].Operator), written[i].SubPath, written[i].Value); err != nil {
			return nil, fmt.Errorf("%s[%d].%w", in.name, i, err)
		}
	}
	resolve, err := compiled.compile()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.name, err)
	}
	place, path := pointer.Parse(o.FieldPath), o.FieldPath
	return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
		found, _ := place.Get(obj.Object)
		document, isText := found.(string)
		if !isText {
			return fmt.Errorf("fieldPath: %s does not lead to a text", path)
		}
		patch, err := resolve(cluster)
		if err != nil {
			return err
		}
		content, err := in.toJSON([]byte(document))
		if err != nil {
			return fmt.Errorf("the text at %s is no %s: %w", path, strings.ToUpper(in.name), err)
		}
		content, err = patch.Apply(content)
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		content, err = in.ofJSON(content, []byte(document))
		if err != nil {
			return fmt.Errorf("writing the document at %s: %w", path, err)
		}
		place.Set(obj.Object, string(content))
		return nil
	}, nil
}
