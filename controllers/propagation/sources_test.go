package propagation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// journeysShown are the changes of templates that are under way, and those that were given up, as a scrape shows them.
func journeysShown(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]float64{}
	for _, family := range families {
		switch family.GetName() {
		case "flotilla_propagations_in_flight":
			shown["in flight"] = family.GetMetric()[0].GetGauge().GetValue()
		case "flotilla_propagations_overdue_total":
			shown["overdue"] = family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return shown
}

func TestOnlyWhatMembersGetIsUnderWayToThem(t *testing.T) {
	changed := func(change func(u *unstructured.Unstructured)) *unstructured.Unstructured {
		u := webTemplate()
		u.SetResourceVersion("11")
		change(u)
		return u
	}
	set := func(value any, path ...string) func(u *unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(u.Object, value, path...); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		event objectcache.Event
		want  float64
	}{
		"a new template":    {objectcache.Event{Object: webTemplate()}, 1},
		"another number":    {objectcache.Event{Before: webTemplate(), Object: changed(set(int64(4), "spec", "replicas"))}, 1},
		"another label":     {objectcache.Event{Before: webTemplate(), Object: changed(set("a", "metadata", "labels", "team"))}, 1},
		"a status":          {objectcache.Event{Before: webTemplate(), Object: changed(set(int64(3), "status", "readyReplicas"))}, 0},
		"somebody's fields": {objectcache.Event{Before: webTemplate(), Object: changed(set([]any{}, "metadata", "managedFields"))}, 0},
		"the host's notes": {
			objectcache.Event{Before: webTemplate(), Object: changed(set("2", "metadata", "annotations", "deployment.kubernetes.io/revision"))}, 0,
		},
		"nothing": {objectcache.Event{Before: webTemplate(), Object: webTemplate()}, 0},
		"one that was made anew under its name": {
			objectcache.Event{Before: webTemplate(), Object: changed(func(u *unstructured.Unstructured) { u.SetUID("another") })}, 1,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(time.Unix(0, 0))
			cache, q := newTemplates(), templateQueue(t)
			source := newTemplateSource(cache, telemetry.NewJourneys(clock))
			if err := source.Start(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			overdue := journeysShown(t)["overdue"]
			tc.event.GVK = deployment
			cache.onEvent[0](tc.event)
			if diff := cmp.Diff(map[string]float64{"in flight": tc.want, "overdue": overdue}, journeysShown(t)); diff != "" {
				t.Errorf("at once (-want +got):\n%s", diff)
			}
			// A member that is away says nothing.
			clock.Step(time.Hour)
			journeysShown(t) // the first scrape drops what is overdue, before or after it has counted that
			if diff := cmp.Diff(map[string]float64{"in flight": 0, "overdue": overdue + tc.want}, journeysShown(t)); diff != "" {
				t.Errorf("an hour later (-want +got):\n%s", diff)
			}
			expectQueued(t, queued{"shop/web": userPriority}, q) // the template is looked at in any case
		})
	}
}
