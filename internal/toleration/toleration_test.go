package toleration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestATaintIsToleratedAsOnPods(t *testing.T) {
	taint := &corev1.Taint{Key: "work", Value: "yes", Effect: corev1.TaintEffectNoExecute}
	for name, tc := range map[string]struct {
		tolerations []corev1.Toleration
		want        bool
	}{
		"without tolerations":          {nil, false},
		"key and value":                {[]corev1.Toleration{{Key: "work", Value: "yes"}}, true},
		"key and value, named":         {[]corev1.Toleration{{Key: "work", Operator: corev1.TolerationOpEqual, Value: "yes"}}, true},
		"another value":                {[]corev1.Toleration{{Key: "work", Value: "no"}}, false},
		"another key":                  {[]corev1.Toleration{{Key: "play", Value: "yes"}}, false},
		"the key alone":                {[]corev1.Toleration{{Key: "work", Operator: corev1.TolerationOpExists}}, true},
		"everything":                   {[]corev1.Toleration{{Operator: corev1.TolerationOpExists}}, true},
		"the value without a key":      {[]corev1.Toleration{{Value: "yes"}}, false},
		"the same effect":              {[]corev1.Toleration{{Key: "work", Value: "yes", Effect: corev1.TaintEffectNoExecute}}, true},
		"another effect":               {[]corev1.Toleration{{Key: "work", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}, false},
		"everything of another effect": {[]corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}}, false},
		"the second of two":            {[]corev1.Toleration{{Key: "play", Operator: corev1.TolerationOpExists}, {Key: "work", Value: "yes"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Tolerated(taint, tc.tolerations); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
