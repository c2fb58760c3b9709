package eviction

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/stampede"
)

// Producer is the producer of the tasks that this package makes. Tasks of other producers are left alone.
const Producer = "flotilla-eviction"

// Settings are what an administrator decides.
type Settings struct {
	// Failover lets taints evict. Without it only draining does, which somebody asked for by hand, and policies that
	// have failover.application.
	Failover bool
	// Graceful lets the old copy stay until its replacement is ready; without it every task is to purge directly, unless
	// its policy says Never.
	Graceful bool
	// Toleration is how long the taints that the manager adds because of a cluster's health are tolerated by placements
	// that say nothing about them.
	Toleration time.Duration
	// Limits bound how many evictions begin in a second.
	Limits stampede.Limits
}

// Input is what a plan is made from. Nothing in it is changed.
type Input struct {
	// Clusters are all of the fleet.
	Clusters []v1alpha1.Cluster
	// Bindings are those that are in a cluster with a taint, that have a task, or whose application is unhealthy somewhere.
	// Others do no harm.
	Bindings []v1alpha1.Binding
	// Turns are the last plan's; empty for the first.
	Turns Turns
	// Failed are bindings that could not be written the last time. They come last.
	Failed sets.Set[types.NamespacedName]
	// Sightings are what this process itself has seen of the members.
	Sightings stampede.Sightings
	// Heard is what a member itself has said of the health of a binding's application, when this process asked it, and reported since;
	// false when it has not been asked since it began to answer. Nil stands for: the bindings' statuses say what is so.
	Heard func(binding types.NamespacedName, cluster *v1alpha1.Cluster) (v1alpha1.Health, bool)
	// Now is the time.
	Now time.Time
	// Settings of the administrator.
	Settings Settings
}

// Result is what is to be done now.
type Result struct {
	// Changes are the bindings whose tasks change, in no order that matters.
	Changes []Change
	// Turns are for the next plan.
	Turns Turns
	// Next is when to plan again even if nothing changes; zero for never.
	Next time.Time
	// Waiting is how many evictions are due in each group of clusters and may not begin yet. Every group is there.
	Waiting map[string]int
	// Held are the clusters from which something is due and waits because the host may be cut off, by name.
	Held []string
	// Doubts are the applications that would leave a cluster now if only their members were heard to say that they are unhealthy.
	Doubts []Doubt
	// Guard is how the fleet is seen.
	Guard stampede.Verdict
}

// Doubt is an application of which nobody knows how it is now.
type Doubt struct {
	// Binding of the application.
	Binding types.NamespacedName
	// Cluster that is to be asked.
	Cluster string
}

// Change is what becomes of the tasks of one binding.
type Change struct {
	// Binding as it was given.
	Binding v1alpha1.Binding
	// Tasks are all tasks that it should have.
	Tasks []v1alpha1.GracefulEvictionTask
	// Started are the tasks among them that are new.
	Started []Start
	// Ended are those that it had and that are over.
	Ended []End
}

// Start is a task that is new.
type Start struct {
	// Task as it is written.
	Task v1alpha1.GracefulEvictionTask
	// Lost says what of the old copy's state could not be preserved, and why; empty when all was.
	Lost string
}

// Outcome says why a task ended.
type Outcome string

// The outcomes.
const (
	// Done: the cluster was left, and holds nothing any more because of this binding.
	Done Outcome = "Done"
	// Withdrawn: the cause went before the cluster was left.
	Withdrawn Outcome = "Withdrawn"
	// ClusterGone: there is no such cluster any more.
	ClusterGone Outcome = "ClusterGone"
)

// End is a task that is over.
type End struct {
	// Cluster that was to be left.
	Cluster string
	// Reason that it had.
	Reason string
	// Outcome says why it is over.
	Outcome Outcome
}
