package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"minigroups/auth"
	"minigroups/clients/rest"
	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/minigroup"
)

// load reads a configuration that needs only the settings of access.
func load(t *testing.T, text string) config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "minigroups.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	cfg, err := config.Load(path, nil, "authentication", "authorization")
	must(t, err)
	return cfg
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAuthorizationRequestsCarryATokenOfTheService(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	file := filepath.Join(t.TempDir(), "service.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	publicKey := func(*jwt.Token) (any, error) { return &key.PublicKey, nil }

	var claims jwt.MapClaims
	iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := jwt.ParseWithClaims(token, &claims, publicKey, jwt.WithValidMethods([]string{"ES256"})); err != nil {
			t.Errorf("token %q: %v", token, err)
		}
		fmt.Fprint(w, `["create"]`)
	}))
	t.Cleanup(iam.Close)
	cfg := load(t, `
account: {label: dispatcher, audience: svc.example.org, private_key_file: `+file+`}
authentication: {iam: {audiences: [example.org], algorithm: RS256, jwks_url: 'http://127.0.0.1:1/'}}
authorization:
  tenant.example: {kind: http, uri: '`+iam.URL+`'}
  listed.example:
    kind: localwhitelist
    records: [{subject_account_id: alice.example.org, object: [classrooms], action: create}]
`)
	signer, err := process.Signer(cfg.Account)
	must(t, err)
	metrics := newAccessMetrics()
	authorizer, err := newAuthorizer(cfg, signer, rest.NewTransport(), metrics, zap.NewNop())
	must(t, err)
	alice := auth.Account{Label: "alice", Audience: "example.org"}
	must(t, authorizer.Authorize(t.Context(), alice, "tenant.example", "create"))
	must(t, authorizer.Authorize(t.Context(), alice, "tenant.example", "create"))
	for outcome, n := range map[string]float64{"answered": 1, "cached": 1, "failed": 0} {
		if got := testutil.ToFloat64(metrics.authorizations.WithLabelValues("tenant.example", outcome)); got != n {
			t.Errorf("%v authorizations are %s, want %v", got, outcome, n)
		}
	}
	want := jwt.MapClaims{"iss": "svc.example.org", "aud": "svc.example.org:tenant.example", "sub": "dispatcher"}
	if fmt.Sprint(claims) != fmt.Sprint(want) {
		t.Errorf("the token's claims are %v, want %v", claims, want)
	}
	must(t, authorizer.Authorize(t.Context(), alice, "listed.example", "create"))
	var problem *minigroup.Error
	err = authorizer.Authorize(t.Context(), alice, "tenant.example", "update", "some-id")
	if !errors.As(err, &problem) || problem.Kind != minigroup.AccessDenied {
		t.Errorf("got %v", err)
	}
}

func TestIssuerKeysComeFromFilesAndURLs(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	point, err := key.PublicKey.Bytes()
	must(t, err)
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":["odd",{"kty":"EC","crv":"P-256","kid":"k","x":%q,"y":%q}]}`, x, y)
	}))
	t.Cleanup(keys.Close)
	files := t.TempDir()
	secret := []byte(rand.Text() + rand.Text() + "\n")
	must(t, os.WriteFile(filepath.Join(files, "point.der"), point, 0o600))
	must(t, os.WriteFile(filepath.Join(files, "secret"), secret, 0o600))
	cfg := load(t, `
authentication:
  point: {audiences: [a], algorithm: ES256, public_key_file: `+files+`/point.der}
  secret: {audiences: [a], algorithm: HS256, secret_file: `+files+`/secret, allow_missing_exp: true}
  set: {audiences: [a], algorithm: ES256, jwks_url: `+keys.URL+`}
  down: {audiences: [a], algorithm: ES256, jwks_url: 'http://127.0.0.1:1/'}
authorization: {a: {kind: none}}
`)
	metrics := newAccessMetrics()
	core, logged := observer.New(zap.InfoLevel)
	verifier, err := newVerifier(t.Context(), cfg.Authentication, rest.NewTransport(), metrics, zap.New(core))
	must(t, err)
	if testutil.ToFloat64(metrics.keys.WithLabelValues("set", "usable")) != 1 ||
		testutil.ToFloat64(metrics.keys.WithLabelValues("set", "skipped")) != 1 ||
		testutil.ToFloat64(metrics.keys.WithLabelValues("down", "usable")) != 0 {
		t.Error("the metrics do not count the keys")
	}
	if lines := logged.FilterMessage("some keys of an issuer are not used").All(); len(lines) != 1 ||
		fmt.Sprint(lines[0].ContextMap()) != "map[issuer:set reasons:[key 1: it is not an object] skipped:1]" {
		t.Errorf("the log says %v", lines)
	}
	if testutil.ToFloat64(metrics.keyFetches.WithLabelValues("set", "ok")) != 1 ||
		testutil.ToFloat64(metrics.keyFetches.WithLabelValues("down", "failed")) != 1 {
		t.Error("the metrics do not count the first fetches")
	}
	for _, c := range []struct {
		issuer     string
		method     jwt.SigningMethod
		key        any
		withoutExp bool
		kind       minigroup.Kind // empty: the token is accepted
	}{
		{issuer: "point", method: jwt.SigningMethodES256, key: key},
		{issuer: "point", method: jwt.SigningMethodES256, key: key, withoutExp: true, kind: minigroup.InvalidAuthentication},
		{issuer: "secret", method: jwt.SigningMethodHS256, key: secret, withoutExp: true},
		{issuer: "set", method: jwt.SigningMethodES256, key: key},
		{issuer: "set", method: jwt.SigningMethodHS256, key: secret, kind: minigroup.InvalidAuthentication},
		{issuer: "down", method: jwt.SigningMethodES256, key: key, kind: minigroup.ServiceUnavailable},
	} {
		claims := jwt.MapClaims{"iss": c.issuer, "aud": "a", "sub": "s"}
		if !c.withoutExp {
			claims["exp"] = time.Now().Add(time.Hour).Unix()
		}
		token := jwt.NewWithClaims(c.method, claims)
		token.Header["kid"] = "k"
		text, err := token.SignedString(c.key)
		must(t, err)
		_, err = verifier.Verify(t.Context(), text, time.Now())
		var problem *minigroup.Error
		if c.kind == "" && err != nil || c.kind != "" && (!errors.As(err, &problem) || problem.Kind != c.kind) {
			t.Errorf("%s with %s: %v", c.issuer, c.method.Alg(), err)
		}
	}
}
