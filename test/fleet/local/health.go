package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

const (
	// healthInterval is how often a starting process is asked.
	healthInterval = 25 * time.Millisecond
	// healthRequestTimeout bounds one such question.
	healthRequestTimeout = 3 * time.Second
	// startTimeout bounds the start of one process or cluster, which takes seconds on an idle machine.
	startTimeout = 2 * time.Minute
)

// start runs components that may need each other, and waits until all are healthy. When one ends instead, the error
// quotes its log.
func start(ctx context.Context, processes process.Table, components ...controlplane.Component) error {
	return startAt(ctx, processes, time.Time{}, components...)
}

// startAt does so for certificates that need not be good now, but at another time.
func startAt(ctx context.Context, processes process.Table, at time.Time, components ...controlplane.Component) error {
	ended := make([]<-chan struct{}, len(components))
	for i, component := range components {
		var err error
		if ended[i], err = processes.Start(component.Spec); err != nil {
			return err
		}
	}
	for i, component := range components {
		if component.Health == "" {
			continue
		}
		probe, err := newProbe(component, at)
		if err != nil {
			return err
		}
		if err := waitHealthy(ctx, processes, component, probe, ended[i]); err != nil {
			return err
		}
	}
	return nil
}

// waitHealthy returns when the component answers 200. A nil channel means that its end is not watched.
func waitHealthy(ctx context.Context, processes process.Table, component controlplane.Component, probe *http.Client, ended <-chan struct{}) error {
	defer probe.CloseIdleConnections()
	var last error
	err := wait.PollUntilContextTimeout(ctx, healthInterval, startTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case <-ended:
			return false, failure(processes, component.Name, "ended")
		default:
		}
		last = ask(ctx, probe, component.Health)
		return last == nil, nil
	})
	if wait.Interrupted(err) {
		// The interruption stays in the chain, so that a caller can tell its own cancellation from a failure.
		err = errors.Join(failure(processes, component.Name, "did not become healthy"), last, err)
	}
	return err
}

// failure describes a component that failed, with what it said last.
func failure(processes process.Table, name, what string) error {
	return fmt.Errorf("%s %s; the end of %s:\n%s", name, what, processes.LogFile(name), processes.LogTail(name))
}

// newProbe returns a client that trusts the component's own authority, and believes that it is another time unless that
// is zero.
func newProbe(component controlplane.Component, at time.Time) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if !at.IsZero() {
		config.Time = func() time.Time { return at }
	}
	if component.CA != "" {
		content, err := os.ReadFile(component.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the authority of %s: %w", component.Name, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("reading the authority of %s: no certificate in %s", component.Name, component.CA)
		}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: healthRequestTimeout}, nil
}

func ask(ctx context.Context, probe *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	response, err := probe.Do(request)
	if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking %s: %s", url, response.Status)
	}
	return nil
}
