package report

import "maps"

// PostLeftovers records the names of the objects of a member that the host has forgotten and does not want, once everything that concerns the
// member has been looked at.
func (b *Board) PostLeftovers(cluster string, names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leftovers[cluster] = names
}

// Leftovers are the names of the objects of a member that the host has forgotten and does not want, in order. They are not known before
// everything that concerns the member has been looked at.
func (b *Board) Leftovers(cluster string) (names []string, known bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	names, known = b.leftovers[cluster]
	return names, known
}

// AllLeftovers is a copy of what is known of all members' leftovers, by member.
func (b *Board) AllLeftovers() map[string][]string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return maps.Clone(b.leftovers)
}
