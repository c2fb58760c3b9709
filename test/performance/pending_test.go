package performance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// pendingBindings is how many wait in TestFiveThousandPendingBindings; the members have room for 7,500 pods.
const pendingBindings = 5000

// Many templates wait for a cluster, and then a label lets all of them be decided. Meanwhile the members are out of reach,
// so that what is measured is decisions and writes on the host, and not what comes after them.
func TestFiveThousandPendingBindings(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	withoutControllers(t, fleet)
	selected := map[string]string{"pool": ns}
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", ""), builder.ByRoom(),
		builder.Placing(func(p *v1alpha1.Placement) { p.ClusterAffinity = builder.ClustersLabelled(selected) })))
	begin := time.Now()
	many(t, pendingBindings, func(ctx context.Context, i int) error {
		return fleet.Host.Client().Create(ctx, builder.Deployment(ns, name(i), builder.Paused()))
	})
	t.Logf("%d Deployments created in %s", pendingBindings, since(begin))
	counted(t, fleet, ns, "refused bindings", func(b *v1alpha1.ResourceBinding) bool {
		return len(b.Status.Conditions) > 0 && len(b.Spec.Clusters) == 0
	})
	t.Logf("all of them wait for a cluster after %s", since(begin))
	quiet(t, fleet, ns, begin)
	plain := plainWrites(t, fleet, ns)

	unreachable(t, fleet)
	before := requests(t, fleet)
	start := time.Now()
	for _, member := range fleet.Members {
		cluster := &v1alpha1.Cluster{}
		cluster.Name = member.Name
		expect.Change(t, fleet.Host, cluster, func(c *v1alpha1.Cluster) { c.Labels = selected })
	}
	counted(t, fleet, ns, "decided bindings", func(b *v1alpha1.ResourceBinding) bool { return len(b.Spec.Clusters) > 0 })
	decided := time.Since(start)
	for request, n := range requests(t, fleet).Since(before) {
		if n > pendingBindings/10 {
			t.Logf("the host answered %d x %s %s/%s %s", n, request.Verb, request.Resource, request.Subresource, request.Code)
		}
	}
	t.Logf("%d pending bindings decided and written in %s, %.0f a second; a plain client writes as many decisions in %s; ratio %.2f",
		pendingBindings, decided.Round(time.Millisecond), pendingBindings/decided.Seconds(), plain.Round(time.Millisecond), decided.Seconds()/plain.Seconds())
	decisionWrites(t, fleet, ns, start)
	cleared(t, fleet, ns)
}

// withoutControllers lets the host's own controllers rest for a test. They would try again and again to write the status
// of thousands of templates, and be refused: what that costs is none of what is measured.
func withoutControllers(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	const controllers = "host-controller-manager-0"
	if err := fleet.Kill(t.Context(), controllers); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fleet.Start(context.Background(), controllers); err != nil {
			t.Error(err)
		}
	})
}

func name(i int) string { return fmt.Sprintf("d%04d", i) }

func since(begin time.Time) time.Duration { return time.Since(begin).Round(time.Millisecond) }

// atOnce is how many requests a plain client has under way.
const atOnce = 16

func requests(t *testing.T, fleet *local.Fleet) local.RequestCounts {
	t.Helper()
	counts, err := fleet.Host.RequestCounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// unreachable cuts the network to the members for the rest of a test.
func unreachable(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	for _, member := range fleet.Members {
		if err := fleet.Cut(t.Context(), member.Name); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { reachable(t, fleet) })
}

func reachable(t *testing.T, fleet *local.Fleet) {
	t.Helper()
	for _, member := range fleet.Members {
		if err := fleet.Heal(context.WithoutCancel(t.Context()), member.Name); err != nil {
			t.Error(err)
		}
	}
}

// many does something n times, several at once.
func many(t *testing.T, n int, do func(ctx context.Context, i int) error) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// counted waits until all bindings of a namespace pass. It looks through a watch, so that looking costs little.
func counted(t *testing.T, fleet *local.Fleet, ns, what string, pass func(*v1alpha1.ResourceBinding) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), expect.Patience)
	defer cancel()
	passed := map[types.UID]bool{}
	for len(passed) < pendingBindings {
		// A server that is busy ends the watches of those who read slowly; a new one begins with all there is.
		w, err := fleet.Host.Client().Watch(ctx, &v1alpha1.ResourceBindingList{}, client.InNamespace(ns))
		if err != nil {
			t.Fatalf("%s: %d of %d: %v", what, len(passed), pendingBindings, err)
		}
		for e := range w.ResultChan() {
			if b, ok := e.Object.(*v1alpha1.ResourceBinding); ok && pass(b) {
				passed[b.UID] = true
			}
			if len(passed) == pendingBindings {
				w.Stop()
			}
		}
	}
}

// plainWrites measures a client that does nothing but write decisions, to objects of a kind with the schema of bindings
// that nobody watches.
func plainWrites(t *testing.T, fleet *local.Fleet, ns string) time.Duration {
	t.Helper()
	const objects = 500
	c := fleet.Host.Client()
	template := plainBinding(t, fleet, ns)
	plain := func(i int) *unstructured.Unstructured {
		u := template.DeepCopy()
		u.SetName(name(i % objects))
		return u
	}
	expect.Eventually(t, "the kind of the plain client", func(ctx context.Context) error {
		return client.IgnoreAlreadyExists(c.Create(ctx, plain(0)))
	})
	many(t, objects-1, func(ctx context.Context, i int) error { return c.Create(ctx, plain(i+1)) })
	begin := time.Now()
	many(t, pendingBindings, func(ctx context.Context, i int) error {
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.com/round":"%d"}},"spec":{"clusters":[{"name":"member%d","replicas":1}]}}`, i/objects, 1+i%3)
		return c.Patch(ctx, plain(i), client.RawPatch(types.MergePatchType, patch))
	})
	return time.Since(begin)
}

// plainBinding is a copy of a binding, of a kind of its own.
func plainBinding(t *testing.T, fleet *local.Fleet, ns string) *unstructured.Unstructured {
	t.Helper()
	c := fleet.Host.Client()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "resourcebindings." + v1alpha1.GroupVersion.Group}, crd); err != nil {
		t.Fatal(err)
	}
	copied := &apiextensionsv1.CustomResourceDefinition{Spec: crd.Spec}
	copied.Spec.Group = "plain.example.com"
	copied.Name = "resourcebindings." + copied.Spec.Group
	copied.Spec.Names.ShortNames, copied.Spec.Names.Categories = nil, nil
	expect.Create(t, fleet.Host, copied)
	t.Cleanup(func() {
		if err := c.Delete(context.Background(), copied); err != nil {
			t.Errorf("deleting the kind of the plain client: %v", err)
		}
	})
	binding := &unstructured.Unstructured{}
	binding.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(crd.Spec.Names.Kind))
	key := client.ObjectKeyFromObject(expect.Binding(builder.Deployment(ns, name(0))))
	if err := c.Get(t.Context(), key, binding); err != nil {
		t.Fatal(err)
	}
	plain := &unstructured.Unstructured{Object: map[string]any{"spec": binding.Object["spec"]}}
	plain.SetAPIVersion(copied.Spec.Group + "/" + v1alpha1.GroupVersion.Version)
	plain.SetKind(crd.Spec.Names.Kind)
	plain.SetNamespace(ns)
	return plain
}

// decisionWrites counts what the decisions cost on the host: one write of the spec of each binding, and no more.
func decisionWrites(t *testing.T, fleet *local.Fleet, ns string, start time.Time) {
	t.Helper()
	quiet(t, fleet, ns, start)
	writes, err := fleet.Host.Writes(start)
	if err != nil {
		t.Fatal(err)
	}
	specs, refused, statuses := 0, 0, 0
	for _, w := range writes {
		switch {
		case w.Namespace != ns || w.Resource != "resourcebindings" || !isFlotilla(w):
		case w.Code >= 300:
			refused++
		case w.Subresource == "status":
			statuses++
		default:
			specs++
		}
	}
	t.Logf("host writes: %d of specs, %d of statuses, %d refused as outdated", specs, statuses, refused)
	if specs != pendingBindings {
		t.Errorf("%d writes of the specs of %d bindings, want one each", specs, pendingBindings)
	}
}

// cleared deletes the templates and waits for the end of their bindings, so that the next test is alone.
func cleared(t *testing.T, fleet *local.Fleet, ns string) {
	t.Helper()
	begin := time.Now()
	if err := fleet.Host.Client().DeleteAllOf(t.Context(), &appsv1.Deployment{}, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	reachable(t, fleet)
	expect.Eventually(t, "the end of all bindings", func(ctx context.Context) error {
		var list v1alpha1.ResourceBindingList
		if err := fleet.Host.Client().List(ctx, &list, client.InNamespace(ns), client.Limit(1)); err != nil || len(list.Items) == 0 {
			return err
		}
		return fmt.Errorf("%s is left", list.Items[0].Name)
	})
	t.Logf("all of them removed in %s", since(begin))
	for _, member := range fleet.Members {
		cluster := &v1alpha1.Cluster{}
		cluster.Name = member.Name
		expect.Change(t, fleet.Host, cluster, func(c *v1alpha1.Cluster) { delete(c.Labels, "pool") })
	}
}
