package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
)

// fieldOwner is the plugin's field manager on the host.
const fieldOwner = client.FieldOwner("kubectl-flotilla")

// undoTimeout bounds taking back what was created; stepTimeout what waits in the member.
const (
	probeTimeout = 15 * time.Second
	undoTimeout  = 15 * time.Second
	stepTimeout  = time.Minute
)

// joining is one cluster on its way to become a member.
type joining struct {
	request joinRequest
	host    client.Client
	member  client.Client
	probe   func(ctx context.Context, config *rest.Config) (memberprobe.Identity, error)
	out     io.Writer

	// Found out by check.
	hostUID string
	id      string
	known   *v1alpha1.Cluster

	// undo takes back what was created, in the order of creation.
	undo []step
}

// step is something to do, with words for it.
type step struct {
	what string
	do   func(ctx context.Context) error
}

// probe asks the cluster that joins who it is.
func probe(ctx context.Context, config *rest.Config) (memberprobe.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	visit, err := memberprobe.Open(config)
	if err != nil {
		return memberprobe.Identity{}, err
	}
	defer visit.Close()
	return visit.Probe(ctx)
}

// check finds out, before anything is written, whether the cluster may join.
func (j *joining) check(ctx context.Context) error {
	clusters, err := hostcluster.Clusters(ctx, j.host)
	if err != nil {
		return err
	}
	var system corev1.Namespace
	if err := j.host.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system); err != nil {
		return fmt.Errorf("finding out the identity of the host cluster: %w", err)
	}
	j.hostUID = string(system.UID)
	identity, err := j.probe(ctx, j.request.member)
	if err != nil {
		return refuseUnusable(j.request.member.Host, err)
	}
	j.id = identity.ID
	if err := refuseIdentity(j.request.name, j.id, j.hostUID, clusters); err != nil {
		return err
	}
	if at := slices.IndexFunc(clusters, func(c v1alpha1.Cluster) bool { return c.Name == j.request.name }); at >= 0 {
		j.known = &clusters[at]
	}
	rights := needed
	if j.request.replaces != "" {
		rights = slices.Concat(needed, neededToReplace)
	}
	return refuseWithoutRights(ctx, j.member, rights)
}

// describe says what join would create.
func (j *joining) describe() {
	j.say("would create in the member %s: namespace %s, ServiceAccount %s and its rights (%s)",
		j.request.member.Host, v1alpha1.SystemNamespace, memberaccess.Name, j.request.permissions)
	j.say("would create on the host: namespace %s with the Secret %s, Cluster %s",
		v1alpha1.ExecutionNamespace(j.request.name), v1alpha1.CredentialsSecretName, j.request.name)
}

// join creates everything; when a step fails, what was created is taken back.
func (j *joining) join(ctx context.Context) error {
	var token memberaccess.Token
	steps := []step{
		{"giving Flotilla its account in the member", j.install},
		{"issuing a token", func(ctx context.Context) (err error) {
			token, err = memberaccess.RequestToken(ctx, j.member, memberaccess.TokenLifetime)
			return err
		}},
		{"creating the namespace " + v1alpha1.ExecutionNamespace(j.request.name) + " on the host", j.createNamespace},
		{"storing the credentials", func(ctx context.Context) error { return j.store(ctx, token) }},
		{"creating the Cluster", j.createCluster},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", s.what, explain(err)), j.takeBack(ctx))
		}
	}
	if j.known != nil {
		j.say("cluster %s had joined already: its rights and its token are renewed", j.request.name)
		return nil
	}
	j.say("cluster %s joined", j.request.name)
	return nil
}

func (j *joining) install(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	host := memberaccess.Host{UID: j.hostUID, Replaces: j.request.replaces}
	installed, err := memberaccess.Install(ctx, j.member, host, j.request.permissions)
	if installed.Replaced {
		j.say("this host takes the place of the host %s in the member: what that one could log in with is refused from now on", host.Replaces)
	}
	if installed.Created {
		j.undo = append(j.undo, step{"the account in the member (delete the ClusterRole " + memberaccess.Name + " there)",
			func(ctx context.Context) error { return memberaccess.Undo(ctx, j.member, installed) }})
	}
	return err
}

func (j *joining) createNamespace(ctx context.Context) error {
	name := v1alpha1.ExecutionNamespace(j.request.name)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.ClusterLabel: j.request.name}}}
	err := j.host.Create(ctx, namespace, fieldOwner)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("creating the namespace %s: %w", name, err)
	}
	j.undo = append(j.undo, step{"the namespace " + name + " on the host", func(ctx context.Context) error {
		return client.IgnoreNotFound(j.host.Delete(ctx, namespace, client.Preconditions{UID: &namespace.UID}))
	}})
	return nil
}

func (j *joining) store(ctx context.Context, token memberaccess.Token) error {
	namespace := v1alpha1.ExecutionNamespace(j.request.name)
	secret := applycorev1.Secret(v1alpha1.CredentialsSecretName, namespace).
		WithAnnotations(map[string]string{v1alpha1.TokenExpiryAnnotation: token.Expires.UTC().Format(time.RFC3339)}).
		WithType(corev1.SecretTypeOpaque).
		WithData(map[string][]byte{v1alpha1.TokenKey: []byte(token.Value), v1alpha1.CABundleKey: j.request.caBundle})
	if err := j.host.Apply(ctx, secret, fieldOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("applying the Secret %s/%s: %w", namespace, v1alpha1.CredentialsSecretName, err)
	}
	// A kubeconfig that somebody else put there would win over the token.
	stored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.CredentialsSecretName}}
	withoutKubeconfig := fmt.Appendf(nil, `{"data":{%q:null}}`, v1alpha1.KubeconfigKey)
	if err := j.host.Patch(ctx, stored, client.RawPatch(types.MergePatchType, withoutKubeconfig), fieldOwner); err != nil {
		return fmt.Errorf("taking the kubeconfig out of the Secret %s/%s: %w", namespace, v1alpha1.CredentialsSecretName, err)
	}
	return nil
}

// createCluster creates the Cluster, or changes a known one to what is asked for. It is the last step: the
// manager finds everything in place.
func (j *joining) createCluster(ctx context.Context) error {
	want := j.request.cluster(j.id)
	if j.known == nil {
		if err := j.host.Create(ctx, want, fieldOwner); err != nil {
			return fmt.Errorf("creating the Cluster %s: %w", want.Name, err)
		}
		return nil
	}
	changed := j.known.DeepCopy()
	update(&changed.Spec, want.Spec)
	if changed.Labels == nil {
		changed.Labels = map[string]string{}
	}
	maps.Copy(changed.Labels, want.Labels)
	patch := client.MergeFromWithOptions(j.known, client.MergeFromWithOptimisticLock{})
	if err := j.host.Patch(ctx, changed, patch, fieldOwner); err != nil {
		return fmt.Errorf("changing the Cluster %s: %w", want.Name, err)
	}
	return nil
}

// update takes over what reaching the member needs, and of the rest what the user said this time.
func update(spec *v1alpha1.ClusterSpec, want v1alpha1.ClusterSpec) {
	spec.ID, spec.APIEndpoint, spec.SecretRef = want.ID, want.APIEndpoint, want.SecretRef
	spec.ProxyURL, spec.InsecureSkipTLSVerification = want.ProxyURL, want.InsecureSkipTLSVerification
	if want.Provider != "" {
		spec.Provider = want.Provider
	}
	if want.Region != "" {
		spec.Region = want.Region
	}
	if len(want.Zones) > 0 {
		spec.Zones = want.Zones
	}
}

// takeBack removes what this run created, the newest first; its error names what could not be removed.
func (j *joining) takeBack(ctx context.Context) error {
	// Also after an interrupt.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var failed []error
	for _, s := range slices.Backward(j.undo) {
		if err := s.do(ctx); err != nil {
			failed = append(failed, fmt.Errorf("still there: %s: %w", s.what, err))
		}
	}
	if len(j.undo) > 0 && len(failed) == 0 {
		j.say("what was created is taken back; the same command may be run again")
	}
	return errors.Join(failed...)
}

func (j *joining) say(format string, args ...any) {
	_, _ = fmt.Fprintf(j.out, format+"\n", args...)
}
