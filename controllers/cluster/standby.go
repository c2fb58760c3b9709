package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/specchange"
	"github.com/flotilla-dev/flotilla/internal/telemetry"
)

const standbyName = "cluster-standby"

// standby connects a manager that does not lead to the members, so that it knows what they hold when it takes over.
type standby struct {
	*Reconciler
	leads func() bool
}

func setupStandby(mgr ctrl.Manager, r *Reconciler) error {
	s := &standby{Reconciler: r, leads: func() bool {
		select {
		case <-mgr.Elected():
			return true
		default:
			return false
		}
	}}
	err := ctrl.NewControllerManagedBy(mgr).Named(standbyName).
		For(&v1alpha1.Cluster{}, builder.WithPredicates(specchange.Predicate())).
		WithOptions(controller.Options{NeedLeaderElection: ptr.To(false), MaxConcurrentReconciles: r.options.Workers}).
		Complete(s)
	if err != nil {
		return fmt.Errorf("setting up the controller %s: %w", standbyName, err)
	}
	return nil
}

// Reconcile connects one member, and comes back for credentials that were renewed: they are Secrets, which nobody watches.
func (s *standby) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var cluster v1alpha1.Cluster
	err := s.client.Get(ctx, req.NamespacedName, &cluster)
	switch {
	case apierrors.IsNotFound(err): // on the leader, too: one that went before its own looks began is none that they know of
		telemetry.ForgetCluster(req.Name)
		s.options.Connections.Disconnect(req.Name)
		return ctrl.Result{}, nil
	case s.leads():
		return ctrl.Result{}, nil // the leader's own looks go on from here
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("reading Cluster %s: %w", req.Name, err)
	}
	again := s.options.Timings.CollectInterval
	if fault, err := s.follow(ctx, &cluster); err != nil {
		return ctrl.Result{}, err
	} else if fault {
		again = s.options.Timings.ProbeInterval
	}
	return ctrl.Result{RequeueAfter: wait.Jitter(again, jitter)}, nil
}

// follow connects a member that a leader has found to be the one that joined, after checking that it still is. A fault is the
// member's: one that does not answer stays connected, or is tried again.
func (s *standby) follow(ctx context.Context, cluster *v1alpha1.Cluster) (fault bool, err error) {
	if cluster.Spec.SyncMode == v1alpha1.Pull || cluster.Spec.ID == "" {
		s.options.Connections.Disconnect(cluster.Name)
		return false, nil
	}
	err = s.connect(ctx, cluster)
	if err == nil {
		return false, nil
	}
	_, err = s.fault(cluster, err)
	return err == nil, err
}

func (s *standby) connect(ctx context.Context, cluster *v1alpha1.Cluster) error {
	config, _, err := s.credentials(ctx, cluster)
	if err != nil {
		return err
	}
	visit, err := memberprobe.Open(config)
	if err != nil {
		return err
	}
	defer visit.Close()
	identity, err := s.probe(ctx, visit)
	if err != nil {
		return err
	}
	if err := s.claim(ctx, cluster, identity.ID); err != nil {
		return err
	}
	if s.leads() {
		return nil // the leader's own looks know better by now
	}
	return s.options.Connections.Connect(cluster.Name, s.connection(cluster, config))
}
