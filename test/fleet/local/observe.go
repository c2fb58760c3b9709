package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// Managers are the names of the managers, manager-0 first.
func (f *Fleet) Managers() []string { return names(f.state.Managers) }

// Status says whether a process of the fleet runs, is suspended, or is gone. A name that the fleet does not have is gone.
func (f *Fleet) Status(name string) process.Status { return f.processes.Status(name) }

// MetricsAddress is the host and port where a manager serves its metrics, empty when the fleet has no such manager.
func (f *Fleet) MetricsAddress(manager string) string {
	i := slices.IndexFunc(f.state.Managers, func(c controlplane.Component) bool { return c.Name == manager })
	if i < 0 {
		return ""
	}
	for _, arg := range f.state.Managers[i].Args {
		if address, found := strings.CutPrefix(arg, "--metrics-bind-address="); found {
			return address
		}
	}
	return ""
}

// EtcdLeader is the name of the process that leads the host's etcd, as its members say.
func (f *Fleet) EtcdLeader(ctx context.Context) (string, error) {
	var problems []error
	for _, member := range f.state.Clusters[0].Etcd {
		status, err := etcdStatus(ctx, strings.TrimSuffix(member.Health, "/health"))
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", member.Name, err))
		case status.Leader == status.Header.Member:
			return member.Name, nil
		}
	}
	return "", fmt.Errorf("looking for the leader of etcd: %w", errors.Join(append(problems, errors.New("nobody says that he leads"))...))
}

// etcdAnswer is what is needed of an answer of etcd's gateway to the status call. It writes numbers as texts.
type etcdAnswer struct {
	Header struct {
		Member string `json:"member_id"`
	} `json:"header"`
	Leader string `json:"leader"`
}

func etcdStatus(ctx context.Context, endpoint string) (etcdAnswer, error) {
	var answer etcdAnswer
	ctx, cancel := context.WithTimeout(ctx, healthRequestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/v3/maintenance/status", strings.NewReader("{}"))
	if err != nil {
		return answer, fmt.Errorf("asking for its status: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer, fmt.Errorf("asking for its status: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("reading its status: %w", err)
	}
	return answer, nil
}
