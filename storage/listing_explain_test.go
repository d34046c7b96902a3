package storage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// executedPlans executes each statement of a Store once more, by its generic plan, and keeps what it has read.
type executedPlans struct {
	t       *testing.T
	db      *pgx.Conn
	most    float64
	indexes []string
}

// executedNode is a part of an executed plan.
type executedNode struct {
	Index   string         `json:"Index Name"`
	Rows    float64        `json:"Actual Rows"`
	Removed float64        `json:"Rows Removed by Filter"`
	Loops   float64        `json:"Actual Loops"`
	Plans   []executedNode `json:"Plans"`
}

// TraceBatchStart implements pgx.BatchTracer.
func (p *executedPlans) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	for _, q := range b.Batch.QueuedQueries {
		if q.SQL != storage.ByIndex {
			p.execute(ctx, q)
		}
	}
	return ctx
}

func (*executedPlans) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*executedPlans) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// TraceQueryStart implements pgx.QueryTracer. A Store sends the statements of a list in batches.
func (*executedPlans) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (*executedPlans) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (p *executedPlans) execute(ctx context.Context, q *pgx.QueuedQuery) {
	must := func(err error) {
		if err != nil {
			p.t.Errorf("%v:\n%s", err, q.SQL)
		}
	}
	_, err := p.db.Prepare(ctx, "listed", q.SQL)
	must(err)
	args := make([]string, len(q.Arguments))
	for i, arg := range q.Arguments {
		args[i] = literal(arg)
	}
	var out []byte
	must(p.db.QueryRow(ctx, "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE listed("+strings.Join(args, ", ")+")").Scan(&out))
	must(p.db.Deallocate(ctx, "listed"))
	var plans []struct {
		Plan executedNode
		JIT  json.RawMessage
	}
	must(json.Unmarshal(out, &plans))
	for _, plan := range plans {
		if plan.JIT != nil {
			p.t.Errorf("it is compiled, which takes seconds: %s", plan.JIT)
		}
		p.add(plan.Plan)
	}
}

func (p *executedPlans) add(n executedNode) {
	read := (n.Rows + n.Removed) * n.Loops
	p.most = max(p.most, read)
	if n.Index != "" && read > 0 {
		p.indexes = append(p.indexes, fmt.Sprintf("%s (%.0f)", n.Index, read))
	}
	for _, below := range n.Plans {
		p.add(below)
	}
}

// literal writes an argument as SQL.
func literal(arg any) string {
	switch v := arg.(type) {
	case *time.Time:
		if v == nil {
			return "NULL"
		}
		return literal(*v)
	case *int64:
		if v == nil {
			return "NULL"
		}
		return fmt.Sprint(*v)
	case *uuid.UUID:
		if v == nil {
			return "NULL"
		}
		return literal(*v)
	case time.Time:
		return "'" + v.Format(time.RFC3339Nano) + "'"
	default:
		return "'" + fmt.Sprint(arg) + "'"
	}
}

// TestALongListIsReadByIndexes lists many minigroups by each filter. No part of a plan reads more than a page may
// examine, and one more for a probe.
func TestALongListIsReadByIndexes(t *testing.T) {
	const many, bound = 30_000, 10_000
	l := listLedger(t, many)
	l.exec(`INSERT INTO room_attempt (id, class_id, kind, operation, state, room_id, sent_at, answered_at, expires_at,
			run, fingerprint)
		SELECT md5('a' || event_room_id)::uuid, id, 'event', 'create', 'held', event_room_id, created_at, created_at,
			created_at, 'run', 'f'
		FROM minigroup WHERE event_room_id IS NOT NULL`)
	l.exec(`INSERT INTO minigroup_history (class_id, kind, run, details, by_whom)
		SELECT id, 'create_requested', 'run', '{}', jsonb_build_object('request_id',
			CASE WHEN scope < 'class-3' THEN 'always' ELSE scope END)
		FROM minigroup`)
	l.exec(`UPDATE minigroup SET state = 'creating', failure = NULL, failed_at = NULL WHERE scope LIKE 'class-9000'`)
	l.exec(`ANALYZE`)
	l.exec(`SET plan_cache_mode = force_generic_plan`) // as the connections of a Store have it
	l.exec(strings.ReplaceAll(storage.ByIndex, "true", "false"))
	p := &executedPlans{t: t, db: l.db}
	l.Store = storagetest.Open(t, storage.Options{URL: l.db.Config().ConnString(), Tracer: p})
	late := time.Date(2020, 1, 1, 0, 0, many/10-60, 0, time.UTC)
	room := uuid.MustParse(l.texts(`SELECT event_room_id::text FROM minigroup WHERE scope = 'class-77'`)[0])
	for name, c := range map[string]struct {
		filter listFilter
		index  string
		most   float64
	}{
		"all":            {filter: listFilter{}, index: "minigroup_list", most: 100},
		"creating":       {filter: listFilter{Status: minigroup.StatusCreating}, index: "minigroup_", most: 100},
		"failed":         {filter: listFilter{Status: minigroup.StatusFailed}, index: "minigroup_", most: 100},
		"real-time":      {filter: listFilter{Status: minigroup.StatusRealTime}, index: "minigroup_list_of_state", most: 500},
		"closed":         {filter: listFilter{Status: minigroup.StatusClosed}, index: "minigroup_list", most: 100},
		"host":           {filter: listFilter{Host: "host-7"}, index: "minigroup_list_of_host", most: 100},
		"a short prefix": {filter: listFilter{ScopePrefix: "class-"}, index: "minigroup_scope_is_unique", most: bound + 1},
		"a long prefix":  {filter: listFilter{ScopePrefix: "class-777"}, index: "minigroup_scope_is_unique", most: 111},
		"a long window":  {filter: listFilter{Time: upTo(many)}, index: "minigroup_overlapping", most: bound + 1},
		"a short window": {filter: listFilter{Time: upTo(9)}, index: "minigroup_overlapping", most: 100},
		"a rare window": {
			filter: listFilter{Time: upTo(2000), ScopePrefix: "class-1"}, index: "minigroup_list", most: bound + 1,
		},
		"created since": {filter: listFilter{CreatedSince: late}, index: "minigroup_list", most: 100},
		"changed since": {filter: listFilter{ChangedSince: late}, index: "minigroup_changed", most: 700},
		"changed ever":  {filter: listFilter{ChangedSince: time.Unix(1, 0)}, index: "minigroup_changed", most: bound + 1},
		"room":          {filter: listFilter{RoomID: room}, index: "attempt_room", most: 1},
		"request":       {filter: listFilter{RequestID: "class-77"}, index: "history_of_request", most: 1},
		"every request": {filter: listFilter{RequestID: "always"}, index: "history_of_request", most: bound},
		"attention":     {filter: listFilter{NeedsAttention: true}, index: "minigroup_", most: 100},
	} {
		t.Run(name, func(t *testing.T) {
			c.filter.Audience = "example.org"
			*p = executedPlans{t: t, db: l.db}
			page, err := l.ListMinigroups(t.Context(), c.filter, nil, 50)
			l.must(err)
			if len(page.Minigroups) == 0 && page.Next == nil && c.filter.Status != minigroup.StatusRealTime {
				t.Error("it lists nothing")
			}
			if read := strings.Join(p.indexes, ", "); p.most > c.most || !strings.Contains(read, c.index) {
				t.Errorf("it reads %.0f, at most %.0f is right; by %s, want %s", p.most, c.most, read, c.index)
			}
		})
	}
}
