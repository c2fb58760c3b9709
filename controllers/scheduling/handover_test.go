package scheduling

import (
	"testing"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/handover"
	"github.com/flotilla-dev/flotilla/internal/schedule"
)

func TestAFailureIsNeverVoluntaryWhateverTheTriggerIs(t *testing.T) {
	task := func(cluster, reason string) []v1alpha1.GracefulEvictionTask {
		return []v1alpha1.GracefulEvictionTask{{FromCluster: cluster, Reason: reason}}
	}
	for name, tc := range map[string]struct {
		trigger string
		tasks   []v1alpha1.GracefulEvictionTask
		gone    string
		want    bool
	}{
		"an edit":                             {schedule.TriggerPlacement, nil, "", true},
		"an edit, while a cluster is drained": {schedule.TriggerPlacement, task("b", v1alpha1.ReasonDrained), "", true},
		"an edit, while a cluster fails":      {schedule.TriggerPlacement, task("b", v1alpha1.ReasonTaintUntolerated), "", false},
		"an edit, after a cluster has gone":   {schedule.TriggerPlacement, nil, "b", false},
		"a drain":                             {schedule.TriggerEviction, task("b", v1alpha1.ReasonDrained), "", true},
		"a drain, after another cluster has cooled down": {schedule.TriggerEviction, append(task("b", v1alpha1.ReasonDrained),
			task("c", v1alpha1.ReasonApplicationFailure)...), "", true},
		"a failed application": {schedule.TriggerEviction, task("b", v1alpha1.ReasonApplicationFailure), "", false},
		"new replicas":         {schedule.TriggerReplicas, nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			facts := handover.Facts{
				Spec:    &v1alpha1.BindingSpec{Clusters: []v1alpha1.TargetCluster{{Name: "a"}, {Name: "b"}}, GracefulEvictionTasks: tc.tasks},
				Members: map[string]handover.Member{"a": {Ready: true}, "b": {}, "c": {Ready: true}},
			}
			delete(facts.Members, tc.gone)
			if got := voluntary(tc.trigger, &facts); got != tc.want {
				t.Errorf("voluntary(%s) = %t, want %t", tc.trigger, got, tc.want)
			}
		})
	}
}
