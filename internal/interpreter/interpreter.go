package interpreter

import (
	"strconv"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

// The kinds that the interpreter knows natively. Versions do not matter: a Deployment means the same in
// every one that is still served.
var (
	deployment  = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	statefulSet = schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	daemonSet   = schema.GroupKind{Group: "apps", Kind: "DaemonSet"}
	replicaSet  = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	job         = schema.GroupKind{Group: "batch", Kind: "Job"}
	cronJob     = schema.GroupKind{Group: "batch", Kind: "CronJob"}
	pod         = schema.GroupKind{Kind: "Pod"}
	service     = schema.GroupKind{Kind: "Service"}
	volumeClaim = schema.GroupKind{Kind: "PersistentVolumeClaim"}
)

// routes are the kinds of the Gateway API whose status speaks of their parents.
var routes = []schema.GroupKind{
	{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"},
	{Group: "gateway.networking.k8s.io", Kind: "GRPCRoute"},
	{Group: "gateway.networking.k8s.io", Kind: "TLSRoute"},
	{Group: "gateway.networking.k8s.io", Kind: "TCPRoute"},
	{Group: "gateway.networking.k8s.io", Kind: "UDPRoute"},
}

// Interpreter says what kinds mean: what users teach goes before what it knows natively, and that before what is bundled
// with Flotilla, for each operation. It is safe for concurrent use.
type Interpreter struct {
	taught    atomic.Pointer[taught.Table] // by users
	listeners []func(changed []v1alpha1.InterpreterTarget)

	health    map[schema.GroupKind]func(*unstructured.Unstructured) v1alpha1.Health
	reflect   map[schema.GroupKind]func(status map[string]any) map[string]any
	aggregate map[schema.GroupKind]func(*unstructured.Unstructured, Fleet) (map[string]any, bool)
}

// New makes an interpreter of the native kinds.
func New() *Interpreter {
	return &Interpreter{health: nativeHealth(), reflect: nativeReflections(), aggregate: nativeAggregations()}
}

func kindOf(obj *unstructured.Unstructured) schema.GroupKind {
	return obj.GroupVersionKind().GroupKind()
}

// number reads an integer, and takes zero for one that is absent or no integer.
func number(fields map[string]any, path ...string) int64 {
	value, _, err := unstructured.NestedInt64(fields, path...)
	if err != nil {
		return 0
	}
	return value
}

// numberOr reads an integer, and takes otherwise for one that is absent or no integer.
func numberOr(otherwise int64, fields map[string]any, path ...string) int64 {
	value, found, err := unstructured.NestedInt64(fields, path...)
	if err != nil || !found {
		return otherwise
	}
	return value
}

// text reads a string, and takes the empty one for one that is absent or no string.
func text(fields map[string]any, path ...string) string {
	value, _, err := unstructured.NestedString(fields, path...)
	if err != nil {
		return ""
	}
	return value
}

// objects reads the objects of a list without copying them.
func objects(fields map[string]any, path ...string) []map[string]any {
	value, _, err := unstructured.NestedFieldNoCopy(fields, path...)
	if err != nil {
		return nil
	}
	list, _ := value.([]any)
	found := make([]map[string]any, 0, len(list))
	for _, item := range list {
		if fields, ok := item.(map[string]any); ok {
			found = append(found, fields)
		}
	}
	return found
}

// statusOf is an object's status, not copied; nil when it has none.
func statusOf(obj *unstructured.Unstructured) map[string]any {
	status, _ := obj.Object["status"].(map[string]any)
	return status
}

// conditionIs tells whether a status has a condition of the given type and status.
func conditionIs(status map[string]any, conditionType, want string) bool {
	for _, condition := range objects(status, "conditions") {
		if text(condition, "type") == conditionType {
			return text(condition, "status") == want
		}
	}
	return false
}

// observed tells whether the object's controller has seen its newest generation, which some kinds write as a string.
func observed(obj *unstructured.Unstructured) bool {
	generation := number(obj.Object, "status", "observedGeneration")
	if written := text(obj.Object, "status", "observedGeneration"); written != "" {
		parsed, err := strconv.ParseInt(written, 10, 64)
		if err != nil {
			return true // no generation, so it does not tell
		}
		generation = parsed
	}
	return generation >= obj.GetGeneration()
}
