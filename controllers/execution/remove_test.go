package execution

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func TestACopyThatGoesFirstGoesAfterItsPods(t *testing.T) {
	leaving := func(cluster string, mode v1alpha1.PurgeMode) v1alpha1.Binding {
		return &v1alpha1.ResourceBinding{Spec: v1alpha1.BindingSpec{GracefulEvictionTasks: []v1alpha1.GracefulEvictionTask{{FromCluster: cluster, PurgeMode: mode}}}}
	}
	for name, tc := range map[string]struct {
		binding v1alpha1.Binding
		want    metav1.DeletionPropagation
	}{
		"it goes before its replacement comes":        {leaving("berlin", v1alpha1.PurgeDirectly), metav1.DeletePropagationForeground},
		"the copy in another cluster does":            {leaving("paris", v1alpha1.PurgeDirectly), metav1.DeletePropagationBackground},
		"its replacement is ready":                    {leaving("berlin", v1alpha1.PurgeGracefully), metav1.DeletePropagationBackground},
		"nothing asks for it":                         {&v1alpha1.ResourceBinding{}, metav1.DeletePropagationBackground},
		"the binding is gone, and so is its template": {nil, metav1.DeletePropagationBackground},
	} {
		t.Run(name, func(t *testing.T) {
			if got := propagation(tc.binding, "berlin"); got != tc.want {
				t.Errorf("propagation() = %s, want %s", got, tc.want)
			}
		})
	}
}
