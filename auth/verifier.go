package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/minigroup"
)

// maxTokenBytes is far more than a token needs; what is longer is not worth parsing.
const maxTokenBytes = 8 << 10

// Leeway is how far an issuer's clock may be off: a token is taken that long before its nbf and after its exp.
const Leeway = 30 * time.Second

// Issuer is somebody whose tokens are taken. Its key comes from exactly one of PublicKey, Secret and Keys.
type Issuer struct {
	// Name is the iss claim of its tokens.
	Name string
	// Audiences are those it may speak for; of a compound one (a:b) the part before the first colon counts.
	Audiences []string
	// Algorithm is the only one its tokens may be signed with: ES256, HS256, RS256 or EdDSA.
	Algorithm string
	// PublicKey verifies them: a PEM block "PUBLIC KEY" or, for ES256, the bare point 04‖X‖Y of 65 bytes.
	PublicKey []byte
	// Secret verifies those signed with HS256, and is at least 32 bytes.
	Secret []byte
	// Keys verify them where they change; not for HS256.
	Keys Keys
	// AllowMissingExp takes tokens that never expire as well.
	AllowMissingExp bool
}

// Verifier tells who a token speaks for. It is safe for concurrent use.
type Verifier struct {
	issuers map[string]trustedIssuer
	genuine genuine
}

type trustedIssuer struct {
	Issuer
	keys Keys
}

// NewVerifier makes a verifier that takes tokens of these issuers and no other. It returns an error that lists every
// issuer without a name, named twice, without audiences, with an unknown algorithm or without a usable key.
func NewVerifier(issuers []Issuer) (*Verifier, error) {
	v := &Verifier{issuers: make(map[string]trustedIssuer, len(issuers)), genuine: newGenuine()}
	var errs []error
	for _, issuer := range issuers {
		if _, twice := v.issuers[issuer.Name]; twice {
			errs = append(errs, fmt.Errorf("issuer %q: is there twice", issuer.Name))
		}
		keys, err := issuer.check()
		if err != nil {
			errs = append(errs, fmt.Errorf("issuer %q: %w", issuer.Name, err))
		}
		v.issuers[issuer.Name] = trustedIssuer{Issuer: issuer, keys: keys}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return v, nil
}

func (i Issuer) check() (Keys, error) {
	switch {
	case i.Name == "":
		return nil, errors.New("must have a name")
	case len(i.Audiences) == 0 || slices.Contains(i.Audiences, ""):
		return nil, errors.New("must have audiences, none of them empty")
	}
	switch {
	case i.PublicKey != nil && i.Secret == nil && i.Keys == nil && i.Algorithm != HS256:
		key, err := parsePublicKey(i.PublicKey, i.Algorithm)
		if err == nil {
			err = fits(key, i.Algorithm)
		}
		if err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
		return fixedKey{key}, nil
	case i.Secret != nil && i.PublicKey == nil && i.Keys == nil && i.Algorithm == HS256:
		if err := fits(i.Secret, i.Algorithm); err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		return fixedKey{i.Secret}, nil
	case i.Keys != nil && i.PublicKey == nil && i.Secret == nil && slices.Contains([]string{ES256, RS256, EdDSA}, i.Algorithm):
		return i.Keys, nil
	}
	return nil, fmt.Errorf("algorithm %q: must be %s with a secret, or %s, %s or %s with a public key or a set of keys", i.Algorithm, HS256, ES256, RS256, EdDSA)
}

// Verify returns the account that the token speaks for at the moment now. Otherwise it returns a *minigroup.Error: of kind
// InvalidAuthentication, whose detail says what is wrong and may be shown to whoever sent the token, or of kind
// ServiceUnavailable where the keys of its issuer cannot be had now. Any other error is that of ctx.
func (v *Verifier) Verify(ctx context.Context, token string, now time.Time) (Account, error) {
	switch {
	case len(token) > maxTokenBytes:
		return Account{}, invalidToken("it is too long")
	case strings.ContainsAny(token, "\r\n"): // which decoders of base64 skip
		return Account{}, invalidToken("it has line breaks")
	}
	c, err := v.genuine.of(token, now, func() (signed, error) { return v.read(ctx, token) })
	if err != nil {
		return Account{}, explain(err)
	}
	switch {
	case c.expires == nil && !c.by.AllowMissingExp:
		return Account{}, invalidToken("it has no expiry (exp)")
	case c.expires != nil && *c.expires <= seconds(now.Add(-Leeway)):
		return Account{}, invalidToken("it has expired")
	case c.notBefore != nil && *c.notBefore > seconds(now.Add(Leeway)):
		return Account{}, invalidToken("it is not valid yet (nbf)")
	case c.subject == "":
		return Account{}, invalidToken("it names no subject (sub)")
	}
	return Account{Label: c.subject, Audience: c.audience}, nil
}

// read returns the claims of a token with a good signature, whatever they are.
func (v *Verifier) read(ctx context.Context, token string) (s signed, err error) {
	parser := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	_, err = parser.ParseWithClaims(token, &s.claims, func(t *jwt.Token) (any, error) {
		var err error
		if s.by, err = v.issuerOf(t, s.claims); err != nil {
			return nil, err
		}
		return s.by.key(ctx, t)
	})
	return s, err
}

func seconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

// issuerOf finds the issuer that a token names, and refuses the token before its signature is looked at where that
// issuer signs otherwise or does not speak for that audience.
func (v *Verifier) issuerOf(token *jwt.Token, c claims) (trustedIssuer, error) {
	issuer, ok := v.issuers[c.issuer]
	if !ok {
		return trustedIssuer{}, invalidToken("its issuer (iss) is not trusted here")
	}
	if token.Method.Alg() != issuer.Algorithm {
		return trustedIssuer{}, invalidToken("its algorithm (alg) is not the one its issuer signs with")
	}
	family, _, _ := strings.Cut(c.audience, ":")
	if !slices.Contains(issuer.Audiences, family) {
		return trustedIssuer{}, invalidToken("its issuer does not speak for its audience (aud)")
	}
	return issuer, nil
}

// key finds the key that a token of this issuer names.
func (i trustedIssuer) key(ctx context.Context, token *jwt.Token) (any, error) {
	kid, err := kidOf(token.Raw)
	if err != nil {
		return nil, invalidToken("its header has a member twice, critical extensions (crit), or a key name (kid) that is no string")
	}
	keys, err := i.keys.Lookup(ctx, kid, i.Algorithm)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, minigroup.Errorf(minigroup.ServiceUnavailable, "the keys of the token's issuer cannot be had at the moment; the same request may be sent again")
	}
	var fitting []any
	for _, key := range keys {
		if fits(key, i.Algorithm) == nil {
			fitting = append(fitting, key)
		}
	}
	if len(fitting) != 1 {
		return nil, invalidToken("its issuer has no such key, or several (kid)")
	}
	return fitting[0], nil
}

// explain turns the library's error into one that is safe to show: it quotes nothing of the token.
func explain(err error) error {
	var ours *minigroup.Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalidToken("its signature does not match")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return invalidToken("its algorithm (alg) is not known here")
	default:
		return invalidToken("it is not a JWT whose claims iss, aud and sub are strings, exp and nbf whole numbers, and none there twice")
	}
}

func invalidToken(reason string) *minigroup.Error {
	return minigroup.Errorf(minigroup.InvalidAuthentication, "the token is not valid: %s", reason)
}
