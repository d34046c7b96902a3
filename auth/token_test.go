package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/auth"
	"minigroups/minigroup"
)

var now = time.Unix(1_800_000_000, 0)

type keyPair struct {
	key             *ecdsa.PrivateKey
	private, public []byte
}

func newKeyPair(t *testing.T, curve elliptic.Curve) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{key, pemOf(t, "PRIVATE KEY", key), pemOf(t, "PUBLIC KEY", &key.PublicKey)}
}

func pemOf(t testing.TB, kind string, key any) []byte {
	t.Helper()
	marshal := x509.MarshalPKIXPublicKey
	if kind == "PRIVATE KEY" {
		marshal = x509.MarshalPKCS8PrivateKey
	}
	der, err := marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newVerifier(t *testing.T, issuers ...auth.Issuer) *auth.Verifier {
	t.Helper()
	v, err := auth.NewVerifier(issuers)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rejects demands that the token is rejected for this reason and that the error does not quote it.
func rejects(t *testing.T, verifier *auth.Verifier, token, reason string) {
	t.Helper()
	account, err := verifier.Verify(t.Context(), token, now)
	var rejection *minigroup.Error
	if !errors.As(err, &rejection) || rejection.Kind != minigroup.InvalidAuthentication || account != (auth.Account{}) {
		t.Fatalf("got %v, %v; want invalid_authentication", account, err)
	}
	if !strings.Contains(rejection.Detail, reason) {
		t.Errorf("detail %q does not mention %q", rejection.Detail, reason)
	}
	if token != "" && strings.Contains(rejection.Detail, token) {
		t.Error("the detail quotes the token")
	}
}

func TestVerify(t *testing.T) {
	pair, foreign := newKeyPair(t, elliptic.P256()), newKeyPair(t, elliptic.P256())
	es256Issuer := func(name, audience string, key []byte) auth.Issuer {
		return auth.Issuer{Name: name, Audiences: []string{audience}, Algorithm: auth.ES256, PublicKey: key}
	}
	withoutExpiry := es256Issuer("without-expiry", "svc.example.org", pair.public)
	withoutExpiry.AllowMissingExp = true
	verifier := newVerifier(t, withoutExpiry,
		es256Issuer("iam.example.org", "example.org", pair.public),
		es256Issuer("foreign", "foreign.example", foreign.public),
	)
	with := func(changes jwt.MapClaims) jwt.MapClaims {
		claims := jwt.MapClaims{"iss": "iam.example.org", "aud": "example.org", "sub": "teacher", "exp": now.Unix() + 1}
		for name, value := range changes {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		return claims
	}
	es256 := func(changes jwt.MapClaims) string { return sign(t, jwt.SigningMethodES256, pair.key, with(changes)) }

	for name, c := range map[string]struct {
		token string
		want  auth.Account
	}{
		"accepts a token of an issuer for its audience": {
			es256(nil),
			auth.Account{Label: "teacher", Audience: "example.org"},
		},
		"keeps both parts of a compound audience": {
			es256(jwt.MapClaims{"aud": "example.org:tenant"}),
			auth.Account{Label: "teacher", Audience: "example.org:tenant"},
		},
		"takes the only one of several audiences that its issuer may use": {
			es256(jwt.MapClaims{"aud": []string{"account", "foreign.example", "example.org:tenant"}}),
			auth.Account{Label: "teacher", Audience: "example.org:tenant"},
		},
		"accepts a token without exp if configured": {
			es256(jwt.MapClaims{"iss": "without-expiry", "aud": "svc.example.org", "exp": nil}),
			auth.Account{Label: "teacher", Audience: "svc.example.org"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from the cache
				if got, err := verifier.Verify(t.Context(), c.token, now); err != nil || got != c.want {
					t.Fatalf("got %v, %v; want %v", got, err, c.want)
				}
			}
		})
	}

	for name, c := range map[string]struct {
		token  string
		reason string
	}{
		"rejects an unknown issuer":                        {es256(jwt.MapClaims{"iss": "unknown"}), "issuer"},
		"rejects a missing issuer":                         {es256(jwt.MapClaims{"iss": nil}), "issuer"},
		"rejects the audience of another issuer":           {es256(jwt.MapClaims{"aud": "foreign.example"}), "audience"},
		"rejects an audience that shares only a prefix":    {es256(jwt.MapClaims{"aud": "example.org.evil"}), "audience"},
		"rejects a compound audience in the reverse order": {es256(jwt.MapClaims{"aud": "tenant:example.org"}), "audience"},
		"rejects a missing audience":                       {es256(jwt.MapClaims{"aud": nil}), "audience"},
		"rejects an expired token even where exp is optional": {
			es256(jwt.MapClaims{"iss": "without-expiry", "aud": "svc.example.org", "exp": now.Add(-auth.Leeway).Unix()}),
			"expired",
		},
		"rejects an empty subject": {es256(jwt.MapClaims{"sub": ""}), "subject"},
	} {
		t.Run(name, func(t *testing.T) {
			rejects(t, verifier, c.token, c.reason)
		})
	}
}

func TestSigner(t *testing.T) {
	pair := newKeyPair(t, elliptic.P256())
	account := auth.Account{Label: "minigroups", Audience: "svc.example.org"}
	signer, err := auth.NewSigner(account, pair.private)
	if err != nil {
		t.Fatal(err)
	}
	verifier := newVerifier(t, auth.Issuer{
		Name: "svc.example.org", Audiences: []string{"svc.example.org"},
		Algorithm: auth.ES256, PublicKey: pair.public, AllowMissingExp: true,
	})

	t.Run("its own token has only the claims iss, aud and sub", func(t *testing.T) {
		token, err := signer.Token()
		if err != nil {
			t.Fatal(err)
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"iss": "svc.example.org", "aud": "svc.example.org", "sub": "minigroups"}
		if !maps.Equal(claims, want) {
			t.Errorf("claims are %s", payload)
		}
		if got, err := verifier.Verify(t.Context(), token, now); err != nil || got != account {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("a token for a tenant has a compound audience and never expires", func(t *testing.T) {
		token, err := signer.TokenFor("example.org")
		if err != nil {
			t.Fatal(err)
		}
		got, err := verifier.Verify(t.Context(), token, now.AddDate(50, 0, 0))
		if err != nil || got.String() != "minigroups.svc.example.org:example.org" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("a token issued for another account expires", func(t *testing.T) {
		token, err := signer.Issue("svc.example.org", "svc.example.org:tenant", "dev", now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		got, err := verifier.Verify(t.Context(), token, now)
		if err != nil || got.String() != "dev.svc.example.org:tenant" {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := verifier.Verify(t.Context(), token, now.Add(time.Hour+auth.Leeway)); err == nil {
			t.Error("the token did not expire")
		}
	})

	p384 := newKeyPair(t, elliptic.P384())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(pair.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{
		"an empty key":          nil,
		"a key that is not PEM": []byte("s3cr3t-not-a-key"),
		"a SEC1 key":            pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}),
		"a mislabeled key":      pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: sec1}),
		"a key on P-384":        p384.private,
		"an RSA key":            pemOf(t, "PRIVATE KEY", rsaKey),
		"a public key":          pair.public,
	} {
		t.Run("rejects "+name+" without quoting it", func(t *testing.T) {
			_, err := auth.NewSigner(account, key)
			if err == nil {
				t.Fatal("no error")
			}
			for line := range strings.Lines(string(key)) {
				if strings.Contains(err.Error(), strings.TrimSpace(line)) {
					t.Errorf("the error quotes %q", line)
				}
			}
		})
	}
	t.Run("rejects an account without a label", func(t *testing.T) {
		if _, err := auth.NewSigner(auth.Account{Audience: "a"}, pair.private); err == nil {
			t.Fatal("no error")
		}
	})
}
