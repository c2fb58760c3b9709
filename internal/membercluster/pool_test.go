package membercluster

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

func connection(change ...func(*Connection)) Connection {
	c := Connection{Config: &rest.Config{Host: "https://member1.example.com", BearerToken: "old"}}
	for _, f := range change {
		f(&c)
	}
	return c
}

func TestWhatConnectsAMemberAnew(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Connection)
		anew   bool
	}{
		"nothing, when nothing changed": {func(*Connection) {}, false},
		"not a renewed token":           {func(c *Connection) { c.Config.BearerToken = "new" }, false},
		"another endpoint":              {func(c *Connection) { c.Config.Host = "https://other.example.com" }, true},
		"another CA":                    {func(c *Connection) { c.Config.Insecure = true }, true},
		"no token any more":             {func(c *Connection) { c.Config.BearerToken = "" }, true},
		"another proxy":                 {func(c *Connection) { c.Via = "http://proxy.example.com" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPool("host", interpreter.New())
			if err := p.Connect("member1", connection()); err != nil {
				t.Fatal(err)
			}
			before, _ := p.Member("member1")
			if err := p.Connect("member1", connection(tc.change)); err != nil {
				t.Fatal(err)
			}
			after, _ := p.Member("member1")
			if got := before != after; got != tc.anew {
				t.Errorf("connected anew = %v, want %v", got, tc.anew)
			}
		})
	}
}

func TestEveryRequestCarriesTheNewestToken(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
	}))
	defer server.Close()
	p := NewPool("host", interpreter.New())
	reach := func(token string) {
		err := p.Connect("member1", connection(func(c *Connection) { c.Config.Host, c.Config.BearerToken = server.URL, token }))
		if err != nil {
			t.Fatal(err)
		}
		m, _ := p.Member("member1")
		seen = nil
		_, _ = m.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"}).Get(t.Context(), "n", metav1.GetOptions{})
		if diff := cmp.Diff([]string{"Bearer " + token}, seen); diff != "" {
			t.Errorf("the member saw other tokens (-want +got):\n%s", diff)
		}
	}
	reach("first")
	reach("second")
}

func TestAConnectionLivesUntilItIsEnded(t *testing.T) {
	p := NewPool("host", interpreter.New())
	connected := make(chan context.Context, 2)
	p.OnConnect(func(ctx context.Context, _ *Member) { connected <- ctx })
	if err := p.Connect("early", connection()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Start(ctx)
	}()
	early := <-connected // a member that was connected before the pool started is launched by the start
	if err := p.Connect("late", connection()); err != nil {
		t.Fatal(err)
	}
	late := <-connected
	p.Disconnect("early")
	<-early.Done()
	if _, ok := p.Member("early"); ok {
		t.Error("Member(early) is there after Disconnect")
	}
	if late.Err() != nil {
		t.Errorf("the other connection ended too: %v", late.Err())
	}
	cancel()
	<-late.Done()
	<-ended
}
