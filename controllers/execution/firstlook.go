package execution

import (
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

// leftoversPriority is that of telling what is left over: it comes after everything that waits to be looked at.
const leftoversPriority = handler.LowPriority - 1

// firstLook finds out when everything that concerns a member has been looked at once. It is asked again and again, by what comes last
// in the queue:
//
//	the watches have told what there is ─▶ all of it is in the queue ─▶ all of it has been taken from there ─▶ it is done with
type firstLook struct {
	mu sync.Mutex
	// told is true when the watches had told all, and taken when the queue was empty of that.
	told, taken, over bool
	// before counts what was taken from the queue before that and is still being looked at.
	before int
}

// enter takes note that something is being looked at, until the function that it returns is called.
func (l *firstLook) enter() (leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return func() {}
	}
	l.before++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.before--
	}
}

// isOver is asked when nothing else is in the queue; told says whether the watches have told what the member holds.
func (l *firstLook) isOver(told bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over, !l.told && !told:
	case !l.told:
		l.told = true // what was told last may not be in the queue yet
	default:
		l.taken = true
		l.over = l.before == 0
	}
	return l.over
}

// wasOver says whether isOver has said so.
func (l *firstLook) wasOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// haveTold says whether every watch has told what the member holds, or cannot.
func haveTold(c *objectcache.Cache) bool {
	for _, gvk := range c.Kinds() {
		state := c.State(gvk)
		absent := meta.IsNoMatchError(state.Err) || apierrors.IsNotFound(state.Err) || apierrors.IsForbidden(state.Err) ||
			apierrors.IsMethodNotSupported(state.Err)
		if !state.Synced && !absent {
			return false
		}
	}
	return true
}
