package toleration

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func TestTheFirstTolerationThatMatchesSaysForHowLong(t *testing.T) {
	taint := &corev1.Taint{Key: "work", Value: "yes", Effect: corev1.TaintEffectNoExecute}
	type answer struct {
		Patience           time.Duration
		Tolerated, Forever bool
	}
	during := func(seconds int64) corev1.Toleration {
		return corev1.Toleration{Key: "work", Operator: corev1.TolerationOpExists, TolerationSeconds: ptr.To(seconds)}
	}
	ever := corev1.Toleration{Operator: corev1.TolerationOpExists}
	for name, tc := range map[string]struct {
		tolerations []corev1.Toleration
		want        answer
	}{
		"none":                    {nil, answer{}},
		"none that matches":       {[]corev1.Toleration{{Key: "play", Operator: corev1.TolerationOpExists}}, answer{}},
		"for ever":                {[]corev1.Toleration{ever}, answer{0, true, true}},
		"a minute":                {[]corev1.Toleration{during(60)}, answer{time.Minute, true, false}},
		"not at all":              {[]corev1.Toleration{during(0)}, answer{0, true, false}},
		"less than not at all":    {[]corev1.Toleration{during(-5)}, answer{0, true, false}},
		"a minute, then for ever": {[]corev1.Toleration{during(60), ever}, answer{time.Minute, true, false}},
		"for ever, then a minute": {[]corev1.Toleration{ever, during(60)}, answer{0, true, true}},
		"longer than time can be": {[]corev1.Toleration{during(math.MaxInt64)}, answer{maxSeconds * time.Second, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var got answer
			got.Patience, got.Tolerated, got.Forever = For(taint, tc.tolerations)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("For() (-want +got):\n%s", diff)
			}
		})
	}
}
