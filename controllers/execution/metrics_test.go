package execution

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/report"
)

func TestOnlyWhatFailedCountsAsAFailure(t *testing.T) {
	tests := map[string]struct {
		reason string
		want   int
	}{
		"what is applied":                   {reason: v1alpha1.ReasonApplied},
		"what is under way":                 {reason: v1alpha1.ReasonApplying},
		"what is being removed":             {reason: v1alpha1.ReasonRemovingOld},
		"what was seen to be gone":          {reason: ""},
		"what is kept for a while":          {reason: v1alpha1.ReasonRetained},
		"what the user suspended":           {reason: v1alpha1.ReasonDispatchSuspended},
		"an object that is somebody else's": {reason: v1alpha1.ReasonForeignObject, want: 1},
		"an override that fails":            {reason: v1alpha1.ReasonOverrideFailed, want: 1},
		"a member that does not answer":     {reason: v1alpha1.ReasonMemberUnreachable, want: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			failures.Reset()
			w := &worker{member: &membercluster.Member{Name: "member1"}}
			w.countFailure(report.Report{Reason: tc.reason})
			series := make(chan prometheus.Metric, 10)
			failures.Collect(series)
			if diff := cmp.Diff(tc.want, len(series)); diff != "" {
				t.Errorf("series of failures (-want +got):\n%s", diff)
			}
		})
	}
}
