package report

import "maps"

// Leftovers are what a member holds that the host has forgotten and does not want.
type Leftovers struct {
	// Names of the objects, in order. While Looked is false they are those that were known before.
	Names []string
	// Looked is true when everything that concerns the member has been looked at.
	Looked bool
	// Unlooked names what has not been looked at, kinds and bindings; nothing when that is not known either, or Looked is true.
	Unlooked []string
}

// PostLeftovers records the names of the objects of a member that the host has forgotten and does not want, once everything that concerns the
// member has been looked at.
func (b *Board) PostLeftovers(cluster string, names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leftovers[cluster] = names
	delete(b.unlooked, cluster)
}

// PostUnlooked records what of a member has not been looked at; the names of what is left over stay those that were known before.
func (b *Board) PostUnlooked(cluster string, what []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unlooked[cluster] = what
}

// Leftovers is what is known of a member's leftovers.
func (b *Board) Leftovers(cluster string) Leftovers {
	b.mu.RLock()
	defer b.mu.RUnlock()
	names, known := b.leftovers[cluster]
	what, missing := b.unlooked[cluster]
	return Leftovers{Names: names, Looked: known && !missing, Unlooked: what}
}

// AllLeftovers is a copy of the names of all members' leftovers, by member. Of members that are not in it they are not known.
func (b *Board) AllLeftovers() map[string][]string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return maps.Clone(b.leftovers)
}
