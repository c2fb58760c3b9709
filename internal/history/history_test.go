package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2027, 3, 1, 12, 0, 0, 123456000, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

func TestWhatWasWrittenInAGapIsLost(t *testing.T) {
	const old, since, forgotten = "aaaaaaaa", "bbbbbbbb", "cccccccc"
	install := Gap{To: at(-time.Hour), Era: old}
	restored := Gaps{install, {From: at(0), To: at(time.Hour), Era: since}}
	clockBehind := Gaps{install, {From: at(0), To: at(time.Microsecond), Era: since}}
	unnamed := Gaps{{From: at(0), To: at(time.Hour)}}
	twice := append(restored[:2:2], Gap{From: at(2 * time.Hour), To: at(3 * time.Hour), Era: "dddddddd"})
	version := Version{Binding: 3, Template: 7}
	for name, tc := range map[string]struct {
		gaps Gaps
		at   time.Duration
		era  string
		now  Version
		want int // 0 for none
	}{
		"before every gap": {restored, -2 * time.Minute, old, Version{}, 0},
		"within a gap":     {restored, time.Minute, old, version, 2},
		"within a gap, after a gap that is forgotten": {restored, time.Minute, forgotten, version, 2},
		"after the gap": {restored, time.Hour, since, version, 0},
		"after the gap, on a clock that was set back": {restored, -time.Hour, since, Version{}, 0},
		"by a clock that was ahead of those after it": {restored, 2 * time.Hour, old, version, 2},
		"by a clock that was ahead, a forgotten gap":  {clockBehind, time.Second, forgotten, version, 2},
		"after the gap, by a clock that is behind":    {clockBehind, time.Microsecond, since, version, 0},
		"no gaps":                                        {nil, time.Minute, "", version, 0},
		"on its first renewal, all as it was":            {restored, 0, old, version, 0},
		"on its first renewal, changed since":            {restored, 0, old, Version{Binding: 4, Template: 8}, 0},
		"on its first renewal, no binding":               {restored, 0, old, Version{}, 2},
		"on its first renewal, an older binding":         {restored, 0, old, Version{Binding: 2, Template: 7}, 2},
		"on its first renewal, an older template":        {restored, 0, old, Version{Binding: 3, Template: 6}, 2},
		"on its first renewal, template not known":       {restored, 0, old, Version{Binding: 3}, 0},
		"before its first renewal was known, no binding": {restored, -10 * time.Second, old, Version{}, 2},
		"before its first renewal was known, as it was":  {restored, -10 * time.Second, old, version, 0},
		"a deleted lease, the bindings are there":        {Gaps{install}, time.Minute, forgotten, version, 0},
		"a backup from before, no binding":               {Gaps{install}, time.Minute, forgotten, Version{}, 1},
		"after the first lease was made, no binding":     {Gaps{install}, time.Minute, old, Version{}, 0},
		"after the gaps were ended, before a new one":    {Gaps{{From: at(0), To: at(time.Hour), Era: since}}, -2 * time.Minute, "", Version{}, 0},
		"after the gaps were ended, in a new one":        {Gaps{{From: at(0), To: at(time.Hour), Era: since}}, time.Minute, "", version, 1},
		"in one of two gaps":                             {twice, time.Minute, old, version, 2},
		"in both of two gaps":                            {twice, 150 * time.Minute, old, version, 3},
		"between two gaps":                               {twice, 90 * time.Minute, since, version, 0},
		"in the second of two gaps":                      {twice, 150 * time.Minute, since, version, 3},
		"within a gap of an earlier version of Flotilla": {unnamed, time.Minute, "", version, 1},
		"after a gap of an earlier version of Flotilla":  {unnamed, time.Hour, "", version, 0},
	} {
		t.Run(name, func(t *testing.T) {
			want := Gap{}
			if tc.want > 0 {
				want = tc.gaps[tc.want-1]
			}
			got, lost := tc.gaps.Lost(Stamp{At: at(tc.at), Version: version, Era: tc.era}, tc.now)
			if lost != (tc.want > 0) {
				t.Errorf("lost: got %v, want %v", lost, tc.want > 0)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("gap (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoGapIsDroppedForLaterOnes(t *testing.T) {
	gaps := Gaps{}.With(Gap{To: at(-time.Hour), Era: Era("first")})
	for i := range 2 * most {
		begin := at(time.Duration(i) * time.Hour)
		gaps = gaps.With(Gap{From: begin, To: begin.Add(time.Minute), Era: Era(begin.String())})
	}
	if len(gaps) != most {
		t.Errorf("%d gaps are kept, want %d", len(gaps), most)
	}
	version := Version{Binding: 1}
	if _, lost := gaps.Lost(Stamp{At: at(30 * time.Second), Version: version, Era: Era("first")}, version); !lost {
		t.Error("a gap was dropped for later ones")
	}
	want := Gap{From: at((2*most - 1) * time.Hour), To: at((2*most-1)*time.Hour + time.Minute), Era: gaps.Era()}
	if diff := cmp.Diff(want, gaps[most-1]); diff != "" {
		t.Errorf("the last gap (-want +got):\n%s", diff)
	}
	if _, lost := gaps.Lost(Stamp{At: want.To, Version: version, Era: gaps.Era()}, Version{}); lost {
		t.Error("what is written now is in doubt")
	}
}

// TestOrdinaryRestartsMakeNothingForgotten has one manager after the other that dies, and a restoration among the first of them. Each writes
// something.
func TestOrdinaryRestartsMakeNothingForgotten(t *testing.T) {
	const managers = 4 * most
	version := Version{Binding: 3, Template: 7}
	gaps := Gaps{}.With(Gap{To: at(-time.Hour), Era: Era("first")})
	var remembered []Stamp
	for i := range managers {
		begin := at(time.Duration(i) * time.Hour)
		if i == 2 { // what was written since is not known to the host
			begin = begin.Add(-30 * time.Minute)
		}
		gap := Gap{From: begin, To: begin.Add(time.Minute), Era: Era(begin.String())}
		gaps = gaps.With(gap)
		read, err := ParseGaps(gaps.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(gaps, read); diff != "" {
			t.Fatalf("gaps (-want +got):\n%s", diff)
		}
		remembered = append(remembered, Stamp{At: gap.To.Add(time.Minute), Version: version, Era: gap.Era})
	}
	for _, stamp := range remembered {
		if gap, lost := gaps.Lost(stamp, version); lost {
			t.Errorf("what was written at %s is forgotten, in %v", stamp.At, gap)
		}
	}
	if len(gaps) != most || gaps.Era() == "" || len(gaps.String()) > 10_000 {
		t.Errorf("%d gaps in %d bytes, want %d in 10,000 at most", len(gaps), len(gaps.String()), most)
	}
	restored := remembered[1]
	restored.At = restored.At.Add(40 * time.Minute)
	for name, tc := range map[string]struct {
		stamp Stamp
		now   Version
	}{
		"no binding":                          {restored, Version{}},
		"an older binding":                    {restored, Version{Binding: 2, Template: 7}},
		"an older template":                   {restored, Version{Binding: 3, Template: 6}},
		"by somebody whom nobody knows of":    {Stamp{At: restored.At, Version: version, Era: Era("forgotten")}, version},
		"by a version that told nothing else": {Stamp{At: restored.At, Version: version}, version},
	} {
		gap, lost := gaps.Lost(tc.stamp, tc.now)
		if !lost {
			t.Errorf("%s: what was written after the backup is not forgotten any more", name)
		}
		if gap.Ordered(restored.At) {
			t.Errorf("%s: what was asked before the restoration is an order", name)
		}
	}
}

func TestAMergedGapNamesSoManyErasOnly(t *testing.T) {
	gaps := Gaps{}
	for i := range mostSpanned + 2*most {
		begin := at(time.Duration(i) * time.Hour)
		gaps = gaps.With(Gap{From: begin, To: begin.Add(time.Minute), Era: Era(begin.String())})
	}
	if n := len(gaps[0].Spanned); n != mostSpanned {
		t.Errorf("%d eras are named, want %d", n, mostSpanned)
	}
	if last, want := gaps[0].Spanned[mostSpanned-1], Era(gaps[0].To.Add(-time.Hour-time.Minute).String()); last != want {
		t.Errorf("the last one is %s, want %s", last, want)
	}
}

// TestWhatALaterVersionAddsIsKeptOut has texts as a later version of Flotilla may write them: who goes back to this one must be able to lead.
func TestWhatALaterVersionAddsIsKeptOut(t *testing.T) {
	gaps, err := ParseGaps("/2027-03-01T12:00:00.123456Z/aaaaaaaa//more 2027-03-01T12:00:00.123456Z/2027-03-01T13:00:00.123456Z/bbbbbbbb/cccccccc,dddddddd/more/and/more")
	if err != nil {
		t.Fatal(err)
	}
	want := Gaps{{To: at(0), Era: "aaaaaaaa"}, {From: at(0), To: at(time.Hour), Era: "bbbbbbbb", Spanned: []string{"cccccccc", "dddddddd"}}}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	stamp, ok := ParseStamp("2027-03-01T12:00:00.123456Z 3 7 aaaaaaaa more and more")
	if diff := cmp.Diff(Stamp{At: at(0), Version: Version{Binding: 3, Template: 7}, Era: "aaaaaaaa"}, stamp); diff != "" || !ok {
		t.Errorf("stamp, read %v (-want +got):\n%s", ok, diff)
	}
}

func TestRenewalsGoForward(t *testing.T) {
	for name, tc := range map[string]struct {
		own  time.Time
		seen []time.Time
		want time.Time
	}{
		"nothing seen":             {at(0), nil, at(0)},
		"more than microseconds":   {at(999), nil, at(0)},
		"all seen is earlier":      {at(time.Second), []time.Time{at(0), {}}, at(time.Second)},
		"a clock that is behind":   {at(-time.Minute), []time.Time{at(0), at(time.Second)}, at(time.Second + time.Microsecond)},
		"the same, in any order":   {at(-time.Minute), []time.Time{at(time.Second), at(0)}, at(time.Second + time.Microsecond)},
		"a clock that stands":      {at(0), []time.Time{at(0)}, at(time.Microsecond)},
		"less than a microsecond":  {at(999), []time.Time{at(0)}, at(time.Microsecond)},
		"a clock in another place": {at(0).In(time.FixedZone("", 3600)), nil, at(0)},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Next(tc.own, tc.seen...)); diff != "" {
				t.Errorf("Next() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyARenewalThatWasSeenToBeMadeLeavesNoGap(t *testing.T) {
	// look is one look at the lease: what it says, and how long after the look before it was answered.
	type look struct {
		renewed, since time.Duration
		blink          bool
	}
	const often, last = 300 * time.Millisecond, 2 * time.Second
	for name, tc := range map[string]struct {
		looks []look
		since time.Duration // since the last look
		want  bool
	}{
		"nothing seen":               {nil, often, false},
		"one look":                   {[]look{{renewed: last}}, often, false},
		"a lease that nobody renews": {[]look{{renewed: last}, {renewed: last, since: often}, {renewed: last, since: often}}, often, false},
		"a renewal":                  {[]look{{}, {renewed: last, since: often}}, often, true},
		"a renewal, and nothing more for a while": {[]look{{}, {renewed: last, since: often}, {renewed: last, since: often}}, often, true},
		"several renewals":                        {[]look{{}, {renewed: time.Second, since: often}, {renewed: last, since: often}}, often, true},
		"a renewal behind a break":                {[]look{{}, {renewed: last, since: blink + 1}}, often, false},
		"a renewal behind a look that failed":     {[]look{{}, {blink: true}, {renewed: last, since: often}}, often, false},
		"a break after the last renewal":          {[]look{{}, {renewed: last, since: often}, {renewed: last, since: blink + 1}}, often, false},
		"a failure after the last renewal":        {[]look{{}, {renewed: last, since: often}, {blink: true}, {renewed: last, since: often}}, often, false},
		"a renewal after a break":                 {[]look{{}, {renewed: 1, since: blink + 1}, {renewed: last, since: often}}, often, true},
		"a break before the take-over":            {[]look{{}, {renewed: last, since: often}}, blink + 1, false},
		"a failure before the take-over":          {[]look{{}, {renewed: last, since: often}, {blink: true}}, often, false},
		"a renewal that is not the last one":      {[]look{{}, {renewed: 1, since: often}}, often, false},
	} {
		t.Run(name, func(t *testing.T) {
			vigil := Vigil{}
			for _, l := range tc.looks {
				if l.blink {
					vigil = Vigil{}
					continue
				}
				vigil = vigil.Look(at(l.renewed), l.since)
			}
			if got := vigil.Saw(at(last), tc.since); got != tc.want {
				t.Errorf("Saw() = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestGapsAndStampsAreReadAsTheyAreWritten(t *testing.T) {
	gaps := Gaps{{To: at(0)}, {From: at(time.Minute), To: at(time.Hour)}, {From: at(2 * time.Hour), To: at(3 * time.Hour), Era: Era("a")}}
	got, err := ParseGaps(gaps.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(gaps, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	for _, era := range []string{"", gaps.Era()} {
		stamp := Stamp{At: at(0), Version: Version{Binding: 2, Template: 123456789012}, Era: era}
		read, ok := ParseStamp(stamp.String())
		if diff := cmp.Diff(stamp, read); diff != "" || !ok {
			t.Errorf("stamp, read %v (-want +got):\n%s", ok, diff)
		}
	}
	for _, text := range []string{"", "yesterday 1 1", "2027-03-01T12:00:00.000000Z 1", "2027-03-01T12:00:00.000000Z 1 x", " 1 1"} {
		if _, ok := ParseStamp(text); ok {
			t.Errorf("%q is read as a stamp", text)
		}
	}
	if _, err := ParseGaps("2027-03-01T12:00:00.000000Z/later"); err == nil {
		t.Error("a gap that ends later is read")
	}
}

func TestWhatIsAskedAfterABackupWasMadeIsAnOrder(t *testing.T) {
	restored := Gap{From: at(0), To: at(time.Hour)}
	for name, tc := range map[string]struct {
		gap   Gap
		asked time.Time
		want  bool
	}{
		"before the backup":                       {restored, at(-time.Minute), false},
		"maybe just before the backup":            {restored, at(30 * time.Second), false},
		"before a manager came back":              {restored, at(10 * time.Minute), true},
		"after a manager came back":               {restored, at(2 * time.Hour), true},
		"in the second in which one came back":    {Gap{From: at(0), To: at(20 * time.Second)}, at(20 * time.Second).Truncate(time.Second), true},
		"before the first lease that is known of": {Gap{To: at(0)}, at(-time.Minute), false},
		"after the first lease that is known of":  {Gap{To: at(0)}, at(time.Minute), true},
	} {
		if got := tc.gap.Ordered(tc.asked); got != tc.want {
			t.Errorf("%s: Ordered() = %t, want %t", name, got, tc.want)
		}
	}
}
