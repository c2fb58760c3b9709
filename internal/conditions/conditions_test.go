package conditions

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestALongTextIsShortenedBetweenCharacters(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		limit int
		want  string
	}{
		"short enough":            {"abc", 5, "abc"},
		"too long":                {"abcdefgh", 6, "abc..."},
		"cut before a wide one":   {"aéaaaa", 5, "a..."},
		"cut in the middle of it": {"Flöße und Bäche", 8, "Flö..."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Shorten(tc.text, tc.limit); got != tc.want {
				t.Errorf("Shorten() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAConditionTurnsBadOnce(t *testing.T) {
	condition := func(status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: "Applied", Status: status, Reason: reason}
	}
	bad := condition(metav1.ConditionFalse, "ForeignObject")
	for name, tc := range map[string]struct {
		before []metav1.Condition
		now    metav1.Condition
		want   bool
	}{
		"from nothing":             {nil, bad, true},
		"from good":                {[]metav1.Condition{condition(metav1.ConditionTrue, "Applied")}, bad, true},
		"from another bad reason":  {[]metav1.Condition{condition(metav1.ConditionFalse, "Forbidden")}, bad, true},
		"not when it stays as bad": {[]metav1.Condition{bad}, bad, false},
		"not when it turns good":   {[]metav1.Condition{bad}, condition(metav1.ConditionTrue, "Applied"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := TurnedBad(tc.before, tc.now); got != tc.want {
				t.Errorf("TurnedBad() = %v, want %v", got, tc.want)
			}
		})
	}
}
