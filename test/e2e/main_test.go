package e2e

import (
	"os"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{
	Options: local.Options{Members: 3, Managers: 2},
	TemplateRules: []rbacv1.PolicyRule{
		{APIGroups: []string{widget.Group}, Resources: []string{"widgets"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{gadget.Group}, Resources: []string{"gadgets"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{gadget.Group}, Resources: []string{"gadgets/status"}, Verbs: []string{"patch"}},
	},
}

func TestMain(m *testing.M) { os.Exit(bed.Run(m)) }
