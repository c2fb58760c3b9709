package render

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// kinds leave out of a kind what the host's API server filled in and what members own. They work on a copy,
// and take a field of an unexpected type for one that is not theirs.
var kinds = map[schema.GroupKind]func(fields map[string]any){
	{Kind: "Service"}:                    stripService,
	{Kind: "Pod"}:                        func(fields map[string]any) { stripPod(object(fields, "spec")) },
	{Kind: "Namespace"}:                  func(fields map[string]any) { delete(fields, "spec") },
	{Kind: "ServiceAccount"}:             func(fields map[string]any) { delete(fields, "secrets") },
	{Kind: "Secret"}:                     stripSecret,
	{Kind: "PersistentVolumeClaim"}:      func(fields map[string]any) { remove(fields, "spec", "volumeName") },
	{Kind: "PersistentVolume"}:           func(fields map[string]any) { remove(fields, "spec", "claimRef") },
	{Group: "batch", Kind: "Job"}:        stripJob,
	{Group: "apps", Kind: "StatefulSet"}: stripStatefulSet,
}

// stripService leaves addresses and ports to the member, which allocates its own. A headless Service stays
// headless. The families are those of the host's network; of the policy only one that the API server does not
// set by itself can be the user's.
func stripService(fields map[string]any) {
	spec := object(fields, "spec")
	if spec["clusterIP"] != "None" {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	delete(spec, "healthCheckNodePort")
	delete(spec, "ipFamilies")
	if spec["ipFamilyPolicy"] == "SingleStack" {
		delete(spec, "ipFamilyPolicy")
	}
	if spec["loadBalancerClass"] == v1alpha1.HostOnlyValue {
		delete(spec, "loadBalancerClass")
	}
	for _, port := range objects(spec, "ports") {
		delete(port, "nodePort")
	}
}

// stripSecret takes a ServiceAccount's token out: it is the host's, and the member makes its own.
func stripSecret(fields map[string]any) {
	if fields["type"] != "kubernetes.io/service-account-token" {
		return
	}
	delete(fields, "data")
	remove(fields, "metadata", "annotations", "kubernetes.io/service-account.uid")
}

// generatedJobLabels are put on a Job's pods by the API server; they hold the host Job's UID and name.
var generatedJobLabels = []string{"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"}

// stripJob lets the member generate the selector, unless the user chose one. The member's copy must not
// vanish by itself when it is done, or it would be made and run again; the host's time to live ends the template,
// and with it every copy.
func stripJob(fields map[string]any) {
	spec := object(fields, "spec")
	delete(spec, "ttlSecondsAfterFinished")
	if spec["manualSelector"] == true {
		return
	}
	delete(spec, "selector")
	for _, metadata := range []map[string]any{object(fields, "metadata"), object(object(spec, "template"), "metadata")} {
		for _, label := range generatedJobLabels {
			remove(metadata, "labels", label)
		}
		if labels, isObject := metadata["labels"].(map[string]any); isObject && len(labels) == 0 {
			delete(metadata, "labels")
		}
	}
}

// vanishes says whether an object is a Job with a time to live. stripJob has taken the host's out; another one comes from an
// override.
func vanishes(obj *unstructured.Unstructured) bool {
	_, set := object(obj.Object, "spec")["ttlSecondsAfterFinished"]
	return set && obj.GroupVersionKind().GroupKind() == schema.GroupKind{Group: "batch", Kind: "Job"}
}

func stripStatefulSet(fields map[string]any) {
	for _, claim := range objects(object(fields, "spec"), "volumeClaimTemplates") {
		delete(claim, "status")
	}
}

// tokenVolume is how the API server names the volume that it adds to Pods for the API's token.
const tokenVolume = "kube-api-access-"

// stripPod takes out what admission put into a bare Pod on the host. The member's admission does it again.
func stripPod(spec map[string]any) {
	for _, field := range []string{"nodeName", "priority", "serviceAccount", "ephemeralContainers"} {
		delete(spec, field)
	}
	if spec["serviceAccountName"] == "default" {
		delete(spec, "serviceAccountName")
	}
	if spec["preemptionPolicy"] == "PreemptLowerPriority" {
		delete(spec, "preemptionPolicy")
	}
	if _, chosen := spec["runtimeClassName"]; chosen {
		delete(spec, "overhead")
	}
	filter(spec, "schedulingGates", func(gate map[string]any) bool { return gate["name"] != v1alpha1.HostOnlyValue })
	filter(spec, "tolerations", func(toleration map[string]any) bool { return !defaultToleration(toleration) })
	filter(spec, "volumes", func(volume map[string]any) bool { return !generated(volume) })
	for _, list := range []string{"initContainers", "containers"} {
		for _, container := range objects(spec, list) {
			filter(container, "volumeMounts", func(mount map[string]any) bool { return !generated(mount) })
		}
	}
}

func generated(named map[string]any) bool {
	name, _ := named["name"].(string)
	return strings.HasPrefix(name, tokenVolume)
}

// defaultToleration tells the two tolerations of five minutes that admission adds to every Pod.
func defaultToleration(toleration map[string]any) bool {
	return (toleration["key"] == "node.kubernetes.io/not-ready" || toleration["key"] == "node.kubernetes.io/unreachable") &&
		toleration["effect"] == "NoExecute" && toleration["operator"] == "Exists" && toleration["tolerationSeconds"] == int64(300)
}

// object is the object in a field. A field of another type gives an empty one, which nobody sees again.
func object(fields map[string]any, name string) map[string]any {
	value, isObject := fields[name].(map[string]any)
	if !isObject {
		return map[string]any{}
	}
	return value
}

// objects are the objects in a list.
func objects(fields map[string]any, name string) []map[string]any {
	list, _ := fields[name].([]any)
	found := make([]map[string]any, 0, len(list))
	for _, item := range list {
		if value, isObject := item.(map[string]any); isObject {
			found = append(found, value)
		}
	}
	return found
}

// filter keeps the objects of a list that pass, and no list when none does.
func filter(fields map[string]any, name string, pass func(map[string]any) bool) {
	list, isList := fields[name].([]any)
	if !isList {
		return
	}
	list = slices.DeleteFunc(list, func(item any) bool {
		value, isObject := item.(map[string]any)
		return isObject && !pass(value)
	})
	if len(list) == 0 {
		delete(fields, name)
		return
	}
	fields[name] = list
}

// remove deletes the field at the end of a path, and nothing when the path does not lead there.
func remove(fields map[string]any, path ...string) {
	for _, name := range path[:len(path)-1] {
		fields = object(fields, name)
	}
	delete(fields, path[len(path)-1])
}
