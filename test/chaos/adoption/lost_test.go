package adoption

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

// shop is the namespace of testdata/shop.yaml.
const shop = "shop"

// oldAccount is a user that the old host has in members beside the account that the new one takes.
const oldAccount = "system:serviceaccount:kube-system:old-host"

// shopTemplates name the templates of testdata/shop.yaml.
func shopTemplates() []client.Object {
	db := &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "db"},
	}
	return []client.Object{builder.ConfigMap(shop, "settings"), builder.ConfigMap(shop, "initial"), builder.Deployment(shop, "web"), db, builder.Job(shop, "migrate")}
}

// reported waits until a host tells of everything in testdata/shop.yaml that it is there, runs, or has run.
func reported(t *testing.T, host *local.Cluster) {
	t.Helper()
	for _, template := range shopTemplates() {
		expect.Seen(t, host, expect.Binding(template), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))
	}
	expect.Seen(t, host, builder.Deployment(shop, "web"), func(d *appsv1.Deployment) error { return ready(d.Status.ReadyReplicas, 5) })
	expect.Seen(t, host, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "db"}},
		func(s *appsv1.StatefulSet) error { return ready(s.Status.ReadyReplicas, 2) })
	expect.Seen(t, host, builder.Job(shop, "migrate"), func(j *batchv1.Job) error {
		if j.Status.Succeeded != 1 || j.Status.CompletionTime == nil {
			return fmt.Errorf("the Job has not ended: %+v", j.Status)
		}
		return nil
	})
}

func ready(got, want int32) error {
	if got != want {
		return fmt.Errorf("%d replicas are ready, want %d", got, want)
	}
	return nil
}

// identity is the UID of a host, as marks name it.
func identity(t *testing.T, host *local.Cluster) string {
	t.Helper()
	system := &corev1.Namespace{}
	if err := host.Client().Get(t.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, system); err != nil {
		t.Fatal(err)
	}
	return string(system.UID)
}

// userOf is somebody who has the contexts host, member1 and member2.
func userOf(fleet *local.Fleet, members []*local.Cluster) user {
	u := user{fleet: fleet, kubeconfigs: []string{fleet.Host.Kubeconfig}}
	for _, member := range members {
		u.kubeconfigs = append(u.kubeconfigs, member.ProxiedKubeconfig)
	}
	return u
}

// refused waits until a host leaves everything of testdata/shop.yaml alone, and says how to take it over from another one.
func refused(t *testing.T, host *local.Cluster, other string, templates ...client.Object) {
	t.Helper()
	for _, template := range templates {
		expect.Seen(t, host, expect.Binding(template),
			expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonOtherHost, v1alpha1.AdoptFromAnnotation+"="+other))
	}
}

func TestAHostThatIsLostForGoodIsReplacedByAnEmptyOne(t *testing.T) {
	if os.Getenv(local.DirVariable) != "" {
		t.Skip("it ends a host and needs another one")
	}
	fleet := bed.Fleet(t)
	left := builder.Deployment(shop, "left", builder.Paused())
	userOf(fleet, fleet.Members).run(t, "kubectl apply -f testdata/shop.yaml")
	expect.Create(t, fleet.Host, left, builder.Policy(shop, "left", builder.Selecting("apps/v1", "Deployment", "left"), builder.Clusters("member1")))
	reported(t, fleet.Host)
	expect.Seen(t, fleet.Member("member1"), builder.Deployment(shop, "left"), expect.Present)
	expect.Change(t, fleet.Member("member1"), builder.ConfigMap(shop, "initial"), func(c *corev1.ConfigMap) { c.Data["seed"] = "the member's own" })
	old, before := identity(t, fleet.Host), held(t, fleet, shop)
	t.Logf("the host %s has propagated an application; members hold %d objects and pods of it", old, len(before))

	for _, name := range []string{"manager-0", "host"} {
		if err := fleet.Kill(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	next := heir.Fleet(t)
	t.Logf("it is lost; an empty one was there after %s", time.Since(begin).Round(100*time.Millisecond))
	takePlace(t, fleet, next, old)
	untouched(t, "after another host took the place of theirs", before, held(t, fleet, shop))

	t.Log("what is said now arrives")
	u := userOf(next, fleet.Members)
	u.run(t, "kubectl set image -n shop deployment/web main=web:2")
	image(t, fleet, shop, "web:2", "member1", "member2")

	returned(t, fleet, identity(t, next.Host))
	for _, member := range fleet.Members {
		says(t, next, member.Name, metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "")
	}
	u.run(t, "kubectl delete configmap -n shop settings")
	for _, member := range fleet.Members {
		expect.Gone(t, member, builder.ConfigMap(shop, "settings"))
	}
	all := writes(t, fleet, shop, begin, account)
	t.Logf("all that members were written to since the old host was lost: %v", all)
}

// takePlace does what docs/high-availability.md tells the users of a new host to do, and sees that members notice nothing.
func takePlace(t *testing.T, fleet, next *local.Fleet, old string) {
	t.Helper()
	u, begin := userOf(next, fleet.Members), time.Now()
	output, err := u.command(t, "kubectl flotilla join member1 --cluster-context member1")
	if err == nil || !strings.Contains(output, "--replace-host="+old) {
		t.Fatalf("a member of another host joined, or is not told whose it is: %v\n%s", err, output)
	}
	for _, member := range fleet.Members {
		u.run(t, "kubectl flotilla join "+member.Name+" --cluster-context "+member.Name+" --replace-host="+old)
	}
	u.run(t, "kubectl apply -f testdata/shop.yaml")
	refused(t, next.Host, old, shopTemplates()...)
	u.run(t, `kubectl get resourcebindings -A -o custom-columns='NAMESPACE:.metadata.namespace,NAME:.metadata.name,`+
		`CLUSTERS:.spec.clusters[*].name,REPLICAS:.spec.clusters[*].replicas,APPLIED:.status.conditions[?(@.type=="Applied")].reason'`)
	if diff := cmp.Diff(map[string]int{}, writes(t, fleet, shop, begin, account)); diff != "" {
		t.Errorf("a host that was not told to take over wrote to members (-want +got):\n%s", diff)
	}

	told := time.Now()
	u.run(t, "kubectl annotate clusters --all flotilla.dev/adopt-from="+old)
	u.run(t, "kubectl wait --for=condition=Applied resourcebindings --all -A --timeout=2m")
	t.Logf("everything is adopted after %s", time.Since(told).Round(100*time.Millisecond))
	reported(t, next.Host)
	t.Logf("and its status is back after %s", time.Since(told).Round(100*time.Millisecond))
	want := map[string]int{
		"member1: patch configmaps settings": 1, "member1: patch configmaps initial": 1, "member1: patch deployments web": 1, "member1: patch statefulsets db": 1,
		"member2: patch configmaps settings": 1, "member2: patch deployments web": 1, "member2: patch jobs migrate": 1,
	}
	if diff := cmp.Diff(want, writes(t, fleet, shop, begin, account)); diff != "" {
		t.Errorf("what adoption wrote to members (-want +got):\n%s", diff)
	}
	expect.Seen(t, fleet.Member("member1"), builder.Deployment(shop, "left"), func(d *appsv1.Deployment) error {
		if d.Annotations[v1alpha1.HostAnnotation] != old {
			return errors.New("what nobody wants was adopted")
		}
		return nil
	})
	u.run(t, "kubectl annotate clusters --all flotilla.dev/adopt-from-")
}

// returned lets the old host come back, first with the credentials that it had, then with others that members take, and has it
// delete everything and lose its members.
func returned(t *testing.T, fleet *local.Fleet, next string) {
	t.Helper()
	before, begin := held(t, fleet, shop), time.Now()
	for _, name := range []string{"host", "manager-0"} {
		if err := fleet.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, member := range fleet.Members {
		says(t, fleet, member.Name, metav1.ConditionFalse, v1alpha1.ReasonUnauthorized, "refused the credentials")
	}
	t.Logf("the old host is back: it is refused, and has said so after %s", time.Since(begin).Round(100*time.Millisecond))
	expect.Delete(t, fleet.Host, builder.ConfigMap(shop, "settings"))

	t.Log("it gets credentials that members take")
	for _, member := range fleet.Members {
		give(t, fleet, member.Name, oldCredentials(t, fleet, member))
		says(t, fleet, member.Name, metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "")
	}
	expect.Gone(t, fleet.Host, expect.Binding(builder.ConfigMap(shop, "settings")))
	refused(t, fleet.Host, next, shopTemplates()[1:]...)
	expect.Change(t, fleet.Host, builder.Deployment(shop, "web"), set("web:old"))
	untouched(t, "beside two hosts", before, held(t, fleet, shop))

	t.Log("its users delete everything and let the members leave")
	u := userOf(fleet, nil)
	u.run(t, "kubectl delete namespace shop --timeout=1m")
	u.run(t, "kubectl flotilla unjoin member1")
	u.run(t, "kubectl flotilla unjoin member2")
	wanted := maps.Clone(before)
	delete(wanted, "member1/Deployment/left")
	untouched(t, "after the old host let its members leave", wanted, held(t, fleet, shop))
	if diff := cmp.Diff(map[string]int{"member1: delete deployments left": 1}, writes(t, fleet, shop, begin, oldAccount)); diff != "" {
		t.Errorf("what the old host wrote to members (-want +got):\n%s", diff)
	}
	for _, member := range fleet.Members {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "flotilla"}}
		expect.Seen(t, member, role, func(role *rbacv1.ClusterRole) error {
			if role.Annotations[v1alpha1.HostAnnotation] != next {
				return errors.New("the account is not the new host's")
			}
			return nil
		})
	}
}

// oldCredentials are those of an administrator whom the new host does not know of.
func oldCredentials(t *testing.T, fleet *local.Fleet, member *local.Cluster) map[string][]byte {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "old-host"}}
	expect.Create(t, member, account, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "old-host"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
	})
	token, err := fleet.TokenUntil(member, account, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{v1alpha1.TokenKey: []byte(token), v1alpha1.CABundleKey: member.RESTConfig().CAData}
}
