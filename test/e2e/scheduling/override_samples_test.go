package scheduling

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/test/expect"
)

const (
	overrideSamples = "../../../config/samples/overrides"
	// overrideGoldens say what member1 and member3 get, described as this package describes them.
	overrideGoldens = "../../manifests/testdata/overrides"
)

func TestMembersHoldWhatTheSamplesOfOverridesSay(t *testing.T) {
	files, err := filepath.Glob(overrideSamples + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d samples: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			fleet, ns := start(t)
			apply(t, fleet, ns, file)
			for _, member := range []string{"member1", "member3"} {
				want := golden(t, strings.TrimSuffix(filepath.Base(file), ".yaml")+"."+member+".yaml")
				want.SetNamespace(ns)
				expect.Eventually(t, "the sample in "+member, func(ctx context.Context) error {
					got := &unstructured.Unstructured{}
					got.SetGroupVersionKind(want.GroupVersionKind())
					if err := fleet.Member(member).Client().Get(ctx, client.ObjectKeyFromObject(want), got); err != nil {
						return err
					}
					return errors.Join(
						sameText("labels", want.GetLabels(), got.GetLabels()),
						sameText("annotations", want.GetAnnotations(), got.GetAnnotations()),
						holds(want.Object["spec"], got.Object["spec"], "spec"),
						holds(want.Object["data"], got.Object["data"], "data"),
					)
				})
			}
		})
	}
}

func golden(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(overrideGoldens, name))
	if err != nil {
		t.Fatal(err)
	}
	content, err = yaml.YAMLToJSON(content)
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return obj
}

// sameText compares labels or annotations, but for the marks of Flotilla and of the member's controllers.
func sameText(what string, want, got map[string]string) error {
	got = maps.Clone(got)
	maps.DeleteFunc(got, func(key, _ string) bool {
		return strings.HasPrefix(key, "flotilla.dev/") || strings.Contains(key, "kubernetes.io/")
	})
	if len(want) == 0 && len(got) == 0 {
		return nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%s (-want +got):\n%s", what, diff)
	}
	return nil
}

// holds wants every wanted value; the member's API server adds defaults to objects, but no elements to lists.
func holds(want, got any, path string) error {
	switch w := want.(type) {
	case map[string]any:
		fields, _ := got.(map[string]any)
		var missing []error
		for key, value := range w {
			missing = append(missing, holds(value, fields[key], path+"."+key))
		}
		return errors.Join(missing...)
	case []any:
		elements, _ := got.([]any)
		if len(elements) != len(w) {
			return fmt.Errorf("%s has %d elements, want %d", path, len(elements), len(w))
		}
		var missing []error
		for i, value := range w {
			missing = append(missing, holds(value, elements[i], fmt.Sprintf("%s[%d]", path, i)))
		}
		return errors.Join(missing...)
	default:
		if want != got {
			return fmt.Errorf("%s is %v, want %v", path, got, want)
		}
		return nil
	}
}
