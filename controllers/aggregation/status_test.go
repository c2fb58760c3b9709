package aggregation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/report"
)

var (
	noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	web  = types.NamespacedName{Namespace: "shop", Name: "web-deployment-1"}
)

// bound is a binding to target clusters that each get two replicas.
func bound(targets ...string) *v1alpha1.ResourceBinding {
	binding := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: web.Name, UID: "binding-uid", Generation: 2},
		Spec: v1alpha1.BindingSpec{Resource: v1alpha1.ObjectReference{
			APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "web-uid",
		}},
	}
	for _, target := range targets {
		replicas := int32(2)
		binding.Spec.Clusters = append(binding.Spec.Clusters, v1alpha1.TargetCluster{Name: target, Replicas: &replicas})
	}
	return binding
}

func with(binding *v1alpha1.ResourceBinding, items ...v1alpha1.AggregatedStatusItem) *v1alpha1.ResourceBinding {
	binding.Status.AggregatedStatus = items
	return binding
}

const readyStatus = `{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2}`

// fine is the report of a member in which all is well.
func fine(generation int64) report.Report {
	return report.Report{Applied: true, Reason: v1alpha1.ReasonApplied, UpToDate: true, TemplateGeneration: generation, Health: v1alpha1.Healthy, Status: readyStatus}
}

// starting is the report of a member that has the manifest and no pod yet.
func starting(generation int64) report.Report {
	r := fine(generation)
	r.Health, r.Status = v1alpha1.Unhealthy, `{"observedGeneration":1}`
	return r
}

func fineItem(cluster string) v1alpha1.AggregatedStatusItem {
	return v1alpha1.AggregatedStatusItem{ClusterName: cluster, Applied: true, Reason: v1alpha1.ReasonApplied, Health: v1alpha1.Healthy, Status: &runtime.RawExtension{Raw: []byte(readyStatus)}}
}

func everyoneReady() map[string]bool { return map[string]bool{"a": true, "b": true, "c": true} }

func TestAggregatedItems(t *testing.T) {
	template := &unstructured.Unstructured{}
	template.SetGeneration(2)
	unsure := fineItem("b")
	unsure.Health = v1alpha1.HealthUnknown
	away := unsure
	away.Applied, away.Reason, away.AppliedMessage = false, v1alpha1.ReasonMemberUnreachable, unasked
	big := fine(2)
	big.Status = `{"data":"` + strings.Repeat("x", maxStatuses) + `"}`
	bare := fineItem("a")
	bare.Status = nil
	for name, tc := range map[string]struct {
		binding *v1alpha1.ResourceBinding
		reports map[string]report.Report
		ready   map[string]bool
		want    []v1alpha1.AggregatedStatusItem
	}{
		"have what each target reports, in order": {
			bound("b", "a"), map[string]report.Report{"a": fine(2), "b": fine(2)}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{fineItem("a"), fineItem("b")},
		},
		"say that a silent target is on its way": {
			bound("a"), nil, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{{ClusterName: "a", Reason: v1alpha1.ReasonApplying, Health: v1alpha1.HealthUnknown}},
		},
		"keep what a target said before a restart": {
			with(bound("a", "b"), fineItem("a"), fineItem("b")), map[string]report.Report{"b": fine(2)}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{fineItem("a"), fineItem("b")},
		},
		"do not repeat what a target said before a restart while it is away": {
			with(bound("a", "b"), fineItem("a"), fineItem("b")), map[string]report.Report{"a": fine(2)}, map[string]bool{"a": true, "b": false},
			[]v1alpha1.AggregatedStatusItem{fineItem("a"), away},
		},
		"do not trust the health that a member which is not ready reports": {
			bound("a", "b"), map[string]report.Report{"a": fine(2), "b": fine(2)}, map[string]bool{"a": true, "b": false},
			[]v1alpha1.AggregatedStatusItem{fineItem("a"), unsure},
		},
		"see that a manifest was made from an older template": {
			bound("a"), map[string]report.Report{"a": fine(1)}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{{ClusterName: "a", Reason: v1alpha1.ReasonApplying, AppliedMessage: "the template has changed", Health: v1alpha1.Healthy, Status: &runtime.RawExtension{Raw: []byte(readyStatus)}}},
		},
		"list a cluster that is no target while it may hold a copy": {
			with(bound("a"), fineItem("a"), fineItem("b")), map[string]report.Report{"a": fine(2)}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{fineItem("a"), {ClusterName: "b", Reason: v1alpha1.ReasonRemovingOld, Health: v1alpha1.Healthy}},
		},
		"list a cluster that nobody knew of but that reports a copy": {
			bound("a"), map[string]report.Report{"a": fine(2), "c": {Reason: v1alpha1.ReasonRemovingOld, Message: "in use", Health: v1alpha1.HealthUnknown}}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{fineItem("a"), {ClusterName: "c", Reason: v1alpha1.ReasonRemovingOld, AppliedMessage: "in use", Health: v1alpha1.HealthUnknown}},
		},
		"forget a cluster that says that it holds no copy": {
			with(bound("a"), fineItem("a"), fineItem("b")), map[string]report.Report{"a": fine(2), "b": {Gone: true}}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{fineItem("a")},
		},
		"forget a cluster that left the fleet": {
			with(bound("a"), fineItem("a"), fineItem("z")), map[string]report.Report{"a": fine(2)}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{fineItem("a")},
		},
		"start over with a target that once held no copy": {
			with(bound("a"), fineItem("a")), map[string]report.Report{"a": {Gone: true}}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{{ClusterName: "a", Reason: v1alpha1.ReasonApplying, Health: v1alpha1.HealthUnknown}},
		},
		"leave out a status that would make the binding too large": {
			bound("a"), map[string]report.Report{"a": big}, everyoneReady(),
			[]v1alpha1.AggregatedStatusItem{bare},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := aggregatedItems(facts{binding: tc.binding, reports: tc.reports, ready: tc.ready, template: template, now: noon})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	item := func(cluster, reason, message string, health v1alpha1.Health) v1alpha1.AggregatedStatusItem {
		return v1alpha1.AggregatedStatusItem{ClusterName: cluster, Applied: reason == v1alpha1.ReasonApplied, Reason: reason, AppliedMessage: message, Health: health}
	}
	var many []v1alpha1.AggregatedStatusItem
	for i := range 8 {
		many = append(many, item(fmt.Sprintf("m%d", i), v1alpha1.ReasonTooLarge, "", v1alpha1.HealthUnknown))
	}
	for name, tc := range map[string]struct {
		items            []v1alpha1.AggregatedStatusItem
		applied, healthy metav1.Condition
	}{
		"are True when all is well": {
			[]v1alpha1.AggregatedStatusItem{fineItem("a"), fineItem("b")},
			metav1.Condition{Type: "Applied", Status: "True", Reason: "Applied", Message: "2 clusters hold the current manifest"},
			metav1.Condition{Type: "Healthy", Status: "True", Reason: "AllHealthy", Message: "the object is healthy in 2 clusters"},
		},
		"count one cluster": {
			[]v1alpha1.AggregatedStatusItem{fineItem("a")},
			metav1.Condition{Type: "Applied", Status: "True", Reason: "Applied", Message: "1 cluster holds the current manifest"},
			metav1.Condition{Type: "Healthy", Status: "True", Reason: "AllHealthy", Message: "the object is healthy in 1 cluster"},
		},
		"are not without a target": {
			nil,
			metav1.Condition{Type: "Applied", Status: "False", Reason: "NotScheduled", Message: "there is no target cluster"},
			metav1.Condition{Type: "Healthy", Status: "Unknown", Reason: "NotScheduled", Message: "there is no target cluster"},
		},
		"give the reason that does not pass by itself": {
			[]v1alpha1.AggregatedStatusItem{item("a", "Applying", "", "Unhealthy"), item("b", "ForeignObject", "it is not ours", "Unknown"), fineItem("c")},
			metav1.Condition{Type: "Applied", Status: "False", Reason: "ForeignObject", Message: "a: Applying; b: ForeignObject: it is not ours"},
			metav1.Condition{Type: "Healthy", Status: "False", Reason: "NotAllHealthy", Message: "a: Unhealthy; b: Unknown"},
		},
		"name a few clusters of many": {
			many,
			metav1.Condition{Type: "Applied", Status: "False", Reason: "TooLarge", Message: "m0: TooLarge; m1: TooLarge; m2: TooLarge; m3: TooLarge; m4: TooLarge; and 3 more"},
			metav1.Condition{Type: "Healthy", Status: "Unknown", Reason: "NotAllHealthy", Message: "m0: Unknown; m1: Unknown; m2: Unknown; m3: Unknown; m4: Unknown; and 3 more"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := []metav1.Condition{appliedCondition(tc.items), healthyCondition(tc.items)}
			if diff := cmp.Diff([]metav1.Condition{tc.applied, tc.healthy}, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimesOfConditionsChangeOnlyWithTheirStatus(t *testing.T) {
	f := facts{binding: bound("a"), reports: map[string]report.Report{"a": fine(0)}, ready: everyoneReady(), now: noon}
	first := bindingStatus(f)
	f.binding.BindingStatus().Conditions = first.Conditions
	f.now = noon.Add(time.Hour)
	f.reports = map[string]report.Report{"a": starting(0)}
	second := bindingStatus(f)
	times := func(s v1alpha1.BindingStatus) []time.Time {
		return []time.Time{s.Conditions[0].LastTransitionTime.UTC(), s.Conditions[1].LastTransitionTime.UTC()}
	}
	if diff := cmp.Diff([]time.Time{noon, noon.Add(time.Hour)}, times(second)); diff != "" {
		t.Errorf("times of Applied and Healthy (-want +got):\n%s", diff)
	}
}

func TestTurns(t *testing.T) {
	applied := metav1.Condition{Type: "Applied", Status: "True", Reason: "Applied"}
	applying := metav1.Condition{Type: "Applied", Status: "False", Reason: "Applying"}
	foreign := metav1.Condition{Type: "Applied", Status: "False", Reason: "ForeignObject"}
	invalid := metav1.Condition{Type: "Applied", Status: "False", Reason: "InvalidManifest"}
	healthy := metav1.Condition{Type: "Healthy", Status: "True", Reason: "AllHealthy"}
	unhealthy := metav1.Condition{Type: "Healthy", Status: "False", Reason: "NotAllHealthy"}
	for name, tc := range map[string]struct {
		before, after []metav1.Condition
		want          bool
	}{
		"when all is applied":                          {nil, []metav1.Condition{applied, unhealthy}, true},
		"not while it is being applied":                {nil, []metav1.Condition{applying, unhealthy}, false},
		"not when it is applied again":                 {[]metav1.Condition{applied}, []metav1.Condition{applying}, false},
		"when it cannot be applied":                    {[]metav1.Condition{applying}, []metav1.Condition{foreign}, true},
		"when it cannot be applied for another reason": {[]metav1.Condition{foreign}, []metav1.Condition{invalid}, true},
		"when it becomes healthy":                      {[]metav1.Condition{applied, unhealthy}, []metav1.Condition{applied, healthy}, true},
		"when it falls ill":                            {[]metav1.Condition{applied, healthy}, []metav1.Condition{applied, unhealthy}, true},
		"not when all stays":                           {[]metav1.Condition{applied, healthy}, []metav1.Condition{applied, healthy}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := turns(tc.before, tc.after); got != tc.want {
				t.Errorf("turns is %v", got)
			}
		})
	}
}

func TestSameStatusInOtherBytesIsTheSame(t *testing.T) {
	spaced := fineItem("a")
	spaced.Status = &runtime.RawExtension{Raw: []byte(strings.ReplaceAll(readyStatus, ":", ": "))}
	other := fineItem("a")
	other.Status = &runtime.RawExtension{Raw: []byte(`{"replicas":3}`)}
	if !sameItem(fineItem("a"), spaced) || sameItem(fineItem("a"), other) || sameItem(fineItem("a"), fineItem("b")) {
		t.Error("items are compared by their bytes")
	}
}
