package execution

import (
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

// leftoversPriority is that of telling what is left over: it comes after everything that waits to be looked at.
const leftoversPriority = handler.LowPriority - 1

// firstLook finds out when everything that concerns a member has been looked at once. It is asked again and again, by what comes last
// in the queue:
//
//	the watches have told what there is ─▶ all of it is in the queue ─▶ all of it has been taken from there ─▶ it is done with
//
// A look that failed is none: what was looked at is waited for until a look at it succeeds.
type firstLook struct {
	mu sync.Mutex
	// told is true when the watches had told all, and taken when the queue was empty of that.
	told, taken, over bool
	// open is what was taken from the queue before that, and has not been looked at to the end.
	open map[types.NamespacedName]bool
}

// begin takes note that something is being looked at.
func (l *firstLook) begin(key types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return
	}
	if l.open == nil {
		l.open = map[types.NamespacedName]bool{}
	}
	l.open[key] = true
}

// done takes note that a look at something succeeded; last says that nothing else is waited for.
func (l *firstLook) done(key types.NamespacedName) (last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open[key] {
		return false
	}
	delete(l.open, key)
	return l.taken && len(l.open) == 0
}

// isOver is asked when nothing else is in the queue; told says whether the watches have told what the member holds. It is to be asked again
// soon when again is true, and else when a watch has told something or when done has said so.
func (l *firstLook) isOver(told bool) (over, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over, !l.told && !told:
	case !l.told:
		l.told, again = true, true // what was told last may not be in the queue yet
	default:
		l.taken = true
		l.over = len(l.open) == 0
	}
	return l.over, again
}

// wasOver says whether isOver has said so.
func (l *firstLook) wasOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// failing are the names of what was looked at in vain, or still is, in order; none before it is all that is waited for.
func (l *firstLook) failing() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.taken {
		return nil
	}
	names := make([]string, 0, len(l.open))
	for key := range l.open {
		names = append(names, "binding "+key.String())
	}
	slices.Sort(names)
	return names
}

// untold are the kinds of which the watch has not told yet what the member holds, and can, in order.
func untold(c *objectcache.Cache) []string {
	var kinds []string
	for _, gvk := range c.Kinds() {
		state := c.State(gvk)
		absent := meta.IsNoMatchError(state.Err) || apierrors.IsNotFound(state.Err) || apierrors.IsForbidden(state.Err) ||
			apierrors.IsMethodNotSupported(state.Err)
		if !state.Synced && !absent {
			kinds = append(kinds, gvk.GroupKind().String())
		}
	}
	slices.Sort(kinds)
	return kinds
}
