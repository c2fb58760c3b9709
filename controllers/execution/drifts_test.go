package execution

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/flotilla-dev/flotilla/internal/applyplan"
)

func TestSomebodyWhoChangesAnObjectAgainAndAgainIsAnsweredEverMoreSlowly(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Unix(1700000000, 0))
	d := newDrifts(c)
	web := &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "metadata": map[string]any{"namespace": "shop", "name": "web"}}}
	for _, want := range []time.Duration{firstDrift, 2 * firstDrift, 4 * firstDrift} {
		if got := d.wait(web, applyplan.Drifted); got != 0 {
			t.Fatalf("a correction waits %s, want it made", got)
		}
		if got := d.wait(web, applyplan.Drifted); got != want {
			t.Errorf("the next one waits %s, want %s", got, want)
		}
		if got := d.wait(web, applyplan.ManifestChanged); got != 0 {
			t.Errorf("a change of the template waits %s, want none", got)
		}
		c.Step(want)
	}
}
