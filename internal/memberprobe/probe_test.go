package memberprobe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// answers is an API server that gives fixed answers by path.
type answers map[string]answer

type answer struct {
	code int
	body string
}

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := a[r.URL.Path]
	if !ok {
		found = answer{http.StatusNotFound, "404 page not found"}
	}
	if strings.HasPrefix(found.body, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(found.code)
	_, _ = fmt.Fprint(w, found.body)
}

// healthy is what a member answers that is fine, with changes.
func healthy(changes answers) answers {
	a := answers{
		"/readyz":                        {http.StatusOK, "ok"},
		"/version":                       {http.StatusOK, `{"gitVersion":"v1.37.1"}`},
		"/api/v1/namespaces/kube-system": {http.StatusOK, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"the-id"}}`},
	}
	for path, change := range changes {
		a[path] = change
	}
	return a
}

func failure(code int, reason, message string) answer {
	return answer{code, fmt.Sprintf(`{"apiVersion":"v1","kind":"Status","status":"Failure","reason":%q,"message":%q,"code":%d}`, reason, message, code)}
}

func certificateOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// serve starts a server, and prepares a connection to it.
func serve(t *testing.T, handler http.Handler, certificate *tls.Certificate) *rest.Config {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	if certificate != nil {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL, BearerToken: "token", TLSClientConfig: rest.TLSClientConfig{CAData: certificateOf(server)}}
}

func probeOnce(t *testing.T, config *rest.Config, timeout time.Duration) (Identity, error) {
	t.Helper()
	visit, err := Open(config)
	if err != nil {
		return Identity{}, err
	}
	defer visit.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return visit.Probe(ctx)
}

func TestProbeTellsWhoAMemberIs(t *testing.T) {
	cases := map[string]answers{
		"with readyz":                      healthy(nil),
		"with healthz only":                healthy(answers{"/readyz": {http.StatusNotFound, ""}, "/healthz": {http.StatusOK, "ok"}}),
		"without the right to read readyz": healthy(answers{"/readyz": failure(http.StatusForbidden, "Forbidden", "no")}),
	}
	for name, handler := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := probeOnce(t, serve(t, handler, nil), 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Identity{ID: "the-id", Version: "v1.37.1"}, got); diff != "" {
				t.Errorf("Probe() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProbeTellsWhatIsWrongWithAMember(t *testing.T) {
	unauthorized := failure(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	forbidden := failure(http.StatusForbidden, "Forbidden", `namespaces "kube-system" is forbidden`)
	hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cases := map[string]struct {
		config      func(t *testing.T) *rest.Config
		reason      string
		messageHas  string
		messageHas2 string
	}{
		"nobody listens": {
			config: func(t *testing.T) *rest.Config { return refusing(t) },
			reason: v1alpha1.ReasonClusterNotReachable, messageHas: "does not answer", messageHas2: "connection refused",
		},
		"it hangs": {
			config: func(t *testing.T) *rest.Config { return serve(t, hang, nil) },
			reason: v1alpha1.ReasonClusterNotReachable, messageHas: "did not answer in time",
		},
		"its CA is unknown": {
			config: func(t *testing.T) *rest.Config {
				config := serve(t, healthy(nil), nil)
				config.CAData = pemOf(selfSigned(t, time.Hour))
				return config
			},
			reason: v1alpha1.ReasonCertificateInvalid, messageHas: "unknown authority", messageHas2: "correct the CA bundle",
		},
		"its certificate ended": {
			config: func(t *testing.T) *rest.Config { return serve(t, healthy(nil), selfSigned(t, -time.Hour)) },
			reason: v1alpha1.ReasonCertificateExpired, messageHas: "renew it in the member",
		},
		"the client's certificate ended": {
			config: func(t *testing.T) *rest.Config {
				return withCertificate(t, serve(t, answers{"/readyz": unauthorized}, nil), -time.Hour)
			},
			reason: v1alpha1.ReasonCertificateExpired, messageHas: "the client certificate ended at", messageHas2: "join the cluster again",
		},
		"the client's certificate has not ended": {
			config: func(t *testing.T) *rest.Config {
				return withCertificate(t, serve(t, answers{"/readyz": unauthorized}, nil), time.Hour)
			},
			reason: v1alpha1.ReasonUnauthorized, messageHas: "put a valid token or kubeconfig",
		},
		"the token is not valid": {
			config: func(t *testing.T) *rest.Config { return serve(t, answers{"/readyz": unauthorized}, nil) },
			reason: v1alpha1.ReasonUnauthorized, messageHas: "put a valid token or kubeconfig",
		},
		"the token lacks rights": {
			config: func(t *testing.T) *rest.Config {
				return serve(t, healthy(answers{"/api/v1/namespaces/kube-system": forbidden}), nil)
			},
			reason: v1alpha1.ReasonForbidden, messageHas: "reading the namespace kube-system",
		},
		"it says that it is not ready": {
			config: func(t *testing.T) *rest.Config {
				return serve(t, healthy(answers{"/readyz": {http.StatusInternalServerError, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"}}), nil)
			},
			reason: v1alpha1.ReasonClusterNotReady, messageHas: "HTTP 500: etcd",
		},
		"something else answers": {
			config: func(t *testing.T) *rest.Config {
				return serve(t, answers{"/readyz": {http.StatusOK, "ok"}, "/version": {http.StatusBadGateway, "bad gateway"}}, nil)
			},
			reason: v1alpha1.ReasonClusterNotReady, messageHas: "reading its version",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := probeOnce(t, tc.config(t), 500*time.Millisecond)
			var got *ReasonedError
			if !errors.As(err, &got) {
				t.Fatalf("Probe() = %v, want a *ReasonedError", err)
			}
			if got.Reason != tc.reason || !strings.Contains(got.Message, tc.messageHas) || !strings.Contains(got.Message, tc.messageHas2) {
				t.Errorf("Probe() = %s: %s\nwant %s with %q and %q", got.Reason, got.Message, tc.reason, tc.messageHas, tc.messageHas2)
			}
		})
	}
}

func TestEveryVisitHasItsOwnConnections(t *testing.T) {
	config := serve(t, healthy(nil), nil)
	first, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if first.httpClient == second.httpClient || first.httpClient.Transport == second.httpClient.Transport {
		t.Error("two visits share a transport: a certificate that ended would go unnoticed")
	}
}

func refusing(t *testing.T) *rest.Config {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return &rest.Config{Host: "https://" + listener.Addr().String()}
}

// selfSigned makes a certificate for 127.0.0.1 that ends after the given time; it has ended when negative.
func selfSigned(t *testing.T, ends time.Duration) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// withCertificate lets a connection show a client certificate that ends at some time from now.
func withCertificate(t *testing.T, config *rest.Config, ends time.Duration) *rest.Config {
	t.Helper()
	certificate := selfSigned(t, ends)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	config.BearerToken = ""
	config.CertData = pemOf(certificate)
	config.KeyData = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return config
}

func pemOf(certificate *tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
}
