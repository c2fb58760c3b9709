package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2027, 3, 1, 12, 0, 0, 123456000, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

func TestWhatWasWrittenInAGapIsLost(t *testing.T) {
	restored := Gaps{{From: at(0), To: at(time.Hour)}}
	firstLease := Gaps{{To: at(time.Hour)}}
	version := Version{Binding: 3, Template: 7}
	for name, tc := range map[string]struct {
		gaps Gaps
		at   time.Time
		now  Version
		want bool
	}{
		"before every gap":                           {restored, at(-time.Second), Version{}, false},
		"within a gap":                               {restored, at(time.Minute), version, true},
		"after the gap":                              {restored, at(time.Hour), version, false},
		"no gaps":                                    {nil, at(time.Minute), Version{}, false},
		"on its first renewal, all as it was":        {restored, at(0), version, false},
		"on its first renewal, changed since":        {restored, at(0), Version{Binding: 4, Template: 8}, false},
		"on its first renewal, no binding":           {restored, at(0), Version{}, true},
		"on its first renewal, an older binding":     {restored, at(0), Version{Binding: 2, Template: 7}, true},
		"on its first renewal, an older template":    {restored, at(0), Version{Binding: 3, Template: 6}, true},
		"on its first renewal, template not known":   {restored, at(0), Version{Binding: 3}, false},
		"a deleted lease, the bindings are there":    {firstLease, at(time.Minute), version, false},
		"a backup from before, no binding":           {firstLease, at(time.Minute), Version{}, true},
		"after the first lease was made, no binding": {firstLease, at(2 * time.Hour), Version{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			want := Gap{}
			if tc.want {
				want = tc.gaps[0]
			}
			got, lost := tc.gaps.Lost(Stamp{At: tc.at, Version: version}, tc.now)
			if lost != tc.want {
				t.Errorf("lost: got %v, want %v", lost, tc.want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("gap (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGapsAreKeptWhenTheyAreLongEnough(t *testing.T) {
	gaps := Gaps{}.With(at(0), at(time.Second)).With(at(0), at(time.Minute)).With(time.Time{}, at(time.Hour))
	want := Gaps{{From: at(0), To: at(time.Minute)}, {To: at(time.Hour)}}
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range 2 * most {
		gaps = gaps.With(at(time.Duration(i)*time.Hour), at(time.Duration(i)*time.Hour+time.Minute))
	}
	if len(gaps) != most {
		t.Errorf("%d gaps are kept, want %d", len(gaps), most)
	}
	if _, lost := gaps.Lost(Stamp{At: at(30 * time.Second), Version: Version{Binding: 1}}, Version{Binding: 1}); !lost {
		t.Error("a gap was dropped for later ones")
	}
	if last := gaps[most-1].From; !last.Equal(at((2*most - 1) * time.Hour)) {
		t.Errorf("the last gap begins at %s, want the latest", last)
	}
}

func TestGapsAndStampsAreReadAsTheyAreWritten(t *testing.T) {
	gaps := Gaps{{To: at(0)}, {From: at(time.Minute), To: at(time.Hour)}}
	got, err := ParseGaps(gaps.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(gaps, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	stamp := Stamp{At: at(0), Version: Version{Binding: 2, Template: 123456789012}}
	read, ok := ParseStamp(stamp.String())
	if diff := cmp.Diff(stamp, read); diff != "" || !ok {
		t.Errorf("stamp, read %v (-want +got):\n%s", ok, diff)
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
