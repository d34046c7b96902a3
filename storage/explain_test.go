package storage_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

// statements are those that a Store has issued, each with the arguments of its first time.
type statements struct {
	mu     sync.Mutex
	issued map[string][]any
}

func (st *statements) note(sql string, args []any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, known := st.issued[sql]; !known && !slices.Contains([]string{"begin", "commit", "rollback", "-- ping"}, sql) {
		st.issued[sql] = args
	}
}

func (st *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	st.note(q.SQL, q.Args)
	return ctx
}

func (st *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	for _, q := range b.Batch.QueuedQueries {
		st.note(q.SQL, q.Arguments)
	}
	return ctx
}

func (st *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (st *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (st *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// fixed are the tables that do not grow: there are few gateways, and few migrations.
var fixed = []string{"janus_backend", "goose_db_version"}

// wholeTable are the statements that want all rows of a table, by a part of their text, and why that does no harm.
var wholeTable = map[string]string{
	"FROM outbox": "the outbox holds what waits, and all of that is counted",
}

// TestEveryStatementHasTheIndexItNeeds has a Store issue every statement that it has, and plans each of them on tables of some
// size: none reads a whole table that grows, nor a whole index of one.
func TestEveryStatementHasTheIndexItNeeds(t *testing.T) {
	st := &statements{issued: map[string][]any{}}
	s, db := storagetest.Traced(t, st)
	everything(t, s, db)
	for _, missing := range st.missing(t) {
		t.Errorf("everything does not have the Store issue this:\n%s", missing)
	}

	_, db = storagetest.New(t)
	fill(t, db)
	p := planner{Conn: db, small: smallIndexes(t, db)}
	for sql, args := range st.issued {
		p.check(t, sql, args)
	}
}

// TestReadsAreByKeyWheneverTheyWerePlanned plans the reads of minigroups where there is nothing yet: the plans of a connection
// outlive that.
func TestReadsAreByKeyWheneverTheyWerePlanned(t *testing.T) {
	st := &statements{issued: map[string][]any{}}
	s, db := storagetest.Traced(t, st)
	if _, _, err := s.ByIDForAccount(t.Context(), uuid.New(), minigroup.Account{Audience: "example.org", Label: "me"}); err == nil {
		t.Fatal("it has found something")
	}
	if len(st.issued) != 1 {
		t.Fatalf("a read has issued %v", slices.Collect(maps.Keys(st.issued)))
	}
	for sql, args := range st.issued {
		planner{Conn: db}.check(t, sql, args)
	}
}

// sqlWords tell SQL from other texts.
var (
	sqlWords = regexp.MustCompile(`\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|WITH|JOIN|EXISTS|ORDER BY|LIMIT)\b|\$\d`)
	verbs    = regexp.MustCompile(`%(\[\d\])?[dsv]`)
	spaces   = regexp.MustCompile(`\s+`)
)

// missing are the pieces of SQL in the sources of the package that are in no statement that was issued. Statements are put
// together of several pieces, so a new one is found out by those it does not share.
func (st *statements) missing(t *testing.T) (missing []string) {
	t.Helper()
	all := spaces.ReplaceAllString(strings.Join(slices.Collect(maps.Keys(st.issued)), "\n"), " ")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	pieces := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !sqlWords.MatchString(text) {
				return true
			}
			pieces++
			for _, part := range verbs.Split(spaces.ReplaceAllString(text, " "), -1) {
				if !strings.Contains(all, part) {
					missing = append(missing, file+": "+text)
					break
				}
			}
			return true
		})
	}
	if pieces < 100 {
		t.Errorf("only %d pieces of SQL were found in the sources", pieces)
	}
	return missing
}

// planner plans statements on a connection.
type planner struct {
	*pgx.Conn
	// small are the indexes of a small part of their table: they may be read whole.
	small []string
}

func smallIndexes(t *testing.T, db *pgx.Conn) []string {
	t.Helper()
	rows, _ := db.Query(t.Context(), `
		SELECT i.relname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
		WHERE x.indpred IS NOT NULL AND i.reltuples < r.reltuples / 20`) // its error is also that of the rows
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// planNode is what EXPLAIN tells of a part of a plan.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Index    string     `json:"Index Name"`
	Cond     string     `json:"Index Cond"`
	Filter   string     `json:"Filter"`
	Plans    []planNode `json:"Plans"`
}

// check plans a statement as Postgres does for these arguments, and as it does for any.
func (p planner) check(t *testing.T, sql string, args []any) {
	t.Helper()
	p.explain(t, sql, sql, args)
	prepared, err := p.Prepare(t.Context(), "generic", sql)
	if err != nil {
		t.Fatalf("%v:\n%s", err, sql)
	}
	execute := "EXECUTE generic"
	if n := len(prepared.ParamOIDs); n > 0 {
		execute += "(NULL" + strings.Repeat(", NULL", n-1) + ")"
	}
	if _, err := p.Exec(t.Context(), `SET plan_cache_mode = force_generic_plan`); err != nil {
		t.Fatal(err)
	}
	p.explain(t, sql, execute, nil)
	if _, err := p.Exec(t.Context(), `RESET plan_cache_mode`); err != nil {
		t.Fatal(err)
	}
	if err := p.Deallocate(t.Context(), "generic"); err != nil {
		t.Fatal(err)
	}
}

func (p planner) explain(t *testing.T, sql, how string, args []any) {
	t.Helper()
	var out []byte
	if err := p.QueryRow(t.Context(), "EXPLAIN (FORMAT JSON) "+how, args...).Scan(&out); err != nil {
		t.Fatalf("%v:\n%s", err, sql)
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(out, &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%s: %v", out, err)
	}
	for _, wrong := range p.wrong(plans[0].Plan, false) {
		for part := range wholeTable {
			if strings.Contains(sql, part) && strings.HasSuffix(part, wrong.Relation) {
				wrong.Type = ""
			}
		}
		if wrong.Type == "" {
			continue
		}
		rows, _ := p.Query(t.Context(), "EXPLAIN "+how, args...) // its error is also that of the rows
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s reads all of %s%s:\n%s\n%s", wrong.Type, wrong.Relation, wrong.Index, sql, strings.Join(plan, "\n"))
	}
}

// wrong lists the parts of a plan that read all of a table that grows, or of an index of one. The first rows of an index, up
// to a limit, are not all of it.
func (p planner) wrong(n planNode, limited bool) (wrong []planNode) {
	switch n.Type {
	case "Seq Scan":
		if !slices.Contains(fixed, n.Relation) {
			wrong = append(wrong, n)
		}
	case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
		first := limited && n.Filter == ""
		if n.Cond == "" && !slices.Contains(p.small, n.Index) && !first && !slices.Contains(fixed, n.Relation) {
			wrong = append(wrong, n)
		}
	}
	for _, below := range n.Plans {
		wrong = append(wrong, p.wrong(below, n.Type == "Limit" || limited && n.Type == "LockRows")...)
	}
	return wrong
}

// fill makes tables as they are after some time: nearly all is over. Then it demands that no table was forgotten.
func fill(t *testing.T, db *pgx.Conn) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO janus_backend (id, admin_url) SELECT 'janus-' || n, 'u' FROM generate_series(1, 4) n`,
		`CREATE TEMPORARY TABLE class AS SELECT n, gen_random_uuid() AS id, now() - n * interval '10 minutes' AS at FROM generate_series(1, 20000) n`,
		// Of 20,000 classes 20 are being created, 20 undone, 200 have failed, 460 are open and the others have ended.
		`INSERT INTO minigroup (id, audience, scope, state, owner, during, host, locked_chat, fingerprint, created_at, changed_at, looked_up_at,
			failure, failed_at, closed_at, event_room_id, conference_room_id)
		 SELECT id, 'example.org', n::text, CASE WHEN n <= 20 THEN 'creating' WHEN n <= 40 THEN 'undoing' WHEN n <= 240 THEN 'failed' ELSE 'ready' END, 'run',
			CASE WHEN n > 700 THEN tstzrange(at, at + interval '1 hour') WHEN n % 3 = 0 THEN tstzrange(at, NULL) ELSE tstzrange(now(), now() + n * interval '1 hour') END,
			'h', false, 'f', at, at, at,
			CASE WHEN n BETWEEN 21 AND 240 THEN '{"kind": "upstream_refused"}'::jsonb END, CASE WHEN n BETWEEN 41 AND 240 THEN at END, CASE WHEN n > 700 THEN at END,
			CASE WHEN n > 240 THEN gen_random_uuid() END, CASE WHEN n > 240 THEN gen_random_uuid() END FROM class`,
		`INSERT INTO room_attempt (id, class_id, kind, operation, state, room_id, sent_at, answered_at, expires_at, changed_at, run, fingerprint)
		 SELECT gen_random_uuid(), id, 'event', 'create', 'held', event_room_id, created_at, created_at, created_at, created_at, 'run', 'f' FROM minigroup WHERE state = 'ready'
		 UNION ALL
		 SELECT gen_random_uuid(), id, 'conference', 'create', 'held', conference_room_id, created_at, created_at, created_at, created_at, 'run', 'f' FROM minigroup WHERE state = 'ready'
		 UNION ALL
		 SELECT gen_random_uuid(), id, 'event', 'create', CASE WHEN n <= 50 THEN 'releasing' ELSE 'released' END, gen_random_uuid(), at, at, at, at, 'run', 'f' FROM class`,
		`INSERT INTO room_attempt (id, class_id, kind, operation, state, sent_at, expires_at, changed_at, run, fingerprint, resolution, resolved_at)
		 SELECT gen_random_uuid(), id, 'conference', 'create', CASE WHEN n <= 50 THEN 'sent' WHEN n <= 100 THEN 'lost' ELSE 'refused' END, at, at, at, 'run', 'f',
			CASE WHEN n BETWEEN 60 AND 100 THEN 'never_seen' END, CASE WHEN n BETWEEN 60 AND 100 THEN at END FROM class`,
		`INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, created_at, changed_at, fingerprint)
		 SELECT gen_random_uuid(), id, 'janus-' || n % 4 + 1, CASE WHEN n <= 700 THEN 'held' ELSE 'released' END, 1, tstzrange(at, at + interval '1 hour'), at, at, 'f' FROM class`,
		`INSERT INTO minigroup_update (id, class_id, state, run, requested, old_during, new_during, patch, failure, requested_at, decided_at, look_up_at)
		 SELECT gen_random_uuid(), id, CASE WHEN age > 1 OR n > 100 THEN CASE WHEN n % 9 = 0 THEN 'failed' ELSE 'done' END WHEN n <= 20 THEN 'running' ELSE 'requested' END,
			'run', CASE WHEN n % 50 = 0 THEN '{}' ELSE '{"host": "a.b.c"}' END::jsonb, '[,)', '[,)', '{}',
			CASE WHEN (age > 1 OR n > 100) AND n % 9 = 0 THEN '{"kind": "upstream_refused"}'::jsonb END, at, CASE WHEN age > 1 OR n > 100 THEN at END,
			CASE WHEN age > 1 AND n <= 20 THEN at END
		 FROM class, generate_series(2, 1, -1) age`,
		`UPDATE minigroup m SET last_update_id = u.id FROM minigroup_update u WHERE u.class_id = m.id AND u.state <> 'done'`,
		`INSERT INTO announced_room (room_id, class_id, kind, state, created_at, changed_at)
		 SELECT gen_random_uuid(), id, 'event', CASE WHEN n <= 20 THEN 'announced' WHEN n <= 40 THEN 'releasing' ELSE 'released' END, at, at FROM class`,
		`INSERT INTO closed_room (room_id, class_id, timed_out, received_at, settled)
		 SELECT coalesce(conference_room_id, gen_random_uuid()), id, false, created_at, row_number() OVER () > 20 FROM minigroup`,
		`INSERT INTO outbox (audience, label, payload) SELECT 'example.org', 'minigroup.stop', '{}' FROM class`,
		`INSERT INTO account (audience, label, properties) SELECT 'example.org', n::text, '{}' FROM class`,
		`INSERT INTO idempotency_key (id, fingerprint, created_at) SELECT n::text, 'f', at FROM class`,
		`DROP TABLE class`,
		`ANALYZE`,
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%v:\n%s", err, sql)
		}
	}
	rows, _ := db.Query(t.Context(), `
		SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples < 20000 AND NOT relname = ANY($1)`, fixed)
	small, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(small) > 0 {
		t.Fatalf("few rows are in %v, %v", small, err)
	}
}
