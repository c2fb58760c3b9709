package execution

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/applyplan"
	"github.com/flotilla-dev/flotilla/internal/history"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/render"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

// memory is a host that renewed its lease at noon, and knows of a gap before.
type memory struct{}

func (memory) Renewed() time.Time { return noon }

func (memory) Gaps() history.Gaps { return history.Gaps{{From: noon.Add(-time.Hour), To: noon}} }

func TestWhatIsWrittenSaysWhenAndFromWhat(t *testing.T) {
	manifest := func() map[string]any {
		return map[string]any{"metadata": map[string]any{"annotations": map[string]any{v1alpha1.HashAnnotation: "h"}}}
	}
	j := job{
		binding: &v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Generation: 4}},
		template: &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"resourceVersion": "77"},
		}},
	}
	content := manifest()
	written := (&worker{dispatcher: &dispatcher{Options: Options{Memory: memory{}}}}).stamped(j, content)
	want := map[string]string{v1alpha1.HashAnnotation: "h", v1alpha1.WrittenAnnotation: "2027-03-01T12:00:00.500000Z 4 77"}
	if diff := cmp.Diff(want, written.GetAnnotations()); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(manifest(), content); diff != "" {
		t.Errorf("the manifest that others compare with was changed (-want +got):\n%s", diff)
	}
	unmarked := (&worker{dispatcher: &dispatcher{}}).stamped(j, content)
	if diff := cmp.Diff(manifest(), unmarked.Object); diff != "" {
		t.Errorf("without a lease (-want +got):\n%s", diff)
	}
}

func TestWhatIsWrittenOnceMoreKeepsItsMark(t *testing.T) {
	before, lost := history.Stamp{At: noon.Add(-2 * time.Hour)}.String(), history.Stamp{At: noon.Add(-time.Minute)}.String()
	anew := history.Stamp{At: memory{}.Renewed()}.String()
	for name, tc := range map[string]struct {
		live *applyplan.Live
		want string
	}{
		"the same":                 {&applyplan.Live{Ours: true, Hash: "h", Written: before}, before},
		"another one":              {&applyplan.Live{Ours: true, Hash: "g", Written: before}, anew},
		"the same, but foreign":    {&applyplan.Live{Hash: "h", Written: before}, anew},
		"the same, without a mark": {&applyplan.Live{Ours: true, Hash: "h"}, anew},
		"the same, in a gap":       {&applyplan.Live{Ours: true, Hash: "h", Written: lost}, anew},
	} {
		t.Run(name, func(t *testing.T) {
			j := job{rendered: render.Rendered{Hash: "h"}, observed: &membercluster.Observed{Live: *tc.live}}
			if got := (&worker{dispatcher: &dispatcher{Options: Options{Memory: memory{}}}}).mark(j); got != tc.want {
				t.Errorf("mark() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOnlyOwnObjectsFromAGapAreForgotten(t *testing.T) {
	lost := history.Stamp{At: noon.Add(-time.Minute)}.String()
	for name, tc := range map[string]struct {
		live   *applyplan.Live
		memory Memory
		want   bool
	}{
		"one from a gap":                    {&applyplan.Live{Ours: true, Written: lost}, memory{}, true},
		"one from today":                    {&applyplan.Live{Ours: true, Written: history.Stamp{At: noon}.String()}, memory{}, false},
		"one of an earlier version":         {&applyplan.Live{Ours: true}, memory{}, false},
		"one that is foreign":               {&applyplan.Live{Written: lost}, memory{}, false},
		"none":                              {nil, memory{}, false},
		"one of a host without such memory": {&applyplan.Live{Ours: true, Written: lost}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &worker{dispatcher: &dispatcher{Options: Options{Memory: tc.memory}}}
			if _, got := w.forgotten(tc.live, history.Version{}); got != tc.want {
				t.Errorf("forgotten() = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAnEndThatWasOrderedBeforeTheRestoreCountsNoMore(t *testing.T) {
	gap := history.Gap{From: noon.Add(-time.Hour), To: noon}
	for name, tc := range map[string]struct {
		deleted *metav1.Time
		want    bool
	}{
		"not ordered":          {nil, false},
		"before the backup":    {ptr.To(metav1.NewTime(noon.Add(-time.Hour))), false},
		"before a manager led": {ptr.To(metav1.NewTime(noon.Add(-time.Minute))), true},
		"since then":           {ptr.To(metav1.NewTime(noon.Truncate(time.Second))), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := orderedAfter(&v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: tc.deleted}}, gap); got != tc.want {
				t.Errorf("orderedAfter() = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestLeftoversAreToldOnceAndUntilTheyAreGone(t *testing.T) {
	told := 0
	l := newLeftovers(func() { told++ })
	object := func(namespace, name string) *membercluster.Observed {
		return &membercluster.Observed{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Kind: schema.GroupVersionKind{Kind: "ConfigMap"},
		}
	}
	a, b := types.NamespacedName{Namespace: "shop", Name: "a"}, types.NamespacedName{Name: "b"}
	l.note(a, nil)
	for range 2 {
		l.note(a, []*membercluster.Observed{object("shop", "a")})
		l.note(b, []*membercluster.Observed{object("", "b")})
	}
	if diff := cmp.Diff([]string{"ConfigMap b", "ConfigMap shop/a"}, l.all()); diff != "" {
		t.Errorf("all() differs (-want +got):\n%s", diff)
	}
	condition := remembered(nil, l.all(), 3)
	condition.LastTransitionTime = metav1.Time{}
	want := &metav1.Condition{
		Type: v1alpha1.ConditionRemembered, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnremembered, ObservedGeneration: 3,
		Message: "the host was restored from a backup; 2 objects written here after that, and not wanted by it, stay: ConfigMap b, ConfigMap shop/a",
	}
	if diff := cmp.Diff(want, condition); diff != "" {
		t.Errorf("the condition differs (-want +got):\n%s", diff)
	}
	l.note(a, nil)
	l.note(b, nil)
	if told != 4 {
		t.Errorf("changes were told %d times, want 4", told)
	}
	if got := remembered(condition, l.all(), 3); got != nil {
		t.Errorf("there is still a condition: %v", got)
	}
}
