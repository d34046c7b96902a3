package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/minigroup"
)

// ES256 is the algorithm of the tokens that are taken.
const ES256 = "ES256"

// maxTokenBytes is far more than a token needs; what is longer is not worth parsing.
const maxTokenBytes = 8 << 10

// Issuer is somebody whose tokens are taken.
type Issuer struct {
	// Name is the iss claim of its tokens.
	Name string
	// Audiences are those it may speak for; of a compound one (a:b) the part before the first colon counts.
	Audiences []string
	// Algorithm is the only one its tokens may be signed with: ES256.
	Algorithm string
	// PublicKeyPEM verifies them: a PEM block with a public EC key on P-256.
	PublicKeyPEM []byte
	// AllowMissingExp takes tokens that never expire as well.
	AllowMissingExp bool
}

// Verifier tells who a token speaks for. It is safe for concurrent use.
type Verifier struct {
	issuers map[string]trustedIssuer
}

type trustedIssuer struct {
	Issuer
	key *ecdsa.PublicKey
}

// NewVerifier makes a verifier that takes tokens of these issuers and no other. It returns an error that lists every
// issuer without a name, named twice, without audiences, with an unknown algorithm or an unusable key.
func NewVerifier(issuers []Issuer) (*Verifier, error) {
	v := &Verifier{issuers: make(map[string]trustedIssuer, len(issuers))}
	var errs []error
	for _, issuer := range issuers {
		if _, twice := v.issuers[issuer.Name]; twice {
			errs = append(errs, fmt.Errorf("issuer %q: is there twice", issuer.Name))
		}
		key, err := issuer.check()
		if err != nil {
			errs = append(errs, fmt.Errorf("issuer %q: %w", issuer.Name, err))
		}
		v.issuers[issuer.Name] = trustedIssuer{Issuer: issuer, key: key}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return v, nil
}

func (i Issuer) check() (*ecdsa.PublicKey, error) {
	switch {
	case i.Name == "":
		return nil, errors.New("must have a name")
	case len(i.Audiences) == 0 || slices.Contains(i.Audiences, ""):
		return nil, errors.New("must have audiences, none of them empty")
	case i.Algorithm != ES256:
		return nil, fmt.Errorf("algorithm %q: must be %s", i.Algorithm, ES256)
	}
	block, _ := pem.Decode(i.PublicKeyPEM)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New(`public key: must be a PEM block "PUBLIC KEY"`)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("public key: must be an EC key on P-256")
	}
	return key, nil
}

// Verify returns the account that the token speaks for at the moment now. Otherwise it returns a *minigroup.Error of
// kind InvalidAuthentication, whose detail says what is wrong and may be shown to whoever sent the token.
func (v *Verifier) Verify(token string, now time.Time) (Account, error) {
	if len(token) > maxTokenBytes {
		return Account{}, invalidToken("it is too long")
	}
	var (
		c      claims
		issuer trustedIssuer
	)
	// The claims are checked below: the library would take an array for aud and a token without exp.
	parser := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	_, err := parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		var err error
		issuer, err = v.issuerOf(t, c)
		return issuer.key, err
	})
	if err != nil {
		return Account{}, explain(err)
	}
	switch {
	case c.ExpiresAt == nil && !issuer.AllowMissingExp:
		return Account{}, invalidToken("it has no expiry (exp)")
	case c.ExpiresAt != nil && !now.Before(c.ExpiresAt.Time):
		return Account{}, invalidToken("it has expired")
	case c.Subject == "":
		return Account{}, invalidToken("it names no subject (sub)")
	}
	return Account{Label: c.Subject, Audience: c.Audience}, nil
}

// issuerOf finds the issuer that a token names, and refuses the token before its signature is looked at where that
// issuer signs otherwise or does not speak for that audience.
func (v *Verifier) issuerOf(token *jwt.Token, c claims) (trustedIssuer, error) {
	issuer, ok := v.issuers[c.Issuer]
	if !ok {
		return trustedIssuer{}, invalidToken("its issuer (iss) is not trusted here")
	}
	if token.Method.Alg() != issuer.Algorithm {
		return trustedIssuer{}, invalidToken("its algorithm (alg) is not the one its issuer signs with")
	}
	family, _, _ := strings.Cut(c.Audience, ":")
	if !slices.Contains(issuer.Audiences, family) {
		return trustedIssuer{}, invalidToken("its issuer does not speak for its audience (aud)")
	}
	return issuer, nil
}

// explain turns the library's error into one that is safe to show: it quotes nothing of the token.
func explain(err error) error {
	var ours *minigroup.Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalidToken("its signature does not match")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return invalidToken("its algorithm (alg) is not known here")
	default:
		return invalidToken("it is not a JWT whose claims iss, aud and sub are strings and exp is a number")
	}
}

func invalidToken(reason string) *minigroup.Error {
	return minigroup.Errorf(minigroup.InvalidAuthentication, "the token is not valid: %s", reason)
}

// claims are what a token says. Its own audience hides the library's, which would take an array: an array is no string
// and so no claim of ours.
type claims struct {
	jwt.RegisteredClaims
	Audience string `json:"aud"`
}
