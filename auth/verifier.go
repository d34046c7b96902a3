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

// maxTokenBytes is far above the size of a real token; longer ones are rejected without parsing.
const maxTokenBytes = 8 << 10

// Leeway is the tolerated clock difference to an issuer: a token is valid from Leeway before its nbf to Leeway after
// its exp.
const Leeway = 30 * time.Second

// Issuer is a trusted issuer of tokens. Exactly one of PublicKey, Secret and Keys is set.
type Issuer struct {
	// Name is the iss claim of its tokens.
	Name string
	// Audiences lists the audiences it may issue tokens for. Only the part of aud before the first colon is compared.
	Audiences []string
	// Algorithm is the only algorithm accepted for its tokens: ES256, HS256, RS256 or EdDSA.
	Algorithm string
	// PublicKey is a PEM block "PUBLIC KEY" or, for ES256, the uncompressed point 04‖X‖Y of 65 bytes.
	PublicKey []byte
	// Secret is the HS256 secret, at least 32 bytes.
	Secret []byte
	// Keys looks up rotating public keys; not allowed for HS256.
	Keys Keys
	// AllowMissingExp accepts tokens without exp, which never expire.
	AllowMissingExp bool
}

// Verifier authenticates callers by their tokens. It is safe for concurrent use.
type Verifier struct {
	issuers    map[string]trustedIssuer
	signatures signatureCache
}

type trustedIssuer struct {
	Issuer
	keys Keys
}

// NewVerifier returns a verifier that accepts tokens of these issuers only. It returns one error for all invalid
// issuers: missing or duplicate names, missing audiences, unknown algorithms, missing or unsuitable keys.
func NewVerifier(issuers []Issuer) (*Verifier, error) {
	v := &Verifier{issuers: make(map[string]trustedIssuer, len(issuers)), signatures: newSignatureCache()}
	var errs []error
	for _, issuer := range issuers {
		if _, duplicate := v.issuers[issuer.Name]; duplicate {
			errs = append(errs, fmt.Errorf("issuer %q: is defined twice", issuer.Name))
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
			err = CheckKey(key, i.Algorithm)
		}
		if err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
		return fixedKey{key}, nil
	case i.Secret != nil && i.PublicKey == nil && i.Keys == nil && i.Algorithm == HS256:
		if err := CheckKey(i.Secret, i.Algorithm); err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		return fixedKey{i.Secret}, nil
	case i.Keys != nil && i.PublicKey == nil && i.Secret == nil &&
		slices.Contains([]string{ES256, RS256, EdDSA}, i.Algorithm):
		return i.Keys, nil
	}
	return nil, fmt.Errorf("algorithm %q: must be %s with a secret, or %s, %s or %s with a public key or a key set",
		i.Algorithm, HS256, ES256, RS256, EdDSA)
}

// Verify returns the account that the token was issued for, if the token is valid at the time now. Otherwise it
// returns a *minigroup.Error: of kind InvalidAuthentication, with the reason in its detail, which is safe to show to
// the caller, or of kind ServiceUnavailable if the keys of its issuer are not available. Any other error is ctx.Err().
func (v *Verifier) Verify(ctx context.Context, token string, now time.Time) (Account, error) {
	switch {
	case len(token) > maxTokenBytes:
		return Account{}, invalidToken("it is too long")
	case strings.ContainsAny(token, "\r\n"): // base64 decoders ignore line breaks
		return Account{}, invalidToken("it has line breaks")
	}
	c, err := v.signatures.get(token, now, func() (signedClaims, error) { return v.verifySignature(ctx, token) })
	if err != nil {
		return Account{}, safeError(err)
	}
	switch {
	case c.expires == nil && !c.signedBy.AllowMissingExp:
		return Account{}, invalidToken("it has no expiry (exp)")
	case c.expires != nil && *c.expires <= seconds(now.Add(-Leeway)):
		return Account{}, invalidToken("it has expired")
	case c.notBefore != nil && *c.notBefore > seconds(now.Add(Leeway)):
		return Account{}, invalidToken("it is not valid yet (nbf)")
	case c.subject == "":
		return Account{}, invalidToken("it has no subject (sub)")
	}
	if wrong := append(minigroup.CheckNFC("its subject (sub)", c.subject),
		minigroup.CheckNFC("its audience (aud)", c.audience)...); len(wrong) > 0 {
		return Account{}, invalidToken(wrong[0].Field + " " + wrong[0].Detail)
	}
	return Account{Label: c.subject, Audience: c.audience}, nil
}

// verifySignature returns the claims of a token if its signature is valid. It does not validate expiry and subject.
func (v *Verifier) verifySignature(ctx context.Context, token string) (s signedClaims, err error) {
	parser := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	_, err = parser.ParseWithClaims(token, &s.claims, func(t *jwt.Token) (any, error) {
		var err error
		if s.signedBy, err = v.issuerOf(t, s.claims); err != nil {
			return nil, err
		}
		if s.audience, err = s.signedBy.audienceOf(s.claims); err != nil {
			return nil, err
		}
		return s.signedBy.keysOf(ctx, t)
	})
	return s, err
}

func seconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

// issuerOf returns the issuer that a token names. It rejects the token, before its signature is verified, if the issuer
// is not trusted or uses another algorithm.
func (v *Verifier) issuerOf(token *jwt.Token, c claims) (trustedIssuer, error) {
	issuer, ok := v.issuers[c.issuer]
	if !ok {
		return trustedIssuer{}, invalidToken("its issuer (iss) is not trusted")
	}
	if token.Method.Alg() != issuer.Algorithm {
		return trustedIssuer{}, invalidToken("its algorithm (alg) is not the one configured for its issuer")
	}
	return issuer, nil
}

// audienceOf returns the audience of the account that a token was issued for: the only one of the token's audiences
// that its issuer may issue tokens for. Identity providers add the audiences of other services.
func (i trustedIssuer) audienceOf(c claims) (string, error) {
	ours := slices.DeleteFunc(slices.Clone(c.audiences), func(audience string) bool {
		family, _, _ := strings.Cut(audience, ":")
		return !slices.Contains(i.Audiences, family)
	})
	switch len(ours) {
	case 1:
		return ours[0], nil
	case 0:
		return "", invalidToken("its issuer may not issue tokens for its audience (aud)")
	default:
		return "", invalidToken("its issuer may issue tokens for several of its audiences (aud), so none is the account's")
	}
}

// keysOf returns the keys that may have signed a token of this issuer. The library tries each of them.
func (i trustedIssuer) keysOf(ctx context.Context, token *jwt.Token) (any, error) {
	kid, err := kidOf(token.Raw)
	if err != nil {
		return nil, invalidToken("its header has a duplicate member, critical extensions (crit), " +
			"or a key id (kid) that is not a string")
	}
	keys, err := i.keys.Lookup(ctx, kid, i.Algorithm)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, minigroup.Errorf(minigroup.ServiceUnavailable,
			"the keys of the token's issuer are not available at the moment; the same request may be sent again")
	}
	var suitable jwt.VerificationKeySet
	for _, key := range keys {
		if CheckKey(key, i.Algorithm) == nil {
			suitable.Keys = append(suitable.Keys, key)
		}
	}
	if len(suitable.Keys) == 0 {
		return nil, invalidToken("its issuer has no key with its key id (kid)")
	}
	return suitable, nil
}

// safeError replaces errors of the JWT library, which may quote the token, by errors that are safe to show.
func safeError(err error) error {
	var rejected *minigroup.Error
	switch {
	case errors.As(err, &rejected):
		return rejected
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalidToken("its signature is not valid")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return invalidToken("its algorithm (alg) is not supported")
	default:
		return invalidToken("it is not a JWT without duplicate claims, with strings as iss, aud and sub " +
			"(aud may be an array) and natural numbers as exp and nbf")
	}
}

func invalidToken(reason string) *minigroup.Error {
	return minigroup.Errorf(minigroup.InvalidAuthentication, "the token is not valid: %s", reason)
}
