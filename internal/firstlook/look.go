package firstlook

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Look finds out when everything that concerns a member has been looked at once. The zero value is one that has not begun. It is asked again
// and again, by what comes last in the queue:
//
//	the watches have told what there is ─▶ all of it is in the queue ─▶ all of it has been taken from there ─▶ it is done with
//
// A look that failed is none: what was looked at is waited for until a look at it succeeds.
type Look struct {
	mu sync.Mutex
	// told is true when the watches had told all, and taken when the queue was empty of that.
	told, taken, over bool
	// open is what was taken from the queue before that, and has not been looked at to the end.
	open map[types.NamespacedName]bool
}

// Begin takes note that something is being looked at.
func (l *Look) Begin(key types.NamespacedName) {
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

// Done takes note that a look at something succeeded; last says that nothing else is waited for.
func (l *Look) Done(key types.NamespacedName) (last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open[key] {
		return false
	}
	delete(l.open, key)
	return l.taken && len(l.open) == 0
}

// IsOver is asked when nothing else is in the queue; told says whether the watches have told what the member holds. It is to be asked again
// soon when again is true, and else when a watch has told something or when Done has said so.
func (l *Look) IsOver(told bool) (over, again bool) {
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

// WasOver says whether IsOver has said so.
func (l *Look) WasOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// Failing are the names of what was looked at in vain, or still is, in order; none before it is all that is waited for.
func (l *Look) Failing() []string {
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
