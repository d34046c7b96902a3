package httpapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"minigroups/auth"
	"minigroups/minigroup"
	"minigroups/telemetry"
)

// world is what the API is tested over: a real server, real tokens, and minigroups in memory. Every answer is held
// against openapi.yaml.
type world struct {
	url    string
	server *httptest.Server
	signer *auth.Signer
	token  string
	logs   *observer.ObservedLogs

	// What the dependencies do; set before a request.
	ready    error
	temporal string
	readErr  error
	create   func(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error)
	update   func(ctx context.Context, current minigroup.Minigroup, change minigroup.Change, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error)
	retry    func(ctx context.Context, current minigroup.Minigroup, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error)

	events func(ctx context.Context, room uuid.UUID, what string) error

	mu         sync.Mutex
	minigroups map[uuid.UUID]minigroup.Minigroup
	accounts   map[minigroup.Account]json.RawMessage
	started    int
	keys       map[string]rememberedKey
	keysErr    error
	draining   chan struct{}
}

// rememberedKey is a key with what came with it and what was answered.
type rememberedKey struct {
	fingerprint string
	answer      *minigroup.Answer
}

func newWorld(t testing.TB, settings ...func(*Deps)) *world {
	t.Helper()
	w := &world{
		minigroups: map[uuid.UUID]minigroup.Minigroup{}, accounts: map[minigroup.Account]json.RawMessage{}, temporal: "reachable",
		events: func(context.Context, uuid.UUID, string) error { return errors.New("nobody said what event does") },
		keys:   map[string]rememberedKey{}, draining: make(chan struct{}),
	}
	w.create = func(_ context.Context, request minigroup.CreateRequest, _ time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
		m := minigroup.Minigroup{Draft: request.Draft, ID: request.ID, State: minigroup.Ready, CreatedAt: time.Now(), EventRoomID: uuid.New(), ConferenceRoomID: uuid.New()}
		w.put(m)
		return m, minigroup.OutcomeDone, nil
	}
	w.update = func(_ context.Context, m minigroup.Minigroup, change minigroup.Change, _ time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
		if change.Time != nil {
			m.Time = *change.Time
		}
		if change.Host != nil {
			m.Host = *change.Host
		}
		if change.Reserve != nil {
			m.Reserve = change.Reserve
		}
		w.put(m)
		return m, minigroup.OutcomeDone, nil
	}
	w.retry = func(ctx context.Context, m minigroup.Minigroup, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
		return w.create(ctx, m.RetryRequest(), wait)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustNot(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	mustNot(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	mustNot(t, err)
	w.signer, err = auth.NewSigner(auth.Account{Label: "iam", Audience: "example.org"}, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	mustNot(t, err)
	verifier, err := auth.NewVerifier([]auth.Issuer{{
		Name: "iam.example.org", Audiences: []string{"example.org"}, Algorithm: auth.ES256,
		PublicKey: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}, {Name: "away.example.org", Audiences: []string{"example.org"}, Algorithm: auth.ES256, Keys: away{}}})
	mustNot(t, err)
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{
		"example.org":  {Kind: auth.PolicyLocal, Trusted: []string{"teacher.example.org"}},
		"open.example": {Kind: auth.PolicyNone},
		"away.example": {Kind: auth.PolicyHTTP, Service: away{}, Timeout: time.Minute, Attempts: 1},
	}, auth.Options{Objects: "classrooms", Concurrency: 1})
	mustNot(t, err)
	w.token = w.tokenOf(t, "teacher", time.Now().Add(time.Hour))

	core, logs := observer.New(zapcore.DebugLevel)
	w.logs = logs
	deps := Deps{
		Minigroups: w, Sagas: w, Keys: w, Properties: w, Events: w, Verifier: verifier, Authorizer: authorizer,
		Ready:         func(context.Context) error { return w.ready },
		TemporalState: func(context.Context) string { return w.temporal },
		BrokerState:   func(context.Context) string { return "not configured" },
		Draining:      w.draining,
		Wait:          15 * time.Second, MaxWait: time.Minute, BodyTimeout: time.Minute, KeyRetention: 24 * time.Hour,
		AllowedOrigins: []string{"*"},
		TurnHosts:      []string{"turn1.example.org", "turn2.example.org", "turn3.example.org"},
		Requests:       telemetry.NewRequests(nil),
		Log:            zap.New(core),
	}
	for _, set := range settings {
		set(&deps)
	}
	server := httptest.NewServer(New(deps))
	t.Cleanup(server.Close)
	w.url, w.server = server.URL, server
	return w
}

func mustNot(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) tokenOf(t testing.TB, subject string, expires time.Time) string {
	t.Helper()
	token, err := w.signer.Issue("iam.example.org", "example.org", subject, expires)
	mustNot(t, err)
	return token
}

func (w *world) put(m minigroup.Minigroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.ID = classID(m.Draft)
	w.minigroups[m.ID] = m
}

// ByID makes the world a Minigroups, with ByIDForAccount.
func (w *world) ByID(_ context.Context, classID uuid.UUID) (minigroup.Minigroup, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.readErr != nil {
		return minigroup.Minigroup{}, w.readErr
	}
	m, ok := w.minigroups[classID]
	if !ok {
		return m, minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup %s", classID)
	}
	return m, nil
}

// ClaimKey and RecordAnswer make the world Keys.
func (w *world) ClaimKey(_ context.Context, k minigroup.RequestKey, _ time.Duration) (*minigroup.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keysErr != nil {
		return nil, w.keysErr
	}
	known, ok := w.keys[k.ID]
	if !ok {
		known = rememberedKey{fingerprint: k.Fingerprint}
		w.keys[k.ID] = known
	}
	if known.fingerprint != k.Fingerprint {
		return nil, minigroup.Errorf(minigroup.IdempotencyKeyReused, "it came with another request")
	}
	return known.answer, nil
}

// RecordAnswer keeps the first answer.
func (w *world) RecordAnswer(_ context.Context, k minigroup.RequestKey, a minigroup.Answer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keysErr != nil {
		return w.keysErr
	}
	if w.keys[k.ID].answer == nil {
		w.keys[k.ID] = rememberedKey{k.Fingerprint, &a}
	}
	return nil
}

// Create, Update and Retry make the world Sagas.
func (w *world) Create(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
	w.began()
	return w.create(ctx, request, wait)
}

func (w *world) Update(ctx context.Context, current minigroup.Minigroup, change minigroup.Change, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
	w.began()
	return w.update(ctx, current, change, wait)
}

func (w *world) Retry(ctx context.Context, current minigroup.Minigroup, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
	w.began()
	return w.retry(ctx, current, wait)
}

func (w *world) began() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started++
}

// count is the number of minigroups there are.
func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.minigroups)
}

func (w *world) sagas() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started
}

// ByIDForAccount reads both from memory.
func (w *world) ByIDForAccount(ctx context.Context, classID uuid.UUID, account minigroup.Account) (minigroup.Minigroup, json.RawMessage, error) {
	m, err := w.ByID(ctx, classID)
	properties, _ := w.AccountProperties(ctx, account)
	return m, properties, err
}

// SetProperty, AccountProperties and SetAccountProperty make the world Properties. What is "too large" is too large.
func (w *world) SetProperty(ctx context.Context, classID uuid.UUID, key string, value json.RawMessage) (json.RawMessage, error) {
	m, err := w.ByID(ctx, classID)
	if err != nil {
		return nil, err
	}
	if m.Properties, err = merge(m.Properties, key, value); err == nil {
		w.put(m)
	}
	return m.Properties, err
}

func (w *world) AccountProperties(_ context.Context, account minigroup.Account) (json.RawMessage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accounts[account], w.readErr
}

func (w *world) SetAccountProperty(ctx context.Context, account minigroup.Account, key string, value json.RawMessage) (json.RawMessage, error) {
	properties, err := w.AccountProperties(ctx, account)
	if err != nil {
		return nil, err
	}
	if properties, err = merge(properties, key, value); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accounts[account] = properties
	return properties, nil
}

func merge(properties json.RawMessage, key string, value json.RawMessage) (json.RawMessage, error) {
	if string(value) == `"too large"` {
		return nil, minigroup.Errorf(minigroup.PayloadTooLarge, "together they are too large")
	}
	all := map[string]json.RawMessage{}
	if properties != nil {
		if err := json.Unmarshal(properties, &all); err != nil {
			return nil, err
		}
	}
	all[key] = value
	return json.Marshal(all)
}

// CreateEvent and CreateWhiteboard make the world Events.
func (w *world) CreateEvent(ctx context.Context, room uuid.UUID, event json.RawMessage) error {
	return w.events(ctx, room, string(event))
}

func (w *world) CreateWhiteboard(ctx context.Context, room, classID uuid.UUID) error {
	return w.events(ctx, room, "whiteboard of "+classID.String())
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	text   string
	body   map[string]any
}

// call sends a request with the world's token and as JSON, unless the headers (name, value, …) say otherwise; an empty
// value leaves a header out.
func (w *world) call(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	mustNot(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	mustNot(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	mustNot(t, err)
	record(t, req, body, resp, text)

	a := answer{t: t, status: resp.StatusCode, header: resp.Header, text: string(text)}
	isDocument := resp.StatusCode == http.StatusOK && (path == "/openapi.yaml" || strings.HasPrefix(path, "/docs"))
	if len(text) > 0 && !isDocument {
		var body any
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatalf("the body is not JSON: %v\n%s", err, text)
		}
		a.body, _ = body.(map[string]any)
	}
	return a
}

func (a answer) wants(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status is %d, want %d: %s", a.status, status, a.text)
	}
	if status < 300 && a.header.Get("Content-Type") != "application/json; charset=utf-8" {
		a.t.Errorf("content type is %q", a.header.Get("Content-Type"))
	}
	if a.header.Get("Access-Control-Allow-Origin") != "*" {
		a.t.Error("a page of another origin may not read it")
	}
	return a
}

func (a answer) wantsProblem(status int, kind minigroup.Kind) answer {
	a.t.Helper()
	a.wants(status)
	if a.header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("content type is %q", a.header.Get("Content-Type"))
	}
	if a.body["type"] != string(kind) || a.body["status"] != float64(status) {
		a.t.Fatalf("got %s, want %s with %d", a.text, kind, status)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || a.body["request_id"] != id {
		a.t.Errorf("request_id is %v, the header says %q", a.body["request_id"], id)
	}
	return a
}

func (a answer) wantsHeader(name, want string) answer {
	a.t.Helper()
	if got := a.header.Get(name); got != want {
		a.t.Errorf("%s is %q, want %q", name, got, want)
	}
	return a
}

func classID(d minigroup.Draft) uuid.UUID { return minigroup.ClassID(d.Audience, d.Scope) }

func fingerprint(d minigroup.Draft) string { return minigroup.NewCreateRequest(d).Fingerprint }
