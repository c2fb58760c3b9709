package journal

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/history"
)

var start = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

const namespace, name = "flotilla-system", "flotilla-manager"

func lease(holder string, transitions int32, renewed time.Duration) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseTransitions: &transitions, RenewTime: ptr.To(metav1.NewMicroTime(start.Add(renewed))),
		},
	}
}

// host is a host with one lease, and managers.
type host struct {
	client coordinationclient.LeaseInterface
	leases coordinationclient.LeasesGetter
}

func newHost() host {
	c := fake.NewClientset().CoordinationV1()
	return host{c.Leases(namespace), c}
}

func (h host) manager(back chan<- struct{}) (*Journal, coordinationclient.LeaseInterface) {
	j := New(clocktesting.NewFakePassiveClock(start), func() { back <- struct{}{} })
	return j, j.Leases(h.leases).Leases(namespace)
}

func get(ctx context.Context, t *testing.T, l coordinationclient.LeaseInterface) *coordinationv1.Lease {
	t.Helper()
	got, err := l.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// renew writes the lease as the elections do: over what was read.
func renew(ctx context.Context, t *testing.T, l coordinationclient.LeaseInterface, spec *coordinationv1.Lease) {
	t.Helper()
	got := get(ctx, t, l)
	got.Spec = spec.Spec
	if _, err := l.Update(ctx, got, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestWhoTakesOverWritesDownTheGap(t *testing.T) {
	ctx, h, back := t.Context(), newHost(), make(chan struct{}, 1)
	first, a := h.manager(back)
	if _, err := a.Create(ctx, lease("a", 0, 0), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	renew(ctx, t, a, lease("a", 0, 10*time.Second))
	if got, want := first.Renewed(), start.Add(10*time.Second); !got.Equal(want) {
		t.Errorf("renewed at %s, want %s", got, want)
	}
	second, b := h.manager(back)
	get(ctx, t, b)
	if got := second.Renewed(); !got.IsZero() {
		t.Errorf("a stand-by says that it renewed at %s", got)
	}
	renew(ctx, t, b, lease("b", 1, 30*time.Second))
	renew(ctx, t, b, lease("b", 1, 32*time.Second))
	want := history.Gaps{
		{To: start, Era: history.Era("a")}, {From: start.Add(10 * time.Second), To: start.Add(30 * time.Second), Era: history.Era("b")},
	}
	if diff := cmp.Diff(want, second.Gaps()); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}

	t.Log("a lease that is handed over leaves no gap, and nobody loses what was written down")
	third, c := h.manager(back)
	get(ctx, t, c)
	renew(ctx, t, b, lease("", 1, 33*time.Second))
	renew(ctx, t, c, lease("c", 2, 34*time.Second))
	if diff := cmp.Diff(want, third.Gaps()); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}

	t.Log("somebody says that what the host holds is right")
	got := get(ctx, t, h.client)
	delete(got.Annotations, v1alpha1.GapsAnnotation)
	if _, err := h.client.Update(ctx, got, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	renew(ctx, t, c, lease("c", 2, 36*time.Second))
	if gaps := third.Gaps(); len(gaps) > 0 {
		t.Errorf("there still are gaps: %s", gaps)
	}
	if len(back) > 0 {
		t.Error("a host that went forward is said to have gone back")
	}
}

// TestWhoGoesBackToThisVersionLeads has a lease as a later version of Flotilla may have written it.
func TestWhoGoesBackToThisVersionLeads(t *testing.T) {
	ctx, h := t.Context(), newHost()
	later := lease("later", 3, 0)
	later.Annotations = map[string]string{v1alpha1.GapsAnnotation: "/2027-03-01T11:00:00.000000Z/aaaaaaaa//and/more"}
	if _, err := h.client.Create(ctx, later, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	j, l := h.manager(nil)
	renew(ctx, t, l, lease("us", 4, 30*time.Second))
	want := history.Gaps{{To: start.Add(-time.Hour), Era: "aaaaaaaa"}, {From: start, To: start.Add(30 * time.Second), Era: history.Era("us")}}
	if diff := cmp.Diff(want, j.Gaps()); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestAHostThatWentBackIsNoticed(t *testing.T) {
	known := lease("a", 3, time.Minute)
	for name, restored := range map[string]*coordinationv1.Lease{
		"to an earlier renewal":       lease("a", 3, time.Second),
		"and two took over since":     lease("c", 5, time.Second),
		"to an earlier holder":        lease("z", 2, 2*time.Minute),
		"and somebody else took over": lease("b", 3, 2*time.Minute),
		"before there was a lease":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, h, back := t.Context(), newHost(), make(chan struct{}, 2)
			j, l := h.manager(back)
			if _, err := l.Create(ctx, known.DeepCopy(), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := h.client.Delete(ctx, known.Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			if restored != nil {
				if _, err := h.client.Create(ctx, restored, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if _, err := l.Get(ctx, known.Name, metav1.GetOptions{}); !errors.Is(err, ErrWentBack) {
					t.Errorf("reading the lease: got %v", err)
				}
				if len(back) != 1 {
					t.Errorf("it was told %d times when the lease had been read, want once", len(back))
				}
			}
			if _, err := l.Update(ctx, known, metav1.UpdateOptions{}); !errors.Is(err, ErrWentBack) {
				t.Errorf("giving the lease back: got %v", err)
			}
			if err := j.Err(); !errors.Is(err, ErrWentBack) {
				t.Errorf("got %v", err)
			}
		})
	}
}
