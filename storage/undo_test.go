package storage_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestUndo(t *testing.T) {
	reason := minigroup.Failure{Kind: minigroup.UpstreamRefused, Detail: "conference refused", Upstream: "conference"}
	run := minigroup.Claim{Run: "run-1"}
	t.Run("marks what is held and in flight for closing, and fails when everything is closed", func(t *testing.T) {
		l, d := newLedger(t, 10), draft(8)
		b := l.begin(entry("run-1", d))
		event := uuid.New()
		l.answer(b.EventAttempt, event)
		undo := l.beginUndo(run, d, reason)
		if undo.State != minigroup.Undoing || len(undo.Rooms) != 1 || undo.Rooms[0].ID != event {
			t.Fatalf("got %+v", undo)
		}
		if len(undo.Reservations) != 1 {
			t.Fatalf("got %+v", undo)
		}
		if _, open, err := l.EndUndo(t.Context(), "run-1", classID(d)); err != nil || len(open) != 1 {
			t.Fatalf("open are %v, %v", open, err)
		}
		if m := l.read(classID(d)); m.State != minigroup.Undoing {
			t.Fatalf("with an open room the minigroup is %s", m.State)
		}
		late := uuid.New()
		if state := l.answer(b.ConferenceAttempt, late); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply is %s", state)
		}
		for _, room := range []uuid.UUID{event, late} {
			l.must(l.RoomReleased(t.Context(), room))
		}
		failure, open, err := l.EndUndo(t.Context(), "run-1", classID(d))
		if err != nil || len(open) != 0 || failure.Kind != reason.Kind {
			t.Fatalf("got %+v, %v, %v", failure, open, err)
		}
		m := l.read(classID(d))
		if m.State != minigroup.Failed || m.Failure.Upstream != "conference" || m.Failure.FailedAt.IsZero() {
			t.Fatalf("got %+v", m)
		}
	})
	t.Run("does not change a ready minigroup", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		l.ready("run-1", d)
		if undo := l.beginUndo(run, d, reason); undo.State != minigroup.Ready {
			t.Fatalf("got %+v", undo)
		}
	})
	t.Run("a create that ended before it began is shown as failed", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		for _, run := range []string{"run-1", "run-2"} {
			claim := minigroup.Claim{Run: run, Replaces: "run-1"}
			cancelled := minigroup.Failure{Kind: minigroup.OperationCancelled, Detail: run}
			if undo := l.beginUndo(claim, d, cancelled); undo.State != minigroup.Undoing {
				t.Fatalf("got %+v", undo)
			}
			if failure, _, err := l.EndUndo(t.Context(), run, classID(d)); err != nil || failure.Detail != run {
				t.Fatalf("got %+v, %v", failure, err)
			}
		}
	})
}
