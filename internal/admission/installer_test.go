package admission

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// object is the part of an apply configuration that the tests look at.
type object interface {
	GetKind() string
	GetName() string
}

// host answers each apply with what refuse returns, and counts the ones that it took by kind and name.
type host struct {
	mu     sync.Mutex
	taken  map[string]int
	refuse func(object) error
}

func (h *host) client() client.Client {
	h.taken = map[string]int{}
	return fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Apply: func(_ context.Context, _ client.WithWatch, config runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			applied := config.(object)
			if err := h.refuse(applied); err != nil {
				return err
			}
			h.taken[applied.GetKind()+"/"+applied.GetName()]++
			return nil
		},
	}).Build()
}

func notServed(o object) error {
	return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: o.GetKind()}}
}

func TestInstallWritesWhatTheHostServesAndReportsTheRest(t *testing.T) {
	isMutating := func(o object) bool { return strings.HasPrefix(o.GetKind(), "Mutating") }
	refused := errors.New("no")
	tests := map[string]struct {
		refuse      func(object) error
		wantMissing func(object) bool
		wantErr     string
	}{
		"a current host takes everything": {
			refuse:      func(object) error { return nil },
			wantMissing: func(object) bool { return false },
		},
		"a host before 1.36 does without the mutating policies": {
			refuse: func(o object) error {
				if isMutating(o) {
					return notServed(o)
				}
				return nil
			},
			wantMissing: isMutating,
		},
		"a refused mutating policy is an error": {
			refuse: func(o object) error {
				if isMutating(o) {
					return refused
				}
				return nil
			},
			wantMissing: isMutating,
			wantErr:     "applying MutatingAdmissionPolicy flotilla-templates-pods: no",
		},
		"a host that does not know validating policies is an error": {
			refuse:      notServed,
			wantMissing: func(object) bool { return true },
			wantErr:     `applying ValidatingAdmissionPolicy flotilla-templates-spawn: no matches for kind "ValidatingAdmissionPolicy"`,
		},
		"one refused policy does not keep the others away": {
			refuse: func(o object) error {
				if o.GetName() == "flotilla-policies-namespace" {
					return refused
				}
				return nil
			},
			wantMissing: func(o object) bool { return o.GetName() == "flotilla-policies-namespace" },
			wantErr:     "applying ValidatingAdmissionPolicy flotilla-policies-namespace: no",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := &host{refuse: tc.refuse}
			installer, err := newInstaller(h.client(), h.client(), nil)
			if err != nil {
				t.Fatal(err)
			}
			err = installer.install(t.Context())
			if (err == nil) != (tc.wantErr == "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error = %v, want one with %q", err, tc.wantErr)
			}
			want := map[string]int{}
			for _, policy := range policiesOf(t) {
				if !tc.wantMissing(policy) {
					want[policy.GetKind()+"/"+policy.GetName()] = 1
				}
			}
			if diff := cmp.Diff(want, h.taken); diff != "" {
				t.Errorf("installed (-want +got):\n%s", diff)
			}
		})
	}
}

// attempts counts complete rounds of install by their last policy.
func (h *host) attempts(t *testing.T, rounds chan struct{}) {
	t.Helper()
	policies := policiesOf(t)
	last := policies[len(policies)-1]
	inner := h.refuse
	h.refuse = func(o object) error {
		if o.GetName() == last.GetName() && o.GetKind() == last.GetKind() {
			defer func() { rounds <- struct{}{} }()
		}
		return inner(o)
	}
}

func TestAFailedInstallationIsTriedAgainSoonAndADoneOneIsRepeatedLater(t *testing.T) {
	failing := true
	h := &host{refuse: func(object) error {
		if failing {
			return errors.New("not now")
		}
		return nil
	}}
	rounds := make(chan struct{}, 1)
	h.attempts(t, rounds)
	timer := clocktesting.NewFakeClock(time.Now())
	installer, err := newInstaller(h.client(), h.client(), timer)
	if err != nil {
		t.Fatal(err)
	}
	if !installer.NeedLeaderElection() {
		t.Error("the installer also runs where it is not the leader")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- installer.Start(ctx) }()

	<-rounds
	waits := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}
	for n, wait := range waits {
		waitForSleeper(t, timer)
		timer.Step(wait - time.Millisecond)
		if !timer.HasWaiters() {
			t.Fatalf("attempt %d came before %s", n+2, wait)
		}
		h.mu.Lock()
		failing = n < len(waits)-1
		h.mu.Unlock()
		timer.Step(time.Millisecond)
		<-rounds
	}
	waitForSleeper(t, timer)
	timer.Step(repairInterval - time.Millisecond)
	if !timer.HasWaiters() {
		t.Fatal("the repair came before its time")
	}
	timer.Step(time.Millisecond)
	<-rounds
	waitForSleeper(t, timer)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Start = %v, want none: it must not stop the manager", err)
	}
}

func waitForSleeper(t *testing.T, timer *clocktesting.FakeClock) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !timer.HasWaiters() {
		if time.Now().After(deadline) {
			t.Fatal("the installer does not wait for its next attempt")
		}
	}
}
