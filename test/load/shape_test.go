package load

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

// TestEachPartOfATemplateShowsInWhatIsCompared changes one thing after the other: content that describe overlooked could be lost
// without anybody finding it.
func TestEachPartOfATemplateShowsInWhatIsCompared(t *testing.T) {
	cases := map[string]struct {
		kind   string
		change func(client.Object)
	}{
		"the content of a ConfigMap":   {kindConfigMap, func(o client.Object) { o.(*corev1.ConfigMap).Data[contentKey] = "other" }},
		"the number of a ConfigMap":    {kindConfigMap, func(o client.Object) { o.GetAnnotations()[sequenceAnnotation] = "1" }},
		"the number of a Deployment":   {kindDeployment, func(o client.Object) { o.GetAnnotations()[sequenceAnnotation] = "1" }},
		"the image of a Deployment":    {kindDeployment, func(o client.Object) { o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image = "other" }},
		"the replicas of a Deployment": {kindDeployment, func(o client.Object) { *o.(*appsv1.Deployment).Spec.Replicas = 9 }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			obj := build(verdict.Key{Kind: tc.kind, Namespace: "load", Name: "a"}, shape{mode: modeEverywhere}, 2, 3, "web:1")
			_, before := describe(obj)
			tc.change(obj)
			if _, now := describe(obj); now == before {
				t.Errorf("both are %+v", now)
			}
		})
	}
}
