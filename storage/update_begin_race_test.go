package storage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

// aroundQueries is a tracer that calls before and after around each query that is in no batch.
type aroundQueries struct{ before, after func() }

func (a *aroundQueries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if a.before != nil {
		a.before()
	}
	return ctx
}

func (a *aroundQueries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	if a.after != nil {
		a.after()
	}
}

// TestWhatKeepsAnUpdateFromBeginningMayPassUntilItIsLookedAt lets another run own the minigroup while an update tries
// to begin, but not while it looks why it has not.
func TestWhatKeepsAnUpdateFromBeginningMayPassUntilItIsLookedAt(t *testing.T) {
	around := &aroundQueries{}
	s, db := storagetest.Traced(t, around)
	l := ledger{t, s, db}
	m := l.ready("run-1", draft(0))
	owner := func(run string) func() {
		return func() { l.exec(`UPDATE minigroup SET owner = $1`, run) }
	}
	for _, c := range []struct {
		name     string
		revision *int64
		after    func()
	}{
		{name: "an update of any revision begins"},
		{name: "an update of this revision begins", revision: &m.Revision},
		{name: "an update whose minigroup keeps changing gives up", after: owner("run-1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			owner("run-1")()
			u := minigroup.UpdateEntry{
				Claim: minigroup.Claim{Run: "run-2"}, ID: uuid.New(), ClassID: m.ID,
				Plan:   minigroup.UpdatePlan{Revision: m.Revision, Time: m.Time, Host: "a.b.c"},
				Change: minigroup.Change{Host: new("a.b.c"), Revision: c.revision},
			}
			looked := 0
			around.before = func() {
				looked++
				owner("run-2")()
			}
			around.after = c.after
			err := l.BeginUpdate(t.Context(), u)
			around.before, around.after = nil, nil
			if c.after != nil {
				n := l.count(`SELECT count(*) FROM minigroup_update WHERE id = $1`, u.ID)
				if err == nil || !strings.Contains(err.Error(), "kept changing") || looked != 3 || n != 0 {
					t.Errorf("after %d attempts: %v, %d rows are written", looked, err, n)
				}
				return
			}
			if rec := l.recordOf(u.ID); err != nil || looked != 1 || rec.State != minigroup.UpdateRunning {
				t.Errorf("after %d attempts: %v, it is %s", looked, err, rec.State)
			}
			l.commit("run-2", u.ID)
			m = l.read(m.ID)
		})
	}
}
