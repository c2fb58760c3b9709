package uninstalling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/conditions"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
)

func (u *uninstaller) look(ctx context.Context) (inventory, error) {
	clusters, err := hostcluster.Clusters(ctx, u.client)
	if err != nil {
		return inventory{}, err
	}
	policies, err := u.policies(ctx)
	if err != nil {
		return inventory{}, err
	}
	bindings, err := u.bindings(ctx)
	if err != nil {
		return inventory{}, err
	}
	namespaces, err := u.templateNamespaces(ctx)
	if err != nil {
		return inventory{}, err
	}
	found := inventory{clusters: hostcluster.Names(clusters), policies: len(policies), bindings: len(bindings)}
	for i := range namespaces {
		found.namespaces = append(found.namespaces, namespaces[i].Name)
	}
	slices.Sort(found.clusters)
	slices.Sort(found.namespaces)
	return found, nil
}

// policies are those that make bindings.
func (u *uninstaller) policies(ctx context.Context) ([]client.Object, error) {
	var namespaced v1alpha1.PropagationPolicyList
	var clustered v1alpha1.ClusterPropagationPolicyList
	if err := errors.Join(u.client.List(ctx, &namespaced), u.client.List(ctx, &clustered)); err != nil {
		return nil, fmt.Errorf("listing policies: %w", err)
	}
	var all []client.Object
	for i := range namespaced.Items {
		all = append(all, &namespaced.Items[i])
	}
	for i := range clustered.Items {
		all = append(all, &clustered.Items[i])
	}
	return all, nil
}

func (u *uninstaller) bindings(ctx context.Context) ([]v1alpha1.Binding, error) {
	var namespaced v1alpha1.ResourceBindingList
	var clustered v1alpha1.ClusterResourceBindingList
	if err := errors.Join(u.client.List(ctx, &namespaced), u.client.List(ctx, &clustered)); err != nil {
		return nil, fmt.Errorf("listing bindings: %w", err)
	}
	var all []v1alpha1.Binding
	for i := range namespaced.Items {
		all = append(all, &namespaced.Items[i])
	}
	for i := range clustered.Items {
		all = append(all, &clustered.Items[i])
	}
	return all, nil
}

func (u *uninstaller) templateNamespaces(ctx context.Context) ([]corev1.Namespace, error) {
	var namespaces corev1.NamespaceList
	if err := u.client.List(ctx, &namespaces, client.MatchingLabels{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled}); err != nil {
		return nil, fmt.Errorf("listing template namespaces: %w", err)
	}
	return namespaces.Items, nil
}

func (u *uninstaller) deletePolicies(ctx context.Context) error {
	policies, err := u.policies(ctx)
	if err != nil {
		return err
	}
	for _, policy := range policies {
		if err := client.IgnoreNotFound(u.client.Delete(ctx, policy)); err != nil {
			return fmt.Errorf("deleting the policy %s: %w", client.ObjectKeyFromObject(policy), err)
		}
	}
	return nil
}

// stopDecisions keeps the scheduler from moving anything. A decision that is under way fails: it was made about an older binding.
func (u *uninstaller) stopDecisions(ctx context.Context) error {
	bindings, err := u.bindings(ctx)
	if err != nil {
		return err
	}
	for _, binding := range bindings {
		before, _ := binding.DeepCopyObject().(client.Object)
		spec := binding.BindingSpec()
		if spec.Suspension == nil {
			spec.Suspension = &v1alpha1.BindingSuspension{}
		}
		spec.Suspension.Scheduling = ptr.To(true)
		if err := client.IgnoreNotFound(u.client.Patch(ctx, binding, client.MergeFrom(before), fieldOwner)); err != nil {
			return fmt.Errorf("suspending the scheduling of binding %s: %w", client.ObjectKeyFromObject(binding), err)
		}
	}
	return nil
}

// deleteClusters says how members leave, then that they leave.
func (u *uninstaller) deleteClusters(ctx context.Context) error {
	clusters, err := hostcluster.Clusters(ctx, u.client)
	if err != nil {
		return err
	}
	for i := range clusters {
		cluster := &clusters[i]
		before := cluster.DeepCopy()
		cluster.Spec.DeletionPolicy = v1alpha1.KeepObjects
		if u.remove {
			cluster.Spec.DeletionPolicy = v1alpha1.RemoveObjects
		}
		if u.force {
			metav1.SetMetaDataAnnotation(&cluster.ObjectMeta, v1alpha1.ForceDeleteAnnotation, "true")
		}
		if err := u.client.Patch(ctx, cluster, client.MergeFrom(before), fieldOwner); err != nil {
			return fmt.Errorf("saying how the Cluster %s leaves: %w", cluster.Name, err)
		}
		u.left = append(u.left, *cluster)
		if err := u.client.Delete(ctx, cluster, client.Preconditions{UID: &before.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting the Cluster %s: %w", cluster.Name, err)
		}
	}
	return nil
}

// awaitLeaving waits until the manager has seen that every Cluster leaves, and how. A binding that it saw deleted before that would
// take its objects along.
func (u *uninstaller) awaitLeaving(ctx context.Context) error {
	return u.until(ctx, func(ctx context.Context) (string, error) {
		clusters, err := hostcluster.Clusters(ctx, u.client)
		if err != nil {
			return "", err
		}
		var unseen []string
		for i := range clusters {
			if !leaving(&clusters[i]) {
				unseen = append(unseen, clusters[i].Name)
			}
		}
		if len(unseen) == 0 {
			return "", nil
		}
		return "no manager has seen that these Clusters leave yet (one must run): " + strings.Join(unseen, ", "), nil
	})
}

// leaving is true when a manager has said of the Cluster as it is now that it is being removed.
func leaving(cluster *v1alpha1.Cluster) bool {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Reason == v1alpha1.ReasonRemoving && ready.ObservedGeneration == cluster.Generation
}

func (u *uninstaller) deleteBindings(ctx context.Context) error {
	bindings, err := u.bindings(ctx)
	if err != nil {
		return err
	}
	for _, binding := range bindings {
		if err := client.IgnoreNotFound(u.client.Delete(ctx, binding)); err != nil {
			return fmt.Errorf("deleting the binding %s: %w", client.ObjectKeyFromObject(binding), err)
		}
	}
	return nil
}

// await waits until no Cluster and no binding is left. Bindings that a manager made while policies went are deleted, too.
func (u *uninstaller) await(ctx context.Context) error {
	return u.until(ctx, func(ctx context.Context) (string, error) {
		if err := u.deleteBindings(ctx); err != nil {
			return "", err
		}
		clusters, err := hostcluster.Clusters(ctx, u.client)
		if err != nil {
			return "", err
		}
		bindings, err := u.bindings(ctx)
		if err != nil {
			return "", err
		}
		return remains(clusters, len(bindings)), nil
	})
}

// remains says what uninstalling waits for; empty for nothing.
func remains(clusters []v1alpha1.Cluster, bindings int) string {
	var lines []string
	for i := range clusters {
		says := "is leaving"
		if ready := meta.FindStatusCondition(clusters[i].Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			says = ready.Message
		}
		lines = append(lines, "Cluster "+clusters[i].Name+": "+says)
	}
	if bindings > 0 {
		lines = append(lines, conditions.Count(bindings, "binding")+" left")
	}
	return strings.Join(lines, "; ")
}

// releaseNamespaces deletes the template namespaces, or leaves them to the host.
func (u *uninstaller) releaseNamespaces(ctx context.Context) error {
	if u.namespaces != templatesDelete {
		return nil
	}
	return u.until(ctx, func(ctx context.Context) (string, error) {
		namespaces, err := u.templateNamespaces(ctx)
		if err != nil {
			return "", err
		}
		var left []string
		for i := range namespaces {
			left = append(left, namespaces[i].Name)
			if err := client.IgnoreNotFound(u.client.Delete(ctx, &namespaces[i])); err != nil {
				return "", fmt.Errorf("deleting the namespace %s: %w", namespaces[i].Name, err)
			}
		}
		if len(left) == 0 {
			return "", nil
		}
		return conditions.Count(len(left), "template namespace") + " left: " + strings.Join(left, ", "), nil
	})
}

// until looks again and again until nothing is waited for, and says what is whenever that changes.
func (u *uninstaller) until(ctx context.Context, look func(context.Context) (string, error)) error {
	var last string
	err := wait.PollUntilContextCancel(ctx, u.poll, true, func(ctx context.Context) (bool, error) {
		waiting, err := look(ctx)
		if err != nil {
			return false, err
		}
		if waiting != "" && waiting != last {
			if err := u.say("waiting: " + waiting); err != nil {
				return false, err
			}
		}
		last = waiting
		return waiting == "", nil
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("not done after %s, run it again to go on: %s", u.timeout, last)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted, run it again to go on: %s", last)
	}
	return err
}

// leftBehind says what stays in members, one sentence each: in those that were given up, and in those that no manager ever knew.
func (u *uninstaller) leftBehind(ctx context.Context) []string {
	var lines []string
	var known []v1alpha1.Cluster
	for i := range u.left {
		if controllerutil.ContainsFinalizer(&u.left[i], v1alpha1.ClusterFinalizer) {
			known = append(known, u.left[i])
			continue
		}
		lines = append(lines, fmt.Sprintf("Member %s: no manager has ever looked at it; delete the ClusterRole %s in it, which takes Flotilla's account and rights along.",
			u.left[i].Name, memberaccess.Name))
	}
	patience := time.Duration(0)
	if u.force {
		patience = hostcluster.LeftBehindPatience
	}
	notes, err := hostcluster.LeftBehind(ctx, u.client, patience, known...)
	if err != nil {
		return append(lines, fmt.Sprintf("What stays in members that were given up is not known (%v).", err))
	}
	for i := range known {
		if note, ok := notes[known[i].UID]; ok {
			lines = append(lines, fmt.Sprintf("Member %s: %s.", known[i].Name, note))
		}
	}
	return lines
}
