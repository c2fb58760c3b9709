package scheduling

import (
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// stuckPods notes pods for which a member has no room, from the moment that it is made.
type stuckPods struct {
	mu   sync.Mutex
	seen map[string]string // the scheduler's words, by member and pod
}

// watchStuck looks at the pods of a namespace in every member.
func watchStuck(t *testing.T, fleet *local.Fleet, ns string) *stuckPods {
	t.Helper()
	s := &stuckPods{seen: map[string]string{}}
	for _, member := range fleet.Members {
		w, err := member.Client().Watch(t.Context(), &corev1.PodList{}, client.InNamespace(ns))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		go func() {
			for e := range w.ResultChan() {
				if pod, ok := e.Object.(*corev1.Pod); ok {
					s.note(member.Name, pod)
				}
			}
		}()
	}
	return s
}

func (s *stuckPods) note(member string, pod *corev1.Pod) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable {
			s.mu.Lock()
			s.seen[member+"/"+pod.Name] = c.Message
			s.mu.Unlock()
		}
	}
}

// none fails the test when a pod was ever stuck.
func (s *stuckPods) none(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for pod, message := range s.seen {
		t.Errorf("pod %s was sent where there was no room: %s", pod, message)
	}
}

// nowStuck names the pods of a namespace that a member has no room for now.
func nowStuck(pods []corev1.Pod) error {
	for i := range pods {
		for _, c := range pods[i].Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				return fmt.Errorf("pod %s waits: %s", pods[i].Name, c.Message)
			}
		}
	}
	return nil
}
