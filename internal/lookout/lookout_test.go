package lookout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/flotilla-dev/flotilla/internal/stampede"
)

func TestWhatIsSeenOfAMemberLastsUntilItIsReadyAgain(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	type step struct {
		second         int
		answers, ready bool
		refuses        bool
	}
	for name, tc := range map[string]struct {
		steps []step
		until int
		want  stampede.Sightings
		news  int
	}{
		"not looked at":                           {want: stampede.Sightings{}},
		"it answers":                              {[]step{{1, true, true, false}, {2, true, true, false}}, 2, stampede.Sightings{"a": {Answers: true, AnswersSince: at(1)}}, 1},
		"it is silent":                            {[]step{{1, false, true, false}, {2, false, false, false}}, 2, stampede.Sightings{"a": {LostSince: at(1)}}, 1},
		"it answers again, and is not Ready":      {[]step{{1, false, false, false}, {2, true, false, false}}, 2, stampede.Sightings{"a": {Answers: true, AnswersSince: at(2), LostSince: at(1)}}, 2},
		"it flaps":                                {[]step{{1, false, false, false}, {2, true, false, false}, {3, false, false, false}}, 3, stampede.Sightings{"a": {LostSince: at(1)}}, 3},
		"it is Ready again":                       {[]step{{1, false, false, false}, {2, true, true, false}, {3, false, true, false}}, 3, stampede.Sightings{"a": {LostSince: at(3)}}, 3},
		"found answering, by a new manager":       {[]step{{1, true, false, false}}, 1, stampede.Sightings{"a": {Answers: true, AnswersSince: at(1)}}, 1},
		"it answers once more":                    {[]step{{1, true, true, false}, {2, false, true, false}, {3, true, true, false}, {4, true, true, false}}, 4, stampede.Sightings{"a": {Answers: true, AnswersSince: at(3)}}, 3},
		"it refuses, and is silent later":         {[]step{{1, false, false, false}, {2, false, false, true}, {5, false, false, false}}, 5, stampede.Sightings{"a": {LostSince: at(5)}}, 1},
		"it refuses":                              {[]step{{1, false, false, false}, {2, false, false, true}}, 2, stampede.Sightings{"a": {}}, 1},
		"the process stood still, and it answers": {[]step{{1, true, true, false}, {3600, true, true, false}}, 3600, stampede.Sightings{"a": {Answers: true, AnswersSince: at(3600)}}, 2},
		"the process stood still":                 {[]step{{1, false, false, false}}, 12, stampede.Sightings{}, 1},
		"the process stood still and goes on":     {[]step{{1, false, false, false}, {3600, false, false, false}}, 3600, stampede.Sightings{"a": {LostSince: at(3600)}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(start)
			l := New(clock, 10*time.Second)
			news := 0
			l.OnNews(func() { news++ })
			for _, s := range tc.steps {
				clock.SetTime(at(s.second))
				l.Note("a", Look{Answers: s.answers, Ready: s.ready, Refuses: s.refuses})
			}
			clock.SetTime(at(tc.until))
			if diff := cmp.Diff(tc.want, l.Sightings()); diff != "" || news != tc.news {
				t.Errorf("Sightings() (-want +got):\n%s\n%d news, want %d", diff, news, tc.news)
			}
			l.Forget("a")
			if got := l.Sightings(); len(got) > 0 {
				t.Errorf("a member that is gone is seen: %v", got)
			}
		})
	}
}
