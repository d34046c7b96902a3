package sandbox_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// standIn is the stand-in for event or for conference.
type standIn struct {
	name    string
	created int // status of a create
	start   func(sandbox.Config) (http.Handler, io.Closer, error)
	body    string // of a create; a format for the classroom id
}

var standIns = []standIn{
	{
		name: "event", created: http.StatusCreated,
		start: func(cfg sandbox.Config) (http.Handler, io.Closer, error) {
			e, err := sandbox.NewEvent(cfg)
			return e, e, err
		},
		body: `{"audience":"example.org","time":[1000000000,null],"classroom_id":"%s","kind":"Minigroup"}`,
	},
	{
		name: "conference", created: http.StatusOK,
		start: func(cfg sandbox.Config) (http.Handler, io.Closer, error) {
			c, err := sandbox.NewConference(cfg)
			return c, c, err
		},
		body: `{"audience":"example.org","time":[1000000000,null],"classroom_id":"%s","rtc_sharing_policy":"owned"}`,
	},
}

// running is a stand-in with an HTTP server.
type running struct {
	standIn
	url       string
	token     string
	published *recorder // its events; nil if they go to a broker
}

func run(t *testing.T, s standIn, stateFile string) (r running, stop func()) {
	t.Helper()
	published := &recorder{}
	r, stop = runPublishing(t, s, stateFile, published)
	r.published = published
	return r, stop
}

func runPublishing(
	t *testing.T, s standIn, stateFile string, publisher sandbox.Publisher,
) (r running, stop func()) {
	t.Helper()
	key := newKey(t)
	cfg := recordedConfig(key)
	cfg.StateFile = stateFile
	cfg.Account, cfg.Publisher = s.account(), publisher
	handler, closer, err := s.start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	return running{standIn: s, url: server.URL, token: mustToken(t, key)}, func() {
		server.Close()
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (s standIn) account() string { return s.name + ".svc.example.org" }

func eachStandIn(t *testing.T, test func(*testing.T, running)) {
	for _, s := range standIns {
		t.Run(s.name, func(t *testing.T) {
			r, stop := run(t, s, "")
			defer stop()
			test(t, r)
		})
	}
}

func mustToken(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	token, err := recordedToken(key, "service")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// answer is a reply with its whole body, or the error of a request without a reply.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
	err    error
}

func (r running) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw), err: err}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

func (r running) create(t *testing.T, class uuid.UUID) answer {
	t.Helper()
	return r.do(t, http.MethodPost, "/api/v1/rooms", fmt.Sprintf(r.body, class))
}

func (r running) rooms(t *testing.T) []sandbox.Room {
	t.Helper()
	rooms, err := sandboxclient.Rooms(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	return rooms
}

func (r running) log(t *testing.T) []sandbox.Creation {
	t.Helper()
	log, err := sandboxclient.Log(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func setFaults(t *testing.T, base string, faults ...sandbox.Fault) {
	t.Helper()
	if err := sandboxclient.SetFaults(t.Context(), base, faults...); err != nil {
		t.Fatal(err)
	}
}

func TestConfigurationMistakesAreNamed(t *testing.T) {
	_, err := sandbox.NewConference(sandbox.Config{
		Issuers:   map[string]sandbox.Issuer{"iam.example.org": {}},
		Audiences: map[string]sandbox.Authorization{"example.org": {Kind: "ldap"}},
		Publisher: &recorder{},
	})
	for _, mistake := range []string{`"iam.example.org" has no public key`, `kind of authorization "ldap"`, "no account"} {
		if err == nil || !strings.Contains(err.Error(), mistake) {
			t.Errorf("got %v, want %s", err, mistake)
		}
	}
}
