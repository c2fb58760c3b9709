package manager

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// connections fails as told, and notes when it is asked to let go of them.
type connections struct {
	fail bool
	log  []string
}

func (c *connections) RoundTrip(*http.Request) (*http.Response, error) {
	c.log = append(c.log, "request")
	if c.fail {
		return nil, errors.New("the other end hangs")
	}
	return &http.Response{}, nil
}

func (c *connections) CloseIdleConnections() { c.log = append(c.log, "close") }

func TestAConnectionOnWhichARequestFailedIsLeft(t *testing.T) {
	c := &connections{}
	transport := newRedial(c)
	for _, fail := range []bool{false, false, true, false, false} {
		c.fail = fail
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://host/lease", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transport.RoundTrip(r); (err != nil) != fail {
			t.Fatalf("error = %v, want one: %v", err, fail)
		}
	}
	if diff := cmp.Diff([]string{"request", "request", "request", "close", "request", "request"}, c.log); diff != "" {
		t.Errorf("what was done (-want +got):\n%s", diff)
	}
}
