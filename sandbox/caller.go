package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// caller is the account and agent that a request comes from.
type caller struct {
	account string // label.audience
	agent   string // agent label.account
}

// authenticate returns a 401 for a request without a valid token. That reply is application/json from every service.
func (c Config) authenticate(r *http.Request) (caller, *reply) {
	token, present := bearer(r)
	if !present {
		return caller{}, unauthorized("no_authentication_token", "No application account id for anonymous access")
	}
	account, err := c.verify(token)
	if err != nil {
		return caller{}, unauthorized("invalid_authentication", err.Error())
	}
	label := r.Header.Get("X-Agent-Label")
	if label == "" {
		label = "http"
	}
	return caller{account: account, agent: label + "." + account}, nil
}

func unauthorized(typ, title string) *reply {
	r := object(http.StatusUnauthorized, typeJSON, map[string]string{"type": typ, "title": title})
	return &r
}

// bearer removes the first seven bytes of the header without checking them, as the services do: a header with only a
// token loses the first seven bytes of the token.
func bearer(r *http.Request) (string, bool) {
	if header := r.Header.Get("Authorization"); header != "" {
		return header[min(len("Bearer "), len(header)):], true
	}
	query := r.URL.Query()
	return query.Get("access_token"), query.Has("access_token")
}

var errClaims = errors.New("invalid claims of the authentication token")

// verify returns the account id. It checks the claims before the signature, as the services do.
func (c Config) verify(token string) (string, error) {
	parser := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithJSONNumber())
	unverified, _, err := parser.ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		return "", errClaims
	}
	claims, _ := unverified.Claims.(jwt.MapClaims)
	issuer, hasIssuer := claims["iss"].(string)
	audience, hasAudience := claims["aud"].(string)
	subject, hasSubject := claims["sub"].(string)
	if !hasIssuer || !hasAudience || !hasSubject {
		return "", errClaims
	}
	trusted, known := c.Issuers[issuer]
	if !known {
		return "", fmt.Errorf("issuer = %s of the authentication token is not allowed", issuer)
	}
	// The audience "a:b" is checked as "a" and stays whole in the account id.
	if first, _, _ := strings.Cut(audience, ":"); !slices.Contains(trusted.Audiences, first) {
		return "", fmt.Errorf("audience = %s of the authentication token is not allowed", audience)
	}
	if err := c.verifySignature(parser, token, trusted, claims); err != nil {
		return "", fmt.Errorf("verification of the authentication token failed – %w", err)
	}
	return subject + "." + audience, nil
}

func (c Config) verifySignature(parser *jwt.Parser, token string, issuer Issuer, claims jwt.MapClaims) error {
	errAlgorithm := errors.New("InvalidAlgorithm")
	_, err := parser.Parse(token, func(t *jwt.Token) (any, error) {
		if t.Method != jwt.SigningMethodES256 {
			return nil, errAlgorithm
		}
		return issuer.PublicKey, nil
	})
	if errors.Is(err, errAlgorithm) {
		return errAlgorithm
	}
	if err != nil {
		return errors.New("InvalidSignature")
	}
	expiry, present := claims["exp"]
	if !present {
		return nil // a token without exp does not expire
	}
	number, _ := expiry.(json.Number)
	if seconds, err := number.Int64(); err != nil || seconds < c.Clock().Unix() {
		return errors.New("ExpiredSignature")
	}
	return nil
}

// authorize returns an empty type if the account may do the action to the object in the audience, else the problem.
func (c Config) authorize(account, audience string, object []string, action string) (typ, detail string) {
	intent := fmt.Sprintf("intent::%s::%s::%s", account, strings.Join(object, "/"), action)
	authorization, configured := c.Audiences[audience]
	switch {
	case !configured:
		return "access_denied", fmt.Sprintf(
			"[Forbidden] %s has been forbidden, no authorization configuration for the audience = %s", intent, audience)
	case authorization.Kind == AuthorizationUnreachable:
		return "authorization_failed", fmt.Sprintf(
			"[Network] %s has been forbidden, error sending the authorization request", intent)
	case authorization.Kind == AuthorizationLocal && !slices.Contains(authorization.Trusted, account):
		return "access_denied", fmt.Sprintf(
			"[Forbidden] %s has been forbidden, the subject isn't in a trusted list", intent)
	}
	return "", ""
}
