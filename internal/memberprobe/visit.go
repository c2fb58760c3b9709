package memberprobe

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// Visit is a short stay at a member, on connections of its own. Close it.
type Visit struct {
	host       string
	clientset  kubernetes.Interface
	rest       rest.Interface
	httpClient *http.Client
	// certificate of the client; nil when it has none.
	certificate *x509.Certificate
}

// Open prepares a visit; nothing is sent yet. Errors are of type *ReasonedError.
func Open(config *rest.Config) (*Visit, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	if config.Proxy == nil {
		// The default of an unset Proxy; that it is set keeps the transport out of the shared cache.
		config.Proxy = http.ProxyFromEnvironment
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, &ReasonedError{Reason: v1alpha1.ReasonCredentialsInvalid, Err: err,
			Message: fmt.Sprintf("the credentials cannot be used: %v", err)}
	}
	clientset, err := kubernetes.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, &ReasonedError{Reason: v1alpha1.ReasonCredentialsInvalid, Err: err,
			Message: fmt.Sprintf("the endpoint %s cannot be used: %v", config.Host, err)}
	}
	return &Visit{host: config.Host, clientset: clientset, rest: clientset.Discovery().RESTClient(), httpClient: httpClient, certificate: clientCertificate(config)}, nil
}

// clientCertificate is the certificate that a connection shows; nil when it shows none.
func clientCertificate(config *rest.Config) *x509.Certificate {
	block, _ := pem.Decode(config.CertData)
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil // making the client says so
	}
	return certificate
}

// Close ends the visit's connections.
func (v *Visit) Close() { utilnet.CloseIdleConnectionsFor(v.httpClient.Transport) }

// Identity is who a member is.
type Identity struct {
	// ID is the UID of its kube-system namespace.
	ID string
	// Version of its API server, such as "v1.37.1".
	Version string
}

// Probe asks whether the member's API server is ready, whether it takes the credentials, and which cluster
// it is. Errors are of type *ReasonedError. The caller's context bounds it in time.
func (v *Visit) Probe(ctx context.Context) (Identity, error) {
	identity, err := v.ask(ctx)
	var fault *ReasonedError
	if errors.As(err, &fault) && fault.Reason == v1alpha1.ReasonUnauthorized && v.certificate != nil &&
		(clock.RealClock{}).Now().After(v.certificate.NotAfter) {
		// The member does not say why it refuses a certificate, so that is looked up here.
		return Identity{}, &ReasonedError{Reason: v1alpha1.ReasonCertificateExpired, Err: err,
			Message: fmt.Sprintf("%s refused the credentials: the client certificate ended at %s. Put a kubeconfig with a new one into the credentials Secret, or join the cluster again",
				v.host, stamp(v.certificate.NotAfter))}
	}
	return identity, err
}

func (v *Visit) ask(ctx context.Context) (Identity, error) {
	if err := v.ready(ctx); err != nil {
		return Identity{}, err
	}
	version, err := v.clientset.Discovery().ServerVersionWithContext(ctx)
	if err != nil {
		return Identity{}, classify(err, v.host, "reading its version")
	}
	system, err := v.clientset.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return Identity{}, classify(err, v.host, "reading the namespace kube-system")
	}
	return Identity{ID: string(system.UID), Version: version.GitVersion}, nil
}

// ready asks for /readyz, and for /healthz where that does not exist. Whoever may not ask is told so by the
// next request, which needs rights anyway.
func (v *Visit) ready(ctx context.Context) error {
	for _, path := range []string{"/readyz", "/healthz"} {
		var code int
		body, err := v.rest.Get().AbsPath(path).Do(ctx).StatusCode(&code).Raw()
		switch {
		case err == nil || code == http.StatusForbidden:
			return nil
		case code == http.StatusNotFound:
			continue
		case code >= http.StatusInternalServerError:
			return reasoned(v1alpha1.ReasonClusterNotReady, "%s%s says that it is not ready (HTTP %d%s)", v.host, path, code, failedChecks(body))
		}
		return classify(err, v.host, "reading "+path)
	}
	return nil
}

// failedChecks lists the checks that an API server marks as failed in its answer, or nothing.
func failedChecks(body []byte) string {
	var failed []string
	for line := range strings.Lines(string(body)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			name, _, _ = strings.Cut(name, " ")
			failed = append(failed, name)
		}
	}
	if len(failed) == 0 {
		return ""
	}
	return ": " + strings.Join(failed, ", ")
}
