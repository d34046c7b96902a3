package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/auth"
)

// countingKeys is one key that counts its lookups.
type countingKeys struct {
	key     any
	lookups int
}

func (c *countingKeys) Lookup(context.Context, string, string) ([]any, error) {
	c.lookups++
	return []any{c.key}, nil
}

func TestAVerifiedTokenIsCached(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	keys := &countingKeys{key: &key.PublicKey}
	verifier := newVerifier(t, auth.Issuer{Name: "iam", Audiences: []string{"a"}, Algorithm: auth.ES256, Keys: keys})
	claims := jwt.MapClaims{"iss": "iam", "aud": "a", "sub": "s", "exp": now.Unix()}
	token := sign(t, jwt.SigningMethodES256, key, claims)
	verifyAt := func(moment time.Time) {
		t.Helper()
		account, err := verifier.Verify(t.Context(), token, moment)
		must(t, err)
		if want := (auth.Account{Label: "s", Audience: "a"}); account != want {
			t.Errorf("got %v, want %v", account, want)
		}
	}
	wantLookups := func(want int) {
		t.Helper()
		if keys.lookups != want {
			t.Errorf("%d key lookups, want %d", keys.lookups, want)
		}
	}
	t.Run("it is accepted again without verifying its signature", func(*testing.T) {
		verifyAt(now.Add(-time.Hour))
		verifyAt(now.Add(-time.Hour).Add(59 * time.Second))
		wantLookups(1)
	})
	t.Run("its signature is verified again after a minute, in case the key was withdrawn", func(t *testing.T) {
		verifyAt(now.Add(-time.Minute))
		wantLookups(2)
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		keys.key = &other.PublicKey
		rejects(t, verifier, token, "signature")
		keys.key = &key.PublicKey
	})
	t.Run("it expires while it is cached", func(t *testing.T) {
		verifyAt(now)
		if _, err := verifier.Verify(t.Context(), token, now.Add(auth.Leeway+time.Second)); err == nil {
			t.Error("it was accepted after its expiry")
		}
	})
	t.Run("another signature over the same claims is verified on its own", func(t *testing.T) {
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		rejects(t, verifier, sign(t, jwt.SigningMethodES256, other, claims), "signature")
	})
}

func TestARejectedTokenIsNotCached(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	keys := &countingKeys{key: "not a key"}
	verifier := newVerifier(t, auth.Issuer{Name: "iam", Audiences: []string{"a"}, Algorithm: auth.ES256, Keys: keys})
	claims := jwt.MapClaims{"iss": "iam", "aud": "a", "sub": "s", "exp": now.Unix()}
	token := sign(t, jwt.SigningMethodES256, key, claims)
	rejects(t, verifier, token, "kid")
	keys.key = &key.PublicKey // its issuer publishes it later
	if _, err := verifier.Verify(t.Context(), token, now); err != nil {
		t.Error(err)
	}
}
