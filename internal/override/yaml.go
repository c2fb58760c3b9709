package override

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/pointer"
)

// A document in YAML is changed in its nodes. By way of JSON, what is not touched would change too: YAML 1.1 reads the key y as
// true and 0644 as 420, and 1.0 would become 1.

// onYAML applies the operations to the text of a document.
func (o operations) onYAML(text string, cluster *v1alpha1.Cluster) (string, error) {
	document, err := readYAML(text)
	if err != nil {
		return "", err
	}
	for _, operation := range o {
		var resolved any
		if operation.value != nil {
			if resolved, err = operation.value.resolve(cluster); err != nil {
				return "", err
			}
		}
		if err := changeYAML(document, operation.op, operation.path, resolved); err != nil {
			return "", fmt.Errorf("yaml: %w", err)
		}
	}
	changed, err := writeYAML(document)
	if err != nil {
		return "", fmt.Errorf("yaml: writing the document: %w", err)
	}
	if _, err := readYAML(changed); err != nil { // an alias whose anchor was taken out with a node
		return "", fmt.Errorf("yaml: the document cannot be read any more after the change: %w", err)
	}
	return changed, nil
}

var errSeveralDocuments = errors.New("there are several YAML documents in it, and only one can be changed")

// readYAML reads the one document in a text.
func readYAML(text string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	document, more := &yaml.Node{}, &yaml.Node{}
	if err := decoder.Decode(document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("there is nothing in it")
		}
		return nil, fmt.Errorf("the text is no YAML: %w", err)
	}
	if err := decoder.Decode(more); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errSeveralDocuments, err)
	}
	return document, nil
}

func writeYAML(document *yaml.Node) (string, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(document); err != nil {
		return "", err
	}
	return text.String(), encoder.Close()
}

// changeYAML does what JSON patch does: add sets or inserts, remove and replace want something to be there.
func changeYAML(document *yaml.Node, operator, path string, value any) error {
	tokens := pointer.Parse(path)
	parent := document.Content[0]
	for _, token := range tokens[:len(tokens)-1] {
		place := find(parent, token)
		if place < 0 {
			return fmt.Errorf("%s %s: there is no %q on the way", operator, path, token)
		}
		parent = parent.Content[place]
	}
	last := tokens[len(tokens)-1]
	place := find(parent, last)
	if place < 0 && operator != "add" {
		return fmt.Errorf("%s %s: it does not exist", operator, path)
	}
	if operator == "remove" {
		first := place
		if parent.Kind == yaml.MappingNode {
			first--
		}
		parent.Content = append(parent.Content[:first:first], parent.Content[place+1:]...)
		return nil
	}
	node, err := nodeOf(value)
	if err != nil {
		return err
	}
	return put(parent, place, last, operator, node)
}

func put(parent *yaml.Node, place int, token, operator string, node *yaml.Node) error {
	switch {
	case parent.Kind == yaml.MappingNode && place < 0:
		key := &yaml.Node{}
		key.SetString(token)
		parent.Content = append(parent.Content, key, node)
	case parent.Kind == yaml.MappingNode || operator == "replace":
		node.HeadComment, node.LineComment, node.FootComment = parent.Content[place].HeadComment, parent.Content[place].LineComment, parent.Content[place].FootComment
		parent.Content[place] = node
	case parent.Kind == yaml.SequenceNode && (token == "-" || token == fmt.Sprint(len(parent.Content))):
		parent.Content = append(parent.Content, node)
	case parent.Kind == yaml.SequenceNode && place >= 0:
		parent.Content = append(parent.Content[:place:place], append([]*yaml.Node{node}, parent.Content[place:]...)...)
	default:
		return fmt.Errorf("%s: %q is no place there", operator, token)
	}
	return nil
}

// find is where a token leads to in the content of a node, or -1. Aliases are not followed: what they stand for is used elsewhere
// too.
func find(node *yaml.Node, token string) int {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == token {
				return i + 1
			}
		}
	case yaml.SequenceNode:
		for i := range node.Content {
			if fmt.Sprint(i) == token {
				return i
			}
		}
	}
	return -1
}

// nodeOf writes a JSON value as YAML, with quotes around what readers of YAML 1.1 would take for something else.
func nodeOf(value any) (*yaml.Node, error) {
	text, err := sigsyaml.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding the value: %w", err)
	}
	document := &yaml.Node{}
	if err := yaml.Unmarshal(text, document); err != nil {
		return nil, fmt.Errorf("encoding the value: %w", err)
	}
	return document.Content[0], nil
}
