package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/capacity"
	"github.com/flotilla-dev/flotilla/internal/health"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/objectpatch"
)

// look asks a member how it is, and connects it when it may be used. Errors are the host's; what is wrong
// with the member is in the sighting.
func (r *Reconciler) look(ctx context.Context, cluster *v1alpha1.Cluster) (sighting, error) {
	if cluster.Spec.SyncMode == v1alpha1.Pull {
		r.options.Connections.Disconnect(cluster.Name)
		return sighting{fault: &memberprobe.ReasonedError{Reason: v1alpha1.ReasonSyncModeNotSupported,
			Message: "syncMode Pull has no effect in this version: unjoin the cluster and join it with Push"}}, nil
	}
	config, secret, err := r.grantedCredentials(ctx, cluster)
	var fault *memberprobe.ReasonedError
	if errors.As(err, &fault) && fault.Reason == v1alpha1.ReasonCredentialsMissing { // the namespace is where its user puts them
		if err := r.ensureNamespace(ctx, cluster.Name); err != nil {
			return sighting{}, err
		}
	}
	if err != nil {
		return r.fault(cluster, err)
	}
	visit, err := memberprobe.Open(config)
	if err != nil {
		return r.fault(cluster, err)
	}
	defer visit.Close()
	begun := r.options.Clock.Now()
	identity, err := r.probe(ctx, visit)
	probeSeconds.WithLabelValues(cluster.Name).Set(r.options.Clock.Since(begun).Seconds())
	if err != nil {
		return r.fault(cluster, err)
	}
	if err := r.claim(ctx, cluster, identity.ID); err != nil {
		return r.fault(cluster, err)
	}
	if err := r.options.Connections.Connect(cluster.Name, r.connection(cluster, config)); err != nil {
		return sighting{}, err
	}
	r.renew(ctx, cluster, config, secret)
	return sighting{identity: identity, collected: r.collect(ctx, cluster, visit)}, nil
}

// fault makes a sighting of what is wrong with a member. One that may not be used any more is disconnected;
// one that is silent, or refuses us for now, stays connected, so that work goes on when it comes back.
func (r *Reconciler) fault(cluster *v1alpha1.Cluster, err error) (sighting, error) {
	var fault *memberprobe.ReasonedError
	if !errors.As(err, &fault) {
		return sighting{}, err
	}
	if !health.MayPass(fault.Reason) {
		r.options.Connections.Disconnect(cluster.Name)
	}
	return sighting{fault: fault}, nil
}

// credentials reads a member's credentials Secret, nil when there is none, and makes its connection.
func (r *Reconciler) credentials(ctx context.Context, cluster *v1alpha1.Cluster) (*rest.Config, *corev1.Secret, error) {
	namespace, name := memberprobe.SecretKey(cluster)
	secret := &corev1.Secret{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
	if apierrors.IsForbidden(err) && r.lacksNamespace(ctx, cluster.Name) {
		secret = nil // the right to read it goes with the namespace
	} else if apierrors.IsNotFound(err) {
		secret = nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("reading the Secret %s/%s: %w", namespace, name, err)
	}
	showCredentials(cluster.Name, secret)
	config, err := memberprobe.RESTConfig(cluster, secret)
	if err == nil && r.options.Wrap != nil {
		config.Wrap(r.options.Wrap)
	}
	return config, secret, err
}

// grantedCredentials reads them after taking the right to, where that is missing: the RoleBinding is gone, or names the account of
// another installation.
func (r *Reconciler) grantedCredentials(ctx context.Context, cluster *v1alpha1.Cluster) (*rest.Config, *corev1.Secret, error) {
	config, secret, err := r.credentials(ctx, cluster)
	if !apierrors.IsForbidden(err) {
		return config, secret, err
	}
	if err := r.grant(ctx, cluster.Name); err != nil {
		return nil, nil, err
	}
	return r.credentials(ctx, cluster)
}

// lacksNamespace is true when the execution namespace is not there, or goes.
func (r *Reconciler) lacksNamespace(ctx context.Context, cluster string) bool {
	namespace, err := r.executionNamespace(ctx, cluster)
	return err == nil && (namespace == nil || !namespace.DeletionTimestamp.IsZero())
}

func (r *Reconciler) probe(ctx context.Context, visit *memberprobe.Visit) (memberprobe.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timings.ProbeTimeout)
	defer cancel()
	return visit.Probe(ctx)
}

// claim checks that a member is the one that this Cluster stands for, and nobody else's. A Cluster without
// an id takes the member's. Refusals are of type *memberprobe.ReasonedError.
func (r *Reconciler) claim(ctx context.Context, cluster *v1alpha1.Cluster, id string) error {
	var clusters v1alpha1.ClusterList
	if cluster.Spec.ID != "" {
		if err := r.client.List(ctx, &clusters); err != nil {
			return fmt.Errorf("listing Clusters: %w", err)
		}
		return refusal(cluster, clusters.Items, id, r.options.HostUID)
	}
	r.claims.Lock()
	defer r.claims.Unlock()
	if err := r.live.List(ctx, &clusters); err != nil {
		return fmt.Errorf("listing Clusters: %w", err)
	}
	if err := refusal(cluster, clusters.Items, id, r.options.HostUID); err != nil {
		return err
	}
	before := cluster.DeepCopy()
	cluster.Spec.ID = id
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, cluster, patch, client.FieldOwner(objectpatch.ClusterOwner)); err != nil {
		return fmt.Errorf("setting the id of Cluster %s: %w", cluster.Name, err)
	}
	return nil
}

// collect looks at the member's APIs and capacity when it is time to; nil when it is not.
func (r *Reconciler) collect(ctx context.Context, cluster *v1alpha1.Cluster, visit *memberprobe.Visit) *collection {
	now := r.options.Clock.Now()
	if last, known := r.collected.Load(cluster.UID); known {
		if at, ok := last.(int64); ok && now.UnixNano()-at < int64(r.options.Timings.CollectInterval) {
			return nil
		}
	}
	r.collected.Store(cluster.UID, now.UnixNano())
	ctx, cancel := context.WithTimeout(ctx, r.options.Timings.CollectTimeout)
	defer cancel()
	var c collection
	if discovery, err := visit.Discover(ctx); err != nil {
		c.discoveryErr = err
	} else {
		c.discovery = &discovery
	}
	if summary, err := visit.Summarize(ctx, r.models(cluster)); err != nil {
		c.summaryErr = err
	} else {
		c.summary = &summary
	}
	return &c
}

// models are what the nodes of a member are graded by; none where its room is not told by a summary.
func (r *Reconciler) models(cluster *v1alpha1.Cluster) []v1alpha1.ResourceModel {
	if cluster.Spec.CapacityFrom(r.options.Capacity) != v1alpha1.CapacitySummary {
		return nil
	}
	return capacity.Models(cluster.Spec.ResourceModels)
}

// connection is how execution reaches a member, and how its room is found out.
func (r *Reconciler) connection(cluster *v1alpha1.Cluster, config *rest.Config) membercluster.Connection {
	return membercluster.Connection{
		Config: config, Via: fmt.Sprint(proxyOf(config), cluster.Spec.ProxyHeader),
		Nodes: cluster.Spec.CapacityFrom(r.options.Capacity) == v1alpha1.CapacityNodes,
	}
}

// proxyOf is the proxy on the way to a member, whether the Cluster or its kubeconfig names it; empty for none.
func proxyOf(config *rest.Config) string {
	endpoint, err := url.Parse(config.Host)
	if err != nil || config.Proxy == nil {
		return ""
	}
	proxy, err := config.Proxy(&http.Request{URL: endpoint})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.String()
}
