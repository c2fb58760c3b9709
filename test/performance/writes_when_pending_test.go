package performance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// pendingBindings is how many wait in TestManyPendingBindings; the members have room for 7,500 pods.
var pendingBindings = atScale(5000, 1500)

// Many templates wait for a cluster, and then a label lets all of them be decided. Meanwhile the members are out of reach,
// so that what is measured is decisions and writes on the host, and not what comes after them. It is the last test of
// the package, because it leaves its templates to the end of the fleet.
func TestManyPendingBindings(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	withoutControllers(t, fleet)
	selected := map[string]string{"pool": ns}
	expect.Create(t, fleet.Host, builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", ""), builder.ByRoom(),
		builder.Placing(func(p *v1alpha1.Placement) { p.ClusterAffinity = builder.ClustersLabelled(selected) }), toUnreachable()))
	begin, before := time.Now(), requests(t, fleet)
	many(t, pendingBindings, func(ctx context.Context, i int) error {
		return fleet.Host.Client().Create(ctx, builder.Deployment(ns, name(i), builder.Paused()))
	})
	t.Logf("%d Deployments created in %s", pendingBindings, since(begin))
	answered(t, fleet, before, local.Request{Verb: "APPLY", Resource: "resourcebindings", Subresource: "status", Code: "200"})
	t.Logf("all of them wait for a cluster after %s", since(begin))
	plain := plainWrites(t, fleet, ns)
	quiet(t, fleet, ns, begin)

	unreachable(t, fleet)
	start, before := time.Now(), requests(t, fleet)
	for _, member := range fleet.Members {
		cluster := &v1alpha1.Cluster{}
		cluster.Name = member.Name
		expect.Change(t, fleet.Host, cluster, func(c *v1alpha1.Cluster) { c.Labels = selected })
	}
	answered(t, fleet, before, local.Request{Verb: "PATCH", Resource: "resourcebindings", Code: "200"})
	allDecided(t, fleet, ns)
	decided := decisionWrites(t, fleet, ns, start)
	t.Logf("%d pending bindings decided and written in %s, %.0f a second; a plain client writes as many decisions in %s; ratio %.2f",
		pendingBindings, decided.Round(time.Millisecond), float64(pendingBindings)/decided.Seconds(), plain.Round(time.Millisecond), decided.Seconds()/plain.Seconds())
}

// toUnreachable lets a policy place what it selects in clusters that are found to be out of reach: they are, in this test,
// and whether the host has told of it before the last decision depends on how fast the machine is.
func toUnreachable() builder.PolicyOption {
	return builder.Placing(func(p *v1alpha1.Placement) {
		p.ClusterTolerations = []corev1.Toleration{{Key: v1alpha1.UnreachableTaint, Operator: corev1.TolerationOpExists}}
	})
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
	t.Cleanup(func() {
		for _, member := range fleet.Members {
			if err := fleet.Heal(context.Background(), member.Name); err != nil {
				t.Error(err)
			}
		}
	})
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

// answered waits until the host has answered as many requests of a kind as there are bindings. It looks at the host's own
// counters: thousands of objects that are read again and again would be more work than what is measured.
func answered(t *testing.T, fleet *local.Fleet, before local.RequestCounts, request local.Request) {
	t.Helper()
	request.Group = v1alpha1.GroupVersion.Group
	const interval, patience = 500 * time.Millisecond, 5 * time.Minute
	n := 0
	err := wait.PollUntilContextTimeout(t.Context(), interval, patience, true, func(context.Context) (bool, error) {
		n = requests(t, fleet).Since(before)[request]
		return n >= pendingBindings, nil
	})
	if err != nil {
		t.Fatalf("%d of %d requests %+v: %v", n, pendingBindings, request, err)
	}
}

// allDecided makes sure that each binding has a cluster for its replica. It looks at the spec alone: decisions go ahead of
// the status that tells of them.
func allDecided(t *testing.T, fleet *local.Fleet, ns string) {
	t.Helper()
	decided := 0
	var list v1alpha1.ResourceBindingList
	for page := ""; ; page = list.Continue {
		if err := fleet.Host.Client().List(t.Context(), &list, client.InNamespace(ns), client.Limit(500), client.Continue(page)); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			if clusters := list.Items[i].Spec.Clusters; len(clusters) == 1 && ptr.Deref(clusters[0].Replicas, 0) == 1 {
				decided++
			}
		}
		if list.Continue == "" {
			break
		}
	}
	if decided != pendingBindings {
		t.Errorf("%d bindings have a cluster, want %d", decided, pendingBindings)
	}
}

// plainGroup is of the kind that a plain client writes.
const plainGroup = "plain.example.com"

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
	copied.Spec.Group = plainGroup
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

// decisionWrites counts what the decisions cost on the host, one write of the spec of each binding and no more, and
// says when the last of these was.
func decisionWrites(t *testing.T, fleet *local.Fleet, ns string, start time.Time) time.Duration {
	t.Helper()
	writes, err := fleet.Host.Writes(start)
	if err != nil {
		t.Fatal(err)
	}
	specs, refused, statuses, templates := 0, 0, 0, 0
	last := start
	for _, w := range writes {
		switch {
		case w.Namespace != ns || w.Group == plainGroup || !isFlotilla(w):
		case w.Code >= 300:
			refused++
		case w.Resource == "deployments":
			templates++
		case w.Resource == "resourcebindings" && w.Subresource == "status":
			statuses++
		case w.Resource == "resourcebindings":
			specs++
			last = w.Time
		}
	}
	t.Logf("host writes until then: %d of bindings' specs, %d of their statuses, %d of templates' statuses, %d refused as outdated", specs, statuses, templates, refused)
	if specs != pendingBindings {
		t.Errorf("%d writes of the specs of %d bindings, want one each", specs, pendingBindings)
	}
	return last.Sub(start)
}
