package local

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

const (
	// leaderLease is the Lease in v1alpha1.SystemNamespace that the managers compete for.
	leaderLease = "flotilla-manager"
	// leaseSlack covers that the holder stamps a Lease before the API server receives it.
	leaseSlack = time.Minute
)

// Leader returns the name of the manager that holds the lease. It is the one whose token wrote the Lease last, whatever
// name the Lease says. That nobody holds it, or somebody who does not run, is an error.
func (f *Fleet) Leader(ctx context.Context) (string, error) {
	var lease coordinationv1.Lease
	key := client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: leaderLease}
	if err := f.Host.client.Get(ctx, key, &lease); err != nil {
		return "", fmt.Errorf("looking for the leader: %w", err)
	}
	if ptr.Deref(lease.Spec.HolderIdentity, "") == "" || lease.Spec.AcquireTime == nil {
		return "", errors.New("looking for the leader: nobody holds the lease")
	}
	credential, err := f.leaseCredential(lease.Spec.AcquireTime.Time)
	if err != nil {
		return "", fmt.Errorf("looking for the leader: %w", err)
	}
	for _, manager := range f.state.Managers {
		owned, err := credentialOf(f.folder.path(manager.Name + ".kubeconfig"))
		if err != nil {
			return "", fmt.Errorf("looking for the leader: %w", err)
		}
		if owned != credential {
			continue
		}
		if status := f.processes.Status(manager.Name); status != process.Running {
			return "", fmt.Errorf("looking for the leader: %s holds the lease, but is %s", manager.Name, strings.ToLower(string(status)))
		}
		return manager.Name, nil
	}
	return "", fmt.Errorf("looking for the leader: %s holds the lease, who is no manager of this fleet", *lease.Spec.HolderIdentity)
}

// leaseCredential returns the credential that wrote the lease last.
func (f *Fleet) leaseCredential(acquired time.Time) (string, error) {
	writes, err := f.Host.Writes(acquired.Add(-leaseSlack))
	if err != nil {
		return "", err
	}
	for _, w := range slices.Backward(writes) {
		written := w.Code < http.StatusBadRequest && w.Subresource == ""
		if written && w.Resource == "leases" && w.Namespace == v1alpha1.SystemNamespace && w.Name == leaderLease {
			return w.Credential, nil
		}
	}
	return "", errors.New("the lease has not been written")
}

// credentialOf returns what an audit log calls the token in a kubeconfig.
func credentialOf(kubeconfig string) (string, error) {
	config, err := LoadConfig(kubeconfig)
	if err != nil {
		return "", err
	}
	parts := strings.Split(config.BearerToken, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%s holds no ServiceAccount token", kubeconfig)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("decoding the token in %s: %w", kubeconfig, err)
	}
	var claims struct {
		ID string `json:"jti"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", fmt.Errorf("decoding the token in %s: %w", kubeconfig, err)
	}
	return "JTI=" + claims.ID, nil
}
