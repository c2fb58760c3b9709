package memberprobe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// ReasonedError says why a member cannot be used. It is what a Cluster's condition Ready shows.
type ReasonedError struct {
	// Reason is one of the reasons of a Cluster's condition Ready.
	Reason string
	// Message says what is wrong and how to fix it.
	Message string
	// Err is the cause; nil when the message says it all.
	Err error
}

// Error is the message.
func (e *ReasonedError) Error() string { return e.Message }

// Unwrap is the cause.
func (e *ReasonedError) Unwrap() error { return e.Err }

// Cause is the innermost cause, without the layers that repeat what was tried; nil when there is none.
func (e *ReasonedError) Cause() error {
	if e.Err == nil {
		return nil
	}
	return innermost(e.Err)
}

func reasoned(reason, format string, args ...any) *ReasonedError {
	return &ReasonedError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// classify tells what an error of a request to a member's API server means; doing says what was tried.
func classify(err error, host, doing string) *ReasonedError {
	result := &ReasonedError{Err: err}
	switch {
	case apierrors.IsUnauthorized(err):
		result.Reason = v1alpha1.ReasonUnauthorized
		result.Message = fmt.Sprintf("%s refused the credentials (%s): put a valid token or kubeconfig into the credentials Secret, or join the cluster again", host, doing)
	case apierrors.IsForbidden(err):
		result.Reason = v1alpha1.ReasonForbidden
		result.Message = fmt.Sprintf("the credentials lack a right that Flotilla needs in the member (%s): %v", doing, err)
	case expired(err) != nil:
		// Without the current time, that the cause names: what is reported must not change with every look.
		certificate := expired(err)
		result.Reason = v1alpha1.ReasonCertificateExpired
		result.Message = fmt.Sprintf("the certificate of %s counts from %s to %s: renew it in the member, or correct the clocks",
			host, stamp(certificate.NotBefore), stamp(certificate.NotAfter))
	case isCertificateError(err):
		result.Reason = v1alpha1.ReasonCertificateInvalid
		result.Message = fmt.Sprintf("the certificate of %s does not check: %v; correct the CA bundle in the credentials Secret, or the endpoint's name", host, certificateCause(err))
	case isStatus(err):
		result.Reason = v1alpha1.ReasonClusterNotReady
		result.Message = fmt.Sprintf("%s answered, but not as a healthy API server (%s): %v", host, doing, err)
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		result.Reason = v1alpha1.ReasonClusterNotReachable
		result.Message = fmt.Sprintf("%s did not answer in time (%s)", host, doing)
	default:
		result.Reason = v1alpha1.ReasonClusterNotReachable
		result.Message = fmt.Sprintf("%s does not answer (%s): %v", host, doing, innermost(err))
	}
	return result
}

func isStatus(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func isCertificateError(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &hostname)
}

// expired is the server's certificate that is used outside of its time; nil when the error is another one.
func expired(err error) *x509.Certificate {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return invalid.Cert
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// certificateCause is the part of the error that names the defect of the certificate.
func certificateCause(err error) error {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return verification.Err
	}
	return innermost(err)
}

// innermost drops the layers that repeat the URL, so that a condition's message stays readable and stable.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
