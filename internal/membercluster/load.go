package membercluster

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/rewatch"
)

// tableInterval is how often a member's table is made anew at most while its nodes and pods change.
const tableInterval = 100 * time.Millisecond

// Load watches a member's nodes, pods and quotas, and keeps of them what the member's room depends on. It is safe for
// concurrent use.
type Load struct {
	client  kubernetes.Interface
	onTable func(grew bool)

	table   atomic.Pointer[capacity.Table]
	version atomic.Uint64
	dirty   chan struct{} // holds one token while something changed
	grew    atomic.Bool   // since the last table, something may have made room

	mu      sync.Mutex
	stop    context.CancelFunc // nil while nothing is watched
	nodes   toolscache.SharedIndexInformer
	pods    toolscache.SharedIndexInformer
	quotas  toolscache.SharedIndexInformer
	classes map[string]*capacity.Class
}

// loadedNode, loadedPod and loadedQuota are what is kept of each object.
type loadedNode struct {
	metav1.ObjectMeta
	node capacity.Node
}

type loadedPod struct {
	metav1.ObjectMeta
	pod   capacity.Pod
	stuck *StuckPod
}

type loadedQuota struct {
	metav1.ObjectMeta
	quota capacity.Quota
}

// StuckPod is a pod that the member's scheduler finds no node for.
type StuckPod struct {
	// Namespace of the pod, and so of its controller.
	Namespace string
	// Controller owns the pod; the zero value when nobody does.
	Controller metav1.OwnerReference
	// Since is when it was first said to be unschedulable.
	Since time.Time
	// Message is what the member's scheduler says.
	Message string
}

// newLoad prepares the watches; it does not dial. Pods come as protobuf, which costs a fifth of JSON.
func newLoad(config *rest.Config) (*Load, error) {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Load{client: client, onTable: func(bool) {}, dirty: make(chan struct{}, 1), classes: map[string]*capacity.Class{}}, nil
}

// Table is the member's room as last seen; nil while that is not watched, or not all of it has been seen.
func (l *Load) Table() *capacity.Table { return l.table.Load() }

// Stuck are the pods that the member's scheduler finds no node for; false when nobody knows.
func (l *Load) Stuck() ([]StuckPod, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop == nil || !l.pods.HasSynced() {
		return nil, false
	}
	var stuck []StuckPod
	for _, obj := range l.pods.GetStore().List() {
		if pod, ok := obj.(*loadedPod); ok && pod.stuck != nil {
			stuck = append(stuck, *pod.stuck)
		}
	}
	return stuck, true
}

// watch begins to watch, until ctx ends or unwatch; it does nothing when it watches already.
func (l *Load) watch(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	if err := l.inform(); err != nil {
		stop()
		return err
	}
	l.stop = stop
	for _, informer := range []toolscache.SharedIndexInformer{l.nodes, l.pods, l.quotas} {
		go informer.RunWithContext(ctx)
	}
	go l.tabulate(ctx, l.nodes, l.pods, l.quotas)
	return nil
}

// unwatch stops watching and forgets what was seen.
func (l *Load) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop == nil {
		return
	}
	l.stop()
	l.stop, l.nodes, l.pods, l.quotas = nil, nil, nil, nil
	l.table.Store(nil)
}

// inform prepares the informers. Pods that have ended hold nothing, and are not asked for.
func (l *Load) inform() error {
	for _, kind := range []struct {
		informer  *toolscache.SharedIndexInformer
		resource  string
		selector  string
		object    runtime.Object
		transform toolscache.TransformFunc
	}{
		{&l.nodes, "nodes", "", &corev1.Node{}, transformNode},
		{&l.pods, "pods", capacity.LivingPods, &corev1.Pod{}, l.transformPod},
		{&l.quotas, "resourcequotas", "", &corev1.ResourceQuota{}, transformQuota},
	} {
		list := toolscache.NewFilteredListWatchFromClient(l.client.CoreV1().RESTClient(), kind.resource, metav1.NamespaceAll,
			func(o *metav1.ListOptions) { o.FieldSelector = kind.selector })
		informer := toolscache.NewSharedIndexInformer(rewatch.Soon(list, rewatch.Member()), kind.object, 0, toolscache.Indexers{})
		if err := informer.SetTransform(kind.transform); err != nil {
			return fmt.Errorf("setting the transform of %s: %w", kind.resource, err)
		}
		// A member that refuses, or is silent, is known to the Cluster's conditions; the informer tries again.
		if err := informer.SetWatchErrorHandlerWithContext(func(context.Context, *toolscache.Reflector, error) {}); err != nil {
			return fmt.Errorf("setting the error handler of %s: %w", kind.resource, err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { l.changed(makesRoom(obj)) },
			UpdateFunc: func(old, obj any) { l.updated(old, obj) },
			DeleteFunc: func(any) { l.changed(true) },
		}); err != nil {
			return fmt.Errorf("listening to %s: %w", kind.resource, err)
		}
		*kind.informer = informer
	}
	return nil
}

// updated lets go of changes that the room does not depend on, such as a node's heartbeat.
func (l *Load) updated(old, obj any) {
	if !sameLoad(old, obj) {
		l.changed(makesRoom(obj))
	}
}

func sameLoad(old, obj any) bool {
	switch now := obj.(type) {
	case *loadedNode:
		before, ok := old.(*loadedNode)
		return ok && reflect.DeepEqual(before.node, now.node)
	case *loadedPod:
		before, ok := old.(*loadedPod)
		return ok && before.pod == now.pod
	case *loadedQuota:
		before, ok := old.(*loadedQuota)
		return ok && reflect.DeepEqual(before.quota, now.quota)
	}
	return false
}

// makesRoom says whether a change can have made room: pods that come, or find their node, do not.
func makesRoom(obj any) bool {
	_, pod := obj.(*loadedPod)
	return !pod
}

func (l *Load) changed(grew bool) {
	if grew {
		l.grew.Store(true)
	}
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// tabulate makes a new table when something changed, once all has been seen. Quotas may be hidden from Flotilla: then
// they do not count.
func (l *Load) tabulate(ctx context.Context, nodes, pods, quotas toolscache.SharedIndexInformer) {
	if !toolscache.WaitForCacheSync(ctx.Done(), nodes.HasSynced, pods.HasSynced) {
		return
	}
	l.changed(true)
	pause := clock.RealClock{}.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C():
		}
		select {
		case <-ctx.Done():
			return
		case <-l.dirty:
		}
		grew := l.grew.Swap(false)
		l.publish(ctx, tableOf(l.version.Add(1), nodes.GetStore().List(), pods.GetStore().List(), quotas.GetStore().List()))
		l.onTable(grew)
		pause.Reset(tableInterval)
	}
}

// publish shows a table, unless its watch has been stopped meanwhile.
func (l *Load) publish(ctx context.Context, t *capacity.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil {
		l.table.Store(t)
	}
}

func tableOf(version uint64, nodes, pods, quotas []any) *capacity.Table {
	allNodes, allPods, allQuotas := make([]capacity.Node, 0, len(nodes)), make([]capacity.Pod, 0, len(pods)), make([]capacity.Quota, 0, len(quotas))
	for _, obj := range nodes {
		if node, ok := obj.(*loadedNode); ok {
			allNodes = append(allNodes, node.node)
		}
	}
	for _, obj := range pods {
		if pod, ok := obj.(*loadedPod); ok {
			allPods = append(allPods, pod.pod)
		}
	}
	for _, obj := range quotas {
		if quota, ok := obj.(*loadedQuota); ok {
			allQuotas = append(allQuotas, quota.quota)
		}
	}
	return capacity.NewTable(version, allNodes, allPods, allQuotas)
}

func identity(obj metav1.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(), ResourceVersion: obj.GetResourceVersion()}
}

func transformNode(obj any) (any, error) {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	return &loadedNode{ObjectMeta: identity(node), node: capacity.NewNode(node)}, nil
}

func transformQuota(obj any) (any, error) {
	quota, ok := obj.(*corev1.ResourceQuota)
	if !ok {
		return obj, nil
	}
	return &loadedQuota{ObjectMeta: identity(quota), quota: capacity.NewQuota(quota)}, nil
}

func (l *Load) transformPod(obj any) (any, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	return &loadedPod{
		ObjectMeta: identity(pod),
		pod:        capacity.Pod{Class: l.class(pod), Node: pod.Spec.NodeName, Workload: workloadOf(pod)},
		stuck:      stuckPod(pod),
	}, nil
}

// workloadOf names what made a pod: its controller, or the Deployment (or the like) that its ReplicaSet carries the name
// of, followed by the hash of the pod template.
func workloadOf(pod *corev1.Pod) string {
	controller := metav1.GetControllerOf(pod)
	if controller == nil {
		return ""
	}
	if controller.Kind != "ReplicaSet" {
		return capacity.WorkloadKey(pod.Namespace, controller.Kind, controller.Name)
	}
	for label, kind := range map[string]string{"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"} {
		if name, made := strings.CutSuffix(controller.Name, "-"+pod.Labels[label]); made && pod.Labels[label] != "" {
			return capacity.WorkloadKey(pod.Namespace, kind, name)
		}
	}
	return capacity.WorkloadKey(pod.Namespace, controller.Kind, controller.Name)
}

// class is the class of a pod. Pods of one workload share it.
func (l *Load) class(pod *corev1.Pod) *capacity.Class {
	class := capacity.Compile(interpreter.PodRequirements(pod.Namespace, &pod.Spec))
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, found := l.classes[class.Key()]; found {
		return known
	}
	if len(l.classes) > maxClasses {
		l.classes = map[string]*capacity.Class{} // those that are still used live on in their pods
	}
	l.classes[class.Key()] = class
	return class
}

// maxClasses bounds the memory of classes whose pods are long gone.
const maxClasses = 10000

func stuckPod(pod *corev1.Pod) *StuckPod {
	controller := metav1.GetControllerOf(pod)
	if controller == nil || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		return nil
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return &StuckPod{Namespace: pod.Namespace, Controller: *controller, Since: c.LastTransitionTime.Time, Message: c.Message}
		}
	}
	return nil
}
