package hostcluster

import (
	"context"
	"fmt"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

const (
	// LeftBehindReason is the reason of the manager's event that names what stays in a member.
	LeftBehindReason = "LeftBehind"
	// LeftBehindPatience is how long that event may take to arrive after its Cluster has gone.
	LeftBehindPatience = 3 * time.Second
	// leftBehindPoll is how often it is looked for.
	leftBehindPoll = 500 * time.Millisecond
)

// LeftBehind is what the manager says stays in members whose Clusters have gone, by the UIDs of these. It looks at least once, and
// until there is a note about each or patience has passed: of a member that left nothing behind there is none.
func LeftBehind(ctx context.Context, c client.Reader, patience time.Duration, clusters ...v1alpha1.Cluster) (map[types.UID]string, error) {
	notes := map[types.UID]string{}
	look := func(ctx context.Context) (bool, error) {
		var events eventsv1.EventList
		if err := c.List(ctx, &events, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return false, fmt.Errorf("listing the events in the namespace %s: %w", metav1.NamespaceDefault, err)
		}
		for i := range events.Items {
			if e := &events.Items[i]; e.Reason == LeftBehindReason {
				notes[e.Regarding.UID] = e.Note
			}
		}
		for i := range clusters {
			if _, ok := notes[clusters[i].UID]; !ok {
				return false, nil
			}
		}
		return true, nil
	}
	done, err := look(ctx)
	if err != nil || done || patience == 0 {
		return notes, err
	}
	err = wait.PollUntilContextTimeout(ctx, leftBehindPoll, patience, false, look)
	if wait.Interrupted(err) {
		return notes, nil
	}
	return notes, err
}
