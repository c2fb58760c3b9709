package interpreting

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// input is what the files hold.
type input struct {
	objects  []*unstructured.Unstructured
	meanings []*taught.Meaning
	problems []error // of the meanings
}

func read(paths []string, stdin io.Reader) (input, error) {
	var in input
	for _, path := range paths {
		if err := in.readFile(path, stdin); err != nil {
			return input{}, err
		}
	}
	if len(in.objects) == 0 && len(in.meanings) == 0 {
		return input{}, errors.New("the files hold no object")
	}
	return in, nil
}

func (in *input) readFile(path string, stdin io.Reader) error {
	if path == "-" {
		return in.parse("stdin", stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading what to interpret: %w", err)
	}
	defer func() { _ = file.Close() }()
	return in.parse(path, file)
}

func (in *input) parse(name string, from io.Reader) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(from))
	for number := 1; ; number++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = in.add(text)
		}
		if err != nil {
			return fmt.Errorf("%s, document %d: %w", name, number, err)
		}
	}
}

func (in *input) add(text []byte) error {
	content, err := utilyaml.ToJSON(text)
	if err != nil {
		return err
	}
	if content = bytes.TrimSpace(content); len(content) == 0 || bytes.Equal(content, []byte("null")) {
		return nil
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(content); err != nil {
		return err
	}
	if object.IsList() {
		return object.EachListItem(func(item runtime.Object) error {
			one, ok := item.(*unstructured.Unstructured)
			if !ok {
				return fmt.Errorf("an item is a %T", item)
			}
			return in.put(one)
		})
	}
	return in.put(object)
}

func (in *input) put(object *unstructured.Unstructured) error {
	if object.GroupVersionKind() != v1alpha1.GroupVersion.WithKind("ResourceInterpreter") {
		in.objects = append(in.objects, object)
		return nil
	}
	text, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	ri := &v1alpha1.ResourceInterpreter{}
	if err := yaml.UnmarshalStrict(text, ri); err != nil {
		return fmt.Errorf("ResourceInterpreter %s: %w", object.GetName(), err)
	}
	meaning, problems := taught.Compile(ri)
	in.meanings = append(in.meanings, meaning)
	for _, problem := range problems {
		in.problems = append(in.problems, fmt.Errorf("ResourceInterpreter %s: %s", ri.Name, problem))
	}
	return nil
}
