package interpreter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAggregateOfJob(t *testing.T) {
	const (
		times    = `lastProbeTime: "2026-05-04T12:00:00Z", lastTransitionTime: "2026-05-04T12:00:00Z"`
		finished = `{type: SuccessCriteriaMet, status: "True", reason: CompletionsReached, message: The Job is complete in every cluster., ` + times + `}, {type: Complete, status: "True", reason: CompletionsReached, message: The Job is complete in every cluster., ` + times + `}`
		aborted  = `{type: FailureTarget, status: "True", reason: MemberFailed, message: The Job failed in b., ` + times + `}, {type: Failed, status: "True", reason: MemberFailed, message: The Job failed in b., ` + times + `}`
		complete = `{succeeded: 3, ready: 0, startTime: "2026-05-04T10:00:00Z", completionTime: "2026-05-04T10:10:00Z", conditions: [{type: SuccessCriteriaMet, status: "True"}, {type: Complete, status: "True"}]}`
		failed   = `{failed: 2, startTime: "2026-05-04T10:01:00Z", conditions: [{type: FailureTarget, status: "True"}, {type: Failed, status: "True"}]}`
		working  = `{active: 2, ready: 1, succeeded: 1, startTime: "2026-05-04T10:02:00Z"}`
	)
	pending := func(f Fleet) Fleet { f.Pending = true; return f }
	for name, tc := range map[string]struct {
		template string
		fleet    Fleet
		want     string
	}{
		"adds up what the clusters do": {
			`{}`, reports(t, true, complete, working),
			`{active: 2, ready: 1, succeeded: 4, startTime: "2026-05-04T10:00:00Z"}`,
		},
		"is complete when it is so everywhere": {
			`{}`, reports(t, true, complete, complete),
			`{succeeded: 6, ready: 0, startTime: "2026-05-04T10:00:00Z", completionTime: "2026-05-04T10:10:00Z", conditions: [` + finished + `]}`,
		},
		"counts each cluster's completions once when all have the whole Job": {
			`{}`, reports(t, false, complete, complete),
			`{succeeded: 3, ready: 0, startTime: "2026-05-04T10:00:00Z", completionTime: "2026-05-04T10:10:00Z", conditions: [` + finished + `]}`,
		},
		"waits for the others before it fails": {
			`{}`, reports(t, true, working, failed),
			`{active: 2, ready: 1, succeeded: 1, failed: 2, startTime: "2026-05-04T10:01:00Z"}`,
		},
		"fails when one cluster failed and the others are done": {
			`{}`, reports(t, true, complete, failed),
			`{succeeded: 3, failed: 2, ready: 0, startTime: "2026-05-04T10:00:00Z", conditions: [` + aborted + `]}`,
		},
		"is not complete while replicas are pending": {
			`{}`, pending(reports(t, true, complete)), `{succeeded: 3, startTime: "2026-05-04T10:00:00Z"}`,
		},
		"is not complete while a cluster is silent": {
			`{}`, reports(t, true, complete, ""),
			`{succeeded: 3, startTime: "2026-05-04T10:00:00Z"}`,
		},
		"never counts down and never moves its start": {
			`{succeeded: 5, failed: 3, startTime: "2026-05-04T10:05:00Z"}`, reports(t, true, working),
			`{active: 2, ready: 1, succeeded: 5, failed: 3, startTime: "2026-05-04T10:05:00Z"}`,
		},
		"never completes before it started": {
			`{startTime: "2026-05-04T11:00:00Z"}`, reports(t, true, complete),
			`{succeeded: 3, ready: 0, startTime: "2026-05-04T11:00:00Z", completionTime: "2026-05-04T11:00:00Z", conditions: [` + finished + `]}`,
		},
		"stays finished": {
			`{succeeded: 3, startTime: "2026-05-04T10:00:00Z", completionTime: "2026-05-04T10:10:00Z", conditions: [{type: Complete, status: "True", ` + times + `}]}`, reports(t, true, working),
			`{succeeded: 3, startTime: "2026-05-04T10:00:00Z", completionTime: "2026-05-04T10:10:00Z", conditions: [{type: Complete, status: "True", ` + times + `}]}`,
		},
		"is suspended when it is so everywhere": {
			`{}`, reports(t, true, `{conditions: [{type: Suspended, status: "True"}]}`),
			`{conditions: [{type: Suspended, status: "True", reason: JobSuspended, message: The Job is suspended in every cluster., ` + times + `}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			template := object(t, `{apiVersion: batch/v1, kind: Job, metadata: {generation: 1}, spec: {completions: 6, parallelism: 2}, status: `+tc.template+`}`)
			if diff := cmp.Diff(fields(t, tc.want), aggregateTwice(t, template, tc.fleet)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}
