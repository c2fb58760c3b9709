package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
	"github.com/flotilla-dev/flotilla/test/load/verdict"
)

// loadOn is a load on a host that is only remembered, with two members that nobody asks.
func loadOn(seed uint64, calls interceptor.Funcs) *Load {
	return &Load{
		fleet:   &local.Fleet{Members: []*local.Cluster{{Name: "member1"}, {Name: "member2"}}},
		host:    fake.NewClientBuilder().WithInterceptorFuncs(calls).Build(),
		options: Options{Namespace: "load", Population: DefaultPopulation, Rate: DefaultRate},
		ledger:  newLedger(), chance: rand.New(rand.NewPCG(seed, 1)),
	}
}

func TestThePopulationStaysAboutWhatIsWanted(t *testing.T) {
	for seed := range uint64(20) {
		l := loadOn(seed, interceptor.Funcs{})
		created, changed, deleted, again := 0, 0, 0, 0
		used := map[verdict.Key]bool{}
		for i := range 2000 {
			op := l.choose()
			switch {
			case op.deletes:
				deleted++
			case l.ledger.present(op.key):
				changed++
			case used[op.key]:
				again++
			default:
				created++
			}
			used[op.key] = true
			l.ledger.acknowledge(op.key, l.ledger.begin(op.key, op.deletes, noon), verdict.Template{}, noon)
			if n := l.ledger.count(); i > 500 && (n < DefaultPopulation/2 || n > DefaultPopulation*3/2) {
				t.Fatalf("with seed %d there are %d templates after %d changes, want about %d", seed, n, i, DefaultPopulation)
			}
		}
		if min(created, changed, deleted, again) < 100 {
			t.Errorf("with seed %d of 2000 changes %d created, %d changed, %d deleted, %d used a name again: want some of each",
				seed, created, changed, deleted, again)
		}
	}
}

func TestTheSameSeedChoosesTheSame(t *testing.T) {
	choices := func() []operation {
		l, all := loadOn(7, interceptor.Funcs{}), []operation(nil)
		for range 200 {
			op := l.choose()
			all = append(all, op)
			l.ledger.acknowledge(op.key, l.ledger.begin(op.key, op.deletes, noon), verdict.Template{Replicas: op.replicas}, noon)
		}
		return all
	}
	if diff := cmp.Diff(choices(), choices(), cmp.AllowUnexported(operation{})); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
}

func TestAChangeIsRepeatedUntilTheHostAcknowledgesItAndMadeOnce(t *testing.T) {
	failures := 3
	// The host does what it is asked, and the answer is lost.
	l := loadOn(1, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if err := c.Create(ctx, o, opts...); err != nil {
			return err
		}
		if failures--; failures >= 0 {
			return errors.New("no answer")
		}
		return nil
	}})
	l.ledger.enter(settings, shape{mode: modeEverywhere, members: l.memberNames()})
	op := operation{key: settings}
	for want := 1; want <= 2; want++ {
		if err := l.perform(t.Context(), op, l.ledger.begin(settings, false, noon)); err != nil {
			t.Fatal(err)
		}
		live := &corev1.ConfigMap{}
		if err := l.host.Get(t.Context(), client.ObjectKey{Namespace: "load", Name: "settings"}, live); err != nil {
			t.Fatal(err)
		}
		if got := sequenceOf(live); got != want {
			t.Errorf("the host holds version %d, want %d", got, want)
		}
	}
	if err := l.perform(t.Context(), operation{key: settings, deletes: true}, l.ledger.begin(settings, true, noon)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[verdict.Key]verdict.Template{}, l.ledger.wanted()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestATemplateThatTheHostHasLostIsNotCreatedAgain(t *testing.T) {
	l := loadOn(1, interceptor.Funcs{})
	l.ledger.enter(settings, shape{mode: modeEverywhere, members: l.memberNames()})
	if err := l.perform(t.Context(), operation{key: settings}, l.ledger.begin(settings, false, noon)); err != nil {
		t.Fatal(err)
	}
	lost := build(settings, shape{}, 1, 0, "")
	if err := l.host.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	c := l.ledger.begin(settings, false, noon)
	err := l.attempt(t.Context(), operation{key: settings}, c, build(settings, shape{}, c.sequence, 0, ""))
	if err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("the answer is %v, want that the host has lost it", err)
	}
}

func TestWhatWasCreatedLateIsSweptUpAndWhatCameBackIsNot(t *testing.T) {
	cases := map[string]struct {
		doubted bool
		want    int64
	}{
		"a creation of which nobody knew whether it arrived is deleted": {doubted: true, want: 1},
		"one that was never tried stays, to be found":                   {doubted: false, want: 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := loadOn(1, interceptor.Funcs{})
			l.ledger.enter(settings, shape{mode: modeEverywhere, members: l.memberNames()})
			late := build(settings, shape{mode: modeEverywhere}, 1, 0, "")
			if err := l.host.Create(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			if tc.doubted {
				l.ledger.doubt(settings, &change{sequence: 1})
			}
			_, object := describe(late)
			if err := l.sweep(t.Context(), verdict.Picture{Templates: map[verdict.Key]verdict.Object{settings: object}}); err != nil {
				t.Fatal(err)
			}
			err := l.host.Get(t.Context(), client.ObjectKeyFromObject(late), late)
			if gone := client.IgnoreNotFound(err) == nil && err != nil; gone != tc.doubted || l.late.Load() != tc.want {
				t.Errorf("it is gone: %v, want %v; %d were swept up, want %d", gone, tc.doubted, l.late.Load(), tc.want)
			}
		})
	}
}
