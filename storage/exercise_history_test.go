package storage_test

import (
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// teacher and operator are requesters.
var (
	teacher = minigroup.Requester{
		Account: minigroup.Account{Label: "teacher", Audience: "example.org"}, RequestID: "request-1", TraceID: "trace-1",
	}
	operator = minigroup.Requester{Operator: "ada", Reason: "the teacher has called"}
)

// exerciseHistory does what operators do, and the kinds of history that nothing else has.
func exerciseHistory(l ledger) {
	ctx := l.Context()
	d, room := unique(), uuid.New()
	begun := l.begin(entry("run-1", d))
	l.answer(begun.EventAttempt, room)
	l.RefuseAttempt(ctx, begun.ConferenceAttempt)
	l.RecordCancel(ctx, classID(d), "run-1", operator)
	undo := l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.OperationCancelled})
	l.ForceRelease(ctx, minigroup.PendingRelease{Service: "janus", Gateway: "janus-1", ID: undo.Reservations[0]}, operator)
	l.ForceRelease(ctx, minigroup.PendingRelease{Service: "event", ID: room}, operator)
	l.EndUndo(ctx, "run-1", classID(d))
	l.History(ctx, classID(d), 0, 10)
	l.ErasePersonalData(ctx, classID(d), operator)

	d = unique()
	d.Time = running()
	m := l.ready("run-1", d)
	l.record(closing(m, true))
	l.exec(`INSERT INTO outbox (audience, label, payload) SELECT $1, 'minigroup.stop', jsonb_build_object('id', $2::text)`,
		m.Audience, m.ID)
	waiting, err := l.WaitingEvents(ctx, nil, 10)
	l.must(err)
	var ids []int64
	for _, e := range waiting {
		ids = append(ids, e.ID)
	}
	l.must(l.DiscardEvents(ctx, ids, operator))

	l.gateways(100, 100)
	d = unique()
	e := entry("run-1", d)
	l.begin(e)
	l.must(l.MoveReservation(ctx, "run-1", e.CreateRequest, e.Reservation, uuid.New(), ""))
}

// exerciseForcedUpdates forces an update, a recreate and a repair to fail, and lets others fail of themselves.
func exerciseForcedUpdates(l ledger) {
	reason := minigroup.Failure{Kind: minigroup.OperationCancelled}
	for _, c := range []minigroup.Change{
		{Host: new("a.b.c")}, {Recreate: &minigroup.Recreation{}}, {Host: new("a.b.c"), Repair: true},
	} {
		m, owner := l.ready("run-1", unique()), "run-1"
		for _, force := range []bool{true, false} {
			id, run := uuid.New(), uuid.NewString()
			claim := minigroup.Claim{Run: run, Replaces: owner}
			owner = run
			l.must(l.AcceptUpdate(l.Context(), claim, m.ID, id, c))
			if force {
				_, err := l.ForceFailUpdate(l.Context(), m.ID, operator, reason)
				l.must(err)
				continue
			}
			_, err := l.FailUpdate(l.Context(), claim, m.ID, id, c, reason, minigroup.FailRefused)
			l.must(err)
		}
		if c.Repair {
			id, run := uuid.New(), uuid.NewString()
			_, err := l.TakeForUpdate(l.Context(), minigroup.Claim{Run: run, Replaces: owner}, m.ID, id)
			l.must(err)
			l.must(l.BeginUpdate(l.Context(), minigroup.UpdateEntry{
				Claim: minigroup.Claim{Run: run}, ID: id, ClassID: m.ID, Change: c, Plan: minigroup.UpdatePlan{
					Time: m.Time, Reserve: m.Reserve, Host: *c.Host, Revision: l.read(m.ID).Revision,
				},
			}))
			l.commit(run, id)
		}
	}
}

// exerciseRecoveries takes over what runs that are gone have left.
func exerciseRecoveries(l ledger) {
	d := unique()
	l.begin(entry("run-1", d))
	claim := minigroup.Claim{Run: "run-2", Replaces: "run-1"}
	_, err := l.BeginUndo(l.Context(), claim, classID(d), nil, minigroup.Failure{Kind: minigroup.OperationCancelled})
	l.must(err)

	m := l.ready("run-1", unique())
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	_, err = l.TakeForUpdate(l.Context(), minigroup.Claim{Run: "run-3", Replaces: "run-2"}, m.ID, id)
	l.must(err)
	l.begin(replacing("run-1", "run-2", l.abandoned()))
	l.ExpireAttempts(l.Context())
	l.EndOverdue(l.Context(), time.Hour, 10)
}

// abandoned is the draft of a create that run-1 has begun.
func (l ledger) abandoned() minigroup.Draft {
	l.Helper()
	d := unique()
	l.unanswered(d)
	return d
}
