package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/pool"
	"minigroups/sandbox/sandboxclient"
)

// serviceTime is that of the stand-ins in these tests.
const serviceTime = 2 * time.Millisecond

// limited is a stand-in with few connections, without a server: requests run in the bubble of a test.
type limited struct {
	standIn
	t         *testing.T
	handler   http.Handler
	token     string
	published *recorder
}

// eachLimited runs a test in a bubble with each of the stand-ins, or with one of them.
func eachLimited(t *testing.T, name string, connections int, test func(*testing.T, *limited)) {
	for _, s := range standIns {
		if name != "" && name != s.name {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			key := newKey(t)
			cfg := recordedConfig(key)
			published := &recorder{}
			cfg.Account, cfg.Publisher, cfg.Clock = s.account(), published, func() time.Time { return time.Unix(1.8e9, 0) }
			cfg.Connections, cfg.ServiceTime = connections, serviceTime
			synctest.Test(t, func(t *testing.T) {
				handler, closer, err := s.start(cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = closer.Close() }()
				test(t, &limited{standIn: s, t: t, handler: handler, token: mustToken(t, key), published: published})
			})
		})
	}
}

// do returns the reply to a request; status 0 if it is dropped.
func (l *limited) do(ctx context.Context, method, path, body string) (status int, reply string) {
	defer func() {
		if what := recover(); what != nil {
			if what != http.ErrAbortHandler { //nolint:errorlint // what is not an error
				panic(what)
			}
			status, reply = 0, ""
		}
	}()
	request := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+l.token)
	request.Header.Set("Content-Type", "application/json")
	recorded := httptest.NewRecorder()
	l.handler.ServeHTTP(recorded, request)
	return recorded.Code, recorded.Body.String()
}

func (l *limited) create(ctx context.Context) (status int, reply string) {
	return l.do(ctx, http.MethodPost, "/api/v1/rooms", fmt.Sprintf(l.body, uuid.New()))
}

// createAtOnce sends that many creates at once and counts their replies. A refusal must be the one for connections.
func (l *limited) createAtOnce(n int) (successes, refusals int) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			status, reply := l.create(l.t.Context())
			mu.Lock()
			defer mu.Unlock()
			const refusal = `{"detail":"pool timed out while waiting for an open connection",` +
				`"title":"Database connection acquisition failed","type":"database_connection_acquisition_failed"}`
			switch {
			case status == l.created:
				successes++
			case status == http.StatusUnprocessableEntity && reply == refusal:
				refusals++
			default:
				l.t.Errorf("got %d %s", status, reply)
			}
		})
	}
	group.Wait()
	return successes, refusals
}

// inspect reads the routes of the sandbox.
func (l *limited) inspect() (rooms []sandbox.Room, log []sandbox.Creation, state pool.State) {
	l.t.Helper()
	for what, into := range map[string]any{"rooms": &rooms, "log": &log, "pool": &state} {
		_, reply := l.do(l.t.Context(), http.MethodGet, "/sandbox/"+what, "")
		if err := json.Unmarshal([]byte(reply), into); err != nil {
			l.t.Fatal(err)
		}
	}
	return rooms, log, state
}

func (l *limited) setFault(f string) {
	l.t.Helper()
	if status, reply := l.do(l.t.Context(), http.MethodPut, "/sandbox/faults", f); status != http.StatusNoContent {
		l.t.Fatalf("got %d %s", status, reply)
	}
}

func (l *limited) wantState(want pool.State) {
	l.t.Helper()
	if _, _, got := l.inspect(); got != want {
		l.t.Errorf("the pool is %+v, want %+v", got, want)
	}
}

func TestConferenceDeadlocksOnItsConnections(t *testing.T) {
	const connections = 4
	eachLimited(t, "conference", connections, func(t *testing.T, l *limited) {
		begun := time.Now()
		if created, refused := l.createAtOnce(connections); created != 0 || refused != connections {
			t.Errorf("%d created, %d refused", created, refused)
		}
		if took := time.Since(begun); took < 5*time.Second || took > 5*time.Second+serviceTime {
			t.Errorf("it took %s", took)
		}
		rooms, log, _ := l.inspect()
		if len(rooms) != connections || len(log) != connections {
			t.Errorf("%d rooms, %d log entries", len(rooms), len(log))
		}
		for i, c := range log {
			if !rooms[i].Open || *c.RoomID != rooms[i].ID || c.Published || !c.ReplyDelivered ||
				c.NoConnection != sandbox.SecondConnection {
				t.Errorf("room %+v is logged as %+v", rooms[i], c)
			}
		}
		if published := l.published.rooms(t); len(published) > 0 {
			t.Errorf("published %+v", published)
		}
		l.wantState(pool.State{Connections: connections, MaxInUse: connections, TimedOut: connections})
		if created, _ := l.createAtOnce(1); created != 1 {
			t.Error("it does not work afterwards")
		}
	})
}

func TestFewerCreatesThanConnectionsSucceed(t *testing.T) {
	eachLimited(t, "", 4, func(t *testing.T, l *limited) {
		for range 20 {
			if created, refused := l.createAtOnce(3); created != 3 || refused != 0 {
				t.Errorf("%d created, %d refused", created, refused)
			}
		}
		if published := l.published.rooms(t); len(published) != 60 {
			t.Errorf("published %d rooms", len(published))
		}
	})
}

// TestARefusalForTheFirstConnectionHasInsertedNothing lets requests that hang hold all connections.
func TestARefusalForTheFirstConnectionHasInsertedNothing(t *testing.T) {
	eachLimited(t, "", 2, func(t *testing.T, l *limited) {
		l.setFault(`[{"operation": "create", "do": "hang", "times": 2}]`)
		ctx, hangUp := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { _, _ = l.create(ctx) })
		}
		synctest.Wait()
		l.wantState(pool.State{Connections: 2, InUse: 2, MaxInUse: 2})
		if created, refused := l.createAtOnce(3); created != 0 || refused != 3 {
			t.Errorf("%d created, %d refused", created, refused)
		}
		status, reply := l.do(t.Context(), http.MethodGet, "/api/v1/rooms/"+uuid.NewString(), "")
		if status != http.StatusUnprocessableEntity {
			t.Errorf("a read is answered %d %s", status, reply)
		}
		hangUp()
		group.Wait()
		rooms, log, _ := l.inspect()
		if len(rooms) != 0 || len(log) != 5 {
			t.Errorf("rooms %+v, log %+v", rooms, log)
		}
		refused := 0
		for _, c := range log {
			if c.NoConnection == sandbox.FirstConnection && c.RoomID == nil {
				refused++
			}
		}
		if refused != 3 {
			t.Errorf("log %+v", log)
		}
		l.wantState(pool.State{Connections: 2, MaxInUse: 2, TimedOut: 4})
	})
}

// TestEventNeverInsertsARoomItRefuses overloads event until many creates wait longer than the timeout.
func TestEventNeverInsertsARoomItRefuses(t *testing.T) {
	eachLimited(t, "event", 2, func(t *testing.T, l *limited) {
		// 5 s are enough for 2500 requests on each connection.
		created, refused := l.createAtOnce(6000)
		if rooms, _, _ := l.inspect(); created < 5000 || created > 5002 || refused != 6000-created || len(rooms) != created {
			t.Errorf("%d created, %d refused, %d rooms", created, refused, len(rooms))
		}
	})
}

func TestAHangUpGivesConnectionsBack(t *testing.T) {
	eachLimited(t, "", 4, func(t *testing.T, l *limited) {
		for _, fault := range []string{
			`[{"operation": "create", "do": "late", "delay_ms": 600000}]`,
			`[{"operation": "create", "do": "hang"}]`,
		} {
			l.setFault(fault)
			ctx, hangUp := context.WithCancel(t.Context())
			var group sync.WaitGroup
			for range 6 {
				group.Go(func() { _, _ = l.create(ctx) })
			}
			synctest.Wait()
			if _, _, state := l.inspect(); state.InUse != 4 || state.Waiting != 2 {
				t.Errorf("%s: %+v", fault, state)
			}
			hangUp()
			group.Wait()
			l.wantState(pool.State{Connections: 4, MaxInUse: 4})
			l.setFault(`[]`)
			if created, _ := l.createAtOnce(1); created != 1 {
				t.Error("it does not work afterwards")
			}
		}
	})
	// Two creates of conference hold all connections when they hang up.
	eachLimited(t, "conference", 2, func(t *testing.T, l *limited) {
		ctx, hangUp := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if status, reply := l.create(ctx); status != 0 {
					t.Errorf("got %d %s", status, reply)
				}
			})
		}
		time.Sleep(4 * time.Second)
		l.wantState(pool.State{Connections: 2, InUse: 2, MaxInUse: 2, Waiting: 2})
		hangUp()
		group.Wait()
		l.wantState(pool.State{Connections: 2, MaxInUse: 2})
		rooms, log, _ := l.inspect()
		if len(rooms) != 2 || len(log) != 2 {
			t.Errorf("%d rooms, %d log entries, want those that were inserted", len(rooms), len(log))
		}
		for _, c := range log {
			if c.NoConnection != sandbox.SecondConnection || c.ReplyDelivered || c.Published {
				t.Errorf("logged %+v", c)
			}
		}
	})
}

// TestOnlyOwnedRoomsNeedASecondConnection creates as many rooms of the other policies as there are connections.
func TestOnlyOwnedRoomsNeedASecondConnection(t *testing.T) {
	eachLimited(t, "conference", 3, func(t *testing.T, l *limited) {
		l.body = strings.Replace(l.body, "owned", "shared", 1)
		if created, refused := l.createAtOnce(100); created != 100 || refused != 0 {
			t.Errorf("%d created, %d refused", created, refused)
		}
	})
}

func TestTheNumberOfConnectionsCanChange(t *testing.T) {
	eachStandIn(t, func(t *testing.T, r running) {
		if err := sandboxclient.ResizePool(t.Context(), r.url, 3); err != nil {
			t.Fatal(err)
		}
		if a := r.create(t, uuid.New()); a.status != r.created {
			t.Errorf("got %d %s", a.status, a.raw)
		}
		state, err := sandboxclient.Pool(t.Context(), r.url)
		want := map[string]int{"event": 1, "conference": 2}[r.name]
		if err != nil || state != (pool.State{Connections: 3, MaxInUse: want}) {
			t.Errorf("got %+v, %v", state, err)
		}
		for _, body := range []string{`{}`, `{"connections": -1}`, `{"connections": "3"}`, `{"size": 3}`, ``} {
			if a := r.do(t, http.MethodPut, "/sandbox/pool", body); a.status != http.StatusBadRequest {
				t.Errorf("%s: got %d %s", body, a.status, a.raw)
			}
		}
	})
}
