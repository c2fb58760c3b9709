package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// scorecardImage runs the tests of operator-sdk's scorecard in a cluster.
const scorecardImage = "quay.io/operator-framework/scorecard-test:v1.42.3"

// annotations tell tools where things are in the bundle. The image carries the same as labels.
func annotations() map[string]string {
	const bundle, test = "operators.operatorframework.io.bundle.", "operators.operatorframework.io.test."
	return map[string]string{
		bundle + "mediatype.v1":       "registry+v1",
		bundle + "manifests.v1":       "manifests/",
		bundle + "metadata.v1":        "metadata/",
		bundle + "package.v1":         packageName,
		bundle + "channels.v1":        channel,
		bundle + "channel.default.v1": channel,
		test + "mediatype.v1":         "scorecard+v1",
		test + "config.v1":            "tests/scorecard/",
	}
}

// dockerfile builds the image of the bundle, which holds nothing but files.
func dockerfile() []byte {
	var text strings.Builder
	text.WriteString("# Made by `make bundle`. `make bundle-image` follows it where there is no Docker.\nFROM scratch\n")
	labels := annotations()
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&text, "LABEL %s=%s\n", key, labels[key])
	}
	text.WriteString("COPY bundle/manifests /manifests/\nCOPY bundle/metadata /metadata/\n")
	text.WriteString("COPY bundle/tests/scorecard /tests/scorecard/\n")
	return []byte(text.String())
}

// scorecard says which tests `operator-sdk scorecard bundle` runs: first whether an example can be created at all, then
// side by side what a catalog expects of a bundle.
func scorecard() map[string]any {
	suites := []struct{ suite, test string }{
		{"olm", "olm-bundle-validation-test"},
		{"olm", "olm-crds-have-validation-test"},
		{"olm", "olm-crds-have-resources-test"},
		{"olm", "olm-spec-descriptors-test"},
		{"olm", "olm-status-descriptors-test"},
	}
	sideBySide := []any{}
	for _, entry := range suites {
		sideBySide = append(sideBySide, scorecardTest(entry.suite, entry.test, entry.test))
	}
	return map[string]any{
		"apiVersion": "scorecard.operatorframework.io/v1alpha3",
		"kind":       "Configuration",
		"metadata":   map[string]any{"name": "config"},
		"stages": []any{
			map[string]any{"tests": []any{scorecardTest("basic", "basic-check-spec-test", "basic-check-spec")}},
			map[string]any{"parallel": true, "tests": sideBySide},
		},
		"storage": map[string]any{"spec": map[string]any{"mountPath": map[string]any{}}},
	}
}

func scorecardTest(suite, test, entry string) map[string]any {
	return map[string]any{
		"image":      scorecardImage,
		"entrypoint": []any{"scorecard-test", strings.TrimSuffix(entry, "-test")},
		"labels":     map[string]any{"suite": suite, "test": test},
		"storage":    map[string]any{"spec": map[string]any{"mountPath": map[string]any{}}},
	}
}
