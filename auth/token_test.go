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

func pemOf(t *testing.T, kind string, key any) []byte {
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

func TestVerify(t *testing.T) {
	pair, foreign := newKeyPair(t, elliptic.P256()), newKeyPair(t, elliptic.P256())
	verifier := newVerifier(t,
		auth.Issuer{Name: "iam.example.org", Audiences: []string{"example.org"}, Algorithm: auth.ES256, PublicKeyPEM: pair.public},
		auth.Issuer{Name: "eternal", Audiences: []string{"svc.example.org"}, Algorithm: auth.ES256, PublicKeyPEM: pair.public, AllowMissingExp: true},
		auth.Issuer{Name: "foreign", Audiences: []string{"foreign.example"}, Algorithm: auth.ES256, PublicKeyPEM: foreign.public},
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
	good := es256(nil)

	for name, c := range map[string]struct {
		token string
		want  auth.Account
	}{
		"takes a token of an issuer for its audience": {good, auth.Account{Label: "teacher", Audience: "example.org"}},
		"keeps a compound audience whole":             {es256(jwt.MapClaims{"aud": "example.org:tenant"}), auth.Account{Label: "teacher", Audience: "example.org:tenant"}},
		"takes a token without exp where configured":  {es256(jwt.MapClaims{"iss": "eternal", "aud": "svc.example.org", "exp": nil}), auth.Account{Label: "teacher", Audience: "svc.example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := verifier.Verify(c.token, now); err != nil || got != c.want {
				t.Fatalf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	for name, c := range map[string]struct {
		token  string
		reason string
	}{
		"refuses alg none":                                     {unsigned, "algorithm"},
		"refuses alg none with the signature kept":             {unsigned + parts[2], "algorithm"},
		"refuses an unknown alg":                               {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES257"}`)) + "." + parts[1] + "." + parts[2], "algorithm"},
		"refuses HS256 with the public key as the secret":      {signed(t, jwt.SigningMethodHS256, pair.public, with(nil)), "algorithm"},
		"refuses RS256":                                        {signed(t, jwt.SigningMethodRS256, rsaKey, with(nil)), "algorithm"},
		"refuses a signature by another key":                   {signed(t, jwt.SigningMethodES256, foreign.key, with(nil)), "signature"},
		"refuses an empty signature":                           {parts[0] + "." + parts[1] + ".", "signature"},
		"refuses other claims under a good signature":          {parts[0] + "." + strings.Split(es256(jwt.MapClaims{"sub": "admin"}), ".")[1] + "." + parts[2], "signature"},
		"refuses an unknown issuer":                            {es256(jwt.MapClaims{"iss": "nobody"}), "issuer"},
		"refuses a missing issuer":                             {es256(jwt.MapClaims{"iss": nil}), "issuer"},
		"refuses an issuer for another's audience":             {es256(jwt.MapClaims{"aud": "foreign.example"}), "audience"},
		"refuses an audience that only begins like one":        {es256(jwt.MapClaims{"aud": "example.org.evil"}), "audience"},
		"refuses a compound audience with the family second":   {es256(jwt.MapClaims{"aud": "tenant:example.org"}), "audience"},
		"refuses a missing audience":                           {es256(jwt.MapClaims{"aud": nil}), "audience"},
		"refuses an array of audiences":                        {es256(jwt.MapClaims{"aud": []string{"example.org"}}), "JWT"},
		"refuses a token at the second at which it expires":    {es256(jwt.MapClaims{"exp": now.Unix()}), "expired"},
		"refuses a token without exp":                          {es256(jwt.MapClaims{"exp": nil}), "exp"},
		"refuses an exp that is no number":                     {es256(jwt.MapClaims{"exp": "tomorrow"}), "JWT"},
		"refuses an expired token of an issuer without expiry": {es256(jwt.MapClaims{"iss": "eternal", "aud": "svc.example.org", "exp": now.Unix() - 1}), "expired"},
		"refuses an empty subject":                             {es256(jwt.MapClaims{"sub": ""}), "subject"},
		"refuses a truncated token":                            {good[:len(good)-10], "signature"},
		"refuses a token of two parts":                         {parts[0] + "." + parts[1], "JWT"},
		"refuses a token cut in its claims":                    {parts[0] + "." + parts[1][:len(parts[1])/2] + "." + parts[2], "JWT"},
		"refuses an empty token":                               {"", "JWT"},
		"refuses an enormous token":                            {strings.Repeat("a", 1<<20), "long"},
	} {
		t.Run(name, func(t *testing.T) {
			account, err := verifier.Verify(c.token, now)
			var refusal *minigroup.Error
			if !errors.As(err, &refusal) || refusal.Kind != minigroup.InvalidAuthentication || account != (auth.Account{}) {
				t.Fatalf("got %v, %v; want invalid_authentication", account, err)
			}
			if !strings.Contains(refusal.Detail, c.reason) {
				t.Errorf("detail %q does not speak of %q", refusal.Detail, c.reason)
			}
			if c.token != "" && strings.Contains(refusal.Detail, c.token) {
				t.Error("the detail quotes the token")
			}
		})
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	p256, p384 := newKeyPair(t, elliptic.P256()), newKeyPair(t, elliptic.P384())
	good := auth.Issuer{Name: "iam", Audiences: []string{"a"}, Algorithm: auth.ES256, PublicKeyPEM: p256.public}
	for name, change := range map[string]func(*auth.Issuer){
		"no name":              func(i *auth.Issuer) { i.Name = "" },
		"no audiences":         func(i *auth.Issuer) { i.Audiences = nil },
		"an empty audience":    func(i *auth.Issuer) { i.Audiences = []string{""} },
		"another algorithm":    func(i *auth.Issuer) { i.Algorithm = "HS256" },
		"no key":               func(i *auth.Issuer) { i.PublicKeyPEM = nil },
		"a private key":        func(i *auth.Issuer) { i.PublicKeyPEM = p256.private },
		"a key on another one": func(i *auth.Issuer) { i.PublicKeyPEM = p384.public },
		"a broken key": func(i *auth.Issuer) {
			i.PublicKeyPEM = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})
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
	t.Run("an issuer that is there twice", func(t *testing.T) {
		if _, err := auth.NewVerifier([]auth.Issuer{good, good}); err == nil {
			t.Fatal("no error")
		}
	})
}

func TestSigner(t *testing.T) {
	pair := newKeyPair(t, elliptic.P256())
	account := auth.Account{Label: "minigroups", Audience: "svc.example.org"}
	signer, err := auth.NewSigner(account, pair.private)
	if err != nil {
		t.Fatal(err)
	}
	verifier := newVerifier(t, auth.Issuer{Name: "svc.example.org", Audiences: []string{"svc.example.org"}, Algorithm: auth.ES256, PublicKeyPEM: pair.public, AllowMissingExp: true})

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
		if got, err := verifier.Verify(token, now); err != nil || got != account {
			t.Errorf("its own verifier says %v, %v", got, err)
		}
	})
	t.Run("issues tokens for others that expire", func(t *testing.T) {
		token, err := signer.Issue("svc.example.org", "svc.example.org:tenant", "dev", now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := verifier.Verify(token, now); err != nil || got.String() != "dev.svc.example.org:tenant" {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := verifier.Verify(token, now.Add(time.Hour)); err == nil {
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
