package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/kubectl/hostcluster"
	"github.com/flotilla-dev/flotilla/internal/memberaccess"
	"github.com/flotilla-dev/flotilla/internal/memberprobe"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func cluster(name string, conditions ...metav1.Condition) v1alpha1.Cluster {
	return v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid", CreationTimestamp: metav1.NewTime(now.Add(-3 * time.Hour))},
		Spec:       v1alpha1.ClusterSpec{ID: "id-of-" + name, SyncMode: v1alpha1.Push, APIEndpoint: "https://" + name},
		Status:     v1alpha1.ClusterStatus{Conditions: conditions},
	}
}

func ready(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message}
}

func printed(t *testing.T, clusters []v1alpha1.Cluster, output string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := printClusters(genericiooptions.IOStreams{Out: &out, ErrOut: &out}, clusters, output, now)
	return out.String(), err
}

// closing is a cluster with taints of these keys.
func closing(name string, keys ...string) v1alpha1.Cluster {
	c := cluster(name)
	for _, key := range keys {
		c.Spec.Taints = append(c.Spec.Taints, corev1.Taint{Key: key})
	}
	return c
}

func TestClustersArePrintedForPeople(t *testing.T) {
	good := cluster("berlin", ready(metav1.ConditionTrue, "ClusterReady", "fine"))
	good.Status.KubernetesVersion = "v1.37.1"
	good.Status.NodeSummary = &v1alpha1.NodeSummary{TotalNum: 3, ReadyNum: 2}
	fresh := cluster("rome")
	cases := map[string]struct {
		clusters []v1alpha1.Cluster
		output   string
		want     string
	}{
		"a table": {
			clusters: []v1alpha1.Cluster{good, fresh},
			want: "NAME     READY     REASON         MODE   VERSION   NODES   AGE\n" +
				"berlin   True      ClusterReady   Push   v1.37.1   2/3     3h\n" +
				"rome     Unknown   -              Push   -         -       3h\n",
		},
		"a table of clusters that take nothing new": {
			clusters: []v1alpha1.Cluster{closing("oslo", v1alpha1.UnschedulableTaint), closing("paris", v1alpha1.UnschedulableTaint, v1alpha1.DrainTaint)},
			want: "NAME    READY                        REASON   MODE   VERSION   NODES   AGE\n" +
				"oslo    Unknown,SchedulingDisabled   -        Push   -         -       3h\n" +
				"paris   Unknown,Draining             -        Push   -         -       3h\n",
		},
		"a wide table": {
			clusters: []v1alpha1.Cluster{fresh}, output: "wide",
			want: "NAME   READY     REASON   MODE   VERSION   NODES   AGE   REGION   PROVIDER   ENDPOINT       MESSAGE\n" +
				"rome   Unknown   -        Push   -         -       3h    -        -          https://rome   -\n",
		},
		"names":   {clusters: []v1alpha1.Cluster{good, fresh}, output: "name", want: "cluster.flotilla.dev/berlin\ncluster.flotilla.dev/rome\n"},
		"nothing": {want: "No cluster has joined. Join one with: kubectl flotilla join NAME --cluster-kubeconfig FILE\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := printed(t, tc.clusters, tc.output)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
	for _, format := range []string{"json", "yaml"} {
		got, err := printed(t, []v1alpha1.Cluster{good, fresh}, format)
		if err != nil || !strings.Contains(got, "ClusterList") || !strings.Contains(got, "id-of-rome") {
			t.Errorf("%s: %v\n%s", format, err, got)
		}
	}
	if _, err := printed(t, nil, "xml"); err == nil || !strings.Contains(err.Error(), "use wide, name, json or yaml") {
		t.Errorf("an unknown format: %v", err)
	}
}

func TestAnIdentityIsRefusedThatIsNotFree(t *testing.T) {
	leaving := cluster("berlin")
	leaving.DeletionTimestamp = &metav1.Time{Time: now}
	noEndpoint := cluster("berlin")
	noEndpoint.Spec.APIEndpoint = ""
	cases := map[string]struct {
		name, id string
		there    v1alpha1.Cluster
		want     string
	}{
		"a new one":                {"rome", "new", cluster("berlin"), ""},
		"the same one again":       {"berlin", "id-of-berlin", cluster("berlin"), ""},
		"the host":                 {"rome", "host", cluster("berlin"), "the cluster to join is the host itself"},
		"a member by another name": {"rome", "id-of-berlin", cluster("berlin"), `has already joined as "berlin"`},
		"a name that is taken":     {"berlin", "new", cluster("berlin"), `the name "berlin" is taken by the cluster at https://berlin`},
		"a name that a declared cluster has": {"berlin", "new", noEndpoint,
			`the name "berlin" is taken by the cluster at an endpoint that its kubeconfig Secret names`},
		"one that is leaving": {"berlin", "id-of-berlin", leaving, `"berlin" is still leaving`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := refuseIdentity(tc.name, tc.id, "host", []v1alpha1.Cluster{tc.there})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("refuseIdentity() = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestNamesFitIntoTheExecutionNamespace(t *testing.T) {
	cases := map[string]bool{"a": true, strings.Repeat("a", 48): true, strings.Repeat("a", 49): false, "A": false, "a.b": false, "": false, "-a": false}
	for name, want := range cases {
		if err := validateName(name); (err == nil) != want {
			t.Errorf("validateName(%q) = %v, want it to be valid: %v", name, err, want)
		}
	}
}

// joiningTo makes a cluster that joins a host with the objects given.
func joiningTo(host, member client.Client, out *bytes.Buffer) *joining {
	return &joining{
		request: joinRequest{name: "berlin", permissions: memberaccess.Workloads, member: &rest.Config{Host: "https://berlin"}},
		host:    host, member: member, out: out,
		probe: func(context.Context, *rest.Config) (memberprobe.Identity, error) {
			return memberprobe.Identity{ID: "new", Version: "v1.37.1"}, nil
		},
	}
}

func TestWhatCannotBeTakenBackIsNamed(t *testing.T) {
	broken := errors.New("the host broke")
	host := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithInterceptorFuncs(interceptor.Funcs{
		Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
			return broken
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			return broken
		},
	}).Build()
	member := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).Build()
	err := joiningTo(host, member, &bytes.Buffer{}).join(t.Context())
	for _, want := range []string{"storing the credentials: ", "still there: the namespace flotilla-es-berlin on the host: the host broke"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("join() = %v, want %q", err, want)
		}
	}
	if err := member.Get(t.Context(), client.ObjectKey{Name: v1alpha1.SystemNamespace}, &corev1.Namespace{}); err != nil {
		t.Errorf("the fake member, which has no garbage collector, lost more than the ClusterRole: %v", err)
	}
}

func TestAnotherHostsMemberIsExplained(t *testing.T) {
	member := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).Build()
	if _, err := memberaccess.Install(t.Context(), member, memberaccess.Host{UID: "other host"}, memberaccess.Workloads); err != nil {
		t.Fatal(err)
	}
	j := joiningTo(fake.NewClientBuilder().WithScheme(hostcluster.Scheme).Build(), member, &bytes.Buffer{})
	err := j.join(t.Context())
	if err == nil || !strings.Contains(err.Error(), "--replace-host=other host") {
		t.Errorf("join() = %v", err)
	}
	j.request.replaces = "other host"
	var out bytes.Buffer
	j.out = &out
	if err := j.install(t.Context()); err != nil || !strings.Contains(out.String(), `takes the place of the host other host`) {
		t.Errorf("install() = %v, and says %q", err, out.String())
	}
}

func TestJoiningAgainTakesAKubeconfigAwayThatWouldWinOverTheToken(t *testing.T) {
	key := client.ObjectKey{Namespace: "flotilla-es-berlin", Name: v1alpha1.CredentialsSecretName}
	host := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Data:       map[string][]byte{v1alpha1.KubeconfigKey: []byte("expired"), "other": []byte("stays")},
	}).Build()
	j := joiningTo(host, nil, &bytes.Buffer{})
	j.request.caBundle = []byte("ca")
	if err := j.store(t.Context(), memberaccess.Token{Value: "token", Expires: now}); err != nil {
		t.Fatal(err)
	}
	stored := &corev1.Secret{}
	if err := host.Get(t.Context(), key, stored); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{v1alpha1.TokenKey: []byte("token"), v1alpha1.CABundleKey: []byte("ca"), "other": []byte("stays")}
	if diff := cmp.Diff(want, stored.Data); diff != "" {
		t.Errorf("the Secret (-want +got):\n%s", diff)
	}
}

func TestJoiningAgainKeepsWhatTheUserDoesNotSay(t *testing.T) {
	spec := v1alpha1.ClusterSpec{ID: "new", Region: "eu", Provider: "p", Zones: []string{"a"}, APIEndpoint: "https://old", Taints: []corev1.Taint{{Key: "k"}}}
	update(&spec, v1alpha1.ClusterSpec{ID: "new", APIEndpoint: "https://new", Region: "us"})
	want := v1alpha1.ClusterSpec{ID: "new", Region: "us", Provider: "p", Zones: []string{"a"}, APIEndpoint: "https://new", Taints: []corev1.Taint{{Key: "k"}}}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Errorf("update() (-want +got):\n%s", diff)
	}
}

func TestWaitingForReadyEndsWithWhatIsMissing(t *testing.T) {
	cases := map[string]struct {
		cluster v1alpha1.Cluster
		want    string
	}{
		"no manager looks at it": {cluster("berlin"), "but no manager has looked at it within 10ms: is it running? kubectl get deployments -A -l app.kubernetes.io/part-of=flotilla"},
		"it is not ready":        {cluster("berlin", ready(metav1.ConditionFalse, "Forbidden", "no right")), "is not Ready after 10ms: Forbidden: no right"},
		"it is ready":            {cluster("berlin", ready(metav1.ConditionTrue, "ClusterReady", "fine")), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(&tc.cluster).Build()
			err := waitReady(t.Context(), c, "berlin", 10*time.Millisecond, &bytes.Buffer{})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("waitReady() = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWaitingForAManagerIsSaidOnce(t *testing.T) {
	member := cluster("berlin")
	c := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(&member).Build()
	var out bytes.Buffer
	if err := waitReady(t.Context(), c, "berlin", 2*pollInterval+pollInterval/2, &out); err == nil {
		t.Error("waitReady() ended without a manager")
	}
	if diff := cmp.Diff("cluster berlin: waiting for a manager to look at it\n", out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestAnInterruptIsCalledOne(t *testing.T) {
	member := cluster("berlin")
	c := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(&member).Build()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"join, before it is done": {explain(fmt.Errorf("creating: %w", ctx.Err())), "interrupted"},
		"join, while it waits": {
			waitReady(ctx, c, "berlin", time.Minute, &bytes.Buffer{}),
			"interrupted: cluster berlin joined, and the manager goes on: kubectl get cluster berlin",
		},
		"unjoin, while it waits": {waitGone(ctx, c, &member, time.Minute, &bytes.Buffer{}), "interrupted: cluster berlin goes on leaving"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.err == nil || tc.err.Error() != tc.want {
				t.Errorf("error = %v, want %q", tc.err, tc.want)
			}
		})
	}
}

func TestUnjoinSaysWhatStaysBehind(t *testing.T) {
	member := cluster("berlin")
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "e"}, Reason: hostcluster.LeftBehindReason,
		Regarding: corev1.ObjectReference{UID: member.UID}, Note: "given up: silent",
	}
	other := event.DeepCopy()
	other.Name, other.Note, other.Regarding.UID = "other", "another one", "another"
	cases := map[string]struct {
		flags unjoinFlags
		want  string
	}{
		"nothing":   {unjoinFlags{}, "cluster berlin is leaving\n"},
		"with keep": {unjoinFlags{keep: true, wait: true, timeout: time.Second}, "cluster berlin left; what it propagated stays in the member, without Flotilla's marks\n"},
		"by force":  {unjoinFlags{force: true, wait: true, timeout: time.Second}, "cluster berlin left: given up: silent\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := fake.NewClientBuilder().WithScheme(hostcluster.Scheme).WithObjects(member.DeepCopy(), event, other).Build()
			var out bytes.Buffer
			if err := tc.flags.run(t.Context(), c, &out, "berlin"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			err := tc.flags.run(t.Context(), c, &out, "berlin")
			if err == nil || err.Error() != `no cluster has joined as "berlin", nor has any other` {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}
