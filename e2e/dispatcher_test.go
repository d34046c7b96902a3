package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// dispatcherSchema has the types, columns and constraints of dispatcher's tables.
const dispatcherSchema = `
	CREATE TYPE class_type AS ENUM ('webinar', 'p2p', 'minigroup');
	CREATE TYPE account_id AS (label text, audience text);
	CREATE TYPE agent_id AS (account_id account_id, label text);
	CREATE TABLE class (
		id uuid DEFAULT gen_random_uuid() NOT NULL PRIMARY KEY,
		kind class_type NOT NULL,
		audience text NOT NULL,
		scope text NOT NULL,
		"time" tstzrange NOT NULL,
		tags json,
		conference_room_id uuid,
		event_room_id uuid,
		original_event_room_id uuid,
		modified_event_room_id uuid,
		created_at timestamptz DEFAULT now() NOT NULL,
		preserve_history boolean NOT NULL DEFAULT true,
		reserve integer,
		room_events_uri text,
		host agent_id,
		timed_out boolean NOT NULL DEFAULT false,
		established boolean NOT NULL DEFAULT true,
		properties jsonb NOT NULL DEFAULT '{}',
		original_class_id uuid,
		content_id text,
		UNIQUE (audience, scope),
		CONSTRAINT rooms_ids_presence CHECK (CASE WHEN established
			THEN conference_room_id IS NOT NULL AND event_room_id IS NOT NULL ELSE true END)
	);
	CREATE TABLE account (id account_id PRIMARY KEY, properties jsonb NOT NULL DEFAULT '{}');`

// dispatcherStandIn is dispatcher's database, and its route to read a class by audience and scope.
type dispatcherStandIn struct {
	t         testing.TB
	url       string // of the database, without a password
	db        *pgxpool.Pool
	api       string
	tokenFile string
}

func newDispatcher(t testing.TB) *dispatcherStandIn {
	t.Helper()
	ctx := t.Context()
	if _, err := sut.db.Exec(ctx, `CREATE DATABASE dispatcher`); err != nil {
		t.Fatal(err)
	}
	d := &dispatcherStandIn{t: t, url: sut.postgres.URL("dispatcher"), tokenFile: filepath.Join(t.TempDir(), "token")}
	var err error
	if d.db, err = pgxpool.New(ctx, d.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.db.Close()
		if _, err := sut.db.Exec(context.WithoutCancel(ctx), `DROP DATABASE dispatcher`); err != nil {
			t.Error(err)
		}
	})
	d.exec(dispatcherSchema)
	if err := os.WriteFile(d.tokenFile, []byte(sut.token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(d.read))
	t.Cleanup(server.Close)
	d.api = server.URL
	return d
}

func (d *dispatcherStandIn) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.db.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatal(err)
	}
}

// read answers GET /api/v1/audiences/{audience}/minigroups/{scope} as dispatcher does.
func (d *dispatcherStandIn) read(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	if len(parts) != 7 || r.Header.Get("Authorization") != "Bearer "+sut.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	audience, _ := url.PathUnescape(parts[4])
	scope, _ := url.PathUnescape(parts[6])
	var id, event, conference uuid.UUID
	var timedOut bool
	var end *time.Time
	var properties map[string]json.RawMessage
	err := d.db.QueryRow(r.Context(), `
		SELECT id, event_room_id, conference_room_id, timed_out, upper("time"), properties FROM class
		WHERE audience = $1 AND scope = $2`, audience, scope).Scan(&id, &event, &conference, &timedOut, &end, &properties)
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "Not found")
		return
	}
	wanted := map[string]json.RawMessage{}
	for _, key := range r.URL.Query()["class_keys[]"] {
		if value, ok := properties[key]; ok {
			wanted[key] = value
		}
	}
	status := "real-time"
	if end != nil && end.Before(time.Now()) {
		status = "closed"
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"class_id": id, "id": scope, "real_time": map[string]any{"conference_room_id": conference, "event_room_id": event},
		"status": status, "timed_out": timedOut, "turn_host": "turn.example.org", "content_id": id,
		"properties": wanted, "account_properties": map[string]any{},
	})
}

// compare runs ops import --compare and returns what it prints.
func (d *dispatcherStandIn) compare() (r compareResult, exit int) {
	d.t.Helper()
	exit = ops(d.t, &r, "import", "dispatcher", "--from", d.url, "--compare", "--dispatcher-url", d.api,
		"--dispatcher-token-file", d.tokenFile, "--url", sut.api, "--token-file", d.tokenFile).code
	return r, exit
}

type compareResult struct {
	Compared    int `json:"compared"`
	NotHere     int `json:"not_here"`
	ChangedHere int `json:"changed_here"`
	Differences []struct {
		ClassID uuid.UUID `json:"class_id"`
		Field   string
	}
}

type importResult struct {
	Classes     map[string]int
	WithoutHost int `json:"without_host"`
	Skipped     []struct {
		Reason string
		Count  int
	}
	Accounts struct{ Changed, Unchanged, Skipped int }
	Done     bool
}

// skipped are the numbers of skipped classes by their reasons.
func (r importResult) skipped() map[string]int {
	all := map[string]int{}
	for _, s := range r.Skipped {
		all[s.Reason] = s.Count
	}
	return all
}

func (d *dispatcherStandIn) imports(args ...string) (r importResult) {
	d.t.Helper()
	ops(d.t, &r, append([]string{"import", "dispatcher", "--from", d.url}, args...)...).want(d.t, 0)
	return r
}

func (d *dispatcherStandIn) exports(args ...string) (r importResult) {
	d.t.Helper()
	ops(d.t, &r, append([]string{"export", "dispatcher", "--to", d.url, "--audience", importAudience}, args...)...).
		want(d.t, 0)
	return r
}
