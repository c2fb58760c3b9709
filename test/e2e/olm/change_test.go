package olm

import (
	"path/filepath"
	"testing"

	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// changed goes from OLM to kustomize and back as docs/olm.md says, while members stay. It returns how to stop the manager that runs
// then: the one before ended with its ServiceAccount.
func changed(t *testing.T, shop workshop, host, member *local.Cluster, csv string, stopManager func()) (stop func()) {
	t.Helper()
	kubectl := func(args ...string) {
		t.Helper()
		t.Log(shop.run(t, shop.fleet.Program(kubebin.Kubectl), append([]string{"--kubeconfig", host.Kubeconfig}, args...)...))
	}
	kubectl("-n", namespace, "delete", "subscription", "flotilla")
	stopManager()
	kubectl("-n", namespace, "delete", "clusterserviceversion", csv)
	kubectl("-n", namespace, "wait", "--for=delete", "--timeout=2m", "deployment/flotilla-manager", "serviceaccount/flotilla-manager",
		"service/flotilla-manager-metrics", "poddisruptionbudget/flotilla-manager")
	kubectl("-n", namespace, "wait", "--for=delete", "--timeout=2m", "configmap", "-l", "app.kubernetes.io/part-of=flotilla")
	kubectl("apply", "--server-side", "--force-conflicts", "-k", filepath.Join(shop.root, "config", "default"))
	kubectl("-n", namespace, "rollout", "status", "deployment/flotilla-manager", "--timeout=1m")
	kustomized := available(t, host)
	_, stop = startManager(t, shop, host, kustomized)
	propagatesStill(t, host, member, 3)

	expect.Create(t, host, subscription())
	succeeded(t, host, csv)
	kubectl("-n", namespace, "rollout", "status", "deployment/flotilla-manager", "--timeout=1m")
	kubectl("-n", namespace, "wait", "--for=condition=Installed", "installplans", "--all", "--timeout=2m")
	kubectl("delete", "clusterrolebindings,clusterroles", "flotilla-manager", "flotilla-admission", "flotilla-metrics-auth")
	kubectl("-n", namespace, "delete", "rolebindings,roles", "flotilla-leader-election")
	if after := available(t, host); after.UID != kustomized.UID {
		t.Error("OLM replaced the Deployment instead of updating it")
	}
	propagatesStill(t, host, member, 4)
	return stop
}
