package journal

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func TestARenewalIsNotEarlierThanWhatTheAPIServersSay(t *testing.T) {
	for name, tc := range map[string]struct {
		date string
		err  error
		want time.Duration
	}{
		"a clock that is ahead":      {date: start.Add(time.Minute).Format(http.TimeFormat), want: time.Minute + time.Microsecond},
		"a clock that is behind":     {date: start.Add(-time.Minute).Format(http.TimeFormat)},
		"an answer without a date":   {},
		"a date that cannot be read": {date: "noon"},
		"no answer":                  {err: errors.New("the host does not answer")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost()
			j, l := h.manager(nil)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://host/lease", nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = j.Wrap(answers(func(*http.Request) (*http.Response, error) { //nolint:bodyclose // there is none
				return &http.Response{Header: http.Header{"Date": {tc.date}}}, tc.err
			})).RoundTrip(r)
			if !errors.Is(err, tc.err) {
				t.Errorf("error = %v, want %v", err, tc.err)
			}
			if _, err := l.Create(t.Context(), lease("a", 0, 0), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := j.Renewed().Sub(start); got != tc.want {
				t.Errorf("renewed at the start and %s, want %s", got, tc.want)
			}
		})
	}
}

func TestANewConnectionEndsAVigil(t *testing.T) {
	for name, reconnect := range map[string]bool{"the same connection": false, "a new one": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.takeOver(w.start(0))
			next := w.start(0)
			w.serve(2)
			if reconnect {
				dial := next.journal.Dial(func(context.Context, string, string) (net.Conn, error) { return nil, nil })
				if _, err := dial(t.Context(), "tcp", "host:6443"); err != nil {
					t.Fatal(err)
				}
			}
			w.dies()
			w.takeOver(next)
			if got := len(next.journal.Gaps()) > 1; got != reconnect {
				t.Errorf("a gap: %v, want %v", got, reconnect)
			}
		})
	}
}
