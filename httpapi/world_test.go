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
	"net/http/httptest"
	"slices"
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

// world is a server of the API with real tokens and in-memory dependencies. Its exchanges are recorded for the
// validation against openapi.yaml.
type world struct {
	url    string
	server *httptest.Server
	signer *auth.Signer
	token  string
	logs   *observer.ObservedLogs

	// The behaviour of the dependencies. Tests set it before a request.
	ready    error
	temporal string
	worker   string
	waits    []minigroup.Wait
	waitsErr error
	readErr  error
	onRead   func() // is called before each read of a minigroup
	create   func(
		ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error)
	update func(
		ctx context.Context, current minigroup.Minigroup, change minigroup.Change, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error)
	retry func(
		ctx context.Context, current minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error)

	cancel func(
		ctx context.Context, current minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
	) (minigroup.Cancellation, error)

	events func(ctx context.Context, room uuid.UUID, what string) error

	mu         sync.Mutex
	minigroups map[uuid.UUID]minigroup.Minigroup
	accounts   map[minigroup.Account]json.RawMessage
	started    int
	history    map[uuid.UUID][]minigroup.HistoryEntry // the earliest first
	historyErr error
	// list and counts are what a list returns, and asked is what it was asked for.
	list     minigroup.ListPage
	counts   minigroup.StatusCounts
	asked    []any
	onList   func() // is called before each list
	keys     map[string]storedKey
	keysErr  error
	draining chan struct{}
}

// storedKey is an idempotency key with the fingerprint and the response of its request.
type storedKey struct {
	fingerprint string
	response    *minigroup.Answer
}

func newWorld(t testing.TB, settings ...func(*Deps)) *world {
	t.Helper()
	w := &world{
		minigroups: map[uuid.UUID]minigroup.Minigroup{}, accounts: map[minigroup.Account]json.RawMessage{},
		temporal: "ok",
		events:   func(context.Context, uuid.UUID, string) error { return errors.New("the test has set no events") },
		history:  map[uuid.UUID][]minigroup.HistoryEntry{}, keys: map[string]storedKey{}, draining: make(chan struct{}),
	}
	w.create = func(
		_ context.Context, request minigroup.CreateRequest, _ time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		m := minigroup.Minigroup{
			Draft: request.Draft, ID: request.ID, State: minigroup.Ready, CreatedAt: time.Now(), EventRoomID: uuid.New(),
			ConferenceRoomID: uuid.New(),
		}
		w.put(m)
		return m, minigroup.OutcomeDone, nil
	}
	w.update = func(
		_ context.Context, m minigroup.Minigroup, change minigroup.Change, _ time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
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
	w.retry = func(
		ctx context.Context, m minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		r := m.RetryRequest()
		r.RequestedBy = by
		return w.create(ctx, r, wait)
	}

	w.cancel = func(
		_ context.Context, m minigroup.Minigroup, _ minigroup.Requester, _ time.Duration,
	) (minigroup.Cancellation, error) {
		return minigroup.Cancellation{Minigroup: m, Ended: true}, nil
	}

	verifier, authorizer := w.newAccess(t)
	w.token = w.tokenOf(t, "teacher", time.Now().Add(time.Hour))

	core, logs := observer.New(zapcore.DebugLevel)
	w.logs = logs
	deps := Deps{
		Minigroups: w, Sagas: w, Keys: w, Properties: w, History: w, List: w, Events: w,
		Verifier: verifier, Authorizer: authorizer,
		Ready:         func(context.Context) error { return w.ready },
		TemporalState: func(context.Context) string { return w.temporal },
		WorkerState:   func() string { return w.worker },
		BrokerState:   func(context.Context) string { return "not configured" },
		Draining:      w.draining,
		Wait:          15 * time.Second, MaxWait: time.Minute, PollInterval: time.Millisecond, MaxWaitingReads: 10,
		BodyTimeout: time.Minute, KeyRetention: 24 * time.Hour,
		AllowedOrigins: []string{"*"},
		TurnHosts:      []string{"turn1.example.org", "turn2.example.org", "turn3.example.org"},
		RunLink:        func(minigroup.Minigroup, string) string { return "" },
		TraceLink:      func(string) string { return "" },
		WaitingFor: func(context.Context, minigroup.Minigroup) ([]minigroup.Wait, error) {
			return w.waits, w.waitsErr
		},
		SupportPage: true,
		Requests:    telemetry.NewRequests(nil),
		Log:         zap.New(core),
	}
	for _, set := range settings {
		set(&deps)
	}
	server := httptest.NewServer(New(deps))
	t.Cleanup(server.Close)
	w.url, w.server = server.URL, server
	return w
}

// newAccess sets the signer of the world. It returns a verifier of its tokens, and an authorizer with three audiences.
func (w *world) newAccess(t testing.TB) (*auth.Verifier, *auth.Authorizer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	noError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	noError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	noError(t, err)
	w.signer, err = auth.NewSigner(
		auth.Account{Label: "iam", Audience: "example.org"},
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	)
	noError(t, err)
	verifier, err := auth.NewVerifier([]auth.Issuer{{
		Name: "iam.example.org", Audiences: []string{"example.org"}, Algorithm: auth.ES256,
		PublicKey: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}, {Name: "away.example.org", Audiences: []string{"example.org"}, Algorithm: auth.ES256, Keys: unreachable{}}})
	noError(t, err)
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{
		"example.org":  {Kind: auth.PolicyLocal, Trusted: []string{"teacher.example.org"}},
		"open.example": {Kind: auth.PolicyNone},
		"away.example": {Kind: auth.PolicyHTTP, Service: unreachable{}, Timeout: time.Minute, Attempts: 1},
	}, auth.Options{Objects: "classrooms", Concurrency: 1})
	noError(t, err)
	return verifier, authorizer
}

func (w *world) tokenOf(t testing.TB, subject string, expires time.Time) string {
	t.Helper()
	token, err := w.signer.Issue("iam.example.org", "example.org", subject, expires)
	noError(t, err)
	return token
}

func (w *world) put(m minigroup.Minigroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.ID = classID(m.Draft)
	w.minigroups[m.ID] = m
}

// Read and ReadFor implement Minigroups.
func (w *world) Read(_ context.Context, key minigroup.Key) (minigroup.Minigroup, error) {
	if w.onRead != nil {
		w.onRead()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.readErr != nil {
		return minigroup.Minigroup{}, w.readErr
	}
	for id, m := range w.minigroups {
		if id == key.ID || key.ID == uuid.Nil && m.Audience == key.Audience && m.Scope == key.Scope {
			return m, nil
		}
	}
	return minigroup.Minigroup{}, minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup %v", key)
}

// ClaimKey and RecordAnswer implement Keys.
func (w *world) ClaimKey(_ context.Context, k minigroup.RequestKey, _ time.Duration) (*minigroup.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keysErr != nil {
		return nil, w.keysErr
	}
	known, ok := w.keys[k.ID]
	if !ok {
		known = storedKey{fingerprint: k.Fingerprint}
		w.keys[k.ID] = known
	}
	if known.fingerprint != k.Fingerprint {
		return nil, minigroup.Errorf(minigroup.IdempotencyKeyReused, "the key belongs to another request")
	}
	return known.response, nil
}

// RecordAnswer stores the first response of a key.
func (w *world) RecordAnswer(
	_ context.Context, k minigroup.RequestKey, a minigroup.Answer,
) (minigroup.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keysErr != nil {
		return minigroup.Answer{}, w.keysErr
	}
	if w.keys[k.ID].response == nil {
		w.keys[k.ID] = storedKey{k.Fingerprint, &a}
	}
	return *w.keys[k.ID].response, nil
}

// Create, Update and Retry implement Sagas.
func (w *world) Create(
	ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	w.countSaga()
	return w.create(ctx, request, wait)
}

func (w *world) Update(
	ctx context.Context, current minigroup.Minigroup, change minigroup.Change, wait time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	w.countSaga()
	return w.update(ctx, current, change, wait)
}

func (w *world) Retry(
	ctx context.Context, current minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	w.countSaga()
	return w.retry(ctx, current, by, wait)
}

// Cancel implements Sagas, too. It starts no saga.
func (w *world) Cancel(
	ctx context.Context, current minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
) (minigroup.Cancellation, error) {
	return w.cancel(ctx, current, by, wait)
}

// History implements History.
func (w *world) History(
	_ context.Context, classID uuid.UUID, before int64, limit int,
) (page []minigroup.HistoryEntry, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range slices.Backward(w.history[classID]) {
		if (before == 0 || e.Number < before) && len(page) < limit {
			page = append(page, e)
		}
	}
	return page, w.historyErr
}

// ErasePersonalData implements History. It records who erases.
func (w *world) ErasePersonalData(_ context.Context, classID uuid.UUID, by minigroup.Requester) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.historyErr != nil {
		return w.historyErr
	}
	w.history[classID] = append(w.history[classID], minigroup.HistoryEntry{
		Number: int64(len(w.history[classID]) + 1), Kind: minigroup.HistoryPersonalDataErased, By: by,
		Details: json.RawMessage("{}"),
	})
	return nil
}

func (w *world) countSaga() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started++
}

// count returns the number of minigroups.
func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.minigroups)
}

func (w *world) startedSagas() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started
}

// ReadFor also returns the properties of the account.
func (w *world) ReadFor(
	ctx context.Context, key minigroup.Key, account minigroup.Account,
) (minigroup.Minigroup, json.RawMessage, error) {
	m, err := w.Read(ctx, key)
	properties, _ := w.AccountProperties(ctx, account)
	return m, properties, err
}

// SetProperty, AccountProperties and SetAccountProperty implement Properties. The value "too large" exceeds the limit.
func (w *world) SetProperty(
	ctx context.Context, classID uuid.UUID, key string, value json.RawMessage,
) (json.RawMessage, error) {
	m, err := w.Read(ctx, minigroup.ByID(classID))
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

func (w *world) SetAccountProperty(
	ctx context.Context, account minigroup.Account, key string, value json.RawMessage,
) (json.RawMessage, error) {
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
		return nil, minigroup.Errorf(minigroup.PayloadTooLarge, "the properties are too large")
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

// CreateEvent and CreateWhiteboard implement Events.
func (w *world) CreateEvent(ctx context.Context, room uuid.UUID, event json.RawMessage) error {
	return w.events(ctx, room, string(event))
}

func (w *world) CreateWhiteboard(ctx context.Context, room, classID uuid.UUID) error {
	return w.events(ctx, room, "whiteboard of "+classID.String())
}

func classID(d minigroup.Draft) uuid.UUID { return minigroup.NewClassID(d.Audience, d.Scope) }

func fingerprint(d minigroup.Draft) string { return minigroup.NewCreateRequest(d).Fingerprint }
