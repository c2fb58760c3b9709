package history

import "time"

// blink is how long a stand-by may not see the lease without having missed anything. It looks several times a second; whoever restores etcd
// stops all API servers and etcd, replaces its data and starts all of it again, which takes longer.
const blink = 2 * time.Second

// Vigil is what a stand-by has seen of the lease in a row of looks without a break. A break is a look that failed, a new connection to
// the host, or more than a moment between two looks: whoever keeps the vigil begins anew then, with the zero Vigil, or is made to by Look. An
// etcd that was replaced by an older copy is behind such a break, because it is replaced while no API server runs.
type Vigil struct {
	renewed time.Time
	// moved says that the lease was renewed while it was looked at.
	moved bool
}

// Look adds a look at the lease, which was answered so long after the look before was sent.
func (v Vigil) Look(renewed time.Time, since time.Duration) Vigil {
	if v.renewed.IsZero() || since > blink {
		return Vigil{renewed: renewed}
	}
	return Vigil{renewed: renewed, moved: v.moved || renewed.After(v.renewed)}
}

// Saw says whether nothing can have been restored between the last renewal, as the lease has it, and a take-over that is sent so long after the last
// look was. The last renewal must have been made before the stand-by's eyes: whoever made it knew all that there was to remember. One that was there when the
// vigil began may be that of a backup.
func (v Vigil) Saw(renewed time.Time, since time.Duration) bool {
	return v.moved && v.renewed.Equal(renewed) && since <= blink
}
