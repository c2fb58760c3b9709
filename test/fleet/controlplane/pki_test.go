package controlplane

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"
)

func TestACertificateThatIsReplacedIsGoodForItsTimeOnly(t *testing.T) {
	plan := newPlan(t, "member1")
	if _, err := plan.Write(); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(plan.file(caCertFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	now := time.Now()
	tests := map[string]struct {
		until   time.Time
		at      time.Time
		expired bool
	}{
		"one that has expired":            {until: now.Add(-time.Minute), at: now, expired: true},
		"the same one, before that":       {until: now.Add(-time.Minute), at: now.Add(-2 * time.Minute)},
		"one that is good":                {until: now.Add(time.Hour), at: now},
		"the same one, when it has ended": {until: now.Add(time.Hour), at: now.Add(2 * time.Hour), expired: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if err := Certify(plan.Dir, tc.until); err != nil {
				t.Fatal(err)
			}
			pair, err := tls.LoadX509KeyPair(plan.file(serverCertFile), plan.file(serverKeyFile))
			if err != nil {
				t.Fatal(err)
			}
			_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: loopback, CurrentTime: tc.at})
			var invalid x509.CertificateInvalidError
			if expired := errors.As(err, &invalid) && invalid.Reason == x509.Expired; expired != tc.expired || !expired && err != nil {
				t.Errorf("verifying it: got %v, want that it has expired: %t", err, tc.expired)
			}
		})
	}
}
