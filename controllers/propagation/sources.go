package propagation

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/flotilla-dev/flotilla/internal/objectcache"
	"github.com/flotilla-dev/flotilla/internal/recent"
	"github.com/flotilla-dev/flotilla/internal/render"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

// Priorities. A user who edits one template waits neither for a policy that selects ten thousand of them, nor
// for the first look at everything after a restart.
const (
	userPriority   = 0
	policyPriority = handler.LowPriority / 2
	resyncPriority = handler.LowPriority
)

type queueOf[request comparable] = workqueue.TypedRateLimitingInterface[request]

func enqueue[request comparable](q queueOf[request], priority int, requests ...request) {
	if prioritized, ok := q.(priorityqueue.PriorityQueue[request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
		return
	}
	for _, r := range requests {
		q.Add(r)
	}
}

// templateSource brings templates that changed to the queue. It listens to the cache of templates from the
// start, and hands over once the controller has a queue.
type templateSource struct {
	templates Templates
	journeys  *telemetry.Journeys
	// latest are the changes that a leader may have left undone; none are noted when it is nil.
	latest *recent.Log[Request]

	mu    sync.RWMutex
	queue queueOf[Request] // nil until Start
}

func newTemplateSource(templates Templates, journeys *telemetry.Journeys) *templateSource {
	s := &templateSource{templates: templates, journeys: journeys}
	templates.OnEvent(s.onEvent)
	templates.OnStateChange(s.onState)
	return s
}

// Start implements source.TypedSource. What was missed before is made up for by looking at everything, and first at what
// changed lately.
func (s *templateSource) Start(_ context.Context, q queueOf[Request]) error {
	s.mu.Lock()
	s.queue = q
	s.mu.Unlock()
	if s.latest != nil {
		for request, priority := range s.latest.Take() {
			enqueue(q, priority, request)
		}
	}
	for _, gvk := range s.templates.Kinds() {
		s.onState(gvk)
	}
	return nil
}

func (s *templateSource) target() queueOf[Request] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queue
}

// onEvent skips the first list: until it is complete nothing can be decided, and then onState brings it whole.
func (s *templateSource) onEvent(e objectcache.Event) {
	if e.Initial {
		return
	}
	request := Request{GVK: e.GVK, Key: keyOf(e.Object)}
	q := s.target()
	if q == nil {
		if s.latest != nil {
			s.latest.Note(request, userPriority)
		}
		return
	}
	if !e.Deleted && reachesMembers(e) {
		s.journeys.Seen(request.binding(), e.Object.GetResourceVersion())
	}
	enqueue(q, userPriority, request)
}

// reachesMembers says whether an event tells of something that members get. What the host keeps for itself does not reach them, such
// as the status, which Flotilla itself writes whenever a member reports: nobody waits for that to arrive.
func reachesMembers(e objectcache.Event) bool {
	before, ok := e.Before.(*unstructured.Unstructured)
	if !ok {
		return true // it is new
	}
	after, ok := e.Object.(*unstructured.Unstructured)
	return !ok || before.GetUID() != after.GetUID() || !equality.Semantic.DeepEqual(render.Strip(before).Object, render.Strip(after).Object)
}

func (s *templateSource) onState(gvk schema.GroupVersionKind) {
	q := s.target()
	if q == nil {
		return
	}
	templates, err := s.templates.List(gvk)
	if err != nil {
		return // not synced: it comes back when it is
	}
	requests := make([]Request, 0, len(templates))
	for _, template := range templates {
		if object, ok := template.(metav1.Object); ok {
			requests = append(requests, Request{GVK: gvk, Key: keyOf(object)})
		}
	}
	enqueue(q, resyncPriority, requests...)
}

func keyOf(object metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}
