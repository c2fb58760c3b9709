package memberaccess

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

func member(objects ...client.Object) client.Client {
	return fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(objects...).Build()
}

func install(t *testing.T, c client.Client, p Permissions) Installed {
	t.Helper()
	installed, err := Install(t.Context(), c, Host{UID: "host"}, p)
	if err != nil {
		t.Fatal(err)
	}
	return installed
}

func read[T client.Object](t *testing.T, c client.Client, obj T, namespace, name string) T {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestInstallMayBeRepeatedAndChangesTheRights(t *testing.T) {
	c := member()
	if first := install(t, c, Workloads); !first.Created {
		t.Error("the first Install() does not say that it created the account")
	}
	if second := install(t, c, ClusterAdmin); second.Created {
		t.Error("the second Install() says that it created the account")
	}
	role := read(t, c, &rbacv1.ClusterRole{}, "", Name)
	if diff := cmp.Diff(ClusterRules(ClusterAdmin), role.Rules); diff != "" {
		t.Errorf("the rules after the second Install() (-want +got):\n%s", diff)
	}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "flotilla-system", Name: "flotilla"}}
	if diff := cmp.Diff(subjects, read(t, c, &rbacv1.ClusterRoleBinding{}, "", Name).Subjects); diff != "" {
		t.Errorf("who has them (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(subjects, read(t, c, &rbacv1.RoleBinding{}, v1alpha1.SystemNamespace, Name).Subjects); diff != "" {
		t.Errorf("who may renew the token (-want +got):\n%s", diff)
	}
}

func TestEverythingInstalledBelongsToTheClusterRole(t *testing.T) {
	c := member()
	role := install(t, c, Workloads).Role
	want := []metav1.OwnerReference{{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "flotilla", UID: role.UID}}
	objects := append(dependents("host"), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}})
	for _, obj := range objects {
		got := read(t, c, obj, obj.GetNamespace(), obj.GetName()).GetOwnerReferences()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("owners of the %T (-want +got):\n%s", obj, diff)
		}
	}
}

func TestInstallLeavesWhatOthersHave(t *testing.T) {
	t.Run("a namespace that was there is not taken", func(t *testing.T) {
		c := member(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}})
		install(t, c, Workloads)
		if got := read(t, c, &corev1.Namespace{}, "", v1alpha1.SystemNamespace); len(got.OwnerReferences) > 0 {
			t.Errorf("it has owners now: %v", got.OwnerReferences)
		}
	})
	t.Run("another host's account is refused", func(t *testing.T) {
		c := member()
		if _, err := Install(t.Context(), c, Host{UID: "other"}, Workloads); err != nil {
			t.Fatal(err)
		}
		_, err := Install(t.Context(), c, Host{UID: "host"}, Workloads)
		if _, taken := errors.AsType[*TakenError](err); !taken || !strings.Contains(err.Error(), "it is that of the host other") {
			t.Errorf("Install() = %v, want a TakenError", err)
		}
	})
}

func TestInstallReplacesTheAccountOfAHostThatIsNamed(t *testing.T) {
	replacing := Host{UID: "host", Replaces: "other"}
	interrupted := func(t *testing.T, c client.Client) {
		role := read(t, c, &rbacv1.ClusterRole{}, "", Name)
		role.Annotations[v1alpha1.HostAnnotation] = "host"
		if err := c.Update(t.Context(), role); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		owner    string
		before   func(*testing.T, client.Client)
		host     Host
		replaced bool
		taken    bool
		stays    bool
	}{
		"the one that is named":           {owner: "other", host: replacing, replaced: true},
		"after it was interrupted":        {owner: "other", before: interrupted, host: replacing},
		"interrupted, and no longer told": {owner: "other", before: interrupted, host: Host{UID: "host"}},
		"its own is kept":                 {owner: "host", host: replacing, stays: true},
		"not that of a third one":         {owner: "third", host: replacing, taken: true, stays: true},
		"nor when no host is named":       {owner: "other", host: Host{UID: "host"}, taken: true, stays: true},
		"nor what nobody has marked":      {owner: "", host: Host{UID: "host"}, taken: true, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := member()
			first, err := Install(t.Context(), c, Host{UID: tc.owner}, Workloads)
			if err != nil {
				t.Fatal(err)
			}
			// The fake client gives no UIDs: a label tells the accounts apart.
			account := read(t, c, &corev1.ServiceAccount{}, v1alpha1.SystemNamespace, Name)
			account.Labels["first"] = "true"
			if err := c.Update(t.Context(), account); err != nil {
				t.Fatal(err)
			}
			if tc.before != nil {
				tc.before(t, c)
			}
			installed, err := Install(t.Context(), c, tc.host, Workloads)
			if _, taken := errors.AsType[*TakenError](err); taken != tc.taken || !tc.taken && err != nil {
				t.Fatalf("Install() = %v, want it to be taken: %t", err, tc.taken)
			}
			if installed.Created || installed.Replaced != tc.replaced {
				t.Errorf("Install() = %+v, want it to be replaced: %t", installed, tc.replaced)
			}
			account = read(t, c, &corev1.ServiceAccount{}, v1alpha1.SystemNamespace, Name)
			if stays := account.Labels["first"] != ""; stays != tc.stays {
				t.Errorf("the account stays: %t, want %t", stays, tc.stays)
			}
			if tc.taken {
				return
			}
			for _, obj := range append(dependents("host"), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: Name}}) {
				if mark := read(t, c, obj, obj.GetNamespace(), obj.GetName()).GetAnnotations()[v1alpha1.HostAnnotation]; mark != "host" {
					t.Errorf("the mark of the %T is %q", obj, mark)
				}
			}
			// Its owner stays what it is, so that the garbage collector takes nothing away.
			if diff := cmp.Diff(first.Role.UID, installed.Role.UID); diff != "" {
				t.Errorf("the ClusterRole is another one (-before +after):\n%s", diff)
			}
		})
	}
}

func TestRemoveTakesTheClusterRole(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "somebodys"}}
	cases := map[string]struct {
		host           string
		others         []client.Object
		roleStays      bool
		namespaceOwned bool
	}{
		"and with it everything":                   {host: "host", namespaceOwned: true},
		"but not a namespace that others use":      {host: "host", others: []client.Object{pod}},
		"but not when it is another host's by now": {host: "other", roleStays: true, namespaceOwned: true},
		"and lets the usual objects of a namespace be": {host: "host", namespaceOwned: true, others: []client.Object{
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: "kube-root-ca.crt"}},
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := member(tc.others...)
			install(t, c, Workloads)
			if err := Remove(t.Context(), c, tc.host); err != nil {
				t.Fatal(err)
			}
			err := c.Get(t.Context(), client.ObjectKey{Name: Name}, &rbacv1.ClusterRole{})
			if stays := err == nil; stays != tc.roleStays {
				t.Errorf("the ClusterRole: %v, want it to stay: %v", err, tc.roleStays)
			}
			owners := read(t, c, &corev1.Namespace{}, "", v1alpha1.SystemNamespace).OwnerReferences
			if owned := len(owners) > 0; owned != tc.namespaceOwned {
				t.Errorf("the namespace goes with it: %v, want %v", owned, tc.namespaceOwned)
			}
		})
	}
}

func TestRemoveLeavesAMemberThatFlotillaWasNeverInstalledIn(t *testing.T) {
	if err := Remove(t.Context(), member(), "host"); err != nil {
		t.Error(err)
	}
}

func TestUndoTakesBackOnlyWhatInstallCreated(t *testing.T) {
	c := member()
	first, second := install(t, c, Workloads), install(t, c, Workloads)
	role := &rbacv1.ClusterRole{}
	if err := Undo(t.Context(), c, second); err != nil {
		t.Fatal(err)
	}
	read(t, c, role, "", Name)
	if err := Undo(t.Context(), c, first); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKey{Name: Name}, role); !apierrors.IsNotFound(err) {
		t.Errorf("after Undo() the ClusterRole: %v, want it gone", err)
	}
}

func TestInstallWaitsWhileTheNamespaceIsBeingDeleted(t *testing.T) {
	c := member(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace, Finalizers: []string{"test.dev/hold"}}})
	if err := c.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.SystemNamespace}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := Install(ctx, c, Host{UID: "host"}, Workloads)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not being deleted") {
		t.Errorf("Install() = %v, want to be told of the namespace", err)
	}
}

func TestWorkloadsHoldNoRightThatLeadsToOthers(t *testing.T) {
	for _, rule := range append(ClusterRules(Workloads), NamespaceRules()...) {
		for _, verb := range rule.Verbs {
			if strings.Contains("* escalate bind impersonate", verb) {
				t.Errorf("the verb %s on %v", verb, rule.Resources)
			}
		}
		for _, resource := range rule.Resources {
			if strings.Contains(resource, "*") || strings.HasPrefix(resource, "pods/") {
				t.Errorf("the resource %s", resource)
			}
		}
		if rule.APIGroups[0] == rbacv1.GroupName && (len(rule.ResourceNames) != 1 || rule.ResourceNames[0] != Name) {
			t.Errorf("rights on RBAC objects other than Flotilla's own: %v", rule)
		}
	}
}

func TestRenewalIsDueInTheLastThirdOfATokensLife(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	signed := func(issued time.Time) string {
		payload := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"iat":%d}`, issued.Unix())))
		return "x." + payload + ".x"
	}
	cases := map[string]struct {
		token Token
		now   time.Time
		want  bool
	}{
		"in the middle":                       {Token{signed(start), start.Add(3 * time.Hour)}, start.Add(time.Hour), false},
		"with a third left":                   {Token{signed(start), start.Add(3 * time.Hour)}, start.Add(2 * time.Hour), true},
		"after its end":                       {Token{signed(start), start.Add(3 * time.Hour)}, start.Add(4 * time.Hour), true},
		"an opaque one with nine hours left":  {Token{"opaque", start.Add(9 * time.Hour)}, start, false},
		"an opaque one with eight hours left": {Token{"opaque", start.Add(8 * time.Hour)}, start, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := RenewalDue(tc.token, tc.now); got != tc.want {
				t.Errorf("RenewalDue() = %v, want %v", got, tc.want)
			}
		})
	}
}

// The documentation lists the rights as a table; this is where it comes from.
func TestTheDocumentedRightsAreTheRealOnes(t *testing.T) {
	text, err := os.ReadFile("../../docs/clusters.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| API group | resources | names | verbs |\n|---|---|---|---|\n")
	for _, rule := range append(ClusterRules(Workloads), NamespaceRules()...) {
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", documented(rule.APIGroups), documented(rule.Resources), documented(rule.ResourceNames), documented(rule.Verbs))
	}
	if !strings.Contains(string(text), table.String()) {
		t.Errorf("docs/clusters.md does not hold this table:\n%s", table.String())
	}
}

func documented(values []string) string {
	if len(values) == 0 {
		return ""
	}
	if values[0] == "" {
		return "core"
	}
	return strings.Join(values, ", ")
}
