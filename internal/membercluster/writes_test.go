package membercluster

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/flotilla-dev/flotilla/internal/fence"
	"github.com/flotilla-dev/flotilla/internal/interpreter"
)

// counted are the writes to a member that the metric shows, by their code.
func counted(t *testing.T, member string) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	writes := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "flotilla_api_writes_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if labels["member_cluster"] == member {
				writes[labels["code"]] += metric.GetCounter().GetValue()
			}
		}
	}
	return writes
}

func TestWritesThatTheFenceRefusesAreNotCountedAsSent(t *testing.T) {
	arrived := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived++
		w.WriteHeader(http.StatusConflict)
	}))
	t.Cleanup(server.Close)
	now := time.Unix(1_700_000_000, 0)
	guard := fence.New(clocktesting.NewFakeClock(now), fence.Terms{RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second})
	config := &rest.Config{Host: server.URL, BearerToken: "token"}
	config.Wrap(guard.Wrap) // as controllers/cluster does
	m, err := newMember("fenced", config, observer{hostUID: "host", interpreter: interpreter.New()})
	if err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		return m.client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("shop").
			Delete(t.Context(), "settings", metav1.DeleteOptions{})
	}

	if err := remove(); !errors.Is(err, fence.ErrClosed) {
		t.Errorf("without the lease the error is %v, want %v", err, fence.ErrClosed)
	}
	if diff := cmp.Diff(map[string]float64{}, counted(t, "fenced")); diff != "" || arrived > 0 {
		t.Errorf("%d arrived; counted without the lease (-want +got):\n%s", arrived, diff)
	}
	guard.Renew(now)
	if err := remove(); err == nil || errors.Is(err, fence.ErrClosed) {
		t.Errorf("with the lease the error is %v, want the member's", err)
	}
	if diff := cmp.Diff(map[string]float64{"409": 1}, counted(t, "fenced")); diff != "" || arrived != 1 {
		t.Errorf("%d arrived; counted with the lease (-want +got):\n%s", arrived, diff)
	}
}
