package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/rights"
)

// RightsVariable names the environment variable with a folder to which each bed that checks rights writes what its managers asked for.
const RightsVariable = "FLOTILLA_RIGHTS_DIR"

// decisionKey is the annotation of an audit event that says what the authorizer decided.
const decisionKey = "authorization.k8s.io/decision"

// Usage is what the managers' account may do on a host, and what it asked for.
type Usage struct {
	// Roles that it has, but for those about templates.
	Roles []rights.Role `json:"roles"`
	// Asked is what it asked for, each once.
	Asked []rights.Access `json:"asked"`
}

// Usage reads what managers were allowed to do on a cluster that is their host, and did.
func (c *Cluster) Usage(ctx context.Context) (Usage, error) {
	roles, err := rights.Roles(ctx, c.client, types.NamespacedName{Namespace: v1alpha1.SystemNamespace, Name: ManagerAccount})
	if err != nil {
		return Usage{}, fmt.Errorf("reading the roles of %s: %w", controlplane.ManagerUser, err)
	}
	usage := Usage{Roles: roles}
	seen := map[rights.Access]bool{}
	for _, file := range c.auditLogs {
		events, err := readAuditLog(file, time.Time{}, byManager)
		if err != nil {
			return Usage{}, fmt.Errorf("reading the audit log of %s: %w", c.Name, err)
		}
		for _, event := range events {
			access := accessOf(event)
			if access.Resource != "" && !seen[access] {
				seen[access] = true
				usage.Asked = append(usage.Asked, access)
			}
		}
	}
	return usage, nil
}

// byManager is true for what a manager asked, answered or, for a watch, begun.
func byManager(event auditv1.Event) bool {
	return event.User.Username == controlplane.ManagerUser && event.ImpersonatedUser == nil
}

func accessOf(event auditv1.Event) rights.Access {
	access := rights.Access{Verb: event.Verb, Denied: event.Annotations[decisionKey] == "forbid"}
	if object := event.ObjectRef; object != nil {
		access.Group, access.Resource, access.Namespace, access.Name = object.APIGroup, object.Resource, object.Namespace, object.Name
		if object.Subresource != "" {
			access.Resource += "/" + object.Subresource
		}
	}
	return access
}

// checkRights returns what is wrong with the rights of a host's managers: what was denied to them. What they asked for is kept for
// the question which rights nobody needs (`fleet rights`).
func checkRights(ctx context.Context, host *Cluster, exceptions []rights.Exception) error {
	usage, err := host.Usage(ctx)
	if err != nil {
		return err
	}
	if dir := os.Getenv(RightsVariable); dir != "" {
		if err := keepUsage(dir, usage); err != nil {
			return err
		}
	}
	denied := rights.Denied(usage.Asked, append(slices.Clone(rights.Always), exceptions...))
	if len(denied) == 0 {
		return nil
	}
	lines := make([]string, 0, len(denied))
	for _, access := range denied {
		lines = append(lines, "  "+access.String())
	}
	return fmt.Errorf("%s denied to %s:\n%s", host.Name, controlplane.ManagerUser, strings.Join(lines, "\n"))
}

func keepUsage(dir string, usage Usage) error {
	content, err := json.Marshal(usage)
	if err != nil {
		return fmt.Errorf("keeping the rights that were used: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keeping the rights that were used: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", os.Getpid())), content, 0o600); err != nil {
		return fmt.Errorf("keeping the rights that were used: %w", err)
	}
	return nil
}

// UnusedRights returns what the managers' roles grant and no bed that wrote into the folder saw them ask for.
func UnusedRights(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("reading the rights that were used: nothing is in %s: %w", dir, err)
	}
	var all Usage
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the rights that were used: %w", err)
		}
		var usage Usage
		if err := json.Unmarshal(content, &usage); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		all.Roles, all.Asked = append(all.Roles, usage.Roles...), append(all.Asked, usage.Asked...)
	}
	return rights.Unused(all.Roles, all.Asked), nil
}
