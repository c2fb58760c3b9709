package tainting

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/eviction"
	"github.com/flotilla-dev/flotilla/internal/toleration"
)

// standing is how far the drain of a cluster is.
type standing struct {
	// left are templates that are there and should not be, by their titles, with what they wait for.
	left map[string]string
	// moving is how many of them are on their way: another cluster has been chosen for them.
	moving int
	// stays are templates that are there and tolerate it, or have come to their end, or that such templates need.
	stays []string
}

// look says how far the drain of a cluster is.
func look(bindings []v1alpha1.Binding, cluster string) standing {
	s := standing{left: map[string]string{}}
	staying := map[types.NamespacedName]bool{}
	for _, b := range bindings {
		spec := b.BindingSpec()
		if spec.HasTarget(cluster) && tolerates(spec) || spec.Decides(cluster) && eviction.Ended(b, cluster) {
			staying[client.ObjectKeyFromObject(b)] = true
		}
	}
	for _, b := range bindings {
		spec := b.BindingSpec()
		switch {
		case !spec.HasTarget(cluster):
		case staying[client.ObjectKeyFromObject(b)] || neededBy(spec, cluster, staying):
			s.stays = append(s.stays, title(spec))
		default:
			s.left[title(spec)] = waitsFor(b, cluster)
			if spec.Retains(cluster) {
				s.moving++
			}
		}
	}
	slices.Sort(s.stays)
	return s
}

// tolerates is true for a template that a drain never moves.
func tolerates(spec *v1alpha1.BindingSpec) bool {
	if spec.Placement == nil {
		return false
	}
	taint := drain()
	_, _, forever := toleration.For(&taint, spec.Placement.ClusterTolerations)
	return forever
}

// neededBy is true for what is in a cluster only because templates that stay there need it, or because it is preserved there.
func neededBy(spec *v1alpha1.BindingSpec, cluster string, staying map[types.NamespacedName]bool) bool {
	if spec.Decides(cluster) || spec.Retains(cluster) {
		return false
	}
	named := func(t v1alpha1.TargetCluster) bool { return t.Name == cluster }
	return slices.Contains(spec.PreservedIn, cluster) || slices.ContainsFunc(spec.RequiredBy, func(owner v1alpha1.BindingSnapshot) bool {
		return slices.ContainsFunc(owner.Clusters, named) && staying[types.NamespacedName{Namespace: owner.Namespace, Name: owner.Name}]
	})
}

// waitsFor says why a template is still in a cluster that is drained.
func waitsFor(b v1alpha1.Binding, cluster string) string {
	spec, conditions := b.BindingSpec(), b.BindingStatus().Conditions
	if spec.Retains(cluster) {
		if moving := meta.FindStatusCondition(conditions, v1alpha1.ConditionMoving); moving != nil && moving.Message != "" {
			return moving.Message
		}
		return "its replacement is not ready yet"
	}
	if !spec.Decides(cluster) {
		return "leaves after the templates that need it"
	}
	asked := slices.ContainsFunc(spec.GracefulEvictionTasks, func(t v1alpha1.GracefulEvictionTask) bool { return t.FromCluster == cluster })
	if !asked {
		return "has not been asked to leave yet"
	}
	if scheduled := meta.FindStatusCondition(conditions, v1alpha1.ConditionScheduled); scheduled != nil &&
		(scheduled.Status != metav1.ConditionTrue || scheduled.Reason == v1alpha1.ReasonLeaving) {
		return fmt.Sprintf("no other cluster takes it: %s: %s", scheduled.Reason, scheduled.Message)
	}
	return "has been asked to leave"
}

// title names a template for people, such as "Deployment.apps shop/web".
func title(spec *v1alpha1.BindingSpec) string {
	r := spec.Resource
	return r.GroupVersionKind().GroupKind().String() + " " + strings.TrimPrefix(r.Namespace+"/"+r.Name, "/")
}
