package history

import (
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
}

// String is what ParseStamp reads.
func (s Stamp) String() string {
	return format(s.At) + " " + strconv.FormatInt(s.Version.Binding, 10) + " " + strconv.FormatInt(s.Version.Template, 10)
}

// ParseStamp reads a stamp. What is no stamp, such as none at all on an object of an earlier version of Flotilla, is not ok.
func ParseStamp(text string) (stamp Stamp, ok bool) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return Stamp{}, false
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
	return Stamp{At: at, Version: Version{Binding: binding, Template: template}}, true
}

// Lost says whether the host has forgotten that it wrote an object, and in which gap. Now is what the host has today.
//
// What was written within a gap is forgotten. What was written on the very renewal at which a gap begins may have been written just
// before a manager crashed, or just after a backup: the host has forgotten it if what it was written from was newer than
// what the host has today, because versions never fall otherwise. The same holds for all that was written before the first
// lease that the host knows of: leases can be deleted.
func (g Gaps) Lost(s Stamp, now Version) (Gap, bool) {
	for _, gap := range g {
		switch {
		case s.At.Before(gap.From) || !s.At.Before(gap.To):
			continue
		case gap.From.IsZero(), s.At.Equal(gap.From):
			if behind(now, s.Version) {
				return gap, true
			}
		default:
			return gap, true
		}
	}
	return Gap{}, false
}

func behind(now, then Version) bool {
	return now.Binding == 0 || now.Binding < then.Binding || now.Template != 0 && now.Template < then.Template
}
