package adoption

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/test/builder"
	"github.com/flotilla-dev/flotilla/test/expect"
	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

const (
	// good is how long the credentials are good that end: long enough to be seen at work.
	good = 8 * time.Second
	// eviction is how long after a cluster is lost it is evicted, with time to spare: testdata/manager.yaml has 2 s and 1 s.
	eviction = 6 * time.Second
)

// flotillaAccount is Flotilla's account in a member.
func flotillaAccount(t *testing.T, member *local.Cluster) *corev1.ServiceAccount {
	t.Helper()
	found := &corev1.ServiceAccount{}
	if err := member.Client().Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.SystemNamespace, Name: "flotilla"}, found); err != nil {
		t.Fatal(err)
	}
	return found
}

// process is which process the manager is.
func process(t *testing.T, fleet *local.Fleet) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(fleet.Dir(), "pids", "manager-0"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// image waits until members run an image of a Deployment.
func image(t *testing.T, fleet *local.Fleet, ns, want string, members ...string) {
	t.Helper()
	for _, member := range members {
		expect.Seen(t, fleet.Member(member), builder.Deployment(ns, "web"), func(d *appsv1.Deployment) error {
			got, n, s := d.Spec.Template.Spec.Containers[0].Image, *d.Spec.Replicas, d.Status
			if got != want || s.ObservedGeneration != d.Generation || s.UpdatedReplicas != n || s.ReadyReplicas != n || s.Replicas != n {
				return fmt.Errorf("it has %s, and of %d pods %d are new; want %s and %d", got, s.Replicas, s.UpdatedReplicas, want, n)
			}
			return nil
		})
	}
}

func set(image string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image }
}

// staysInUse waits until it has been said of a member for as long as a lost one is not evicted that what it runs runs on.
func staysInUse(t *testing.T, fleet *local.Fleet, member string) {
	t.Helper()
	expect.Seen(t, fleet.Host, cluster(member), func(c *v1alpha1.Cluster) error {
		if err := expect.HasCondition(c.Status.Conditions, v1alpha1.ConditionTainted, metav1.ConditionTrue, v1alpha1.ReasonStaysInUse, ""); err != nil {
			return err
		}
		since := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionTainted).LastTransitionTime
		if left := eviction - time.Since(since.Time); left > 0 {
			return fmt.Errorf("another %s", left)
		}
		return nil
	})
}

// giveEnding gives both members credentials that end, of one kind each.
func giveEnding(t *testing.T, fleet *local.Fleet, until time.Time) {
	t.Helper()
	one, two := fleet.Member("member1"), fleet.Member("member2")
	kubeconfig, err := fleet.CertificateUntil(one, "ending", until)
	if err != nil {
		t.Fatal(err)
	}
	token, err := fleet.TokenUntil(two, flotillaAccount(t, two), until)
	if err != nil {
		t.Fatal(err)
	}
	give(t, fleet, one.Name, map[string][]byte{v1alpha1.KubeconfigKey: kubeconfig})
	give(t, fleet, two.Name, map[string][]byte{v1alpha1.TokenKey: []byte(token), v1alpha1.CABundleKey: two.RESTConfig().CAData})
}

// endingCredentials gives both members credentials that end, waits until they are used, and returns when they end. Those that ended before
// they were seen at work are replaced.
func endingCredentials(t *testing.T, fleet *local.Fleet, ns string) (until time.Time) {
	t.Helper()
	one, two := fleet.Member("member1"), cluster("member2")
	var begin time.Time
	// What writes them shows that they are in use. Each look is a change, until one comes with the new credentials.
	n := 0
	expect.Eventually(t, "the new credentials to be used", func(ctx context.Context) error {
		if !time.Now().Before(until) {
			begin, until = time.Now(), time.Now().Add(good)
			giveEnding(t, fleet, until)
		}
		n++
		settings := builder.ConfigMap(ns, "settings", "n", fmt.Sprint(n))
		if err := fleet.Host.Client().Update(ctx, settings); err != nil {
			return err
		}
		logged, err := one.Writes(begin)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(logged, func(w local.Write) bool { return w.User == "ending" }) {
			return fmt.Errorf("member1 has not been written to with the certificate, %s before it ends", time.Until(until).Round(time.Second))
		}
		if err := fleet.Host.Client().Get(ctx, client.ObjectKeyFromObject(two), two); err != nil {
			return err
		}
		return expect.HasCondition(two.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "")
	})
	t.Logf("in use after %s", time.Since(begin).Round(100*time.Millisecond))
	return until
}

func TestCredentialsThatEndStopNothingAndAreReplacedWhileTheManagerRuns(t *testing.T) {
	fleet := bed.Fleet(t)
	ns := expect.Namespace(t, fleet)
	expect.Create(t, fleet.Host, builder.Deployment(ns, "web", builder.Image("web:1")), builder.ConfigMap(ns, "settings", "n", "0"),
		builder.Policy(ns, "all", builder.Selecting("apps/v1", "Deployment", ""), builder.Selecting("v1", "ConfigMap", "settings")))
	image(t, fleet, ns, "web:1", "member1", "member2")
	manager := process(t, fleet)

	t.Log("a client certificate and a token that end while they are in use")
	begin := time.Now()
	until := endingCredentials(t, fleet, ns)
	says(t, fleet, "member1", metav1.ConditionFalse, v1alpha1.ReasonCertificateExpired, "the client certificate ended at "+until.UTC().Format(time.RFC3339))
	t.Logf("the certificate has ended: the Cluster says so after %s", time.Since(until).Round(100*time.Millisecond))
	says(t, fleet, "member2", metav1.ConditionFalse, v1alpha1.ReasonUnauthorized, "refused the credentials")
	t.Logf("the token has ended: the Cluster says so after %s, of which up to 10 s are the member's", time.Since(until).Round(100*time.Millisecond))
	before := held(t, fleet, ns)

	t.Log("a change waits; nothing is moved, also when a lost cluster would have been evicted")
	expect.Change(t, fleet.Host, builder.Deployment(ns, "web"), set("web:2"))
	expect.Seen(t, fleet.Host, expect.Binding(builder.Deployment(ns, "web")), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonMemberUnreachable, ""))
	for _, member := range []string{"member1", "member2"} {
		staysInUse(t, fleet, member)
	}
	binding := expect.Binding(builder.Deployment(ns, "web"))
	expect.Seen(t, fleet.Host, binding, expect.Present)
	if diff := cmp.Diff(map[string]int32{"member1": 1, "member2": 1}, expect.Placement(binding)); diff != "" || len(binding.BindingSpec().GracefulEvictionTasks) > 0 {
		t.Errorf("where it is placed (-want +got):\n%s\nevictions: %v", diff, binding.BindingSpec().GracefulEvictionTasks)
	}
	untouched(t, "while the credentials were refused", before, held(t, fleet, ns))

	t.Log("new credentials in the Secret, and a member that joins again")
	given := time.Now()
	kubeconfig, err := fleet.CertificateUntil(fleet.Member("member1"), "renewed", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	give(t, fleet, "member1", map[string][]byte{v1alpha1.KubeconfigKey: kubeconfig})
	joinAgain(t, fleet, "member2")
	image(t, fleet, ns, "web:2", "member1", "member2")
	wroteAs(t, fleet, "member1", ns, "renewed", given)
	for _, member := range []string{"member1", "member2"} {
		says(t, fleet, member, metav1.ConditionTrue, v1alpha1.ReasonClusterReady, "")
	}
	t.Logf("everything is there %s after they were given", time.Since(given).Round(100*time.Millisecond))

	t.Log("joining again takes the place of a kubeconfig, too")
	joinAgain(t, fleet, "member1")
	joined := time.Now()
	expect.Change(t, fleet.Host, builder.Deployment(ns, "web"), set("web:3"))
	image(t, fleet, ns, "web:3", "member1", "member2")
	expect.Seen(t, fleet.Host, expect.Binding(builder.Deployment(ns, "web")), expect.Condition(v1alpha1.ConditionApplied, metav1.ConditionTrue, v1alpha1.ReasonApplied, ""))
	t.Logf("a change arrived after %s", time.Since(joined).Round(100*time.Millisecond))

	if now := process(t, fleet); now != manager {
		t.Errorf("the manager was started anew: it is %s, it was %s", now, manager)
	}
	if gone := deletions(writes(t, fleet, ns, begin, account, "ending", "renewed")); len(gone) > 0 {
		t.Errorf("deleted: %v", gone)
	}
}

// joinAgain renews what a joined member gave.
func joinAgain(t *testing.T, fleet *local.Fleet, member string) {
	t.Helper()
	u := user{fleet: fleet, kubeconfigs: []string{fleet.Host.Kubeconfig, fleet.Member(member).ProxiedKubeconfig}}
	u.run(t, "kubectl flotilla join "+member+" --cluster-context "+member)
}
