package tainting

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const (
	noSchedule = corev1.TaintEffectNoSchedule
	noExecute  = corev1.TaintEffectNoExecute
)

var (
	now     = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	stamp   = metav1.NewTime(now)
	earlier = metav1.NewTime(now.Add(-time.Hour))
)

func taint(key, value string, effect corev1.TaintEffect, added *metav1.Time) corev1.Taint {
	return corev1.Taint{Key: key, Value: value, Effect: effect, TimeAdded: added}
}

func TestTaintsAreEditedAsKubectlDoes(t *testing.T) {
	there := []corev1.Taint{taint("a", "1", noSchedule, &earlier), taint("a", "1", noExecute, &earlier), taint("b", "", noSchedule, nil)}
	for name, tc := range map[string]struct {
		args      string
		overwrite bool
		want      []corev1.Taint
		did       result
	}{
		"one more":                          {"c=2:NoSchedule", false, append(there[:3:3], taint("c", "2", noSchedule, &stamp)), tainted},
		"two more":                          {"c:NoSchedule d=:NoExecute", false, append(there[:3:3], taint("c", "", noSchedule, &stamp), taint("d", "", noExecute, &stamp)), tainted},
		"one that is there keeps its time":  {"a=1:NoExecute", false, there, unchanged},
		"another value":                     {"a=2:NoExecute", true, []corev1.Taint{there[0], taint("a", "2", noExecute, &earlier), there[2]}, modified},
		"one less":                          {"a:NoExecute-", false, []corev1.Taint{there[0], there[2]}, untainted},
		"a key less":                        {"a-", false, there[2:], untainted},
		"one less and one more":             {"b- c:NoSchedule", false, []corev1.Taint{there[0], there[1], taint("c", "", noSchedule, &stamp)}, modified},
		"one less, another was never there": {"b- x-", false, there[:2], untainted},
		"one of two effects":                {"a:NoSchedule- a=1:NoExecute", false, there[1:], untainted},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := parse(strings.Fields(tc.args))
			if err != nil {
				t.Fatal(err)
			}
			e.overwrite = tc.overwrite
			got, did, err := e.apply(there, stamp)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || did != tc.did {
				t.Errorf("apply() is %s, want %s (-want +got):\n%s", did, tc.did, diff)
			}
		})
	}
}

func TestEditsThatCannotBeMeantAreRefused(t *testing.T) {
	there := []corev1.Taint{taint("a", "1", noSchedule, nil)}
	for name, tc := range map[string]struct{ args, want string }{
		"nothing":               {"", "name at least one taint"},
		"no effect":             {"a=1", `"a=1" has no effect: add :NoSchedule or :NoExecute`},
		"a value to remove":     {"a=1:NoSchedule-", "to remove a taint, name its key, or its key and effect: a-"},
		"an effect of nodes":    {"a:PreferNoSchedule", "the effect must be NoSchedule or NoExecute"},
		"no key":                {"=1:NoSchedule", `the key "" is not valid`},
		"a value with a blank":  {"a=é:NoSchedule", `the value "é" is not valid`},
		"twice":                 {"b:NoSchedule b=2:NoSchedule", "given twice"},
		"on and off":            {"b:NoSchedule b-", "b:NoSchedule is both added and removed"},
		"the manager's":         {v1alpha1.UnreachableTaint + ":NoExecute", "the manager alone adds"},
		"another value":         {"a=2:NoSchedule", `already has the taint a:NoSchedule with the value "1": use --overwrite`},
		"one that is not there": {"x- y:NoExecute-", "has no taint x, y:NoExecute"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := parse(strings.Fields(tc.args))
			if err == nil {
				_, _, err = e.apply(there, stamp)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want %q", err, tc.want)
			}
		})
	}
}
