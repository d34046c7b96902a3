package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/auth"
	"minigroups/minigroup"
)

// testIssuer is an issuer with its signing key.
type testIssuer struct {
	auth.Issuer
	method jwt.SigningMethod
	key    any
}

// testIssuers returns one issuer per algorithm, each for the audience example.org.
func testIssuers(t testing.TB) []testIssuer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	secret := []byte(rand.Text() + rand.Text())
	all := []testIssuer{
		{auth.Issuer{Algorithm: auth.ES256, PublicKey: pemOf(t, "PUBLIC KEY", &ec.PublicKey)}, jwt.SigningMethodES256, ec},
		{auth.Issuer{Algorithm: auth.RS256, PublicKey: pemOf(t, "PUBLIC KEY", &rs.PublicKey)}, jwt.SigningMethodRS256, rs},
		{auth.Issuer{Algorithm: auth.EdDSA, PublicKey: pemOf(t, "PUBLIC KEY", public)}, jwt.SigningMethodEdDSA, private},
		{auth.Issuer{Algorithm: auth.HS256, Secret: secret}, jwt.SigningMethodHS256, secret},
	}
	for i := range all {
		all[i].Name, all[i].Audiences = all[i].Algorithm+".example.org", []string{"example.org"}
	}
	return all
}

func verifierOf(t testing.TB, all []testIssuer) *auth.Verifier {
	t.Helper()
	var issuers []auth.Issuer
	for _, issuer := range all {
		issuers = append(issuers, issuer.Issuer)
	}
	verifier, err := auth.NewVerifier(issuers)
	must(t, err)
	return verifier
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewVerifierRejects(t *testing.T) {
	p256, p384 := newKeyPair(t, elliptic.P256()), newKeyPair(t, elliptic.P384())
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	point, err := p256.key.PublicKey.Bytes()
	must(t, err)
	good := auth.Issuer{Name: "iam", Audiences: []string{"a"}, Algorithm: auth.ES256, PublicKey: p256.public}
	for name, change := range map[string]func(*auth.Issuer){
		"no name":                     func(i *auth.Issuer) { i.Name = "" },
		"no audiences":                func(i *auth.Issuer) { i.Audiences = nil },
		"an empty audience":           func(i *auth.Issuer) { i.Audiences = []string{""} },
		"no algorithm":                func(i *auth.Issuer) { i.Algorithm = "" },
		"the algorithm none":          func(i *auth.Issuer) { i.Algorithm = "none" },
		"another algorithm":           func(i *auth.Issuer) { i.Algorithm = "ES384" },
		"a public key as a secret":    func(i *auth.Issuer) { i.Algorithm = auth.HS256 },
		"a key for another algorithm": func(i *auth.Issuer) { i.Algorithm = auth.RS256 },
		"an EC key for EdDSA":         func(i *auth.Issuer) { i.Algorithm = auth.EdDSA },
		"no key":                      func(i *auth.Issuer) { i.PublicKey = nil },
		"an empty key":                func(i *auth.Issuer) { i.PublicKey = []byte{} },
		"two keys":                    func(i *auth.Issuer) { i.Secret = make([]byte, 32) },
		"a key and a key set":         func(i *auth.Issuer) { i.Keys = keySet{} },
		"a public key and a secret for HS256": func(i *auth.Issuer) {
			i.Secret, i.Algorithm = make([]byte, 32), auth.HS256
		},
		"a key set and a secret for HS256": func(i *auth.Issuer) {
			i.PublicKey, i.Secret, i.Keys, i.Algorithm = nil, make([]byte, 32), keySet{}, auth.HS256
		},
		"a key set for HS256": func(i *auth.Issuer) { i.PublicKey, i.Keys, i.Algorithm = nil, keySet{}, auth.HS256 },
		"a secret for ES256":  func(i *auth.Issuer) { i.PublicKey, i.Secret = nil, make([]byte, 32) },
		"a short secret": func(i *auth.Issuer) {
			i.PublicKey, i.Secret, i.Algorithm = nil, make([]byte, 31), auth.HS256
		},
		"a private key":          func(i *auth.Issuer) { i.PublicKey = p256.private },
		"a key on another curve": func(i *auth.Issuer) { i.PublicKey = p384.public },
		"a short RSA key": func(i *auth.Issuer) {
			i.Algorithm, i.PublicKey = auth.RS256, pemOf(t, "PUBLIC KEY", &weak.PublicKey)
		},
		"a long RSA key": func(i *auth.Issuer) {
			long := rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: 65537}
			i.Algorithm, i.PublicKey = auth.RS256, pemOf(t, "PUBLIC KEY", &long)
		},
		"an even RSA exponent": func(i *auth.Issuer) {
			even := rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), 2047, 1), E: 4}
			i.Algorithm, i.PublicKey = auth.RS256, pemOf(t, "PUBLIC KEY", &even)
		},
		"a point not on the curve": func(i *auth.Issuer) {
			i.PublicKey = slices.Concat(point[:64], []byte{point[64] ^ 1})
		},
		"a point for another algorithm":   func(i *auth.Issuer) { i.Algorithm, i.PublicKey = auth.RS256, point },
		"a compressed or truncated point": func(i *auth.Issuer) { i.PublicKey = point[:64] },
		"a malformed key": func(i *auth.Issuer) {
			i.PublicKey = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			if _, err := auth.NewVerifier([]auth.Issuer{bad}); err == nil {
				t.Fatal("no error")
			}
		})
	}
	t.Run("a duplicate issuer", func(t *testing.T) {
		if _, err := auth.NewVerifier([]auth.Issuer{good, good}); err == nil {
			t.Fatal("no error")
		}
	})
	t.Run("a key set with an Ed25519 key that is too short", func(t *testing.T) {
		for _, key := range []any{make(ed25519.PublicKey, ed25519.PublicKeySize-1), []byte("x")} {
			if auth.CheckKey(key, auth.EdDSA) == nil {
				t.Errorf("no error for %T", key)
			}
		}
	})
	t.Run("but accepts the shortest secret and the longest RSA key", func(t *testing.T) {
		must(t, auth.CheckKey(make([]byte, 32), auth.HS256))
		must(t, auth.CheckKey(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8191, 1), E: 65537}, auth.RS256))
	})
	t.Run("but accepts an uncompressed point", func(t *testing.T) {
		good.PublicKey = point
		claims := jwt.MapClaims{"iss": "iam", "aud": "a", "sub": "s", "exp": now.Unix()}
		token := sign(t, jwt.SigningMethodES256, p256.key, claims)
		if _, err := newVerifier(t, good).Verify(t.Context(), token, now); err != nil {
			t.Fatal(err)
		}
	})
}

// keySet holds keys by key id. A nil keySet is not available.
type keySet map[string][]any

var errUnavailable = errors.New("unavailable")

func (k keySet) Lookup(_ context.Context, kid, _ string) ([]any, error) {
	if k == nil {
		return nil, errUnavailable
	}
	return k[kid], nil
}

func TestRotatingKeys(t *testing.T) {
	all := testIssuers(t)
	ec, rs, secret := all[0], all[1], all[3]
	ecKey, rsKey, other := ec.key.(*ecdsa.PrivateKey), rs.key.(*rsa.PrivateKey), newKeyPair(t, elliptic.P256())
	keys := keySet{
		"good":    {&ecKey.PublicKey},
		"rsa":     {&rsKey.PublicKey},
		"mixed":   {&rsKey.PublicKey, &ecKey.PublicKey},
		"two":     {&other.key.PublicKey, &ecKey.PublicKey},
		"same":    {&ecKey.PublicKey, &ecKey.PublicKey},
		"other":   {&other.key.PublicKey, &other.key.PublicKey},
		"private": {ecKey},
		"secret":  {secret.key},
	}
	verifier := newVerifier(t,
		auth.Issuer{Name: "iam", Audiences: []string{"a"}, Algorithm: auth.ES256, Keys: keys},
		auth.Issuer{Name: "down", Audiences: []string{"a"}, Algorithm: auth.ES256, Keys: keySet(nil)},
	)
	token := func(issuer, kid string) string {
		claims := jwt.MapClaims{"iss": issuer, "aud": "a", "sub": "s", "exp": now.Unix()}
		unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
		unsigned.Header["kid"] = kid
		signed, err := unsigned.SignedString(ecKey)
		must(t, err)
		return signed
	}
	for _, kid := range []string{"good", "mixed", "two", "same"} {
		if _, err := verifier.Verify(t.Context(), token("iam", kid), now); err != nil {
			t.Errorf("%s: %v", kid, err)
		}
	}
	for _, kid := range []string{"rsa", "private", "secret", "unknown", "../../etc/passwd", "' OR 1=1 --", ""} {
		rejects(t, verifier, token("iam", kid), "kid")
	}
	rejects(t, verifier, token("iam", "other"), "signature")
	t.Run("unavailable keys of one issuer are ServiceUnavailable and do not affect another issuer", func(t *testing.T) {
		_, err := verifier.Verify(t.Context(), token("down", "good"), now)
		var problem *minigroup.Error
		if !errors.As(err, &problem) || problem.Kind != minigroup.ServiceUnavailable {
			t.Errorf("got %v", err)
		}
		if _, err := verifier.Verify(t.Context(), token("iam", "good"), now); err != nil {
			t.Error(err)
		}
	})
	t.Run("a cancelled context returns its own error", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := verifier.Verify(ctx, token("down", "good"), now); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
