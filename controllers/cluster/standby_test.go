package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/membercluster"
)

// calls notes what becomes of connections.
type calls struct{ made []string }

func (c *calls) Connect(name string, _ membercluster.Connection) error {
	c.made = append(c.made, "connect "+name)
	return nil
}

func (c *calls) Disconnect(name string)   { c.made = append(c.made, "disconnect "+name) }
func (*calls) OnServed(func(name string)) {}

func TestAStandbyFollowsTheLeadersClustersAndWritesNothing(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	cluster := func(change func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
		c := &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: "berlin"},
			// Nothing listens there.
			Spec: v1alpha1.ClusterSpec{ID: "1", SyncMode: v1alpha1.Push, APIEndpoint: "https://127.0.0.1:1"},
		}
		change(c)
		return c
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.ExecutionNamespace("berlin"), Name: v1alpha1.CredentialsSecretName},
		Data:       map[string][]byte{v1alpha1.TokenKey: []byte("t"), v1alpha1.CABundleKey: nil},
	}
	for name, tc := range map[string]struct {
		leads   bool
		objects []client.Object
		calls   []string
		again   time.Duration
	}{
		"the leader's own looks count":   {true, []client.Object{cluster(func(*v1alpha1.Cluster) {})}, nil, 0},
		"one that is gone on the leader": {true, nil, []string{"disconnect berlin"}, 0},
		"one that is gone":               {false, nil, []string{"disconnect berlin"}, 0},
		"one that nobody has met":        {false, []client.Object{cluster(func(c *v1alpha1.Cluster) { c.Spec.ID = "" })}, []string{"disconnect berlin"}, time.Minute},
		"one without credentials":        {false, []client.Object{cluster(func(*v1alpha1.Cluster) {})}, []string{"disconnect berlin"}, time.Second},
		"one that does not answer":       {false, []client.Object{cluster(func(*v1alpha1.Cluster) {}), secret}, nil, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c := &calls{}
			refuse := errors.New("a stand-by writes nothing")
			host := fake.NewClientBuilder().WithScheme(scheme).WithObjects(tc.objects...).WithInterceptorFuncs(interceptor.Funcs{
				Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
					return refuse
				},
				Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
					return refuse
				},
			}).Build()
			s := &standby{
				Reconciler: &Reconciler{client: host, live: host, options: Options{
					Connections: c, Timings: Timings{ProbeInterval: time.Second, ProbeTimeout: time.Second, CollectInterval: time.Minute},
				}},
				leads: func() bool { return tc.leads },
			}
			result, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "berlin"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.calls, c.made); diff != "" {
				t.Errorf("calls differ (-want +got):\n%s", diff)
			}
			if result.RequeueAfter < tc.again || result.RequeueAfter > tc.again*2 {
				t.Errorf("it comes back after %s, want about %s", result.RequeueAfter, tc.again)
			}
		})
	}
}

func TestTheLeaderDisconnectsWhatSomebodyTookTheFinalizerOff(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := &calls{}
	r := &Reconciler{client: fake.NewClientBuilder().WithScheme(scheme).Build(), options: Options{Connections: c}}
	result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "berlin"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"disconnect berlin"}, c.made); diff != "" || result != (ctrl.Result{}) {
		t.Errorf("it comes back after %s; calls differ (-want +got):\n%s", result.RequeueAfter, diff)
	}
}
