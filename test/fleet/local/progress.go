package local

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress prints one line per finished step. Steps may run at the same time.
type progress struct {
	mu  sync.Mutex
	out io.Writer
}

func newProgress(out io.Writer) *progress {
	if out == nil {
		out = io.Discard
	}
	return &progress{out: out}
}

// step runs a step and prints how long it took when it succeeded.
func (p *progress) step(what string, do func() error) error {
	begin := time.Now()
	if err := do(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "%-40s %6.1fs\n", what, time.Since(begin).Seconds())
	return nil
}
