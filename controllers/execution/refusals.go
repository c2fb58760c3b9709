package execution

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
)

// What a member refuses for good reason is tried again after a second, then after twice as long each time, at last every
// minute, although nothing that Flotilla sees has changed: a webhook may have been waiting for something else of the same
// application, a foreign object may be removed, a right granted.
const (
	firstRefused   = time.Second
	recheckRefused = time.Minute
)

// refusals count how often a member refused the object of a binding in a row.
type refusals struct {
	backoff *flowcontrol.Backoff
}

func newRefusals(c clock.Clock) *refusals {
	return &refusals{backoff: newBackoff(c, firstRefused, recheckRefused)}
}

// wait counts a refusal and is how long to wait before the next attempt.
func (r *refusals) wait(binding types.NamespacedName) time.Duration {
	id := binding.String()
	r.backoff.GC() // forgets bindings that are long gone
	r.backoff.Next(id, r.backoff.Clock.Now())
	return r.backoff.Get(id)
}

// over forgets the refusals of an object that the member has taken.
func (r *refusals) over(binding types.NamespacedName) { r.backoff.DeleteEntry(binding.String()) }
