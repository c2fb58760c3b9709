package local

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/flotilla-dev/flotilla/test/fleet/controlplane"
	"github.com/flotilla-dev/flotilla/test/fleet/kubebin"
)

func TestAnAPIServerIsWaitedForWhateverItsCertificateIsWorth(t *testing.T) {
	dir := t.TempDir()
	plan := controlplane.Plan{
		Name: "member1", Dir: dir, Kubeconfigs: dir, Programs: kubebin.Set{Dir: "/programs"},
		Ports: []int{1, 2, 3}, ProxyAddress: "127.0.0.1:4",
	}
	planned, err := plan.Write()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tests := map[string]struct {
		until      time.Time
		goodForAll bool
	}{
		"one that has expired": {until: now.Add(-expiredSince)},
		// Its authority ends earlier, as that of every fleet that has been up for a while.
		"one that is renewed": {until: now.Add(renewedFor + time.Minute), goodForAll: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if err := controlplane.Certify(dir, tc.until); err != nil {
				t.Fatal(err)
			}
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "pki", "apiserver.crt"), filepath.Join(dir, "pki", "apiserver.key"))
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			server.StartTLS()
			defer server.Close()
			component := controlplane.Component{CA: planned.APIServers[0].CA}
			for who, at := range map[string]time.Time{"the fleet": lastGood(tc.until, now), "everybody else": {}} {
				probe, err := newProbe(component, at)
				if err != nil {
					t.Fatal(err)
				}
				err = ask(t.Context(), probe, server.URL)
				if good := who == "the fleet" || tc.goodForAll; (err == nil) != good {
					t.Errorf("asked by %s: got error %v, want an answer: %t", who, err, good)
				}
			}
		})
	}
}
