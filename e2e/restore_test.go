package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/config"
	"minigroups/e2e/verify"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

// restoredSystem is a system of its own, whose database goes back to an earlier time.
type restoredSystem struct {
	*system
	t      *testing.T
	backup *stack.Postgres
}

// newRestoredSystem starts a system and a standby of its database.
func newRestoredSystem(t *testing.T) *restoredSystem {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := &restoredSystem{t: t, system: &system{dir: t.TempDir(), bin: filepath.Join(t.TempDir(), "bin")}}
	t.Cleanup(s.stop)
	if err := s.start(ctx); err != nil {
		t.Fatal(err)
	}
	var err error
	s.backup, err = stack.StartPostgres(ctx, stack.PostgresOptions{
		Fast: true, StandbyOf: s.postgres, Log: s.log("standby"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.backup.Kill() })
	return s
}

// backUp ends the replication, so that the standby stays as the database is now.
func (s *restoredSystem) backUp() time.Time {
	s.t.Helper()
	standby := s.connect(s.backup.URL("postgres"))
	defer standby.Close()
	var at time.Time
	var written string
	err := s.db.QueryRow(s.t.Context(), `SELECT now(), pg_current_wal_lsn()::text`).Scan(&at, &written)
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, func() error {
		var there bool
		err := standby.QueryRow(s.t.Context(), `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, written).Scan(&there)
		if err == nil && !there {
			err = fmt.Errorf("the standby is not at %s yet", written)
		}
		return err
	})
	for _, sql := range []string{`ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`} {
		if _, err := standby.Exec(s.t.Context(), sql); err != nil {
			s.t.Fatal(err)
		}
	}
	eventually(s.t, func() error {
		var receivers int
		err := standby.QueryRow(s.t.Context(), `SELECT count(*) FROM pg_stat_wal_receiver`).Scan(&receivers)
		if err == nil && receivers > 0 {
			err = fmt.Errorf("the standby still receives")
		}
		return err
	})
	return at
}

func (s *restoredSystem) connect(url string) *pgxpool.Pool {
	s.t.Helper()
	pool, err := pgxpool.New(s.t.Context(), url)
	if err != nil {
		s.t.Fatal(err)
	}
	return pool
}

// restore stops the programs, and puts the backup in place of the database.
func (s *restoredSystem) restore() {
	s.t.Helper()
	ctx := s.t.Context()
	for _, p := range []*stack.Process{s.apis, s.worker} {
		if err := p.Stop(ctx); err != nil {
			s.t.Fatal(err)
		}
	}
	s.db.Close()
	if err := s.postgres.Kill(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.backup.Promote(ctx); err != nil {
		s.t.Fatal(err)
	}
	s.db = s.connect(s.backup.URL("postgres"))
	s.cfg.Database.URL = config.DatabaseURL(s.backup.URL("postgres"))
	if err := config.Save(s.configFile, s.cfg); err != nil {
		s.t.Fatal(err)
	}
}

func (s *restoredSystem) startPrograms() {
	s.t.Helper()
	ctx := s.t.Context()
	err := s.startWorker(ctx)
	if err == nil {
		err = s.startAPI(ctx)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// send sends a request for a class and returns the object of the answer.
func (s *restoredSystem) send(want int, method, path string, body any, headers ...string) object {
	s.t.Helper()
	r, err := sendTo(s.t.Context(), s.api, method, path, body, append(headers, "Authorization", "Bearer "+s.token)...)
	if err != nil || r.code != want {
		s.t.Fatalf("%s %s: got %d %s, %v, want %d", method, path, r.code, r.text, err, want)
	}
	return r.object
}

func (s *restoredSystem) create(c *class) object {
	s.t.Helper()
	return s.send(http.StatusCreated, http.MethodPost, "/api/v1/minigroups", c.body)
}

// fault sets a fault of conference for one class.
func (s *restoredSystem) fault(c *class, f sandbox.Fault) {
	s.t.Helper()
	f.ClassroomID = &c.id
	if _, err := sandboxclient.AddFault(s.t.Context(), s.conference, f); err != nil {
		s.t.Fatal(err)
	}
}

// reconcileResult is what `ops reconcile -o json` prints.
type reconcileResult struct {
	Classes []struct {
		ClassID uuid.UUID `json:"class_id"`
		State   string
		Does    string
		Keeps   []any
		Closes  []any
		Detail  string
	}
	Done bool
}

func (s *restoredSystem) reconcile(since time.Time, args ...string) reconcileResult {
	s.t.Helper()
	var result reconcileResult
	args = append([]string{"-config", s.configFile, "reconcile", "--since", since.Format(time.RFC3339Nano), "-o", "json"},
		args...)
	cmd := opsCommand(s.t.Context())
	cmd.Args = append(cmd.Args[:1], args...)
	runOps(s.t, cmd, &result).want(s.t, 0)
	return result
}

func (s *restoredSystem) checker() verify.Checker {
	return verify.NewChecker(s.db, s.client, s.event, s.conference, s.cfg.Janus)
}

// TestTheLedgerIsReconciledAfterARestore lets classes be created, updated and recreated, and fail, before and after a
// backup, with requests in flight at both times, and puts the backup in place of the database. What callers were told
// is true afterwards, and no room is open that no class holds.
func TestTheLedgerIsReconciledAfterARestore(t *testing.T) {
	s := newRestoredSystem(t)
	ctx := t.Context()
	const host = "web.teacher.example.org"

	// Before the backup.
	untouched, moved, renewed, both, stuckRecreate := newClass(t), newClass(t), newClass(t), newClass(t), newClass(t)
	for _, c := range []*class{untouched, moved, renewed, both, stuckRecreate} {
		s.create(c)
	}
	failedThenReady, inFlight := newClass(t), newClass(t)
	s.fault(failedThenReady, createRefused)
	s.send(http.StatusUnprocessableEntity, http.MethodPost, "/api/v1/minigroups", failedThenReady.body)
	s.fault(inFlight, createHangs)
	s.send(http.StatusAccepted, http.MethodPost, "/api/v1/minigroups", inFlight.body, "Prefer", "respond-async")
	s.awaitEventRoom(inFlight)

	since := s.backUp()

	// The create in flight goes on.
	if err := sandboxclient.ClearFaults(ctx, s.conference); err != nil {
		t.Fatal(err)
	}
	told := map[*class]object{untouched: s.send(http.StatusOK, http.MethodGet, untouched.path(), nil)}
	told[inFlight] = s.awaitStatus(inFlight, "real-time")
	told[failedThenReady] = s.create(failedThenReady)
	created, changed := newClass(t), newClass(t)
	told[created] = s.create(created)
	s.create(changed)
	s.send(http.StatusOK, http.MethodPut, changed.path(), window(changed.start+60, changed.start+3600))
	s.send(http.StatusOK, http.MethodPost, changed.path()+"/recreate", map[string]any{})
	told[changed] = s.send(http.StatusOK, http.MethodPut, changed.path(), map[string]any{"reserve": 3, "host": host})
	s.send(http.StatusOK, http.MethodPut, moved.path(), window(moved.start+60, moved.start+3600))
	told[moved] = s.send(http.StatusOK, http.MethodPut, moved.path(), map[string]any{"reserve": 5})
	told[renewed] = s.send(http.StatusOK, http.MethodPost, renewed.path()+"/recreate", map[string]any{})
	s.send(http.StatusOK, http.MethodPost, both.path()+"/recreate", map[string]any{})
	told[both] = s.send(http.StatusOK, http.MethodPut, both.path(), map[string]any{"reserve": 2, "host": host})
	failed, stuck := newClass(t), newClass(t)
	s.fault(failed, createRefused)
	s.send(http.StatusUnprocessableEntity, http.MethodPost, "/api/v1/minigroups", failed.body)
	s.fault(stuck, createHangs)
	s.send(http.StatusAccepted, http.MethodPost, "/api/v1/minigroups", stuck.body, "Prefer", "respond-async")
	s.awaitEventRoom(stuck)
	s.fault(stuckRecreate, createHangs)
	s.send(http.StatusAccepted, http.MethodPost, stuckRecreate.path()+"/recreate", map[string]any{}, "Prefer",
		"respond-async")
	s.awaitEventRoom(stuckRecreate)

	s.restore()
	if err := sandboxclient.ClearFaults(ctx, s.conference); err != nil {
		t.Fatal(err)
	}

	before, err := s.checker().Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(before.Violations, "\n"), "LEAK") {
		t.Fatal("the restore has made no difference")
	}
	if dry := s.reconcile(since); dry.Done || len(dry.Classes) == 0 {
		t.Fatalf("the dry run: %+v", dry)
	}
	result := s.reconcile(since, "--yes")
	does := map[uuid.UUID]string{}
	for _, c := range result.Classes {
		does[c.ClassID] = c.Does
	}
	for name, want := range map[string]struct {
		*class
		does string
	}{
		"untouched": {untouched, ""}, "in flight at the backup": {inFlight, "create"}, "created": {created, "create"},
		"failed, then ready": {failedThenReady, "create"}, "changed": {changed, "create"}, "moved": {moved, "update"},
		"renewed": {renewed, "recreate"}, "renewed and moved": {both, "recreate"}, "failed": {failed, "undo"},
		"in flight at the restore": {stuck, "create"}, "recreate in flight": {stuckRecreate, "recreate"},
	} {
		if got := does[want.id]; got != want.does {
			t.Errorf("%s: ops does %q, want %q", name, got, want.does)
		}
	}
	if again := s.reconcile(since); len(again.Classes) != 0 {
		t.Errorf("after --yes, it finds %+v", again.Classes)
	}

	s.startPrograms()
	s.awaitIdle()
	for _, p := range []*stack.Process{s.apis, s.worker} {
		if err := p.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
	left := s.reconcile(since, "--yes")
	if len(left.Classes) != 1 || left.Classes[0].ClassID != both.id || left.Classes[0].Does != "update" {
		t.Errorf("it finds %+v, want the update after the recreate", left.Classes)
	}
	s.startPrograms()
	s.awaitIdle()
	if again := s.reconcile(since); len(again.Classes) != 0 {
		t.Errorf("in the end, it finds %+v", again.Classes)
	}
	findings, err := s.checker().Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range findings.Violations {
		// A repeated update finds the host in conference already, so that the ledger has no PATCH of it.
		isHost := strings.HasSuffix(violation, "conference shows another host than the last update set")
		isTheirs := strings.Contains(violation, changed.id.String()) || strings.Contains(violation, both.id.String())
		if !isHost || !isTheirs {
			t.Error(violation)
		}
	}
	for c, before := range told {
		after := s.send(http.StatusOK, http.MethodGet, c.path(), nil)
		if after.Status != "real-time" || *after.RealTime != *before.RealTime || *after.Reserve != *before.Reserve ||
			*after.Time[0] != *before.Time[0] || after.Host != before.Host {
			t.Errorf("%s: was told\n%+v, and is\n%+v", c.scope, before, after)
		}
	}
	for _, c := range []*class{stuck, stuckRecreate} {
		s.awaitStatus(c, "real-time")
	}
	s.awaitStatus(failed, "failed")
}

// awaitEventRoom waits until event has created a room for the class, beyond the one that a recreate replaces.
func (s *restoredSystem) awaitEventRoom(c *class) {
	s.t.Helper()
	eventually(s.t, func() error {
		var n int
		err := s.db.QueryRow(s.t.Context(), `
			SELECT count(*) FROM room_attempt a JOIN minigroup m ON m.id = a.class_id
			WHERE a.class_id = $1 AND a.kind = 'event' AND a.room_id IS NOT NULL
				AND a.room_id IS DISTINCT FROM m.event_room_id`, c.id).Scan(&n)
		if err == nil && n == 0 {
			err = fmt.Errorf("class %s has no event room", c.id)
		}
		return err
	})
}

func (s *restoredSystem) awaitStatus(c *class, want string) (o object) {
	s.t.Helper()
	eventually(s.t, func() error {
		o = s.send(http.StatusOK, http.MethodGet, c.path(), nil)
		if o.Status != want {
			return fmt.Errorf("class %s is %s, want %s", c.id, o.Status, want)
		}
		return nil
	})
	return o
}

func (s *restoredSystem) awaitIdle() {
	s.t.Helper()
	if stuck, err := s.checker().AwaitIdle(s.t.Context()); err != nil || len(stuck) > 0 {
		s.t.Fatalf("still in progress: %q, %v", stuck, err)
	}
}
