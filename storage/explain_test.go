package storage_test

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// fixed are the tables that do not grow: there are few gateways, migrations, workers, roles and databases.
var fixed = []string{"janus_backend", "goose_db_version", "worker_lease", "pg_authid", "pg_database"}

// wholeTable are the statements that may read all rows of a table, by a part of their text, and why.
var wholeTable = map[string]string{
	"FROM outbox":   "the outbox contains only events that wait, and all of them are counted",
	"UPDATE outbox": "the same, and personal data is seldom erased",
}

// TestEveryStatementHasTheIndexItNeeds makes a Store issue every statement that it has, and plans each on large tables:
// none reads a whole table that grows, or a whole index of one.
func TestEveryStatementHasTheIndexItNeeds(t *testing.T) {
	st := &statements{issued: map[string][]any{}}
	s, db := storagetest.Traced(t, st)
	exercise(ledger{t, s, db})
	for _, missing := range st.missing(t) {
		t.Errorf("exercise does not make the Store issue this:\n%s", missing)
	}

	large := newLedger(t)
	large.fill()
	for _, p := range []planner{
		{Conn: large.db, small: large.texts(smallIndexes)},
		{Conn: newLedger(t).db, small: large.texts(smallIndexes), empty: true}, // whose plans are kept while tables grow
	} {
		for sql, args := range st.issued {
			p.check(t, sql, args)
		}
	}
}

// planner plans statements on a connection.
type planner struct {
	*pgx.Conn
	// small are the partial indexes that contain few rows of their table. They may be read completely.
	small []string
	// empty says that the tables have no rows.
	empty bool
}

const smallIndexes = `
	SELECT i.relname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
	WHERE x.indpred IS NOT NULL AND i.reltuples < r.reltuples / 20`

// planNode is a part of a plan in the output of EXPLAIN.
type planNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Index    string     `json:"Index Name"`
	Cond     string     `json:"Index Cond"`
	Filter   string     `json:"Filter"`
	Plans    []planNode `json:"Plans"`
}

// check checks the plans of a statement for these arguments: the one that a connection of a pooler makes, unless the
// tables are empty, and the one that our own connections keep.
func (p planner) check(t *testing.T, sql string, args []any) {
	t.Helper()
	tx, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if strings.Contains(sql, storage.ListLimit) {
		if _, err := tx.Exec(t.Context(), storage.ByIndex); err != nil {
			t.Fatal(err)
		}
	}
	if !p.empty {
		p.explain(t, sql, sql, args)
	}
	for name, value := range storage.PlanSettings {
		if _, err := tx.Exec(t.Context(), "SELECT set_config($1, $2, true)", name, value); err != nil {
			t.Fatal(err)
		}
	}
	prepared, err := p.Prepare(t.Context(), "generic", sql)
	if err != nil {
		t.Fatalf("%v:\n%s", err, sql)
	}
	execute := "EXECUTE generic"
	if n := len(prepared.ParamOIDs); n > 0 {
		execute += "(NULL" + strings.Repeat(", NULL", n-1) + ")"
	}
	p.explain(t, sql, execute, nil)
	if err := p.Deallocate(t.Context(), "generic"); err != nil {
		t.Fatal(err)
	}
}

// explain explains a statement by execute, which executes it.
func (p planner) explain(t *testing.T, sql, execute string, args []any) {
	t.Helper()
	var out []byte
	if err := p.QueryRow(t.Context(), "EXPLAIN (FORMAT JSON) "+execute, args...).Scan(&out); err != nil {
		t.Fatalf("%v:\n%s", err, sql)
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(out, &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%s: %v", out, err)
	}
	for _, wrong := range p.wrong(plans[0].Plan, false) {
		if mayReadAll(sql, wrong.Relation) {
			continue
		}
		rows, _ := p.Query(t.Context(), "EXPLAIN "+execute, args...) // CollectRows returns its error
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s reads all of %s%s:\n%s\n%s", wrong.Type, wrong.Relation, wrong.Index, sql, strings.Join(plan, "\n"))
	}
}

func mayReadAll(sql, table string) bool {
	for part := range wholeTable {
		if strings.Contains(sql, part) && strings.HasSuffix(part, table) {
			return true
		}
	}
	return false
}

// key matches a condition on a key. If it is not that of an index, all the rows of an audience are read for it.
var key = regexp.MustCompile(`\((scope|id) = | = (scope|id)\)`)

// wrong lists the parts of a plan that read all of a table that grows, or of an index of one. The first rows of an
// index, up to a limit, are not all of it.
func (p planner) wrong(n planNode, limited bool) (wrong []planNode) {
	switch n.Type {
	case "Seq Scan":
		if !slices.Contains(fixed, n.Relation) {
			wrong = append(wrong, n)
		}
	case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
		if n.Relation == "minigroup" && key.MatchString(n.Filter) && !key.MatchString(n.Cond) {
			wrong = append(wrong, n)
		}
		first := limited && n.Filter == ""
		table := cmp.Or(n.Relation, strings.TrimSuffix(n.Index, "_pkey"))
		if n.Cond == "" && !slices.Contains(p.small, n.Index) && !first && !slices.Contains(fixed, table) {
			wrong = append(wrong, n)
		}
	}
	for _, below := range n.Plans {
		wrong = append(wrong, p.wrong(below, n.Type == "Limit" || limited && n.Type == "LockRows")...)
	}
	return wrong
}
