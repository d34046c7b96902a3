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

// counted are keys that count how often they are asked for.
type counted struct {
	key   any
	asked int
}

func (c *counted) Lookup(context.Context, string, string) ([]any, error) {
	c.asked++
	return []any{c.key}, nil
}

func TestATokenThatWasGood(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	keys := &counted{key: &key.PublicKey}
	verifier := newVerifier(t, auth.Issuer{Name: "iam", Audiences: []string{"a"}, Algorithm: auth.ES256, Keys: keys})
	token := signed(t, jwt.SigningMethodES256, key, jwt.MapClaims{"iss": "iam", "aud": "a", "sub": "s", "exp": now.Unix()})
	at := func(moment time.Time) {
		t.Helper()
		account, err := verifier.Verify(t.Context(), token, moment)
		must(t, err)
		if want := (auth.Account{Label: "s", Audience: "a"}); account != want {
			t.Errorf("it speaks for %v, want %v", account, want)
		}
	}
	asked := func(want int) {
		t.Helper()
		if keys.asked != want {
			t.Errorf("the key was asked for %d times, want %d", keys.asked, want)
		}
	}
	t.Run("is taken again without a look at its signature", func(*testing.T) {
		at(now.Add(-time.Hour))
		at(now.Add(-time.Hour).Add(59 * time.Second))
		asked(1)
	})
	t.Run("is looked at again after a minute, when its issuer may have withdrawn the key", func(t *testing.T) {
		at(now.Add(-time.Minute))
		asked(2)
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		keys.key = &other.PublicKey
		refuses(t, verifier, token, "signature")
		keys.key = &key.PublicKey
	})
	t.Run("expires all the same", func(t *testing.T) {
		at(now)
		if _, err := verifier.Verify(t.Context(), token, now.Add(auth.Leeway+time.Second)); err == nil {
			t.Error("it was taken though it has expired")
		}
	})
	t.Run("lends nothing to one with the same claims and another signature", func(t *testing.T) {
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		refuses(t, verifier, signed(t, jwt.SigningMethodES256, other, jwt.MapClaims{"iss": "iam", "aud": "a", "sub": "s", "exp": now.Unix()}), "signature")
	})
}

func TestATokenThatWasNotGoodIsLookedAtEachTime(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	keys := &counted{key: "no key"}
	verifier := newVerifier(t, auth.Issuer{Name: "iam", Audiences: []string{"a"}, Algorithm: auth.ES256, Keys: keys})
	token := signed(t, jwt.SigningMethodES256, key, jwt.MapClaims{"iss": "iam", "aud": "a", "sub": "s", "exp": now.Unix()})
	refuses(t, verifier, token, "kid")
	keys.key = &key.PublicKey // its issuer publishes it at last
	if _, err := verifier.Verify(t.Context(), token, now); err != nil {
		t.Error(err)
	}
}
