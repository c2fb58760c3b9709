package uninstalling

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
)

const timeout = 5 * time.Second

// managed is a host on which a manager does what it does about Clusters: it says that one leaves when it is deleted, and lets it go
// when no binding is left. calls are the writes of the command, in order.
func managed(t *testing.T, calls *[]string, objects ...client.Object) client.Client {
	t.Helper()
	note := func(verb string, o client.Object) {
		gvks, _, err := hostcluster.Scheme.ObjectKinds(o)
		if err != nil {
			t.Fatal(err)
		}
		*calls = append(*calls, verb+" "+gvks[0].Kind+" "+o.GetName())
	}
	return fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			note("delete", o)
			return c.Delete(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			note("patch", o)
			return c.Patch(ctx, o, patch, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if err := manage(ctx, c); err != nil {
				return err
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
}

func manage(ctx context.Context, c client.Client) error {
	var bindings v1alpha1.ResourceBindingList
	if err := c.List(ctx, &bindings); err != nil {
		return err
	}
	var clusters v1alpha1.ClusterList
	if err := c.List(ctx, &clusters); err != nil {
		return err
	}
	for i := range clusters.Items {
		cluster := &clusters.Items[i]
		if cluster.DeletionTimestamp.IsZero() {
			continue
		}
		if leaving(cluster) && len(bindings.Items) == 0 {
			cluster.Finalizers = nil
		}
		meta.SetStatusCondition(&cluster.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRemoving, Message: "waits for its bindings",
		})
		if err := c.Update(ctx, cluster); err != nil {
			return err
		}
	}
	return nil
}

func installation() []client.Object {
	return []client.Object{
		&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "berlin", UID: "b", Finalizers: []string{v1alpha1.ClusterFinalizer}}},
		&v1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"}},
		&v1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}},
		&v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "images"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{v1alpha1.TemplatesLabel: v1alpha1.TemplatesEnabled}}},
	}
}

func TestMembersKeepWhatRunsBecauseClustersLeaveBeforeBindingsGo(t *testing.T) {
	cases := map[string]struct {
		settings settings
		want     []string
	}{
		"what runs stays": {settings{yes: true, namespaces: templatesRelease, timeout: timeout}, []string{
			"delete PropagationPolicy all", "patch ResourceBinding web", "patch Cluster berlin", "delete Cluster berlin", "delete ResourceBinding web",
		}},
		"what runs is removed": {settings{yes: true, remove: true, namespaces: templatesDelete, timeout: timeout}, []string{
			"delete PropagationPolicy all", "delete ResourceBinding web", "patch Cluster berlin", "delete Cluster berlin", "delete Namespace shop",
		}},
		"nothing without a yes": {settings{namespaces: templatesDelete, timeout: timeout}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var calls []string
			u := uninstaller{settings: tc.settings, client: managed(t, &calls, installation()...), out: &bytes.Buffer{}, poll: time.Millisecond}
			if err := u.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, calls); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingBeginsUntilItIsSaidWhatBecomesOfTemplates(t *testing.T) {
	cases := map[string]struct {
		namespaces string
		want       string
	}{
		"nothing is said":        {"", "the template namespaces shop: without Flotilla the host itself runs what is in them"},
		"something else is said": {"keep", `--template-namespaces=keep: it is "delete" or "release"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var calls []string
			var out bytes.Buffer
			u := uninstaller{
				settings: settings{yes: true, namespaces: tc.namespaces, timeout: timeout},
				client:   managed(t, &calls, installation()...), out: &out, poll: time.Millisecond,
			}
			if err := u.run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want one with %q", err, tc.want)
			}
			if strings.Contains(out.String(), "These template namespaces") {
				t.Errorf("it said what becomes of template namespaces:\n%s", out.String())
			}
			if len(calls) > 0 {
				t.Errorf("it wrote %v", calls)
			}
		})
	}
}

func TestAManagerThatDoesNotRunKeepsTheBindings(t *testing.T) {
	objects := installation()
	c := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(objects...).Build()
	u := uninstaller{
		settings: settings{yes: true, namespaces: templatesRelease, timeout: 50 * time.Millisecond},
		client:   c, out: &bytes.Buffer{}, poll: time.Millisecond,
	}
	err := u.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "run it again to go on: no manager has seen that these Clusters leave yet (one must run): berlin") {
		t.Errorf("error = %v, want one that asks for the manager", err)
	}
	var bindings v1alpha1.ResourceBindingList
	if err := c.List(t.Context(), &bindings); err != nil || len(bindings.Items) != 1 {
		t.Errorf("%d bindings are left, error %v; want 1: nobody would have released its objects", len(bindings.Items), err)
	}
}

func TestAnInterruptSaysHowToGoOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	u := uninstaller{out: &bytes.Buffer{}, poll: time.Millisecond}
	err := u.until(ctx, func(context.Context) (string, error) {
		cancel()
		return "Cluster berlin: is leaving", nil
	})
	if err == nil || err.Error() != "interrupted, run it again to go on: Cluster berlin: is leaving" {
		t.Errorf("until() = %v, want what it was waiting for", err)
	}
}

func TestWhatStaysInMembersIsNamed(t *testing.T) {
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "e"}, Reason: hostcluster.LeftBehindReason,
		Regarding: corev1.ObjectReference{UID: "b"}, Note: "given up: it is ClusterNotReachable; in the member may stay the ClusterRole flotilla",
	}
	other := event.DeepCopy()
	other.Name, other.Regarding.UID = "other", "somebody else's"
	unknown := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "oslo", UID: "o"}}
	for name, settings := range map[string]settings{
		"by force":                     {yes: true, force: true, namespaces: templatesRelease, timeout: timeout},
		"of one that never was a part": {yes: true, namespaces: templatesRelease, timeout: timeout},
	} {
		t.Run(name, func(t *testing.T) {
			var calls []string
			var out bytes.Buffer
			u := uninstaller{settings: settings, client: managed(t, &calls, append(installation(), event, other, unknown)...), out: &out, poll: time.Millisecond}
			if err := u.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := "Member oslo: no manager has ever looked at it; delete the ClusterRole flotilla in it, which takes Flotilla's account and rights along.\n" +
				"Member berlin: given up: it is ClusterNotReachable; in the member may stay the ClusterRole flotilla.\n" + conclusion + "\n"
			if !strings.HasSuffix(out.String(), want) {
				t.Errorf("output:\n%s\nwant it to end with:\n%s", out.String(), want)
			}
		})
	}
}

func TestThePlanNamesWhatItConcerns(t *testing.T) {
	const (
		counts = "Propagation policies, 2, and bindings, 3, are deleted."
		stays  = "These members leave (what runs there stays, without Flotilla's marks): berlin, paris."
	)
	cases := map[string]struct {
		settings settings
		want     []string
	}{
		"namespaces are released": {settings{namespaces: templatesRelease}, []string{
			counts, stays, "These template namespaces are released: once the admission policies are gone, the host runs what is in them: shop.",
			"Nothing has been changed. To do it, add --yes.",
		}},
		"nobody said what becomes of namespaces": {settings{}, []string{
			counts, stays, "Nothing has been changed. To do it, add --yes and one of --template-namespaces=delete and --template-namespaces=release.",
		}},
		"what runs is removed": {settings{yes: true, remove: true, namespaces: templatesDelete}, []string{
			counts, "These members leave (what Flotilla put there is removed, but for the namespaces): berlin, paris.",
			"These template namespaces are deleted with everything in them: shop.",
		}},
	}
	found := inventory{clusters: []string{"berlin", "paris"}, namespaces: []string{"shop"}, policies: 2, bindings: 3}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, plan(found, tc.settings)); diff != "" {
				t.Errorf("plan() (-want +got):\n%s", diff)
			}
		})
	}
}
