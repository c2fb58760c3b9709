package manager

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/history"
)

func TestOnlyAHostThatMayHaveForgottenSomethingIsWaitedFor(t *testing.T) {
	noon := time.Date(2027, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	first, restored := history.Gap{To: noon}, history.Gap{From: noon.Add(time.Hour), To: noon.Add(2 * time.Hour)}
	for name, tc := range map[string]struct {
		gaps   history.Gaps
		joined time.Time
		want   bool
	}{
		"a host without gaps":                         {nil, noon, true},
		"an installation":                             {history.Gaps{first}, noon.Add(time.Minute), true},
		"an installation in the second of the join":   {history.Gaps{first}, noon.Truncate(time.Second), true},
		"a lease that was lost after the member came": {history.Gaps{first}, noon.Add(-time.Minute), false},
		"a host that was restored":                    {history.Gaps{first, restored}, noon.Add(time.Minute), false},
		"a host of which only that is known":          {history.Gaps{restored}, noon.Add(3 * time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(tc.joined)}}
			if got := remembersAll(tc.gaps, cluster); got != tc.want {
				t.Errorf("remembersAll() = %t, want %t", got, tc.want)
			}
		})
	}
}
