package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/lookout"
)

// berlin is a Cluster whose member does not answer: nothing listens there.
func berlin(uid types.UID) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "berlin", UID: uid, Finalizers: []string{v1alpha1.ClusterFinalizer}},
		Spec:       v1alpha1.ClusterSpec{ID: "1", SyncMode: v1alpha1.Push, APIEndpoint: "https://127.0.0.1:1"},
	}
}

// What is remembered of a Cluster has its UID as the key, and one whose finalizer was taken off goes without telling it.
func TestNothingIsRememberedOfAClusterThatIsGone(t *testing.T) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.ExecutionNamespace("berlin"), Name: v1alpha1.CredentialsSecretName},
		Data:       map[string][]byte{v1alpha1.TokenKey: []byte("t"), v1alpha1.CABundleKey: nil},
	}
	for name, tc := range map[string]struct {
		next *v1alpha1.Cluster // of the same name
		want []types.UID       // that are remembered
	}{
		"when there is none of its name": {},
		"when another one has its name":  {berlin("second"), []types.UID{"second"}},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
				t.Fatal(err)
			}
			first := berlin("first")
			host := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(first).WithObjects(first, secret).Build()
			clock := clocktesting.NewFakePassiveClock(start)
			seen := lookout.New(clock, time.Hour)
			r := &Reconciler{client: host, live: host, recorder: events.NewFakeRecorder(10), options: Options{Connections: &calls{}, Lookout: seen, Clock: clock}.withDefaults()}
			reconcile := func() {
				t.Helper()
				if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "berlin"}}); err != nil {
					t.Fatal(err)
				}
			}
			reconcile()
			r.collected.Store(first.UID, start.UnixNano())
			err := errors.Join(
				host.Patch(t.Context(), first, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))),
				host.Delete(t.Context(), first))
			if tc.next != nil {
				err = errors.Join(err, host.Create(t.Context(), tc.next))
			}
			if err != nil {
				t.Fatal(err)
			}
			reconcile()
			var got []types.UID
			for uid := range seen.Sightings() {
				got = append(got, uid)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("what is remembered (-want +got):\n%s", diff)
			}
			if _, known := r.collected.Load(first.UID); known {
				t.Error("when its APIs were looked at is still remembered")
			}
		})
	}
}
