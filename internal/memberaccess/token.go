package memberaccess

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
)

// TokenLifetime is how long a token is asked to live. The member may grant less. A day lets a manager that
// was down overnight come back without a person's help.
const TokenLifetime = 24 * time.Hour

// Token is a short-lived credential of Flotilla's account in a member.
type Token struct {
	// Value is the bearer token.
	Value string
	// Expires is when it ends.
	Expires time.Time
}

// RequestToken asks the member for a token of Flotilla's account there.
func RequestToken(ctx context.Context, c client.Client, lifetime time.Duration) (Token, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.SystemNamespace, Name: Name}}
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(lifetime / time.Second))},
	}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return Token{}, fmt.Errorf("requesting a token of the ServiceAccount %s/%s: %w", account.Namespace, account.Name, err)
	}
	return Token{Value: request.Status.Token, Expires: request.Status.ExpirationTimestamp.Time}, nil
}

// RenewalDue is true when a third or less of a token's life is left. The beginning of its life is read from
// the token itself; a token that does not tell is taken to live for TokenLifetime.
func RenewalDue(t Token, now time.Time) bool {
	lifetime := TokenLifetime
	if issued, ok := issuedAt(t.Value); ok && issued.Before(t.Expires) {
		lifetime = t.Expires.Sub(issued)
	}
	return t.Expires.Sub(now) <= lifetime/3
}

// issuedAt reads the claim iat of a JSON web token without checking its signature: the member does that.
func issuedAt(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		IssuedAt float64 `json:"iat"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.IssuedAt <= 0 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.IssuedAt), 0), true
}
