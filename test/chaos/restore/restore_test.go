package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// run is what of a member's Deployment changes when its pods are restarted or their number changes.
type run struct {
	UID      string
	Replicas int32
	Image    string
	// Rollout is the member's own count of pod templates.
	Rollout string
}

// runs are the Deployments of a namespace in every member, as "member/name".
func runs(ctx context.Context, fleet *local.Fleet, ns string) (map[string]run, error) {
	found := map[string]run{}
	for _, member := range fleet.Members {
		var list appsv1.DeploymentList
		if err := member.Client().List(ctx, &list, client.InNamespace(ns)); err != nil {
			return nil, err
		}
		for i := range list.Items {
			d := &list.Items[i]
			found[member.Name+"/"+d.Name] = run{
				UID: string(d.UID), Replicas: *d.Spec.Replicas, Image: d.Spec.Template.Spec.Containers[0].Image,
				Rollout: d.Annotations["deployment.kubernetes.io/revision"],
			}
		}
	}
	return found, nil
}

// images waits until the members hold exactly these Deployments, as "member/name", with these images.
func images(t *testing.T, fleet *local.Fleet, ns string, want map[string]string) map[string]run {
	t.Helper()
	var found map[string]run
	expect.Eventually(t, "the images in members", func(ctx context.Context) error {
		var err error
		if found, err = runs(ctx, fleet, ns); err != nil {
			return err
		}
		got := map[string]string{}
		for name, r := range found {
			if r.Rollout == "" {
				return fmt.Errorf("%s has not been rolled out", name)
			}
			got[name] = r.Image
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return errors.New("(-want +got):\n" + diff)
		}
		return nil
	})
	return found
}

func set(image string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image }
}

// app is a Deployment of a namespace, and the policy that places it.
func app(t *testing.T, fleet *local.Fleet, ns, name string, clusters ...string) *appsv1.Deployment {
	t.Helper()
	template := builder.Deployment(ns, name, builder.Image("web:1"))
	expect.Create(t, fleet.Host, template, builder.Policy(ns, name, builder.Selecting("apps/v1", "Deployment", name), builder.Clusters(clusters...)))
	return builder.Deployment(ns, name)
}

// move edits the placement of an app.
func move(t *testing.T, fleet *local.Fleet, ns, name string, clusters ...string) {
	t.Helper()
	expect.Change(t, fleet.Host, builder.Policy(ns, name), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = clusters
	})
}

// bindingOf names the binding of a Deployment. What a client has read does not say its kind.
func bindingOf(ns, name string) v1alpha1.Binding { return expect.Binding(builder.Deployment(ns, name)) }

// canary is an override policy for the template that is overridden.
func canary(ns, tag string) *v1alpha1.OverridePolicy {
	policy := &v1alpha1.OverridePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "canary"}}
	policy.Spec.ResourceSelectors = []v1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Name: "overridden"}}
	policy.Spec.OverrideRules = []v1alpha1.OverrideRule{{Overriders: v1alpha1.Overriders{
		ImageOverrider: []v1alpha1.ImageOverrider{{Component: v1alpha1.ImageTag, Operator: v1alpha1.OverrideReplace, Value: tag}},
	}}}
	return policy
}

// unharmed fails when something that ran in members before was deleted, restarted or scaled.
func unharmed(t *testing.T, before, after map[string]run) {
	t.Helper()
	for name, was := range before {
		if diff := cmp.Diff(was, after[name]); diff != "" {
			t.Errorf("%s was not left alone (-before +after):\n%s", name, diff)
		}
	}
}

// deletions are those that Flotilla asked members for in a namespace since a moment.
func deletions(t *testing.T, fleet *local.Fleet, ns string, since time.Time) []string {
	t.Helper()
	var found []string
	for _, member := range fleet.Members {
		writes, err := member.Writes(since)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range writes {
			if w.Namespace == ns && strings.HasPrefix(w.Verb, "delete") && strings.Contains(w.User, v1alpha1.SystemNamespace) {
				found = append(found, fmt.Sprintf("%s of %s %s in %s by %s", w.Verb, w.Resource, w.Name, member.Name, w.User))
			}
		}
	}
	return found
}

func TestAHostThatIsRestoredHarmsNothingThatItHasForgotten(t *testing.T) {
	fleet := bed.Fleet(t)
	s := storeOf(t, fleet)
	ns := expect.Namespace(t, fleet)
	const one, two = "member1", "member2"

	t.Log("what the backup has")
	apps := map[string]*appsv1.Deployment{}
	for _, name := range []string{"same", "newer", "renewed", "changed", "overridden", "gone"} {
		apps[name] = app(t, fleet, ns, name, one)
	}
	apps["moved"] = app(t, fleet, ns, "moved", one)
	apps["once"] = app(t, fleet, ns, "once", one)
	expect.Change(t, fleet.Host, builder.Policy(ns, "once"), func(p *v1alpha1.PropagationPolicy) {
		p.Spec.ApplyRules = &v1alpha1.ApplyRules{Mode: v1alpha1.ApplyCreateOnly}
	})
	apps["placed"] = app(t, fleet, ns, "placed", two)
	expect.Create(t, fleet.Host, canary(ns, "1-canary"))
	images(t, fleet, ns, map[string]string{
		"member1/same": "web:1", "member1/newer": "web:1", "member1/renewed": "web:1", "member1/changed": "web:1",
		"member1/overridden": "web:1-canary", "member1/gone": "web:1", "member1/moved": "web:1", "member2/placed": "web:1",
		"member1/once": "web:1",
	})
	snapshot := s.snapshot(t)

	t.Log("what happens after it")
	for _, name := range []string{"newer", "renewed", "changed", "placed"} {
		expect.Change(t, fleet.Host, apps[name], set("web:2"))
	}
	expect.Delete(t, fleet.Host, apps["gone"])
	move(t, fleet, ns, "moved", two)
	app(t, fleet, ns, "born", one, two)
	stray := app(t, fleet, ns, "stray", one)
	lost := app(t, fleet, ns, "lost", two)
	// All this may have happened on the renewal of the lease that the backup has. What follows is told by the lease alone.
	renewedSince(t, fleet, time.Now())
	expect.Change(t, fleet.Host, canary(ns, ""), func(p *v1alpha1.OverridePolicy) { p.Spec = canary(ns, "2-canary").Spec })
	created := recreated(t, fleet.Member(one), apps["once"])
	before := images(t, fleet, ns, map[string]string{
		"member1/same": "web:1", "member1/newer": "web:2", "member1/renewed": "web:2", "member1/changed": "web:2",
		"member1/overridden": "web:2-canary", "member2/moved": "web:1", "member1/once": "web:1",
		"member1/born": "web:1", "member2/born": "web:1", "member1/stray": "web:1", "member2/lost": "web:1", "member2/placed": "web:2",
	})
	back := time.Now()
	goBack(t, fleet, s, snapshot)

	t.Log("what the host lacks comes again, what it has forgotten stays, and it says so")
	for _, name := range []string{"newer", "renewed", "changed", "overridden", "placed"} {
		expect.Seen(t, fleet.Host, bindingOf(ns, name), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonUnremembered, "backup"))
	}
	for member, left := range map[string]string{one: "2 objects", two: "3 objects"} {
		expect.Seen(t, fleet.Host, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: member}}, func(c *v1alpha1.Cluster) error {
			return expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionRemembered, metav1.ConditionFalse, v1alpha1.ReasonUnremembered, left)
		})
	}
	expect.Seen(t, fleet.Member(one), apps["once"], func(d *appsv1.Deployment) error {
		if mark := d.Annotations[v1alpha1.WrittenAnnotation]; mark == created {
			return fmt.Errorf("what is the member's is not marked as remembered: %q", mark)
		}
		return nil
	})
	forward := map[string]string{
		"member1/once": "web:1", "member1/same": "web:1", "member1/newer": "web:2", "member1/renewed": "web:2", "member1/changed": "web:2",
		"member1/overridden": "web:2-canary", "member1/gone": "web:1", "member1/moved": "web:1", "member2/moved": "web:1",
		"member1/born": "web:1", "member2/born": "web:1", "member1/stray": "web:1", "member2/lost": "web:1", "member2/placed": "web:2",
	}
	unharmed(t, before, images(t, fleet, ns, forward))

	t.Log("users apply what they had, or something new")
	expect.Change(t, fleet.Host, apps["renewed"], set("web:2"))
	expect.Change(t, fleet.Host, apps["changed"], set("web:3"))
	app(t, fleet, ns, "born", one, two)
	expect.Seen(t, fleet.Host, bindingOf(ns, "renewed"), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))
	expect.Seen(t, fleet.Host, bindingOf(ns, "born"), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))
	forward["member1/changed"] = "web:3"
	delete(before, "member1/changed")
	unharmed(t, before, images(t, fleet, ns, forward))
	if gone := deletions(t, fleet, ns, back); len(gone) > 0 {
		t.Errorf("deleted:\n%s", strings.Join(gone, "\n"))
	}

	t.Log("what is in doubt is moved: the old copy goes when its replacement is ready")
	move(t, fleet, ns, "placed", one)
	delete(forward, "member2/placed")
	delete(before, "member2/placed")
	forward["member1/placed"] = "web:1"
	unharmed(t, before, images(t, fleet, ns, forward))

	t.Log("somebody takes one copy away in the member, and another by its placement: no binding has to do with that member any more")
	expect.Delete(t, fleet.Member(two), builder.Deployment(ns, "moved"))
	move(t, fleet, ns, "born", one)
	for _, name := range []string{"moved", "born", "placed"} {
		delete(forward, "member2/"+name)
		delete(before, "member2/"+name)
		expect.Seen(t, fleet.Host, bindingOf(ns, name), unmentioned(two))
	}

	t.Log("its Cluster leaves: what no binding names goes, too")
	leaving := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: two}}
	expect.Delete(t, fleet.Host, leaving)
	expect.Gone(t, fleet.Host, leaving)
	expect.Gone(t, fleet.Member(two), lost)
	delete(forward, "member2/lost")
	delete(before, "member2/lost")
	unharmed(t, before, images(t, fleet, ns, forward))

	t.Log("somebody says that for the rest the host is right")
	confirm(t, fleet, one)
	expect.Gone(t, fleet.Member(one), stray)
	images(t, fleet, ns, map[string]string{
		"member1/same": "web:1", "member1/newer": "web:1", "member1/renewed": "web:2", "member1/changed": "web:3",
		"member1/overridden": "web:1-canary", "member1/gone": "web:1", "member1/moved": "web:1", "member1/born": "web:1", "member1/placed": "web:1",
		"member1/once": "web:1",
	})
	expect.Seen(t, fleet.Host, &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: one}}, noneForgotten)
}

// recreated deletes what a member has, waits until it is there again, and says what its mark is then.
func recreated(t *testing.T, member *local.Cluster, app *appsv1.Deployment) (mark string) {
	t.Helper()
	expect.Seen(t, member, app, func(*appsv1.Deployment) error { return nil })
	old := app.UID
	expect.Delete(t, member, app)
	expect.Seen(t, member, app, func(d *appsv1.Deployment) error {
		if d.UID == old {
			return errors.New("it is still the old one")
		}
		return nil
	})
	return app.Annotations[v1alpha1.WrittenAnnotation]
}

// confirm says that the host is right about a member, as somebody whose clock is a day behind.
func confirm(t *testing.T, fleet *local.Fleet, cluster string) {
	t.Helper()
	word := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.ConfirmedAnnotation, time.Now().Add(-24*time.Hour).UTC().Format(time.RFC3339))
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}}
	if err := fleet.Host.Client().Patch(t.Context(), c, client.RawPatch(types.MergePatchType, []byte(word)), client.FieldOwner(v1alpha1.ConfirmedManager)); err != nil {
		t.Fatal(err)
	}
}

// unmentioned is fulfilled when a binding and its status say nothing of a cluster.
func unmentioned(cluster string) func(v1alpha1.Binding) error {
	return func(b v1alpha1.Binding) error {
		for _, item := range b.BindingStatus().AggregatedStatus {
			if item.ClusterName == cluster {
				return fmt.Errorf("its status still speaks of %s: %s", cluster, item.Reason)
			}
		}
		if b.BindingSpec().HasTarget(cluster) {
			return fmt.Errorf("it still names %s", cluster)
		}
		return nil
	}
}

func noneForgotten(c *v1alpha1.Cluster) error {
	for _, condition := range c.Status.Conditions {
		if condition.Type == v1alpha1.ConditionRemembered {
			return errors.New(condition.Message)
		}
	}
	return nil
}
