package sandbox_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// player performs the steps of one scenario.
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
		return p.matchString(at, want, got)
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s: got %v, want %v", at, got, want)
	}
	return nil
}

func (p *player) matchString(at, want string, got any) error {
	switch {
	case want == "$any":
		return nil
	case want == "$anyuuid":
		text, _ := got.(string)
		if _, err := uuid.Parse(text); err != nil {
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

func (p *player) seconds(text string) int64 {
	offset := relative.FindStringSubmatch(text)[1]
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

// expand replaces the placeholders in a string. It generates a new uuid for a new name.
func (p *player) expand(text string) string {
	if rest, repeated := strings.CutPrefix(text, "$repeat:"); repeated {
		what, count, _ := strings.Cut(rest, ":")
		times, err := strconv.Atoi(count)
		if err != nil {
			panic(err)
		}
		return strings.Repeat(what, times)
	}
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		parts := placeholder.FindStringSubmatch(found)
		if _, known := p.names[parts[2]]; !known && parts[1] != "" {
			p.names[parts[2]] = uuid.NewString()
		}
		value, known := p.names[parts[2]]
		if !known {
			panic("no value has the name " + found)
		}
		return value
	})
}

// fill expands the strings of a request body. It does not change numbers.
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
	if err := p.addToken(req, r); err != nil {
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

func (p *player) addToken(req *http.Request, r recordedRequest) error {
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
