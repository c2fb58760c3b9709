package history

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is what the host has of the two objects that decide what a member gets.
type Version struct {
	// Binding is the binding's generation; 0 when there is no binding.
	Binding int64
	// Template is the template's generation, or for kinds without generations its resource version; 0 when it is not known.
	Template int64
}

// Stamp says when an object in a member was written, and from what.
type Stamp struct {
	// At is the lease renewal that the write relied on.
	At time.Time
	// Version that was written.
	Version Version
	// Era is that of the gaps that the writer knew of; empty when it knew of none.
	Era string
}

// String is what ParseStamp reads.
func (s Stamp) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %d %d %s", format(s.At), s.Version.Binding, s.Version.Template, s.Era))
}

// ParseStamp reads a stamp. What is no stamp, such as none at all on an object of an earlier version of Flotilla, is not ok. One may have more
// words than are known here, which a later version of Flotilla added: they are kept out.
func ParseStamp(text string) (stamp Stamp, ok bool) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return Stamp{}, false
	}
	era := ""
	if len(fields) > 3 {
		era = fields[3]
	}
	at, err := parse(fields[0])
	if err != nil || at.IsZero() {
		return Stamp{}, false
	}
	binding, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return Stamp{}, false
	}
	template, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return Stamp{}, false
	}
	return Stamp{At: at, Version: Version{Binding: binding, Template: template}, Era: era}, true
}

// Lost says whether the host has forgotten that it wrote an object, and in which gap. Now is what the host has today.
//
// A writer that knew of a gap wrote after it. Of another gap it wrote before, if the renewal that it relied on is one of those that
// the host remembers, up to the one at which the gap begins; else the host has forgotten it. Both are told without comparing the
// clocks of two managers. Of several gaps it is the last one, so that what users asked before it counts no more.
//
// What was written on the last renewals before a gap may have been written just before a manager crashed, or just after a backup: a
// manager relies on a renewal until it knows of the next one. The host has forgotten it if what it was written from was newer
// than what the host has today, because versions never fall otherwise. The same holds for all that was written before the
// first lease that the host knows of, because leases can be deleted, and of what was written in an era that a gap spans: one of the gaps that it
// was made of may be later. So managers that die one after the other make nothing forgotten, and restorations stay known.
func (g Gaps) Lost(s Stamp, now Version) (Gap, bool) {
	for _, gap := range slices.Backward(g.since(s.Era)) {
		if gap.Era == "" && !s.At.Before(gap.To) {
			continue // an earlier version wrote the gap down, and told by its clock what was written after it
		}
		byVersion := gap.From.IsZero() || gap.spans(s.Era)
		if !byVersion && s.At.After(gap.From) {
			return gap, true
		}
		if (byVersion || gap.From.Sub(s.At) < backup) && behind(now, s.Version) {
			return gap, true
		}
	}
	return Gap{}, false
}

func behind(now, then Version) bool {
	return now.Binding == 0 || now.Binding < then.Binding || now.Template != 0 && now.Template < then.Template
}
