package firstlook

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

func TestTheFirstLookIsOverWhenAllThatWasThereIsDoneWith(t *testing.T) {
	type step struct {
		// told is what the watches say when it is asked; begin and done are what happens before.
		begin, done string
		told        bool
		want        answer
	}
	over, again, waits := answer{Over: true}, answer{Again: true}, answer{}
	for name, steps := range map[string][]step{
		"nothing is there":                         {{told: true, want: again}, {told: true, want: over}},
		"the watches have not told":                {{want: waits}, {want: waits}, {want: waits}},
		"the watches tell late":                    {{want: waits}, {told: true, want: again}, {told: true, want: over}},
		"something is still looked at":             {{begin: "ab", told: true, want: again}, {told: true}, {done: "b", told: true}, {done: "a", told: true, want: answer{Over: true, Last: true}}},
		"it was looked at before":                  {{begin: "a", done: "a", told: true, want: again}, {told: true, want: over}},
		"a look fails":                             {{begin: "a", told: true, want: again}, {told: true}, {begin: "a", told: true}, {begin: "a", done: "a", told: true, want: answer{Over: true, Last: true}}},
		"a look fails after one that did not":      {{begin: "a", done: "a", told: true, want: again}, {begin: "a", told: true}, {told: true}, {told: true}},
		"what comes later is not waited for":       {{told: true, want: again}, {told: true, want: over}, {begin: "b", told: true, want: over}},
		"not even when something else is":          {{begin: "a", told: true, want: again}, {told: true}, {begin: "b", done: "a", told: true, want: answer{Over: true, Last: true}}},
		"it stays over when a kind is watched new": {{told: true, want: again}, {told: true, want: over}, {want: over}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &Look{}
			for i, s := range steps {
				var got answer
				for _, name := range s.begin {
					l.Begin(types.NamespacedName{Name: string(name)})
				}
				for _, name := range s.done {
					got.Last = l.Done(types.NamespacedName{Name: string(name)})
				}
				got.Over, got.Again = l.IsOver(s.told)
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i+1, diff)
				}
				if got := l.WasOver(); got != s.want.Over {
					t.Errorf("step %d: WasOver() = %t, want %t", i+1, got, s.want.Over)
				}
			}
		})
	}
}

// answer is what a Look says of itself after a step.
type answer struct{ Over, Again, Last bool }
