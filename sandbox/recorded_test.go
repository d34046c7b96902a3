package sandbox_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/sandbox"
)

func TestStandInsAnswerAsRecorded(t *testing.T) {
	key := newKey(t)
	event, err := sandbox.NewEvent(recordedConfig(key))
	if err != nil {
		t.Fatal(err)
	}
	conference, err := sandbox.NewConference(recordedConfig(key))
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []struct {
		file      string
		handler   http.Handler
		exchanges int
	}{
		{"event.json", event, 119},
		{"conference.json", conference, 135},
	} {
		t.Run(service.file, func(t *testing.T) {
			server := httptest.NewServer(service.handler)
			defer server.Close()
			played := 0
			for _, s := range readRecording(t, service.file).Scenarios {
				t.Run(s.Name, func(t *testing.T) {
					p := newPlayer(key, server.URL)
					for i, step := range s.Steps {
						played++
						if err := p.play(t.Context(), step); err != nil {
							t.Fatalf("step %d, %s %s: %v", i+1, step.Request.Method, step.Request.Path, err)
						}
					}
				})
			}
			if played != service.exchanges {
				t.Errorf("played %d exchanges, want %d", played, service.exchanges)
			}
		})
	}
}

type recording struct {
	Scenarios []struct {
		Name  string
		Steps []recordedStep
	}
}

type recordedStep struct {
	Request recordedRequest
	Capture map[string]string
	Reply   struct {
		Status      int
		ContentType string `json:"content_type"`
		Allow       string
		Body        json.RawMessage
		Text        *string
	}
}

type recordedRequest struct {
	Method, Path string
	Body         json.RawMessage
	Text         *string
	Big          int
	Token        json.RawMessage
	TokenIn      string `json:"token_in"`
	Headers      map[string]*string
}

func readRecording(t *testing.T, name string) recording {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "recorded", name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	var r recording
	if err := decoder.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

func recordedToken(key *ecdsa.PrivateKey, who string) (string, error) {
	claims := jwt.MapClaims{"iss": "svc.example.org", "aud": "svc.example.org", "sub": "minigroups"}
	stranger := jwt.MapClaims{"iss": "iam.example.org", "aud": "example.org", "sub": "stranger"}
	switch who {
	case "service":
	case "garbage":
		return "not.a.token", nil
	case "hs256":
		return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("some secret"))
	case "bad signature":
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", err
		}
		key = other
	case "expired":
		claims["exp"] = time.Now().Add(-time.Minute).Unix()
	case "foreign issuer":
		claims["iss"] = "evil.example.org"
	case "foreign audience":
		claims["aud"] = "evil.example.org"
	case "stranger":
		claims = stranger
	case "compound audience":
		stranger["aud"] = "example.org:foo"
		claims = stranger
	default:
		return "", fmt.Errorf("unknown token %q", who)
	}
	return jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// recordedConfig is the configuration of the services that were recorded.
func recordedConfig(key *ecdsa.PrivateKey) sandbox.Config {
	return sandbox.Config{
		Issuers: map[string]sandbox.Issuer{
			"svc.example.org": {Audiences: []string{"svc.example.org"}, PublicKey: &key.PublicKey},
			"iam.example.org": {Audiences: []string{"example.org", "usr.example.org"}, PublicKey: &key.PublicKey},
		},
		Audiences: map[string]sandbox.Authorization{
			"example.org":      {Kind: sandbox.AuthorizationLocal, Trusted: []string{"minigroups.svc.example.org"}},
			"none.example.org": {Kind: sandbox.AuthorizationNone},
			"down.example.org": {Kind: sandbox.AuthorizationUnreachable},
		},
	}
}
