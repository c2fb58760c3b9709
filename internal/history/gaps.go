package history

import (
	"fmt"
	"strings"
	"time"
)

const (
	// shortest is how long a gap is at least to be kept. Restoring etcd means that every API server is stopped, etcd's members
	// are replaced and all is started again; a manager that hands over its lease leaves a gap of a second or two.
	shortest = 5 * time.Second
	// most is how many gaps are kept. They lie in an annotation of the lease, at some 60 bytes each. Above it the oldest ones are
	// made one, which spans what was between them, too: what was written then is in doubt until a manager that wants it finds it.
	most = 50
	// layout of times: that of the lease, which has microseconds.
	layout = "2006-01-02T15:04:05.000000Z"
)

// Gap is a time in which nobody held the lease, as far as the host knows.
type Gap struct {
	// From is the last renewal before. It is zero when the host knows of none.
	From time.Time
	// To is the first renewal after.
	To time.Time
}

// backup is how long after the last renewal in it a backup is made, at most: the longest time that a lease is held without being
// renewed, and what clocks may differ by.
const backup = time.Minute

// Ordered says whether what somebody asked of the host at a time was asked after it was restored: a backup holds nothing that is
// later than itself.
func (g Gap) Ordered(asked time.Time) bool {
	after := g.To
	if backedUp := g.From.Add(backup); !g.From.IsZero() && backedUp.Before(after) {
		after = backedUp
	}
	return !asked.Before(after.Truncate(time.Second)) // the API's times are in seconds
}

// Gaps are all that a host knows of, the earliest first.
type Gaps []Gap

// With adds the gap between the last renewal that the host knows of and a take-over, if it is one.
func (g Gaps) With(last, takeOver time.Time) Gaps {
	if takeOver.Sub(last) < shortest {
		return g
	}
	all := append(append(Gaps{}, g...), Gap{From: last, To: takeOver})
	if over := len(all) - most; over > 0 {
		all[over].From = all[0].From // none is dropped: it may be that of a restoration
		all = all[over:]
	}
	return all
}

// String is what ParseGaps reads.
func (g Gaps) String() string {
	texts := make([]string, len(g))
	for i, gap := range g {
		texts[i] = format(gap.From) + "/" + format(gap.To)
	}
	return strings.Join(texts, " ")
}

// ParseGaps reads gaps; the empty text is none.
func ParseGaps(text string) (Gaps, error) {
	var gaps Gaps
	for _, field := range strings.Fields(text) {
		from, to, _ := strings.Cut(field, "/")
		gap := Gap{}
		var err error
		if gap.From, err = parse(from); err != nil {
			return nil, fmt.Errorf("reading the gap %q: %w", field, err)
		}
		if gap.To, err = parse(to); err != nil {
			return nil, fmt.Errorf("reading the gap %q: %w", field, err)
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
