package kinds

import (
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
	"github.com/flotilla-dev/flotilla/internal/render"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// hosts is how many hosts reach for the same object in one moment, rounds how often they do.
const hosts, rounds = 4, 25

// connect is the connection of a host to a member.
func connect(t *testing.T, member *local.Cluster, hostUID string) *membercluster.Member {
	t.Helper()
	pool := membercluster.NewPool(hostUID, interpreter.New())
	if err := pool.Connect(member.Name, membercluster.Connection{Config: member.RESTConfig()}); err != nil {
		t.Fatal(err)
	}
	m, _ := pool.Member(member.Name)
	return m
}

func hostName(host int) string { return fmt.Sprintf("host-%d", host) }

// reach lets every host apply its version of an object at once, as new or over what it has read before, and returns who
// succeeded.
func reach(t *testing.T, members []*membercluster.Member, obj *unstructured.Unstructured, over bool) []string {
	t.Helper()
	type plan struct {
		rendered render.Rendered
		known    *membercluster.Observed
	}
	plans := make([]plan, len(members))
	for host, member := range members {
		own := obj.DeepCopy()
		own.SetLabels(map[string]string{"from": hostName(host)})
		rendered, err := render.Manifest(own, render.Marks{HostUID: hostName(host), Binding: types.NamespacedName{Namespace: "a", Name: "b"}}, render.Ignored{})
		if err != nil {
			t.Fatal(err)
		}
		plans[host].rendered = rendered
		if !over {
			continue
		}
		known, err := member.Read(t.Context(), obj.GroupVersionKind(), client.ObjectKeyFromObject(obj))
		if err != nil || known == nil {
			t.Fatalf("reading %s: %v, %v", obj.GetName(), known, err)
		}
		plans[host].known = known
	}
	var winners []string
	var mu sync.Mutex
	var reaching sync.WaitGroup
	for host, member := range members {
		reaching.Go(func() {
			_, err := member.Apply(t.Context(), plans[host].rendered.Object, plans[host].rendered.Hash, plans[host].known)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, hostName(host))
			case !apierrors.IsConflict(err):
				t.Errorf("%s: %v, want a conflict", hostName(host), err)
			}
		})
	}
	reaching.Wait()
	return winners
}

// takeOver lets every host reach for a foreign object, all again when it changed under the hands of all: members' own
// controllers write to it too.
func takeOver(t *testing.T, members []*membercluster.Member, obj *unstructured.Unstructured) []string {
	t.Helper()
	for range rounds {
		if winners := reach(t, members, obj, true); len(winners) > 0 {
			return winners
		}
	}
	return nil
}

// belongs makes sure that one host won, that the object is its alone, and that the others see that.
func belongs(t *testing.T, member *local.Cluster, members []*membercluster.Member, obj *unstructured.Unstructured, winners []string) {
	t.Helper()
	if len(winners) != 1 {
		t.Fatalf("%s: %v succeeded, want one host", obj.GetName(), winners)
	}
	live := obj.DeepCopy()
	if err := member.Client().Get(t.Context(), client.ObjectKeyFromObject(obj), live); err != nil {
		t.Fatal(err)
	}
	if got := []string{live.GetAnnotations()[v1alpha1.HostAnnotation], live.GetLabels()["from"]}; got[0] != winners[0] || got[1] != winners[0] {
		t.Errorf("%s is marked as %v, want %s", obj.GetName(), got, winners[0])
	}
	for host, m := range members {
		observed, err := m.Read(t.Context(), obj.GroupVersionKind(), client.ObjectKeyFromObject(obj))
		if err != nil || observed == nil {
			t.Fatal(observed, err)
		}
		if won := hostName(host) == winners[0]; observed.Live.Ours != won || observed.Live.OtherHost == won {
			t.Errorf("%s sees ours %t, another host's %t; the winner is %s", hostName(host), observed.Live.Ours, observed.Live.OtherHost, winners[0])
		}
	}
}

// widgets makes a member serve a custom kind.
func widgets(t *testing.T, member *local.Cluster) {
	t.Helper()
	yes := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.sharing.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "sharing.example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &yes}},
			}},
		},
	}
	expect.Create(t, member, crd)
	expect.Seen(t, member, crd, func(c *apiextensionsv1.CustomResourceDefinition) error {
		for _, condition := range c.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("it is not established")
	})
}

func TestOfHostsThatReachForTheSameObjectOneWins(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Members[0]
	widgets(t, member)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shared-"}}
	expect.Create(t, member, namespace)
	members := make([]*membercluster.Member, hosts)
	for host := range members {
		members[host] = connect(t, member, hostName(host))
	}
	for name, manifest := range map[string]string{
		"configmap":      `{apiVersion: v1, kind: ConfigMap, data: {a: b}}`,
		"serviceaccount": `{apiVersion: v1, kind: ServiceAccount}`,
		"deployment":     manifests["Deployment"].manifest,
		"widget":         `{apiVersion: sharing.example.com/v1, kind: Widget, spec: {size: 1}}`,
	} {
		obj := read(t, manifest)
		obj.SetNamespace(namespace.Name)
		t.Run("when it is created: "+name, func(t *testing.T) {
			for round := range rounds {
				obj.SetName(fmt.Sprintf("created-%d", round))
				belongs(t, member, members, obj, reach(t, members, obj, false))
			}
		})
		t.Run("when a foreign one is taken over: "+name, func(t *testing.T) {
			for round := range rounds {
				obj.SetName(fmt.Sprintf("taken-%d", round))
				expect.Create(t, member, obj.DeepCopy())
				belongs(t, member, members, obj, takeOver(t, members, obj))
			}
		})
	}
}

func TestANewObjectNeverMergesWithAForeignOne(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Members[0]
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shared-"}}
	expect.Create(t, member, namespace)
	obj := read(t, `{apiVersion: v1, kind: ConfigMap, data: {a: b}}`)
	obj.SetNamespace(namespace.Name)
	obj.SetName("other-keys")
	foreign := obj.DeepCopy()
	foreign.Object["data"] = map[string]any{"c": "d"}
	expect.Create(t, member, foreign)
	if winners := reach(t, []*membercluster.Member{connect(t, member, hostName(0))}, obj, false); len(winners) > 0 {
		t.Errorf("a foreign object with other keys was taken for a new one")
	}
}
