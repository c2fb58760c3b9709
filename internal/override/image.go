package override

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/pointer"
)

// image is an image's name, taken apart. Nothing is filled in: nginx has neither registry nor tag.
type image struct{ registry, repository, tag, digest string }

func parseImage(name string) (image, error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return image{}, fmt.Errorf("image %q: %w", name, err)
	}
	var parsed image
	if named, ok := ref.(reference.Named); ok {
		parsed.repository = named.Name()
	}
	if tagged, ok := ref.(reference.Tagged); ok {
		parsed.tag = tagged.Tag()
	}
	if digested, ok := ref.(reference.Digested); ok {
		parsed.digest = digested.Digest().String()
	}
	first, rest, several := strings.Cut(parsed.repository, "/")
	if several && (strings.ContainsAny(first, ".:") || first == "localhost") { // as container runtimes tell a registry from a path
		parsed.registry, parsed.repository = first, rest
	}
	return parsed, nil
}

func (i image) String() string {
	var name strings.Builder
	if i.registry != "" {
		name.WriteString(i.registry + "/")
	}
	name.WriteString(i.repository)
	if i.tag != "" {
		name.WriteString(":" + i.tag)
	}
	if i.digest != "" {
		name.WriteString("@" + i.digest)
	}
	return name.String()
}

// change changes one part. A new tag ends an old digest, which would win over it; a tag that is written as a digest is one,
// as in the peer's API.
func (i *image) change(component v1alpha1.ImageComponent, operator v1alpha1.OverrideOperator, written string) {
	if component == v1alpha1.ImageTag {
		i.digest = ""
		if operator == v1alpha1.OverrideReplace && strings.Contains(written, ":") {
			i.tag, component = "", v1alpha1.ImageDigest
		}
	}
	part := map[v1alpha1.ImageComponent]*string{
		v1alpha1.ImageRegistry: &i.registry, v1alpha1.ImageRepository: &i.repository,
		v1alpha1.ImageTag: &i.tag, v1alpha1.ImageDigest: &i.digest,
	}[component]
	switch operator {
	case v1alpha1.OverrideAdd:
		*part += written
	case v1alpha1.OverrideReplace:
		*part = written
	case v1alpha1.OverrideRemove:
		*part = ""
	}
}

func compileImage(o *v1alpha1.ImageOverrider) (action, error) {
	written, err := compileText(o.Value)
	if err != nil {
		return nil, err
	}
	component, operator := o.Component, o.Operator
	switch component {
	case v1alpha1.ImageRegistry, v1alpha1.ImageRepository, v1alpha1.ImageTag, v1alpha1.ImageDigest:
	default:
		return nil, fmt.Errorf("component %q: use Registry, Repository, Tag or Digest", component)
	}
	if err := checkOperator(operator, v1alpha1.OverrideAdd, v1alpha1.OverrideReplace, v1alpha1.OverrideRemove); err != nil {
		return nil, err
	}
	override := func(name string, cluster *v1alpha1.Cluster) (string, error) {
		parsed, err := parseImage(name)
		if err != nil {
			return "", err
		}
		resolved, err := written.resolve(cluster)
		if err != nil {
			return "", err
		}
		parsed.change(component, operator, resolved)
		if _, err := reference.Parse(parsed.String()); err != nil {
			return "", fmt.Errorf("image %q would become %q: %w", name, parsed, err)
		}
		return parsed.String(), nil
	}
	if o.Predicate != nil {
		return imageAt(o.Predicate.Path, override), nil
	}
	return imagesOfPods(override), nil
}

func imageAt(path string, override func(string, *v1alpha1.Cluster) (string, error)) action {
	place := pointer.Parse(path)
	return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
		found, _ := place.Get(obj.Object)
		name, isText := found.(string)
		if !isText {
			return fmt.Errorf("predicate.path: %s does not lead to an image's name", path)
		}
		changed, err := override(name, cluster)
		if err != nil {
			return err
		}
		place.Set(obj.Object, changed)
		return nil
	}
}

func imagesOfPods(override func(string, *v1alpha1.Cluster) (string, error)) action {
	return func(obj *unstructured.Unstructured, cluster *v1alpha1.Cluster) error {
		for _, container := range containers(podSpec(obj), "initContainers", "containers", "ephemeralContainers") {
			name, isText := container["image"].(string)
			if !isText {
				continue // an image may be left to an admission webhook in the member
			}
			changed, err := override(name, cluster)
			if err != nil {
				return fmt.Errorf("container %v: %w", container["name"], err)
			}
			container["image"] = changed
		}
		return nil
	}
}
