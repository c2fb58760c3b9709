package restore

import (
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
)

func TestANewHostTakesNothingOverUntilItIsToldTo(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	member := fleet.Member("member1")
	const oldHost = "0d9a5b6e-0000-4000-8000-00000000c1d4"

	t.Log("what another host manages has its marks; some of it this host wants, too")
	template := app(t, fleet, ns, "web", member.Name)
	other := app(t, fleet, ns, "api", member.Name)
	images(t, fleet, ns, map[string]string{"member1/web": "web:1", "member1/api": "web:1"})
	for _, d := range []*appsv1.Deployment{builder.Deployment(ns, "web"), builder.Deployment(ns, "api")} {
		expect.Change(t, member, d, func(d *appsv1.Deployment) { d.Annotations[v1alpha1.HostAnnotation] = oldHost })
	}
	for _, name := range []string{"web", "api"} {
		expect.Seen(t, fleet.Host, bindingOf(ns, name),
			expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonOtherHost, v1alpha1.AdoptFromAnnotation+"="+oldHost))
	}
	expect.Delete(t, fleet.Host, other)
	expect.Change(t, fleet.Host, template, set("web:2"))
	expect.Gone(t, fleet.Host, bindingOf(ns, "api"))
	before := images(t, fleet, ns, map[string]string{"member1/web": "web:1", "member1/api": "web:1"})
	expect.Change(t, fleet.Host, template, set("web:1"))

	t.Log("it is told to take the other's place")
	begin := time.Now()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: member.Name}}
	expect.Change(t, fleet.Host, cluster, func(c *v1alpha1.Cluster) {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AdoptFromAnnotation, oldHost)
	})
	expect.Seen(t, fleet.Host, bindingOf(ns, "web"), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))
	expect.Seen(t, member, builder.Deployment(ns, "web"), func(d *appsv1.Deployment) error {
		if d.Annotations[v1alpha1.HostAnnotation] == oldHost {
			return errors.New("it still has the other host's mark")
		}
		return nil
	})
	unharmed(t, before, images(t, fleet, ns, map[string]string{"member1/web": "web:1", "member1/api": "web:1"}))
	if gone := deletions(t, fleet, ns, begin); len(gone) > 0 {
		t.Errorf("deleted:\n%s", strings.Join(gone, "\n"))
	}
	expect.Seen(t, member, builder.Deployment(ns, "api"), func(d *appsv1.Deployment) error {
		if d.Annotations[v1alpha1.HostAnnotation] != oldHost {
			return errors.New("what nobody wants was taken over")
		}
		return nil
	})
	expect.Change(t, fleet.Host, cluster, func(c *v1alpha1.Cluster) { delete(c.Annotations, v1alpha1.AdoptFromAnnotation) })
}
