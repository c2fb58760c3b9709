package tainting

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

// bed is a host with Clusters, and a changer that writes there.
func bed(calls interceptor.Funcs, objects ...client.Object) (*changer, *bytes.Buffer) {
	objects = append(objects,
		&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "berlin", Labels: map[string]string{"tier": "gold"}}},
		&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "athens"}, Spec: v1alpha1.ClusterSpec{Taints: []corev1.Taint{
			taint("a", "", noSchedule, nil), {Key: v1alpha1.UnschedulableTaint, Effect: noSchedule},
		}}})
	host := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(objects...).WithInterceptorFuncs(calls).Build()
	out := &bytes.Buffer{}
	return &changer{host: host, clock: clocktesting.NewFakePassiveClock(now), out: out, choice: choice{dryRun: "none"}}, out
}

func (c *changer) taintsOf(t *testing.T, name string) []corev1.Taint {
	t.Helper()
	var cluster v1alpha1.Cluster
	if err := c.host.Get(t.Context(), client.ObjectKey{Name: name}, &cluster); err != nil {
		t.Fatal(err)
	}
	return cluster.Spec.Taints
}

func words(did result) string { return string(did) }

func TestTheChosenClustersAreChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		choose func(*choice)
		names  []string
		want   string
		err    string
	}{
		"by name":                     {nil, []string{"berlin"}, "cluster.flotilla.dev/berlin tainted\n", ""},
		"by label":                    {func(o *choice) { o.selector = "tier=gold" }, nil, "cluster.flotilla.dev/berlin tainted\n", ""},
		"all, one of which has it":    {func(o *choice) { o.all = true }, nil, "cluster.flotilla.dev/athens unchanged\ncluster.flotilla.dev/berlin tainted\n", ""},
		"none":                        {nil, nil, "", "choose clusters in one way"},
		"in two ways":                 {func(o *choice) { o.all = true }, []string{"berlin"}, "", "choose clusters in one way"},
		"one that has not joined":     {nil, []string{"berlin", "rome"}, "", `no cluster has joined as "rome"; these have: athens, berlin`},
		"by a label that nobody has":  {func(o *choice) { o.selector = "tier=lead" }, nil, "", "no cluster is chosen"},
		"by what is no selector":      {func(o *choice) { o.selector = "=" }, nil, "", "reading --selector"},
		"in an unknown kind of dream": {func(o *choice) { o.dryRun = "maybe" }, []string{"berlin"}, "", "use none, client or server"},
	} {
		t.Run(name, func(t *testing.T) {
			c, out := bed(interceptor.Funcs{})
			if tc.choose != nil {
				tc.choose(&c.choice)
			}
			err := c.run(t.Context(), tc.names, edit{add: []corev1.Taint{taint("a", "", noSchedule, nil)}}, words)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error = %v, want %q", err, tc.err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATaintOfSomebodyElseThatCameMeanwhileStays(t *testing.T) {
	conflicts := 0
	c, _ := bed(interceptor.Funcs{Patch: func(ctx context.Context, host client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
		if conflicts++; conflicts > 1 {
			return host.Patch(ctx, obj, patch, opts...)
		}
		var other v1alpha1.Cluster
		if err := host.Get(ctx, client.ObjectKeyFromObject(obj), &other); err != nil {
			return err
		}
		other.Spec.Taints = append(other.Spec.Taints, taint("theirs", "", noSchedule, nil))
		if err := host.Update(ctx, &other); err != nil {
			return err
		}
		return apierrors.NewConflict(schema.GroupResource{Resource: "clusters"}, obj.GetName(), nil)
	}})
	if err := c.run(t.Context(), []string{"berlin"}, edit{add: []corev1.Taint{taint("ours", "", noSchedule, nil)}}, words); err != nil {
		t.Fatal(err)
	}
	local := metav1.NewTime(now.Local())
	want := []corev1.Taint{taint("theirs", "", noSchedule, nil), taint("ours", "", noSchedule, &local)}
	if diff := cmp.Diff(want, c.taintsOf(t, "berlin")); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	for mode, want := range map[string]string{
		"client": "cluster.flotilla.dev/berlin tainted (dry run)\n", "server": "cluster.flotilla.dev/berlin tainted (server dry run)\n",
	} {
		c, out := bed(interceptor.Funcs{})
		c.dryRun = mode
		if err := c.run(t.Context(), []string{"berlin"}, edit{add: []corev1.Taint{taint("x", "", noSchedule, nil)}}, words); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s: output (-want +got):\n%s", mode, diff)
		}
		if got := c.taintsOf(t, "berlin"); len(got) > 0 {
			t.Errorf("%s: taints %v, want none", mode, got)
		}
	}
}

// binding is the binding of a Deployment in a cluster.
func binding(name string, change func(*v1alpha1.ResourceBinding)) *v1alpha1.ResourceBinding {
	b := &v1alpha1.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: v1alpha1.BindingSpec{
			Resource:  v1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: name},
			Placement: &v1alpha1.Placement{}, Clusters: []v1alpha1.TargetCluster{{Name: "berlin"}},
		},
	}
	if change != nil {
		change(b)
	}
	return b
}

func fleetOfBindings() []v1alpha1.Binding {
	needed := func(owner string) func(*v1alpha1.ResourceBinding) {
		return func(b *v1alpha1.ResourceBinding) {
			b.Spec.Placement, b.Spec.Clusters = nil, nil
			b.Spec.RequiredBy = []v1alpha1.BindingSnapshot{{Namespace: "shop", Name: owner, Clusters: []v1alpha1.TargetCluster{{Name: "berlin"}}}}
		}
	}
	asked := func(b *v1alpha1.ResourceBinding) {
		b.Spec.GracefulEvictionTasks = []v1alpha1.GracefulEvictionTask{{FromCluster: "berlin"}}
	}
	return []v1alpha1.Binding{
		binding("agent", func(b *v1alpha1.ResourceBinding) {
			b.Spec.Placement.ClusterTolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}),
		binding("agent-config", needed("agent")),
		binding("api", asked),
		binding("api-config", needed("api")),
		binding("full", func(b *v1alpha1.ResourceBinding) {
			asked(b)
			b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionScheduled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonLeaving, Message: "3 replicas find no room"}}
		}),
		binding("slow", func(b *v1alpha1.ResourceBinding) {
			b.Spec.Clusters[0].Name = "athens"
			b.Spec.Retained = []v1alpha1.RetainedCluster{{Name: "berlin"}}
			b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionMoving, Status: metav1.ConditionTrue, Message: "1 of 2 replicas are ready"}}
		}),
		binding("web", func(b *v1alpha1.ResourceBinding) {
			b.Spec.Placement.ClusterTolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists, TolerationSeconds: new(int64(60))}}
		}),
		binding("report", func(b *v1alpha1.ResourceBinding) {
			b.Spec.Resource.APIVersion, b.Spec.Resource.Kind = "batch/v1", "Job"
			b.Status.AggregatedStatus = []v1alpha1.AggregatedStatusItem{{
				ClusterName: "berlin", Status: &runtime.RawExtension{Raw: []byte(`{"conditions":[{"type":"Complete","status":"True"}]}`)},
			}}
		}),
		binding("elsewhere", func(b *v1alpha1.ResourceBinding) { b.Spec.Clusters[0].Name = "athens" }),
	}
}

func TestWhatIsLeftSaysWhatItWaitsFor(t *testing.T) {
	want := standing{
		left: map[string]string{
			"Deployment.apps shop/api":        "has been asked to leave",
			"Deployment.apps shop/api-config": "leaves after the templates that need it",
			"Deployment.apps shop/full":       "no other cluster takes it: Leaving: 3 replicas find no room",
			"Deployment.apps shop/slow":       "1 of 2 replicas are ready",
			"Deployment.apps shop/web":        "has not been asked to leave yet",
		},
		moving: 1,
		stays:  []string{"Deployment.apps shop/agent", "Deployment.apps shop/agent-config", "Job.batch shop/report"},
	}
	if diff := cmp.Diff(want, look(fleetOfBindings(), "berlin"), cmp.AllowUnexported(standing{})); diff != "" {
		t.Errorf("look() (-want +got):\n%s", diff)
	}
}

// leaving is a host from which web has gone when a drain looks for the second time.
func leaving() interceptor.Funcs {
	lists := 0
	return interceptor.Funcs{List: func(ctx context.Context, host client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if _, ok := list.(*v1alpha1.ResourceBindingList); ok {
			if lists++; lists == 2 {
				if err := host.Delete(ctx, binding("web", nil)); err != nil {
					return err
				}
			}
		}
		return host.List(ctx, list, opts...)
	}}
}

func TestADrainEndsWhenTheClusterIsEmpty(t *testing.T) {
	c, out := bed(leaving(), binding("web", nil))
	d := drainer{changer: c, wait: true, poll: time.Millisecond}
	if err := d.run(t.Context(), []string{"berlin"}); err != nil {
		t.Fatal(err)
	}
	want := "cluster.flotilla.dev/berlin cordoned\nberlin: 1 template left, 0 of them on the way\n" +
		"Deployment.apps shop/web moved from berlin\ncluster.flotilla.dev/berlin drained\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	at := metav1.NewTime(now.Local())
	taints := []corev1.Taint{{Key: v1alpha1.UnschedulableTaint, Effect: noSchedule, TimeAdded: &at}, {Key: v1alpha1.DrainTaint, Effect: noExecute, TimeAdded: &at}}
	if diff := cmp.Diff(taints, c.taintsOf(t, "berlin")); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
}

func TestADrainOfALostClusterSaysThatItsCopiesStay(t *testing.T) {
	lost := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "rome"}}
	lost.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonMemberUnreachable}}
	web := binding("web", nil)
	web.Spec.Clusters[0].Name = "rome"
	c, out := bed(leaving(), lost, web)
	d := drainer{changer: c, wait: true, poll: time.Millisecond}
	if err := d.run(t.Context(), []string{"rome"}); err != nil {
		t.Fatal(err)
	}
	want := "cluster.flotilla.dev/rome cordoned\nrome is not Ready (MemberUnreachable): its copies are removed when it answers again\n" +
		"rome: 1 template left, 0 of them on the way\n" +
		"Deployment.apps shop/web has its replicas elsewhere now, no longer in rome\ncluster.flotilla.dev/rome drained\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestADrainThatTakesTooLongSaysWhatIsLeft(t *testing.T) {
	c, _ := bed(interceptor.Funcs{}, binding("web", nil))
	d := drainer{changer: c, wait: true, poll: time.Millisecond, timeout: 50 * time.Millisecond}
	err := d.run(t.Context(), []string{"berlin"})
	want := "not drained after 50ms; the manager goes on with it. To end it, run: kubectl flotilla uncordon berlin\nStill there:\n" +
		"  berlin: Deployment.apps shop/web: has not been asked to leave yet"
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
}

func TestADrainThatIsNoLongerWatchedGoesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(inner context.Context, host client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if _, ok := list.(*v1alpha1.ClusterResourceBindingList); ok {
			defer cancel()
		}
		return host.List(inner, list, opts...)
	}
	c, _ := bed(interceptor.Funcs{List: stop}, binding("web", nil))
	d := drainer{changer: c, wait: true, poll: time.Millisecond}
	err := d.run(ctx, []string{"berlin"})
	if err == nil || !strings.Contains(err.Error(), "the manager goes on with the drain of berlin") {
		t.Errorf("error = %v", err)
	}
	if got := c.taintsOf(t, "berlin"); len(got) != 2 {
		t.Errorf("taints %v, want two", got)
	}
}

func TestADryDrainNamesWhatItWouldMove(t *testing.T) {
	objects := make([]client.Object, 0, 8)
	for _, b := range fleetOfBindings() {
		objects = append(objects, b)
	}
	c, out := bed(interceptor.Funcs{}, objects...)
	c.dryRun = "client"
	d := drainer{changer: c, wait: true, poll: time.Millisecond}
	if err := d.run(t.Context(), []string{"berlin"}); err != nil {
		t.Fatal(err)
	}
	want := `cluster.flotilla.dev/berlin cordoned (dry run)
Deployment.apps shop/api would be moved from berlin (dry run)
Deployment.apps shop/api-config would be moved from berlin (dry run)
Deployment.apps shop/full would be moved from berlin (dry run)
Deployment.apps shop/slow would be moved from berlin (dry run)
Deployment.apps shop/web would be moved from berlin (dry run)
berlin keeps what tolerates the taint or has ended, and what that needs: Deployment.apps shop/agent, Deployment.apps shop/agent-config, Job.batch shop/report
cluster.flotilla.dev/berlin drained (dry run)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if got := c.taintsOf(t, "berlin"); len(got) > 0 {
		t.Errorf("taints %v, want none", got)
	}
}
