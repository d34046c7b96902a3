package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Signer signs tokens with ES256. It is safe for concurrent use.
type Signer struct {
	account Account
	key     *ecdsa.PrivateKey
	// token returns the service's own token, signed at the first call.
	token func() (string, error)
}

// NewSigner returns a signer for this account. keyPEM is a PEM block with a PKCS#8 EC key on P-256. NewSigner returns
// an error, which never contains the key, if the account is incomplete or the key is of another kind.
func NewSigner(account Account, keyPEM []byte) (*Signer, error) {
	if account.Label == "" || account.Audience == "" {
		return nil, fmt.Errorf("signer for account %q: label and audience must not be empty", account)
	}
	key, err := parsePrivateKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("private key of account %s: %w", account, err)
	}
	s := &Signer{account: account, key: key}
	s.token = sync.OnceValues(func() (string, error) {
		return s.Issue(account.Audience, account.Audience, account.Label, time.Time{})
	})
	return s, nil
}

func parsePrivateKey(keyPEM []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("must be a PEM block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("must be a PKCS#8 key (a PEM block PRIVATE KEY)") // the cause could contain the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("must be an EC key on P-256")
	}
	return key, nil
}

// Token returns the token with which this service authenticates to event, conference and the broker. It never expires,
// as those services expect. Each call returns the same token.
func (s *Signer) Token() (string, error) { return s.token() }

// TokenFor signs a token with which this service authenticates to the authorization service of a tenant. It never
// expires.
func (s *Signer) TokenFor(audience string) (string, error) {
	return s.Issue(s.account.Audience, s.account.Audience+":"+audience, s.account.Label, time.Time{})
}

// Issue signs a token of issuer for the account subject.audience. With a zero expires the token never expires.
func (s *Signer) Issue(issuer, audience, subject string, expires time.Time) (string, error) {
	c := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": subject}
	if !expires.IsZero() {
		c["exp"] = expires.Unix()
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, c).SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign a token for %s.%s: %w", subject, audience, err)
	}
	return token, nil
}
