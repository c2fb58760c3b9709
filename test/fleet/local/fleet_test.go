package local_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flotilla-dev/flotilla/test/fleet/local"
)

var bed = local.Bed{Options: local.Options{Members: 1, Nodes: 3}}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(bed.Run(m))
}

const (
	soon = 20 * time.Second
	// impatience is how long a test waits for an answer that must not come.
	impatience = time.Second
)

// namespaces lists namespaces with a timeout of its own.
func namespaces(ctx context.Context, c client.Client, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.List(ctx, &corev1.NamespaceList{})
}

func clientFor(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientForFile(t *testing.T, kubeconfig string) client.Client {
	t.Helper()
	config, err := local.LoadConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return clientFor(t, config)
}

func podTemplate(app string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.com/app"}}},
	}
}

func TestEveryKubeconfigReachesItsCluster(t *testing.T) {
	fleet := bed.Fleet(t)
	uids := map[string]string{}
	for _, cluster := range append([]*local.Cluster{fleet.Host}, fleet.Members...) {
		for _, file := range []string{cluster.Kubeconfig, cluster.ProxiedKubeconfig} {
			system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}}
			if err := clientForFile(t, file).Get(t.Context(), client.ObjectKeyFromObject(system), system); err != nil {
				t.Fatalf("%s: %v", filepath.Base(file), err)
			}
			if uid := uids[cluster.Name]; uid != "" && uid != string(system.UID) {
				t.Errorf("%s leads to another cluster than the direct one", filepath.Base(file))
			}
			uids[cluster.Name] = string(system.UID)
		}
	}
	if uids["host"] == uids["member1"] {
		t.Error("host and member1 are the same cluster")
	}
}

func TestAnonymousRequestsSeeHealthOnly(t *testing.T) {
	fleet := bed.Fleet(t)
	config := rest.AnonymousClientConfig(fleet.Host.RESTConfig())
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, path := range []string{"/readyz", "/livez", "/version", "/api/v1/namespaces"} {
		response, err := httpClient.Get(config.Host + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		got[path] = response.StatusCode
	}
	want := map[string]int{
		"/readyz": http.StatusOK, "/livez": http.StatusOK,
		"/version": http.StatusUnauthorized, "/api/v1/namespaces": http.StatusUnauthorized,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status codes (-want +got):\n%s", diff)
	}
}

func TestAServiceAccountMayDoNothingUntilAllowed(t *testing.T) {
	fleet := bed.Fleet(t)
	for _, cluster := range append([]*local.Cluster{fleet.Host}, fleet.Members...) {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "stranger"}}
		if err := cluster.Client().Create(t.Context(), account); err != nil {
			t.Fatal(err)
		}
		request := &authenticationv1.TokenRequest{}
		if err := cluster.Client().SubResource("token").Create(t.Context(), account, request); err != nil {
			t.Fatal(err)
		}
		config := rest.AnonymousClientConfig(cluster.RESTConfig())
		config.BearerToken = request.Status.Token
		err := clientFor(t, config).List(t.Context(), &corev1.SecretList{})
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "system:serviceaccount:default:stranger") {
			t.Errorf("%s: listing secrets as a stranger: got error %v, want Forbidden by name", cluster.Name, err)
		}
		config.BearerToken = request.Status.Token + "x"
		if err := namespaces(t.Context(), clientFor(t, config), soon); !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: with a broken token: got error %v, want Unauthorized", cluster.Name, err)
		}
	}
}

func TestPodsOfADeploymentRunOnAMember(t *testing.T) {
	member := bed.Fleet(t).Member("member1").Client()
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](5),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: podTemplate("web"),
		},
	}
	if err := member.Create(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	local.Eventually(t, soon, func(ctx context.Context) error {
		if err := member.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return err
		}
		if ready := deployment.Status.ReadyReplicas; ready != 5 {
			return fmt.Errorf("%d of 5 replicas are ready", ready)
		}
		return nil
	})
	var pods corev1.PodList
	if err := member.List(t.Context(), &pods, client.MatchingLabels{"app": "web"}); err != nil {
		t.Fatal(err)
	}
	nodes, addresses := map[string]bool{}, map[string]bool{}
	for _, pod := range pods.Items {
		nodes[pod.Spec.NodeName], addresses[pod.Status.PodIP] = true, true
	}
	if len(nodes) != 3 || len(addresses) != 5 {
		t.Errorf("5 pods are on %d nodes with %d addresses, want 3 and 5", len(nodes), len(addresses))
	}
	if err := member.Delete(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	local.Eventually(t, soon, func(ctx context.Context) error {
		if err := member.List(ctx, &pods, client.MatchingLabels{"app": "web"}); err != nil {
			return err
		}
		if len(pods.Items) > 0 {
			return fmt.Errorf("%d pods outlive their Deployment", len(pods.Items))
		}
		return nil
	})
}

func TestAJobOnAMemberCompletes(t *testing.T) {
	member := bed.Fleet(t).Member("member1").Client()
	template := podTemplate("once")
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "once"},
		Spec:       batchv1.JobSpec{Template: template},
	}
	if err := member.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	local.Eventually(t, soon, func(ctx context.Context) error {
		if err := member.Get(ctx, client.ObjectKeyFromObject(job), job); err != nil {
			return err
		}
		if job.Status.CompletionTime == nil {
			return errors.New("the job is not complete")
		}
		return nil
	})
}

func TestAKilledAPIServerComesBackWithItsData(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Member("member1").Client()
	marker := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "marker"}}
	if err := member.Create(t.Context(), marker); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Kill(t.Context(), "member1-apiserver"); err != nil {
		t.Fatal(err)
	}
	if err := namespaces(t.Context(), member, soon); err == nil {
		t.Error("a killed API server answers")
	}
	if err := namespaces(t.Context(), fleet.Host.Client(), soon); err != nil {
		t.Errorf("the host after a kill in member1: %v", err)
	}
	if err := fleet.Start(t.Context(), "member1-apiserver"); err != nil {
		t.Fatal(err)
	}
	if err := member.Get(t.Context(), client.ObjectKeyFromObject(marker), marker); err != nil {
		t.Errorf("after the start: %v", err)
	}
}

func TestAStoppedMemberIsSilentUntilItStarts(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Member("member1").Client()
	if err := fleet.Stop(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	if err := namespaces(t.Context(), member, impatience); !isTimeout(err) {
		t.Errorf("a stopped member: got error %v, want a timeout", err)
	}
	if err := fleet.Start(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	if err := namespaces(t.Context(), member, soon); err != nil {
		t.Errorf("a member that started again: %v", err)
	}
}

func isTimeout(err error) bool {
	return os.IsTimeout(err) || errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "deadline")
}

func TestACutMemberAnswersDirectlyAndNotThroughTheProxyUntilItHeals(t *testing.T) {
	fleet := bed.Fleet(t)
	cluster := fleet.Member("member1")
	proxied := clientForFile(t, cluster.ProxiedKubeconfig)
	if err := namespaces(t.Context(), proxied, soon); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Cut(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	config, err := local.LoadConfig(cluster.ProxiedKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	// Discovery, which comes first on a new connection, heeds this timeout and not the one of the context.
	config.Timeout = impatience
	for name, c := range map[string]client.Client{"an old connection": proxied, "a new connection": clientFor(t, config)} {
		if err := namespaces(t.Context(), c, impatience); !isTimeout(err) {
			t.Errorf("%s through a cut: got error %v, want a timeout", name, err)
		}
	}
	if err := namespaces(t.Context(), cluster.Client(), soon); err != nil {
		t.Errorf("directly, while cut: %v", err)
	}
	if err := namespaces(t.Context(), clientForFile(t, fleet.Host.ProxiedKubeconfig), soon); err != nil {
		t.Errorf("the host, while member1 is cut: %v", err)
	}
	if err := fleet.Heal(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	if err := namespaces(t.Context(), proxied, soon); err != nil {
		t.Errorf("after healing: %v", err)
	}
}

func TestASlowMemberAnswersLater(t *testing.T) {
	fleet := bed.Fleet(t)
	proxied := clientForFile(t, fleet.Member("member1").ProxiedKubeconfig)
	if err := namespaces(t.Context(), proxied, soon); err != nil {
		t.Fatal(err)
	}
	const latency = 300 * time.Millisecond
	if err := fleet.Slow(t.Context(), "member1", latency); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := namespaces(t.Context(), proxied, soon); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < latency {
		t.Errorf("a request over a link with %v latency took %v", latency, took)
	}
	if err := fleet.Heal(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
}

func TestAFullStoreRefusesWritesUntilItHasRoom(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Member("member1").Client()
	if err := fleet.Fill(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	object := func() *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "too-much"}}
	}
	if err := member.Create(t.Context(), object()); err == nil || !strings.Contains(err.Error(), "database space exceeded") {
		t.Errorf("creating an object in a full store: got error %v", err)
	}
	if err := namespaces(t.Context(), member, soon); err != nil {
		t.Errorf("reading from a full store: %v", err)
	}
	if err := fleet.Free(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	if err := member.Create(t.Context(), object()); err != nil {
		t.Errorf("creating an object when there is room again: %v", err)
	}
}

func TestAnExpiredCertificateKeepsEverybodyOutUntilItIsRenewed(t *testing.T) {
	fleet := bed.Fleet(t)
	member := fleet.Member("member1")
	if err := fleet.Expire(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	if err := namespaces(t.Context(), member.Client(), soon); err == nil || !strings.Contains(err.Error(), "certificate has expired") {
		t.Errorf("a member whose certificate has expired: got error %v", err)
	}
	if err := fleet.Renew(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	if err := namespaces(t.Context(), member.Client(), soon); err != nil {
		t.Errorf("a member whose certificate was renewed: %v", err)
	}
}

func TestWritesAreCountedByWhoMadeThem(t *testing.T) {
	host := bed.Fleet(t).Host
	config := host.RESTConfig()
	config.UserAgent = "counting-test"
	c := clientFor(t, config)
	before, err := host.RequestCounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for i := range 3 {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("counted-%d", i)}}
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	err = c.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "counted-0"}})
	if !apierrors.IsAlreadyExists(err) {
		t.Fatalf("creating again: got error %v", err)
	}
	after, err := host.RequestCounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	configMaps := func(r local.Request) bool { return r.Write() && r.Resource == "configmaps" }
	if got := after.Since(before).Total(configMaps); got < 4 { // the host's controllers write some, too
		t.Errorf("writes by the metric: got %d, want at least 4", got)
	}
	writes, err := host.Writes(begin)
	if err != nil {
		t.Fatal(err)
	}
	writes = slices.DeleteFunc(writes, func(w local.Write) bool { return w.UserAgent != "counting-test" })
	got := make([]string, 0, len(writes))
	for _, w := range writes {
		if !strings.HasPrefix(w.Credential, "X509SHA256=") {
			t.Errorf("credential: got %q, want the hash of the administrator's certificate", w.Credential)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s/%s %d", w.User, w.Verb, w.Resource, w.Namespace, w.Name, w.Code))
	}
	want := []string{
		"admin create configmaps default/counted-0 201",
		"admin create configmaps default/counted-1 201",
		"admin create configmaps default/counted-2 201",
		"admin create configmaps default/counted-0 409",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writes by the audit log (-want +got):\n%s", diff)
	}
}

func TestAnUnknownNameIsRefusedWithTheKnownOnes(t *testing.T) {
	fleet := bed.Fleet(t)
	for what, do := range map[string]func(context.Context, string) error{
		"kill": fleet.Kill, "stop": fleet.Stop, "start": fleet.Start, "cut": fleet.Cut, "heal": fleet.Heal,
	} {
		err := do(t.Context(), "member7")
		if err == nil || !strings.Contains(err.Error(), "member7") || !strings.Contains(err.Error(), "member1") {
			t.Errorf("%s member7: got error %v, want one with the known names", what, err)
		}
	}
}

func TestASecondFleetLivesAndDiesWithoutTheFirstNoticing(t *testing.T) {
	first := bed.Fleet(t)
	dir := filepath.Join(t.TempDir(), "second")
	options := local.Options{Dir: dir, Progress: os.Stderr}
	second, err := local.Up(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Down(context.Background(), dir, nil) })
	if err := namespaces(t.Context(), second.Host.Client(), soon); err != nil {
		t.Errorf("the second host: %v", err)
	}
	if _, err := local.Up(t.Context(), options); err == nil || !strings.Contains(err.Error(), "runs there already") {
		t.Errorf("starting in the folder of a running fleet: got error %v", err)
	}
	pids := processIDs(t, dir)
	if len(pids) != 4 {
		t.Fatalf("recorded processes: got %v, want etcd, API server, controller manager and proxy", pids)
	}
	// Whoever started the fleet crashed before it wrote anything but the records, and one process is suspended.
	if err := second.Stop(t.Context(), "host-etcd-0"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "fleet.json")); err != nil {
		t.Fatal(err)
	}
	if err := local.Guard(t.Context(), dir, strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	for name, pid := range pids {
		if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe")); err == nil {
			t.Errorf("%s (process %d) outlives its fleet", name, pid)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{".lock", "logs"}, left); diff != "" {
		t.Errorf("what is left in the folder (-want +got):\n%s", diff)
	}
	if err := second.Down(t.Context()); err != nil {
		t.Errorf("down again: %v", err)
	}
	if _, err := local.Open(dir); err == nil {
		t.Error("a fleet that is down can be opened")
	}
	if err := namespaces(t.Context(), first.Host.Client(), soon); err != nil {
		t.Errorf("the first host after the end of the second fleet: %v", err)
	}
}

func TestAStartThatIsInterruptedLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "interrupted")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer cancel()
		_ = wait.PollUntilContextCancel(ctx, time.Millisecond, true, func(context.Context) (bool, error) {
			_, err := os.Stat(filepath.Join(dir, "pids", "host-apiserver-0"))
			return err == nil, nil
		})
	}()
	if _, err := local.Up(ctx, local.Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
	if pids := processIDs(t, dir); len(pids) > 0 {
		t.Errorf("recorded processes: got %v, want none", pids)
	}
}

func TestAStartThatFailsQuotesTheLogOfTheCulprit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "failing")
	// Somebody takes the port of the API server as soon as it is known.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go occupy(ctx, filepath.Join(dir, "host.kubeconfig"))
	_, err := local.Up(ctx, local.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got error %v, want one that quotes the log of the API server", err)
	}
	if pids := processIDs(t, dir); len(pids) > 0 {
		t.Errorf("recorded processes: got %v, want none", pids)
	}
}

// occupy listens on the address in a kubeconfig as soon as that exists, until ctx ends.
func occupy(ctx context.Context, kubeconfig string) {
	var config *rest.Config
	_ = wait.PollUntilContextCancel(ctx, time.Millisecond, true, func(context.Context) (bool, error) {
		found, err := local.LoadConfig(kubeconfig)
		config = found
		return err == nil, nil
	})
	if config == nil {
		return
	}
	listener, err := net.Listen("tcp", strings.TrimPrefix(config.Host, "https://"))
	if err != nil {
		return
	}
	<-ctx.Done()
	_ = listener.Close()
}

// processIDs reads the records of a fleet.
func processIDs(t *testing.T, dir string) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "pids", "*"))
	if err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(content), " ")
		pid, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}
		pids[filepath.Base(file)] = pid
	}
	return pids
}
