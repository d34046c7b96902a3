package sandbox_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"minigroups/sandbox"
)

func TestEveryRecordedExchange(t *testing.T) {
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

// player does the steps of one scenario.
type player struct {
	key   *ecdsa.PrivateKey
	base  string
	start int64
	names map[string]string
}

func newPlayer(key *ecdsa.PrivateKey, base string) *player {
	return &player{key: key, base: base, start: time.Now().Unix(), names: map[string]string{}}
}

func (p *player) play(ctx context.Context, step recordedStep) error {
	req, err := p.request(ctx, step.Request)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	want := step.Reply
	if resp.StatusCode != want.Status {
		return fmt.Errorf("status %d, want %d; body %s", resp.StatusCode, want.Status, body)
	}
	if got := resp.Header.Get("Content-Type"); got != want.ContentType {
		return fmt.Errorf("content type %q, want %q", got, want.ContentType)
	}
	if got := resp.Header.Get("Allow"); got != want.Allow {
		return fmt.Errorf("allow %q, want %q", got, want.Allow)
	}
	if want.Body == nil {
		return nil
	}
	return p.compare(step, body)
}

func (p *player) compare(step recordedStep, body []byte) error {
	got, err := decodeNumbers(body)
	if err != nil {
		return fmt.Errorf("body %s: %w", body, err)
	}
	want, err := decodeNumbers(step.Reply.Body)
	if err != nil {
		return err
	}
	object, _ := got.(map[string]any)
	for name, field := range step.Capture {
		value, isText := object[field].(string)
		if !isText {
			return fmt.Errorf("nothing to capture at %q in %s", field, body)
		}
		p.names[name] = value
	}
	if expected := want.(map[string]any); expected["type"] != nil && expected["title"] != nil {
		want, got = expected["type"], object["type"]
	}
	if err := p.match("", want, got); err != nil {
		return fmt.Errorf("%w in %s", err, body)
	}
	return nil
}

func decodeNumbers(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

var relative = regexp.MustCompile(`^\$t([+-]\d+)?$`)

// match compares a recorded value with one received.
func (p *player) match(at string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		object, isObject := got.(map[string]any)
		if !isObject || len(object) != len(want) {
			return fmt.Errorf("%s: got %v, want %v", at, got, want)
		}
		for key, value := range want {
			if _, present := object[key]; !present {
				return fmt.Errorf("%s.%s: missing", at, key)
			}
			if err := p.match(at+"."+key, value, object[key]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, isList := got.([]any)
		if !isList || len(list) != len(want) {
			return fmt.Errorf("%s: got %v, want %v", at, got, want)
		}
		for i := range want {
			if err := p.match(fmt.Sprintf("%s[%d]", at, i), want[i], list[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		return p.matchWord(at, want, got)
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s: got %v, want %v", at, got, want)
	}
	return nil
}

func (p *player) matchWord(at, want string, got any) error {
	switch {
	case want == "$any":
		return nil
	case want == "$anyuuid":
		word, _ := got.(string)
		if _, err := uuid.Parse(word); err != nil {
			return fmt.Errorf("%s: got %v, want a uuid", at, got)
		}
		return nil
	case relative.MatchString(want):
		number, _ := got.(json.Number)
		seconds, err := number.Int64()
		if err != nil || math.Abs(float64(seconds-p.seconds(want))) > 5 {
			return fmt.Errorf("%s: got %v, want about %d", at, got, p.seconds(want))
		}
		return nil
	}
	if expanded := p.expand(want); expanded != got {
		return fmt.Errorf("%s: got %v, want %q", at, got, expanded)
	}
	return nil
}

func (p *player) seconds(word string) int64 {
	offset := relative.FindStringSubmatch(word)[1]
	if offset == "" {
		return p.start
	}
	shift, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		panic(err)
	}
	return p.start + shift
}

var placeholder = regexp.MustCompile(`\$(uuid:)?([a-z]+)`)

// expand puts the values of names into a string, and makes up those of fresh uuids.
func (p *player) expand(word string) string {
	if rest, repeated := strings.CutPrefix(word, "$repeat:"); repeated {
		what, count, _ := strings.Cut(rest, ":")
		times, err := strconv.Atoi(count)
		if err != nil {
			panic(err)
		}
		return strings.Repeat(what, times)
	}
	return placeholder.ReplaceAllStringFunc(word, func(found string) string {
		parts := placeholder.FindStringSubmatch(found)
		if _, known := p.names[parts[2]]; !known && parts[1] != "" {
			p.names[parts[2]] = uuid.NewString()
		}
		value, known := p.names[parts[2]]
		if !known {
			panic("nothing is called " + found)
		}
		return value
	})
}

// fill expands the strings of a request body. Numbers stay as they are written.
func (p *player) fill(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = p.fill(value[key])
		}
	case []any:
		for i := range value {
			value[i] = p.fill(value[i])
		}
	case string:
		if relative.MatchString(value) {
			return p.seconds(value)
		}
		return p.expand(value)
	}
	return value
}

func (p *player) request(ctx context.Context, r recordedRequest) (*http.Request, error) {
	body, err := p.body(r)
	if err != nil {
		return nil, err
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, p.base+p.expand(r.Path), reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := p.present(req, r); err != nil {
		return nil, err
	}
	for name, value := range r.Headers {
		if value == nil {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, *value)
	}
	return req, nil
}

func (p *player) body(r recordedRequest) ([]byte, error) {
	switch {
	case r.Text != nil:
		return []byte(*r.Text), nil
	case r.Big > 0:
		return json.Marshal(map[string]string{"big": strings.Repeat("x", r.Big)})
	case r.Body == nil:
		return nil, nil
	}
	value, err := decodeNumbers(r.Body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(p.fill(value))
}

func (p *player) present(req *http.Request, r recordedRequest) error {
	who := "service"
	if string(r.Token) == "null" {
		return nil
	}
	if r.Token != nil {
		if err := json.Unmarshal(r.Token, &who); err != nil {
			return err
		}
	}
	token, err := recordedToken(p.key, who)
	if err != nil {
		return err
	}
	switch r.TokenIn {
	case "":
		req.Header.Set("Authorization", "Bearer "+token)
	case "bare":
		req.Header.Set("Authorization", token)
	case "query":
		req.URL.RawQuery = url.Values{"access_token": {token}}.Encode()
	default:
		return fmt.Errorf("unknown token_in %q", r.TokenIn)
	}
	return nil
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

// recordedConfig is how the services were configured when they were recorded.
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
