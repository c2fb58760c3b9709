package manager

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/flotilla-dev/flotilla/internal/fence"
)

// TestWhatAnotherAPIServerSaysIsActedOnAfterTheNextRenewal dials, with the clients that the manager has.
func TestWhatAnotherAPIServerSaysIsActedOnAfterTheNextRenewal(t *testing.T) {
	arrived := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- r.Method
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"ConfigMap","apiVersion":"v1"}`))
	}))
	defer server.Close()
	c := clocktesting.NewFakeClock(time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC))
	guard := fence.New(c, fence.Terms{RenewDeadline: time.Minute})
	client, err := kubernetes.NewForConfig(guarded(&rest.Config{Host: server.URL}, guard))
	if err != nil {
		t.Fatal(err)
	}
	configMaps := client.CoreV1().ConfigMaps("shop")
	guard.Renew(c.Now())
	c.Step(time.Second)

	if _, err := configMaps.Get(t.Context(), "c", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	deleted := make(chan error, 1)
	go func() { deleted <- configMaps.Delete(t.Context(), "c", metav1.DeleteOptions{}) }()
	for range 2 { // the second one is read by the same connection, after the deletion was asked for
		if _, err := configMaps.Get(t.Context(), "c", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if method := <-arrived; method != http.MethodGet {
			t.Errorf("a %s arrived before the lease was renewed", method)
		}
	}
	c.Step(time.Second)
	guard.Renew(c.Now())
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if method := <-arrived; method != http.MethodDelete {
		t.Errorf("a %s arrived, want the deletion", method)
	}
}
