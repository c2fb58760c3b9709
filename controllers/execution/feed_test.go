package execution

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/internal/recent"
)

func TestWhatChangedBeforeTheWorkersBeganComesFirst(t *testing.T) {
	key := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: name} }
	f := &feed{latest: recent.NewLog[types.NamespacedName](clock.RealClock{}, time.Minute)}
	f.enqueue(handler.LowPriority, key("old"))
	f.enqueue(userPriority, key("changed"))
	f.enqueue(handler.LowPriority/2, key("overridden"))
	q := priorityqueue.New[types.NamespacedName](t.Name())
	t.Cleanup(q.ShutDown)
	if err := f.begin(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	f.enqueue(handler.LowPriority, key("old"), key("changed"))
	var got []string
	for range 3 {
		item, _, _ := q.GetWithPriority()
		got = append(got, item.Name)
		q.Done(item)
	}
	if diff := cmp.Diff([]string{"changed", "overridden", "old"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if q.Len() != 0 {
		t.Errorf("%d more are queued, want each once", q.Len())
	}
}
