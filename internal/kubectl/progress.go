package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// pollInterval is how often the plugin looks how far the manager is.
const pollInterval = 500 * time.Millisecond

// progress tells a person what a Cluster's condition Ready says, whenever it says something new.
type progress struct {
	out  io.Writer
	last metav1.Condition
	// unseen is true when it has been said that no manager has looked at the Cluster yet.
	unseen bool
}

func (p *progress) show(cluster *v1alpha1.Cluster) *metav1.Condition {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		if !p.unseen {
			_, _ = fmt.Fprintf(p.out, "cluster %s: waiting for a manager to look at it\n", cluster.Name)
		}
		p.unseen = true
		return nil
	}
	if ready.Reason != p.last.Reason || ready.Message != p.last.Message {
		_, _ = fmt.Fprintf(p.out, "cluster %s: %s: %s\n", cluster.Name, ready.Reason, ready.Message)
	}
	p.last = *ready
	return ready
}

// waitReady watches a member until the manager finds it Ready.
func waitReady(ctx context.Context, c client.Reader, name string, timeout time.Duration, out io.Writer) error {
	p := progress{out: out}
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		var cluster v1alpha1.Cluster
		if err := c.Get(ctx, client.ObjectKey{Name: name}, &cluster); err != nil {
			return false, fmt.Errorf("reading the Cluster %s: %w", name, err)
		}
		ready := p.show(&cluster)
		return ready != nil && ready.Status == metav1.ConditionTrue, nil
	})
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: cluster %s joined, and the manager goes on: kubectl get cluster %s", name, name)
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	case p.last.Reason == "":
		return fmt.Errorf("cluster %s joined, but no manager has looked at it within %s: is it running? kubectl get deployments -A -l %s=%s", name, timeout, v1alpha1.PartOfLabel, v1alpha1.PartOfFlotilla)
	}
	return fmt.Errorf("cluster %s joined, but is not Ready after %s: %s: %s", name, timeout, p.last.Reason, p.last.Message)
}

// waitGone watches a Cluster until it has left.
func waitGone(ctx context.Context, c client.Reader, cluster *v1alpha1.Cluster, timeout time.Duration, out io.Writer) error {
	p := progress{out: out}
	uid := cluster.UID
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		gone, current, err := isGone(ctx, c, cluster.Name, uid)
		if err != nil || gone {
			return gone, err
		}
		if !current.DeletionTimestamp.IsZero() {
			p.showRemoval(current)
		}
		return false, nil
	})
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: cluster %s goes on leaving", cluster.Name)
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	case p.last.Reason == "":
		return fmt.Errorf("no manager has seen within %s that cluster %s leaves: is one running? kubectl get deployments -A -l %s=%s", timeout, cluster.Name, v1alpha1.PartOfLabel, v1alpha1.PartOfFlotilla)
	}
	return fmt.Errorf("cluster %s has not left after %s and goes on leaving: %s", cluster.Name, timeout, p.last.Message)
}

// showRemoval shows what the removal says, not what was said of the member before.
func (p *progress) showRemoval(cluster *v1alpha1.Cluster) {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	if ready != nil && ready.Reason == v1alpha1.ReasonRemoving {
		p.show(cluster)
	}
}

func isGone(ctx context.Context, c client.Reader, name string, uid types.UID) (bool, *v1alpha1.Cluster, error) {
	var current v1alpha1.Cluster
	err := c.Get(ctx, client.ObjectKey{Name: name}, &current)
	if apierrors.IsNotFound(err) {
		return true, nil, nil
	}
	if err != nil {
		return false, nil, fmt.Errorf("reading the Cluster %s: %w", name, err)
	}
	return current.UID != uid, &current, nil
}
