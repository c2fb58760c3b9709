package execution

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"

	"github.com/flotilla-dev/flotilla/internal/applyplan"
)

// The first drift of an object is corrected at once. Somebody who changes it again and again, such as another
// controller in the member that wants something else, is answered ever more slowly.
const (
	firstDrift = 500 * time.Millisecond
	lastDrift  = 5 * time.Minute
)

// drifts slows down corrections of the same object.
type drifts struct {
	backoff *flowcontrol.Backoff
}

func newDrifts(c clock.Clock) *drifts { return &drifts{backoff: newBackoff(c, firstDrift, lastDrift)} }

// newBackoff counts delays that double, from the first to the last.
func newBackoff(c clock.Clock, first, last time.Duration) *flowcontrol.Backoff {
	backoff := flowcontrol.NewBackOff(first, last)
	backoff.Clock = c
	return backoff
}

// wait is how long an update for this reason has to wait; 0 when it may be made now, and then it counts.
func (d *drifts) wait(manifest *unstructured.Unstructured, reason applyplan.Reason) time.Duration {
	if reason != applyplan.Drifted {
		return 0
	}
	id, now := manifest.GroupVersionKind().String()+"/"+manifest.GetNamespace()+"/"+manifest.GetName(), d.backoff.Clock.Now()
	if d.backoff.IsInBackOffSinceUpdate(id, now) {
		return d.backoff.Get(id)
	}
	d.backoff.GC() // forgets objects that nobody has changed for long
	d.backoff.Next(id, now)
	return 0
}
