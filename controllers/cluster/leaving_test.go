package cluster

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
	"github.com/flotilla-dev/flotilla/internal/report"
)

func faultOf(reason string) *memberprobe.ReasonedError {
	return &memberprobe.ReasonedError{Reason: reason, Message: "it is " + reason}
}

func TestARemovalWaitsUntilTheMemberIsClean(t *testing.T) {
	const how = ". To give up on the member, run: kubectl flotilla unjoin NAME --force, or annotate this Cluster with flotilla.dev/force-delete=true"
	const giveUp = ". To give up on that, run: kubectl flotilla unjoin NAME --force, or annotate this Cluster with flotilla.dev/force-delete=true"
	left := func(names ...string) report.Leftovers { return report.Leftovers{Names: names, Looked: true} }
	silent := faultOf(v1alpha1.ReasonClusterNotReachable)
	cases := map[string]struct {
		facts removalFacts
		want  removalPlan
	}{
		"while bindings name it": {
			removalFacts{namespace: true, connected: true, identity: "id", bindings: 2, example: "shop/web"},
			removalPlan{wait: "waits until its objects are removed or released: 2 bindings left, such as shop/web"},
		},
		"also with force, as long as it answers": {
			removalFacts{namespace: true, connected: true, identity: "id", bindings: 1, example: "shop/web", force: true},
			removalPlan{wait: "waits until its objects are removed or released: 1 binding left, such as shop/web"},
		},
		"then its account goes": {
			removalFacts{namespace: true, connected: true, identity: "id", leftovers: left()}, removalPlan{clean: true},
		},
		"not before what the host has forgotten": {
			removalFacts{namespace: true, connected: true, identity: "id", leftovers: left("ConfigMap shop/a", "Job shop/b"), force: true},
			removalPlan{wait: "waits until what the host has forgotten is removed or released: 2 objects are left over, such as ConfigMap shop/a. " +
				"If the host is right, run: kubectl flotilla confirm NAME; docs/high-availability.md says more"},
		},
		"not before it is known what that is": {
			removalFacts{namespace: true, connected: true, identity: "id"},
			removalPlan{wait: "waits until it is known whether the member holds what the host has forgotten: not all of its objects have been looked at yet" + giveUp},
		},
		"and it says of which kinds nothing is known": {
			removalFacts{namespace: true, connected: true, identity: "id", leftovers: report.Leftovers{Unlooked: []string{"Job.batch", "binding shop/web"}}},
			removalPlan{wait: "waits until it is known whether the member holds what the host has forgotten: not all of its objects have been looked at yet " +
				"(Job.batch, binding shop/web)" + giveUp},
		},
		"but not all of them": {
			removalFacts{namespace: true, connected: true, identity: "id", force: true, leftovers: report.Leftovers{Unlooked: []string{"a", "b", "c", "d", "e", "f", "g"}}},
			removalPlan{clean: true, leftBehind: "given up: it could not be found out whether it holds what the host has forgotten (a, b, c, d, e, and 2 more)"},
		},
		"unless nobody wants to know": {
			removalFacts{namespace: true, connected: true, identity: "id", force: true},
			removalPlan{clean: true, leftBehind: "given up: it could not be found out whether it holds what the host has forgotten"},
		},
		"what the host has forgotten keeps no member that is silent and forced": {
			removalFacts{namespace: true, fault: silent, connected: true, identity: "id", force: true},
			removalPlan{leftBehind: "given up: it is ClusterNotReachable"},
		},
		"a silent one is waited for": {
			removalFacts{namespace: true, fault: silent, connected: true, identity: "id", bindings: 1, example: "shop/web"},
			removalPlan{wait: "it is ClusterNotReachable; the removal of the objects of 1 binding, such as shop/web, waits for it" + how},
		},
		"a silent one without bindings, too": {
			removalFacts{namespace: true, fault: silent, connected: true, identity: "id"},
			removalPlan{wait: "it is ClusterNotReachable; the removal of Flotilla's account waits for it" + how},
		},
		"unless it is forced": {
			removalFacts{namespace: true, fault: silent, connected: true, identity: "id", bindings: 1, force: true},
			removalPlan{leftBehind: "given up: it is ClusterNotReachable"},
		},
		"and not for the credentials that went with the namespace then": {
			removalFacts{begun: true, fault: faultOf(v1alpha1.ReasonCredentialsMissing), connected: true, identity: "id", bindings: 1, force: true},
			removalPlan{leftBehind: "given up: the member could not be cleaned"},
		},
		"a cleaning that fails is tried again": {
			removalFacts{namespace: true, cleaning: errors.New("no luck"), connected: true, identity: "id"},
			removalPlan{wait: "no luck; the removal of Flotilla's account waits for it" + how},
		},
		"a cleaning that fails is given up when forced": {
			removalFacts{namespace: true, cleaning: errors.New("no luck"), connected: true, identity: "id", force: true},
			removalPlan{leftBehind: "given up: no luck"},
		},
		"one that was never reached goes at once": {
			removalFacts{namespace: true, fault: faultOf(v1alpha1.ReasonCredentialsMissing)}, removalPlan{},
		},
		"one that joined and was never ready goes at once, and says so": {
			removalFacts{namespace: true, fault: silent, identity: "id"},
			removalPlan{leftBehind: "the member was never ready: it is ClusterNotReachable"},
		},
		"one that is another Cluster's is not touched": {
			removalFacts{namespace: true, fault: faultOf(v1alpha1.ReasonAlreadyJoined)}, removalPlan{},
		},
		"one that is another cluster now is not touched": {
			removalFacts{namespace: true, fault: faultOf(v1alpha1.ReasonIDChanged), connected: true, identity: "id"}, removalPlan{},
		},
		"but its objects are waited for": {
			removalFacts{namespace: true, fault: faultOf(v1alpha1.ReasonIDChanged), connected: true, identity: "id", bindings: 1, example: "shop/web"},
			removalPlan{wait: "it is IDChanged; the removal of the objects of 1 binding, such as shop/web, waits for it" + how},
		},
		"once its namespace is gone nothing is left to do": {
			removalFacts{fault: faultOf(v1alpha1.ReasonCredentialsMissing), connected: true, identity: "id", begun: true}, removalPlan{},
		},
		"a namespace that others deleted took the credentials along": {
			removalFacts{fault: faultOf(v1alpha1.ReasonCredentialsMissing), connected: true, identity: "id"},
			removalPlan{leftBehind: "its namespace on the host, with the credentials, was deleted before"},
		},
		"one that took our rights away has nothing left to remove": {
			removalFacts{namespace: true, fault: faultOf(v1alpha1.ReasonUnauthorized), connected: true, identity: "id"},
			removalPlan{leftBehind: "the member no longer takes the credentials and no binding names it, so nothing more can be done there"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, planRemoval(tc.facts), cmp.AllowUnexported(removalPlan{})); diff != "" {
				t.Errorf("planRemoval() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMemberHasOneCluster(t *testing.T) {
	named := func(name, id string, age int) v1alpha1.Cluster {
		return v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(start.AddDate(0, 0, -age))},
			Spec:       v1alpha1.ClusterSpec{ID: id},
		}
	}
	cases := map[string]struct {
		cluster v1alpha1.Cluster
		others  []v1alpha1.Cluster
		id      string
		want    string
	}{
		"the first to come":                     {named("a", "", 0), []v1alpha1.Cluster{named("b", "y", 1)}, "x", ""},
		"the host is none":                      {named("a", "", 0), nil, "host", v1alpha1.ReasonIsHost},
		"one that is there already":             {named("a", "", 9), []v1alpha1.Cluster{named("b", "x", 1)}, "x", v1alpha1.ReasonAlreadyJoined},
		"of two the older":                      {named("a", "x", 2), []v1alpha1.Cluster{named("b", "x", 1)}, "x", ""},
		"of two the younger not":                {named("a", "x", 1), []v1alpha1.Cluster{named("b", "x", 2)}, "x", v1alpha1.ReasonAlreadyJoined},
		"of two of the same age one":            {named("a", "x", 1), []v1alpha1.Cluster{named("b", "x", 1)}, "x", ""},
		"and the other not":                     {named("b", "x", 1), []v1alpha1.Cluster{named("a", "x", 1)}, "x", v1alpha1.ReasonAlreadyJoined},
		"it is not another one all of a sudden": {named("a", "x", 1), nil, "y", v1alpha1.ReasonIDChanged},
		"it is no rival of itself":              {named("a", "x", 1), []v1alpha1.Cluster{named("a", "x", 1)}, "x", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := refusal(&tc.cluster, tc.others, tc.id, "host")
			var got string
			if fault := (*memberprobe.ReasonedError)(nil); errors.As(err, &fault) {
				got = fault.Reason
			}
			if got != tc.want {
				t.Errorf("refusal() = %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}
