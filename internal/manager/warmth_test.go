package manager

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/objectcache"
)

func TestAStandbyIsReadyAndOnlyTheLeaderSaysThatItLeads(t *testing.T) {
	elected, c := make(chan struct{}), clocktesting.NewFakeClock(time.Unix(1700000000, 0))
	guard := fence.New(c, fence.Terms{RenewDeadline: time.Minute})
	w := &warmth{}
	server := httptest.NewServer(http.StripPrefix("/readyz", &healthz.Handler{Checks: map[string]healthz.Checker{
		warmProbe: w.check, leadingProbe: leading(elected, guard),
	}}))
	t.Cleanup(server.Close)
	codes := func() map[string]int {
		got := map[string]int{}
		for _, path := range []string{"/readyz", "/readyz/", "/readyz/warm", "/readyz/leading"} {
			response, err := http.Get(server.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			got[path] = response.StatusCode
		}
		return got
	}
	const yes, no = http.StatusOK, http.StatusInternalServerError
	for _, stage := range []struct {
		name   string
		change func()
		want   map[string]int
	}{
		{"cold", func() {}, map[string]int{"/readyz": no, "/readyz/": no, "/readyz/warm": no, "/readyz/leading": no}},
		{"warm", func() { w.warm.Store(true) }, map[string]int{"/readyz": yes, "/readyz/": yes, "/readyz/warm": yes, "/readyz/leading": no}},
		{"leading", func() { guard.Renew(c.Now()); close(elected) }, map[string]int{"/readyz": yes, "/readyz/": yes, "/readyz/warm": yes, "/readyz/leading": yes}},
		{"suspended", func() { c.Step(time.Hour) }, map[string]int{"/readyz": yes, "/readyz/": yes, "/readyz/warm": yes, "/readyz/leading": no}},
	} {
		stage.change()
		if diff := cmp.Diff(stage.want, codes()); diff != "" {
			t.Errorf("%s: answers differ (-want +got):\n%s", stage.name, diff)
		}
	}
}

func TestAKindIsReadWhenItHasSyncedOrCannotBeRead(t *testing.T) {
	gvk := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	for name, tc := range map[string]struct {
		state objectcache.State
		want  bool
	}{
		"not watched yet":     {objectcache.State{}, false},
		"its list under way":  {objectcache.State{Watched: true}, false},
		"synced":              {objectcache.State{Watched: true, Synced: true}, true},
		"out of reach":        {objectcache.State{Watched: true, Err: errors.New("no route to host")}, true},
		"synced, then failed": {objectcache.State{Watched: true, Synced: true, Err: errors.New("no route to host")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			state := func(schema.GroupVersionKind) objectcache.State { return tc.state }
			if got := allRead(sets.New(gvk), state); got != tc.want {
				t.Errorf("allRead() = %v, want %v", got, tc.want)
			}
		})
	}
}
