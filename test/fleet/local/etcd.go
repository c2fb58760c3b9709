package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
)

// etcdStatus is what of an etcd member's status is of interest. Numbers of 64 bits are text in etcd's JSON.
type etcdStatus struct {
	Header struct {
		MemberID string `json:"member_id"`
	} `json:"header"`
	Leader string `json:"leader"`
}

// EtcdLeader names the process that leads the host's etcd, for example host-etcd-1, as it says itself. That nobody says
// so is an error.
func (f *Fleet) EtcdLeader(ctx context.Context) (string, error) {
	problems := []error{errors.New("looking for the leader of etcd: nobody says that he leads")}
	for _, member := range f.state.Clusters[0].Etcd {
		var status etcdStatus
		err := askEtcd(ctx, member, "status", struct{}{}, &status)
		switch {
		case err != nil:
			problems = append(problems, err)
		case status.Leader == status.Header.MemberID:
			return member.Name, nil
		}
	}
	return "", errors.Join(problems...)
}

// Fill makes etcd of a cluster behave as if its quota of space were used up: it raises the alarm NOSPACE, with which
// etcd refuses every write but deletions. It lasts until Free, over any restart.
func (f *Fleet) Fill(ctx context.Context, cluster string) error {
	return f.alarm(ctx, cluster, "ACTIVATE")
}

// Free takes back Fill.
func (f *Fleet) Free(ctx context.Context, cluster string) error {
	return f.alarm(ctx, cluster, "DEACTIVATE")
}

// alarm changes the alarm NOSPACE of the first member, which holds for all of them.
func (f *Fleet) alarm(ctx context.Context, cluster, action string) error {
	members, err := f.etcd(cluster)
	if err != nil {
		return fmt.Errorf("changing the alarm of etcd: %w", err)
	}
	var status etcdStatus
	if err := askEtcd(ctx, members[0], "status", struct{}{}, &status); err != nil {
		return fmt.Errorf("changing the alarm of etcd: %w", err)
	}
	request := map[string]string{"action": action, "alarm": "NOSPACE", "memberID": status.Header.MemberID}
	if err := askEtcd(ctx, members[0], "alarm", request, nil); err != nil {
		return fmt.Errorf("changing the alarm of etcd: %w", err)
	}
	return nil
}

// etcd are the members of the store of a cluster.
func (f *Fleet) etcd(cluster string) ([]controlplane.Component, error) {
	for _, planned := range f.state.Clusters {
		if planned.Name == cluster {
			return planned.Etcd, nil
		}
	}
	return nil, fmt.Errorf("there is no cluster %q in this fleet", cluster)
}

// askEtcd calls a method of etcd's maintenance service, which etcd also speaks as JSON over HTTP.
func askEtcd(ctx context.Context, member controlplane.Component, method string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("asking %s: %w", member.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, healthRequestTimeout)
	defer cancel()
	url := strings.TrimSuffix(member.Health, "/health") + "/v3/maintenance/" + method
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking %s: %w", member.Name, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking %s: %w", member.Name, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("asking %s: %w", member.Name, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking %s: %s: %s", member.Name, response.Status, strings.TrimSpace(string(content)))
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("asking %s: %w", member.Name, err)
	}
	return nil
}
