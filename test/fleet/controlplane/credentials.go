package controlplane

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// tokenIssuer is who issues ServiceAccount tokens, and whom they are for.
const tokenIssuer = "https://kubernetes.default.svc"

// tokenLeeway is how much longer than it says API servers take a token (go-jose's default).
const tokenLeeway = time.Minute

// ClientCertificate issues, in the folder of a Plan, a certificate that authenticates a user of a group until a moment. It and its
// key are PEM-encoded.
func ClientCertificate(dir, user, group string, until time.Time) (cert, key []byte, err error) {
	p := Plan{Dir: dir}
	ca, err := loadAuthority(p.file(caCertFile), p.file(caKeyFile))
	if err != nil {
		return nil, nil, err
	}
	template, err := certificate(pkix.Name{CommonName: user, Organization: []string{group}})
	if err != nil {
		return nil, nil, err
	}
	template.NotAfter = until
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	pair, err := ca.issue(template)
	return pair.cert, pair.key, err
}

// AccountToken signs, in the folder of a Plan, a token of a ServiceAccount that API servers take until a moment. They themselves
// issue none for less than ten minutes. One that was taken lately is taken for ten seconds more.
func AccountToken(dir string, account *corev1.ServiceAccount, until time.Time) (string, error) {
	signer, err := loadSigner(Plan{Dir: dir}.file(tokenKeyFile))
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims := map[string]any{
		"iss": tokenIssuer, "aud": []string{tokenIssuer}, "sub": "system:serviceaccount:" + account.Namespace + ":" + account.Name,
		"iat": now.Add(-clockSkew).Unix(), "nbf": now.Add(-clockSkew).Unix(), "exp": until.Add(-tokenLeeway).Unix(),
		"kubernetes.io": map[string]any{
			"namespace": account.Namespace, "serviceaccount": map[string]any{"name": account.Name, "uid": account.UID},
		},
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding a token: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, signer, digest[:])
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// loadSigner reads what signingKey made.
func loadSigner(file string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the key of tokens: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("reading the key of tokens: %s holds none", file)
	}
	signer, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the key of tokens: %w", err)
	}
	return signer, nil
}
