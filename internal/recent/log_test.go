package recent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestALogKeepsWhatChangedWithinTheWindow(t *testing.T) {
	const window = 10 * time.Second
	note := func(l *Log[string], c *clocktesting.FakeClock, steps ...any) {
		for _, step := range steps {
			switch s := step.(type) {
			case string:
				l.Note(s, len(s))
			case time.Duration:
				c.Step(s)
			}
		}
	}
	for name, tc := range map[string]struct {
		steps []any
		want  map[string]int
	}{
		"nothing":                {nil, map[string]int{}},
		"what changed just now":  {[]any{"a", "bb"}, map[string]int{"a": 1, "bb": 2}},
		"what is a window old":   {[]any{9 * time.Second, "a", 10 * time.Second, "bb"}, map[string]int{"a": 1, "bb": 2}},
		"not what is older":      {[]any{"a", 10 * time.Second, "bb", 10 * time.Second, "ccc"}, map[string]int{"bb": 2, "ccc": 3}},
		"nothing after a pause":  {[]any{"a", 20 * time.Second}, map[string]int{}},
		"the latest of each key": {[]any{"a", 10 * time.Second, "a"}, map[string]int{"a": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := clocktesting.NewFakeClock(time.Unix(1700000000, 0))
			l := NewLog[string](c, window)
			note(l, c, tc.steps...)
			if diff := cmp.Diff(tc.want, l.Take()); diff != "" {
				t.Errorf("Take() differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]int{}, l.Take()); diff != "" {
				t.Errorf("Take() once more differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheHighestPriorityOfAKeyCounts(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Unix(1700000000, 0))
	l := NewLog[string](c, time.Second)
	l.Note("a", 0)
	l.Note("a", -50)
	c.Step(time.Second)
	l.Note("a", -100)
	if diff := cmp.Diff(map[string]int{"a": 0}, l.Take()); diff != "" {
		t.Errorf("Take() differs (-want +got):\n%s", diff)
	}
}
