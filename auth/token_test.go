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

func signed(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
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

// refuses demands that the token is refused for this reason, which does not quote it.
func refuses(t *testing.T, verifier *auth.Verifier, token, reason string) {
	t.Helper()
	account, err := verifier.Verify(t.Context(), token, now)
	var refusal *minigroup.Error
	if !errors.As(err, &refusal) || refusal.Kind != minigroup.InvalidAuthentication || account != (auth.Account{}) {
		t.Fatalf("got %v, %v; want invalid_authentication", account, err)
	}
	if !strings.Contains(refusal.Detail, reason) {
		t.Errorf("detail %q does not speak of %q", refusal.Detail, reason)
	}
	if token != "" && strings.Contains(refusal.Detail, token) {
		t.Error("the detail quotes the token")
	}
}

func TestVerify(t *testing.T) {
	pair, foreign := newKeyPair(t, elliptic.P256()), newKeyPair(t, elliptic.P256())
	verifier := newVerifier(t,
		auth.Issuer{Name: "iam.example.org", Audiences: []string{"example.org"}, Algorithm: auth.ES256, PublicKey: pair.public},
		auth.Issuer{Name: "eternal", Audiences: []string{"svc.example.org"}, Algorithm: auth.ES256, PublicKey: pair.public, AllowMissingExp: true},
		auth.Issuer{Name: "foreign", Audiences: []string{"foreign.example"}, Algorithm: auth.ES256, PublicKey: foreign.public},
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
	es256 := func(changes jwt.MapClaims) string { return signed(t, jwt.SigningMethodES256, pair.key, with(changes)) }

	for name, c := range map[string]struct {
		token string
		want  auth.Account
	}{
		"takes a token of an issuer for its audience": {es256(nil), auth.Account{Label: "teacher", Audience: "example.org"}},
		"keeps a compound audience whole":             {es256(jwt.MapClaims{"aud": "example.org:tenant"}), auth.Account{Label: "teacher", Audience: "example.org:tenant"}},
		"takes a token without exp where configured":  {es256(jwt.MapClaims{"iss": "eternal", "aud": "svc.example.org", "exp": nil}), auth.Account{Label: "teacher", Audience: "svc.example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := verifier.Verify(t.Context(), c.token, now); err != nil || got != c.want {
				t.Fatalf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}

	for name, c := range map[string]struct {
		token  string
		reason string
	}{
		"refuses an unknown issuer":                            {es256(jwt.MapClaims{"iss": "nobody"}), "issuer"},
		"refuses a missing issuer":                             {es256(jwt.MapClaims{"iss": nil}), "issuer"},
		"refuses an issuer for another's audience":             {es256(jwt.MapClaims{"aud": "foreign.example"}), "audience"},
		"refuses an audience that only begins like one":        {es256(jwt.MapClaims{"aud": "example.org.evil"}), "audience"},
		"refuses a compound audience with the family second":   {es256(jwt.MapClaims{"aud": "tenant:example.org"}), "audience"},
		"refuses a missing audience":                           {es256(jwt.MapClaims{"aud": nil}), "audience"},
		"refuses an expired token of an issuer without expiry": {es256(jwt.MapClaims{"iss": "eternal", "aud": "svc.example.org", "exp": now.Add(-auth.Leeway).Unix()}), "expired"},
		"refuses an empty subject":                             {es256(jwt.MapClaims{"sub": ""}), "subject"},
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, verifier, c.token, c.reason)
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
	verifier := newVerifier(t, auth.Issuer{Name: "svc.example.org", Audiences: []string{"svc.example.org"}, Algorithm: auth.ES256, PublicKey: pair.public, AllowMissingExp: true})

	t.Run("shows the service by iss, aud and sub alone", func(t *testing.T) {
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
		if len(claims) != 3 || claims["iss"] != "svc.example.org" || claims["aud"] != "svc.example.org" || claims["sub"] != "minigroups" {
			t.Errorf("claims are %s", payload)
		}
		if got, err := verifier.Verify(t.Context(), token, now); err != nil || got != account {
			t.Errorf("its own verifier says %v, %v", got, err)
		}
	})
	t.Run("shows itself to tenants by a compound audience, for ever", func(t *testing.T) {
		token, err := signer.TokenFor("example.org")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := verifier.Verify(t.Context(), token, now.AddDate(50, 0, 0)); err != nil || got.String() != "minigroups.svc.example.org:example.org" {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("issues tokens for others that expire", func(t *testing.T) {
		token, err := signer.Issue("svc.example.org", "svc.example.org:tenant", "dev", now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := verifier.Verify(t.Context(), token, now); err != nil || got.String() != "dev.svc.example.org:tenant" {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := verifier.Verify(t.Context(), token, now.Add(time.Hour+auth.Leeway)); err == nil {
			t.Error("it has not expired")
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
		"nothing":          nil,
		"no PEM":           []byte("s3cr3t-not-a-key"),
		"a SEC1 key":       pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}),
		"a mislabeled key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: sec1}),
		"a key on P-384":   p384.private,
		"an RSA key":       pemOf(t, "PRIVATE KEY", rsaKey),
		"a public key":     pair.public,
	} {
		t.Run("refuses "+name+" and does not show it", func(t *testing.T) {
			_, err := auth.NewSigner(account, key)
			if err == nil {
				t.Fatal("no error")
			}
			for line := range strings.Lines(string(key)) {
				if strings.Contains(err.Error(), strings.TrimSpace(line)) {
					t.Errorf("the error shows %q", line)
				}
			}
		})
	}
	t.Run("refuses an account without a label", func(t *testing.T) {
		if _, err := auth.NewSigner(auth.Account{Audience: "a"}, pair.private); err == nil {
			t.Fatal("no error")
		}
	})
}
