package rivals_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/bench/rivals"
	"minigroups/bench/upstream"
	"minigroups/minigroup"
	"minigroups/stack"
	"minigroups/workflows"
)

var (
	postgres *stack.Postgres
	temporal *stack.Temporal
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "minigroups-rivals")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := startServers(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = postgres.Stop(context.Background()) }()
	defer func() { _ = temporal.Stop(context.Background()) }()
	return m.Run()
}

func startServers(ctx context.Context, dir string) error {
	binary, err := stack.BuildTemporal(ctx, filepath.Join("..", ".."), os.Stderr)
	if err != nil {
		return err
	}
	options := stack.PostgresOptions{Fast: true, Log: filepath.Join(dir, "postgres.log")}
	if postgres, err = stack.StartPostgres(ctx, options); err != nil {
		return err
	}
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	temporal, err = stack.StartTemporal(ctx, stack.TemporalOptions{
		Binary: binary, Address: fmt.Sprintf("127.0.0.1:%d", port), SearchAttributes: workflows.SearchAttributes(),
		Log: filepath.Join(dir, "temporal.log"),
	})
	return err
}

// keys has the keys of the account that sends requests, and those of the service.
type keys struct {
	signer *auth.Signer
	access rivals.Access
}

func newKeys(t *testing.T) keys {
	t.Helper()
	public := filepath.Join(t.TempDir(), "public.pem")
	private, err := stack.WriteKeys(filepath.Join(t.TempDir(), "private.pem"), public)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: "minigroups", Audience: "svc.example.org"}, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	return keys{signer: signer, access: rivals.Access{
		Issuer: "iam.example.org", Audience: "example.org", Account: "dev.example.org",
		PublicKey: text, Audiences: upstream.All(), Log: zap.NewNop(),
	}}
}

// read is a request to the server at an address for a minigroup.
func (k keys) read(t *testing.T, server string) *http.Request {
	t.Helper()
	return k.request(t, http.MethodGet, server+"/api/v1/minigroups/"+uuid.NewString(), "")
}

func (k keys) request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	token, err := k.signer.Issue("iam.example.org", "example.org", "dev", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	return request
}

func (k keys) do(t *testing.T, method, url, body string) (status int, answer object) {
	t.Helper()
	reply, err := http.DefaultClient.Do(k.request(t, method, url, body))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, answer
}

// object has the tested fields of a minigroup or a problem.
type object struct {
	Status   any `json:"status"`
	Type     string
	RealTime struct {
		EventRoom      uuid.UUID `json:"event_room_id"`
		ConferenceRoom uuid.UUID `json:"conference_room_id"`
	} `json:"real_time"`
}

func newPool(t *testing.T, database string) *pgxpool.Pool {
	t.Helper()
	if err := postgres.CreateDatabase(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), postgres.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestEachRivalExecutesTheFiveSteps makes sure that all rivals do the same work.
func TestEachRivalExecutesTheFiveSteps(t *testing.T) {
	k := newKeys(t)
	for n, rival := range rivals.All() {
		t.Run(rival.Name, func(t *testing.T) {
			upstreams := upstream.New(upstream.Config{})
			server := httptest.NewServer(upstreams.Handler())
			t.Cleanup(server.Close)
			pool := newPool(t, fmt.Sprintf("rival_%d", n))
			creator, err := rival.Start(t.Context(), rivals.Dependencies{
				Pool: pool, Rooms: rivals.NewRooms(server.URL, k.signer.Token), Temporal: temporal.Address(),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(creator.Close)
			handler, err := rivals.Handler(creator, k.access)
			if err != nil {
				t.Fatal(err)
			}
			api := httptest.NewServer(handler)
			t.Cleanup(api.Close)

			status, created := k.do(t, http.MethodPost, api.URL+"/api/v1/minigroups",
				`{"scope":"math-7b","audience":"example.org","host":"teacher.example.org",`+
					`"time":[4000000000,4000003600],"reserve":1}`)
			if status != http.StatusCreated || created.Status != "real-time" {
				t.Fatalf("replied %d, %+v", status, created)
			}
			if rival.Name == "no-op twin" {
				if calls := sum(upstreams.Calls()); calls != 0 {
					t.Errorf("%d calls, want none", calls)
				}
				return
			}
			var state string
			var event, conference uuid.UUID
			err = pool.QueryRow(t.Context(), `SELECT state, event_room_id, conference_room_id FROM class WHERE id = $1`,
				minigroup.NewClassID("example.org", "math-7b")).Scan(&state, &event, &conference)
			if err != nil || state != "ready" || event != created.RealTime.EventRoom ||
				conference != created.RealTime.ConferenceRoom {
				t.Errorf("the row is %s, %s, %s, %v; the response is %+v", state, event, conference, err, created)
			}
			calls := upstreams.Calls()
			for _, kind := range []string{upstream.EventCreate, upstream.ConferenceCreate, upstream.JanusMessage} {
				if calls[kind] != 1 {
					t.Errorf("%d calls of kind %s", calls[kind], kind)
				}
			}
			if sum(calls) != 3 {
				t.Errorf("the upstreams received other calls: %v", calls)
			}
		})
	}
}

func sum(counts map[string]int64) (all int64) {
	for _, n := range counts {
		all += n
	}
	return all
}

// constant returns a handler that answers every read with the same minigroup.
func (k keys) constant(t *testing.T) http.Handler {
	t.Helper()
	draft := minigroup.Draft{Audience: "example.org", Scope: "math-7b"}
	handler, err := rivals.Reads(rivals.Constant{Minigroup: minigroup.Minigroup{Draft: draft}}, k.access)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func TestConstant(t *testing.T) {
	k := newKeys(t)
	api := httptest.NewServer(k.constant(t))
	t.Cleanup(api.Close)
	if status, _ := k.do(t, http.MethodGet, api.URL+"/api/v1/minigroups/"+uuid.NewString(), ""); status != http.StatusOK {
		t.Errorf("replied %d", status)
	}
}

func TestBareSendsWhatTheOtherHandlerSends(t *testing.T) {
	k := newKeys(t)
	read := k.read(t, "")
	bare, err := rivals.Bare(k.constant(t), read)
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, handler := range []http.Handler{k.constant(t), bare} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		reply, err := http.DefaultClient.Do(k.read(t, server.URL))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reply.Body)
		if reply.Body.Close(); err != nil || !strings.Contains(string(body), "math-7b") {
			t.Errorf("replied %q, %v", body, err)
		}
		answers = append(answers, fmt.Sprint(reply.StatusCode, reply.ContentLength, reply.Header["Content-Type"],
			reply.Header["Etag"], string(body)))
	}
	if answers[0] != answers[1] {
		t.Errorf("one replied %s\nthe other %s", answers[0], answers[1])
	}
	t.Run("an error is not repeated", func(t *testing.T) {
		read.Header.Del("Authorization")
		if _, err := rivals.Bare(k.constant(t), read); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("got %v", err)
		}
	})
}
