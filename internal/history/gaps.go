package history

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

const (
	// most is how many gaps are kept. They lie in an annotation of the lease, at some 70 bytes each. Above it the oldest ones are
	// made one, which spans what was between them, too.
	most = 50
	// mostSpanned is how many eras such a gap names, at 9 bytes each. What was written in one before is in doubt until a manager that wants
	// it finds it.
	mostSpanned = 1000
	// layout of times: that of the lease, which has microseconds.
	layout = "2006-01-02T15:04:05.000000Z"
)

// Gap is a time in which nobody held the lease, as far as the host knows.
type Gap struct {
	// From is the last renewal before. It is zero when the host knows of none.
	From time.Time
	// To is the first renewal after.
	To time.Time
	// Era names the time that begins with To, and that no other begins with; see Era. It is empty for a gap that an earlier version of
	// Flotilla wrote down.
	Era string
	// Spanned are the eras between the gaps that this one was made of, the earliest first; none for an ordinary gap. What was written in
	// them is forgotten when its version says so; see Lost.
	Spanned []string
}

// Era is the name of the time that begins when a manager takes the lease. No two holders have the same identity, in whatever
// a restored host has forgotten neither.
func Era(holder string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(holder)) // never fails
	return fmt.Sprintf("%08x", h.Sum32())
}

// backup is how long after the last renewal in it a backup is made, at most: the longest time that a lease is held without being
// renewed, and what clocks may differ by.
const backup = time.Minute

// Ordered says whether what somebody asked of the host at a time was asked after it was restored: a backup holds nothing that is
// later than itself.
func (g Gap) Ordered(asked time.Time) bool {
	after := g.To
	// Of a gap that was made of several nobody knows when the backup was made.
	if backedUp := g.From.Add(backup); !g.From.IsZero() && len(g.Spanned) == 0 && backedUp.Before(after) {
		after = backedUp
	}
	return !asked.Before(after.Truncate(time.Second)) // the API's times are in seconds
}

// Gaps are all that a host knows of, the earliest first.
type Gaps []Gap

// With adds a gap.
func (g Gaps) With(gap Gap) Gaps {
	all := append(append(Gaps{}, g...), gap)
	if len(all) <= most {
		return all
	}
	first := 0
	if all[0].From.IsZero() {
		first = 1 // it asks for versions alone, which is too little for a gap that has a beginning
	}
	all[first+1] = merged(all[first], all[first+1]) // none is dropped: it may be that of a restoration
	return append(all[:first], all[first+1:]...)
}

// merged is one gap for two that follow each other.
func merged(earlier, later Gap) Gap {
	spanned := slices.Concat(earlier.Spanned, []string{earlier.Era}, later.Spanned)
	spanned = slices.DeleteFunc(spanned, func(era string) bool { return era == "" })
	return Gap{From: earlier.From, To: later.To, Era: later.Era, Spanned: spanned[max(0, len(spanned)-mostSpanned):]}
}

// Era names the time since the last gap: what is written now is of it. It is empty when there is no gap.
func (g Gaps) Era() string {
	if len(g) == 0 {
		return ""
	}
	return g[len(g)-1].Era
}

// since are the gaps after the one that an era began with, or beginning with the one that spans it; all of them when none does either.
func (g Gaps) since(era string) Gaps {
	for i, gap := range g {
		switch {
		case gap.spans(era):
			return g[i:]
		case era != "" && gap.Era == era:
			return g[i+1:]
		}
	}
	return g
}

// spans says whether an era is among those that a gap spans.
func (g Gap) spans(era string) bool { return era != "" && slices.Contains(g.Spanned, era) }

// Next is the time of the next renewal of the lease, in microseconds: a manager's own time, but later than everything that it has seen.
// So the lease goes forward from holder to holder, also when their clocks differ or are set back.
func Next(own time.Time, seen ...time.Time) time.Time {
	own = own.UTC().Truncate(time.Microsecond)
	for _, t := range seen {
		if !own.After(t) {
			own = t.UTC().Truncate(time.Microsecond).Add(time.Microsecond)
		}
	}
	return own
}

// String is what ParseGaps reads.
func (g Gaps) String() string {
	texts := make([]string, len(g))
	for i, gap := range g {
		fields := []string{format(gap.From), format(gap.To), gap.Era, strings.Join(gap.Spanned, ",")}
		texts[i] = strings.TrimRight(strings.Join(fields, "/"), "/")
	}
	return strings.Join(texts, " ")
}

// ParseGaps reads gaps; the empty text is none. Each may have more fields than are known here, which a later version of Flotilla added: they are
// kept out.
func ParseGaps(text string) (Gaps, error) {
	var gaps Gaps
	for _, each := range strings.Fields(text) {
		fields := append(strings.Split(each, "/"), "", "", "") // those at the end may be left out
		gap := Gap{Era: fields[2]}
		if fields[3] != "" {
			gap.Spanned = strings.Split(fields[3], ",")
		}
		var err error
		if gap.From, err = parse(fields[0]); err != nil {
			return nil, fmt.Errorf("reading the gap %q: %w", each, err)
		}
		if gap.To, err = parse(fields[1]); err != nil {
			return nil, fmt.Errorf("reading the gap %q: %w", each, err)
		}
		gaps = append(gaps, gap)
	}
	return gaps, nil
}

// format writes a zero time as nothing.
func format(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(layout)
}

func parse(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(layout, text)
}
