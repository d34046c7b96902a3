package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestAnAcceptedUpdateThatHasNotBegunDoesNotComeAfterALaterOne(t *testing.T) {
	l := newLedger(t)
	m, early := l.ready("run-1", draft(0)), uuid.New()
	l.accept(minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, early, "a.b.c")
	_, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, uuid.New())
	l.must(err)
	rec := l.recordOf(early)
	if rec.State != minigroup.UpdateFailed || rec.Failure.Kind != minigroup.OperationCancelled {
		t.Fatalf("got %+v", rec)
	}
}

func TestAnUpdateWhoseRunIsGoneDoesNotBeginOnceAnotherWasAccepted(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", named("overtaken"))
	gone, later := uuid.New(), uuid.New()
	_, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, gone)
	l.must(err)
	change := minigroup.Change{Host: new("d.e.f")}
	if err := l.AcceptUpdate(t.Context(), minigroup.Claim{Run: "run-3"}, m.ID, later, change); !isOwned(err, "run-2") {
		t.Fatalf("it is accepted without a check whether run-2 is gone: %v", err)
	}
	l.accept(minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, later, "d.e.f")
	e := minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: gone, ClassID: m.ID, Change: minigroup.Change{Host: new("a.b.c")},
		Plan: minigroup.UpdatePlan{Revision: m.Revision, Time: m.Time, Host: "a.b.c"},
	}
	claim, cancelled := minigroup.Claim{Run: "run-2"}, minigroup.Failure{Kind: minigroup.OperationCancelled}
	_, taken := l.TakeForUpdate(t.Context(), claim, m.ID, gone)
	_, failed := l.FailUpdate(t.Context(), claim, m.ID, gone, e.Change, cancelled, minigroup.FailUnlessSent)
	for what, err := range map[string]error{
		"begun": l.BeginUpdate(t.Context(), e), "taken again": taken, "failed": failed,
	} {
		if !isSuperseded(err) && !isOwned(err, "run-3") {
			t.Errorf("it is %s: %v", what, err)
		}
	}
	e.ID, e.Run, e.Change, e.Plan.Host = later, "run-3", change, "d.e.f"
	b, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3"}, m.ID, later)
	if err != nil || b.State != minigroup.UpdateRequested || b.Unfinished != uuid.Nil {
		t.Fatalf("got %+v, %v", b, err)
	}
	l.must(l.BeginUpdate(t.Context(), e))
	l.commit("run-3", later)
	if now := l.read(m.ID); now.Host != "d.e.f" || now.Update != nil {
		t.Fatalf("got %+v", now)
	}
}

func TestAnUpdateOfAClosedClassDoesNotBegin(t *testing.T) {
	l := newLedger(t)
	m := l.readyDuring(running())
	l.record(closing(m, false))
	_, err := l.tryUpdate("run-2", m, minigroup.UpdatePlan{Time: m.Time, Reserve: new(int32(2)), Host: "a.b.c"})
	if !isKind(err, minigroup.Closed) {
		t.Errorf("got %v", err)
	}
	n := l.count(`
		SELECT (SELECT count(*) FROM minigroup_update)
			+ (SELECT count(*) FROM janus_reservation WHERE state <> 'releasing')`)
	if n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

func TestNothingIsTakenForADecidedUpdate(t *testing.T) {
	l := newLedger(t)
	m, later := l.ready("run-1", draft(0)), uuid.New()
	done := l.update(m, minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"})
	l.commit("run-2", done)
	l.accept(minigroup.Claim{Run: "run-2"}, m.ID, later, "d.e.f")
	for _, replaced := range []string{"", "run-2"} {
		b, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: replaced}, m.ID, done)
		if err != nil || b.State != minigroup.UpdateDone {
			t.Errorf("got %+v, %v", b, err)
		}
	}
	if now, rec := l.read(m.ID), l.recordOf(later); now.Run != "run-2" || rec.State != minigroup.UpdateRequested {
		t.Errorf("got %+v, %+v", now, rec)
	}
}

func TestRevisions(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", draft(0))
	for name, c := range map[string]struct {
		set     string
		changes bool
	}{
		"another owner":            {set: `owner = 'run-x'`},
		"when it was touched":      {set: `changed_at = now() + interval '1 s', looked_up_at = now() + interval '1 s'`},
		"the same values":          {set: `host = host, tags = tags`},
		"the update that it shows": {set: `last_update_id = id`},
		"the revision itself":      {set: `revision = revision`},
		"another host":             {set: `host = host || 'x', owner = 'run-y'`, changes: true},
		"another end":              {set: `during = tstzrange(lower(during), upper(during) + interval '1 s')`, changes: true},
		"another reserve":          {set: `reserve = CASE WHEN reserve IS NULL THEN 1 END`, changes: true},
	} {
		t.Run(name, func(t *testing.T) {
			before := l.read(m.ID).Revision
			l.exec(`UPDATE minigroup SET `+c.set+` WHERE id = $1`, m.ID)
			after := l.read(m.ID).Revision
			if (after == before+1) != c.changes || (after == before) == c.changes {
				t.Errorf("it was %d and is %d", before, after)
			}
		})
	}
}

// atRevision is an update of the host by run-2 that requires a revision. With accepted, its caller has received 202.
// It returns the error of BeginUpdate.
func (l ledger) atRevision(m minigroup.Minigroup, revision int64, accepted bool) (minigroup.UpdateEntry, error) {
	l.Helper()
	e := minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: uuid.New(), ClassID: m.ID,
		Change: minigroup.Change{Host: new("a.b.c"), Revision: &revision},
		Plan:   minigroup.UpdatePlan{Revision: m.Revision, Time: m.Time, Host: "a.b.c"},
	}
	claim := minigroup.Claim{Run: "run-2", Replaces: "run-1"}
	if accepted {
		l.must(l.AcceptUpdate(l.Context(), claim, e.ClassID, e.ID, e.Change))
	}
	_, err := l.TakeForUpdate(l.Context(), claim, e.ClassID, e.ID)
	l.must(err)
	return e, l.BeginUpdate(l.Context(), e)
}

func TestUpdateThatRequiresARevision(t *testing.T) {
	t.Run("begins at that revision, and may be committed whatever the revision is then", func(t *testing.T) {
		l := newLedger(t)
		m := l.ready("run-1", draft(0))
		e, err := l.atRevision(m, m.Revision, false)
		l.must(err)
		b, err := l.TakeForUpdate(t.Context(), minigroup.Claim{Run: "run-3", Replaces: "run-2"}, e.ClassID, e.ID)
		if err != nil || b.State != minigroup.UpdateRunning {
			t.Fatalf("got %+v, %v", b, err)
		}
		l.commit("run-3", e.ID)
		if now := l.read(e.ClassID); now.Host != "a.b.c" || now.Revision != m.Revision+1 {
			t.Fatalf("got %+v", now)
		}
	})
	for name, accepted := range map[string]bool{
		"a caller that waits receives the failure, and it is not shown": false,
		"a caller that received 202 finds the failure":                  true,
	} {
		t.Run("fails at another: "+name, func(t *testing.T) {
			l := newLedger(t)
			m := l.ready("run-1", draft(0))
			e, err := l.atRevision(m, m.Revision-1, accepted)
			if !isKind(err, minigroup.PreconditionFailed) {
				t.Fatalf("got %v", err)
			}
			if state := l.fail("run-2", e.ClassID, e.ID, minigroup.PreconditionFailed, false); state != minigroup.UpdateFailed {
				t.Fatalf("it is %s", state)
			}
			if rec := l.recordOf(e.ID); rec.Failure.Kind != minigroup.PreconditionFailed {
				t.Fatalf("got %+v", rec)
			}
			now := l.read(e.ClassID)
			if now.Host != m.Host || now.Revision != m.Revision || (now.Update != nil) != accepted {
				t.Fatalf("got %+v", now)
			}
		})
	}
	t.Run("is listed with its revision for the run that recovers it", func(t *testing.T) {
		l := newLedger(t)
		m := l.ready("run-1", draft(0))
		if _, err := l.atRevision(m, m.Revision-1, true); err == nil {
			t.Fatal("it began")
		}
		l.exec(`UPDATE minigroup_update SET requested_at = now() - interval '1 hour'`)
		open, err := l.OpenSagas(t.Context(), time.Minute, 10)
		if err != nil || len(open) != 1 || open[0].Change.Revision == nil || *open[0].Change.Revision != m.Revision-1 {
			t.Fatalf("got %+v, %v", open, err)
		}
	})
}

func TestAnUpdateTakesTheRowWhenItBegins(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", named("a"))
	overtaken := uuid.New()
	l.accept(minigroup.Claim{Run: "run-1"}, m.ID, overtaken, "a.b.c")
	e := minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: uuid.New(), ClassID: m.ID, Change: minigroup.Change{Host: new("d.e.f")},
		Plan: minigroup.UpdatePlan{Time: m.Time, Host: "d.e.f", Revision: m.Revision},
	}
	for _, owner := range []string{"", "run-0"} {
		e.Replaces = owner
		if err := l.BeginUpdate(t.Context(), e); !isOwned(err, "run-1") {
			t.Fatalf("a claim that replaces %q got %v", owner, err)
		}
		if _, err := l.ReadForUpdate(t.Context(), e.Claim, m.ID, e.ID); !isOwned(err, "run-1") {
			t.Fatalf("a claim that replaces %q read %v", owner, err)
		}
	}
	e.Replaces = "run-1"
	read, err := l.ReadForUpdate(t.Context(), e.Claim, m.ID, e.ID)
	if err != nil || read.State != minigroup.UpdateRequested || read.Minigroup.Run != "run-1" {
		t.Fatalf("read %+v, %v", read, err)
	}
	for range 2 {
		l.must(l.BeginUpdate(t.Context(), e))
	}
	now := l.read(m.ID)
	if now.Run != "run-2" || now.Update == nil || now.Update.ID != e.ID || now.Update.State != minigroup.UpdateRunning {
		t.Errorf("got %+v with %+v", now, now.Update)
	}
	if rec := l.recordOf(overtaken); rec.State != minigroup.UpdateFailed {
		t.Errorf("the update of the run before is %s", rec.State)
	}
}

func TestAnUpdateBeginsOnlyOnTheRowThatItWasPlannedFor(t *testing.T) {
	for name, change := range map[string]string{
		"a property was written": `properties = '{"a": 1}'`,
		"the class has ended":    `closed_at = now()`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			m := l.ready("run-1", named("a"))
			r := minigroup.RecreateEntry{UpdateEntry: minigroup.UpdateEntry{
				Claim: minigroup.Claim{Run: "run-2", Replaces: "run-1"}, ID: uuid.New(), ClassID: m.ID,
				Change: minigroup.Change{Recreate: &minigroup.Recreation{}},
				Plan:   minigroup.UpdatePlan{Time: m.Time, Host: m.Host, Revision: m.Revision},
			}}
			l.exec(`UPDATE minigroup SET ` + change)
			if _, _, err := l.BeginRecreate(t.Context(), r); !errors.Is(err, minigroup.ErrOutdatedPlan) {
				t.Fatalf("got %v", err)
			}
			r.Plan.Revision = l.read(m.ID).Revision
			_, _, err := l.BeginRecreate(t.Context(), r)
			l.must(err)
		})
	}
}
