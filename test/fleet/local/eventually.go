package local

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// eventuallyInterval is how often Eventually looks.
const eventuallyInterval = 50 * time.Millisecond

// Eventually returns as soon as check returns no error, or fails the test with the last one after the timeout. Cleanups may use it.
func Eventually(t testing.TB, timeout time.Duration, check func(ctx context.Context) error) {
	t.Helper()
	last := errors.New("never checked")
	err := wait.PollUntilContextTimeout(context.WithoutCancel(t.Context()), eventuallyInterval, timeout, true,
		func(ctx context.Context) (bool, error) {
			if err := check(ctx); err == nil || ctx.Err() == nil {
				last = err
			}
			return last == nil, nil
		})
	if err != nil {
		t.Fatalf("after %v: %v", timeout, last)
	}
}
