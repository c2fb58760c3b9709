package adoption

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// kinds are those that the tests propagate, and the pods of them.
var kinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"},
	{Version: "v1", Kind: "Pod"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "batch", Version: "v1", Kind: "Job"},
}

// thing is what of an object in a member changes when it is made anew, or told to do something else. Its generation would say
// less: a Deployment's counts annotations, too.
type thing struct {
	UID        string
	Spec, Data any
}

// held is what members hold in a namespace, as "member/kind/name", without the pods that are about to end.
func held(t *testing.T, fleet *local.Fleet, ns string) map[string]thing {
	t.Helper()
	found := map[string]thing{}
	for _, member := range fleet.Members {
		for _, kind := range kinds {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(kind)
			if err := member.Client().List(t.Context(), list, client.InNamespace(ns)); err != nil {
				t.Fatal(err)
			}
			for i := range list.Items {
				obj := &list.Items[i]
				if obj.GetName() == "kube-root-ca.crt" || kind.Kind == "Pod" && obj.GetDeletionTimestamp() != nil {
					continue
				}
				found[member.Name+"/"+kind.Kind+"/"+obj.GetName()] = thing{string(obj.GetUID()), obj.Object["spec"], obj.Object["data"]}
			}
		}
	}
	return found
}

// untouched fails when something was created, deleted, restarted, or told to do something else.
func untouched(t *testing.T, what string, before, after map[string]thing) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("%s: members do not hold what they held (-before +after):\n%s", what, diff)
	}
}

// account is the user that Flotilla is in a member that it has joined.
const account = "system:serviceaccount:" + v1alpha1.SystemNamespace + ":flotilla"

// writes are those that users made to objects of a namespace in members since a moment, and how often: "member: verb resource name".
func writes(t *testing.T, fleet *local.Fleet, ns string, since time.Time, users ...string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, member := range fleet.Members {
		logged, err := member.Writes(since)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range logged {
			for _, user := range users {
				if w.Namespace == ns && w.User == user && w.Code < http.StatusBadRequest {
					found[fmt.Sprintf("%s: %s %s %s", member.Name, w.Verb, w.Resource, w.Name)]++
				}
			}
		}
	}
	return found
}

// deletions are those of all writes.
func deletions(all map[string]int) []string {
	var found []string
	for write := range all {
		if strings.Contains(write, ": delete") {
			found = append(found, write)
		}
	}
	return found
}

// says waits until a host says so of a member.
func says(t *testing.T, fleet *local.Fleet, member string, status metav1.ConditionStatus, reason, message string) {
	t.Helper()
	expect.Seen(t, fleet.Host, cluster(member), func(c *v1alpha1.Cluster) error {
		return expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionReady, status, reason, message)
	})
}

func cluster(member string) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: member}}
}

// give puts credentials into a host's Secret for a member, as a user does who has got them somewhere.
func give(t *testing.T, fleet *local.Fleet, member string, data map[string][]byte) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.ExecutionNamespace(member), Name: v1alpha1.CredentialsSecretName}}
	expect.Change(t, fleet.Host, secret, func(s *corev1.Secret) {
		s.Data = data
		delete(s.Annotations, v1alpha1.TokenExpiryAnnotation)
	})
}

// wroteAs waits until a member was written to by a user since a moment.
func wroteAs(t *testing.T, fleet *local.Fleet, member, ns, user string, since time.Time) {
	t.Helper()
	expect.Eventually(t, user+" to write to "+member, func(context.Context) error {
		logged, err := fleet.Member(member).Writes(since)
		if err != nil {
			return err
		}
		var others []string
		for _, w := range logged {
			if w.Namespace == ns && w.User == user && w.Code < http.StatusBadRequest {
				return nil
			}
			others = append(others, w.User)
		}
		return errors.New("written by " + strings.Join(others, ", "))
	})
}
