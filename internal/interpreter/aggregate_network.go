package interpreter

import (
	"encoding/json"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// aggregateIngress lists the addresses of every member's load balancer, each once.
func aggregateIngress(s scene[networkingv1.IngressStatus]) networkingv1.IngressStatus {
	status := networkingv1.IngressStatus{}
	seen := map[string]bool{}
	for _, member := range s.members {
		for _, address := range member.LoadBalancer.Ingress {
			name := address.IP + "/" + address.Hostname
			if seen[name] || name == "/" {
				continue
			}
			seen[name] = true
			status.LoadBalancer.Ingress = append(status.LoadBalancer.Ingress, address)
		}
	}
	return status
}

// aggregateRoute has each parent of a Gateway API route once; its conditions are True when they are so in every member that
// has the parent.
func aggregateRoute(template *unstructured.Unstructured, fleet Fleet) (map[string]any, bool) {
	old := map[string]any{}
	for _, parent := range objects(template.Object, "status", "parents") {
		old[parentKey(parent)] = parent["conditions"]
	}
	var order []string
	first, reports := map[string]map[string]any{}, map[string]*taught.Reports{}
	for _, member := range fleet.Members {
		for _, parent := range objects(member.Status, "parents") {
			key := parentKey(parent)
			if first[key] == nil {
				order = append(order, key)
				first[key], reports[key] = parent, &taught.Reports{Now: fleet.Now}
			}
			reports[key].Items = append(reports[key].Items, taught.Item{Cluster: member.Cluster, Status: map[string]any{"conditions": parent["conditions"]}})
		}
	}
	parents := []any{}
	for _, key := range order {
		parents = append(parents, map[string]any{
			"parentRef":      runtime.DeepCopyJSONValue(first[key]["parentRef"]),
			"controllerName": first[key]["controllerName"],
			"conditions":     taught.Conditions(old[key], *reports[key], "Conflicted"),
		})
	}
	return map[string]any{"parents": parents}, true
}

// parentKey tells parents apart: a route may have several, and several controllers may speak of one.
func parentKey(parent map[string]any) string {
	text, err := json.Marshal([]any{parent["parentRef"], parent["controllerName"]}) // maps are written in the order of their keys
	if err != nil {
		return ""
	}
	return string(text)
}

// reflectRoute keeps what gateways say about a route, but for the times.
func reflectRoute(whole map[string]any) map[string]any {
	parents := []any{}
	for _, parent := range objects(whole, "parents") {
		kept := map[string]any{}
		for _, field := range []string{"parentRef", "controllerName"} {
			if value, found := parent[field]; found {
				kept[field] = runtime.DeepCopyJSONValue(value)
			}
		}
		conditions := []any{}
		for _, condition := range objects(parent, "conditions") {
			conditions = append(conditions, withoutTimes(condition))
		}
		kept["conditions"] = conditions
		parents = append(parents, kept)
	}
	if len(parents) == 0 {
		return nil
	}
	return map[string]any{"parents": parents}
}
