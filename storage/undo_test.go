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

func TestAnUndoOfAnotherRun(t *testing.T) {
	l, d := newLedger(t), draft(0)
	request := minigroup.NewCreateRequest(d)
	reason := minigroup.Failure{Kind: minigroup.UpstreamRefused, Detail: "the first"}
	undo := func(run, replaces string, r *minigroup.CreateRequest) (minigroup.BegunUndo, error) {
		return l.BeginUndo(t.Context(), minigroup.Claim{Run: run, Replaces: replaces}, classID(d), r, reason)
	}
	if begun, err := undo("run-1", "", nil); err != nil || begun.State != "" {
		t.Errorf("without a row: %+v, %v", begun, err)
	}
	l.begin(entry("run-1", d))
	for _, replaces := range []string{"", "run-0"} {
		for _, r := range []*minigroup.CreateRequest{nil, &request} {
			if begun, err := undo("run-2", replaces, r); !isOwned(err, "run-1") {
				t.Errorf("in place of %q: %+v, %v", replaces, begun, err)
			}
		}
	}
	if _, err := undo("run-2", "run-1", nil); err != nil {
		t.Errorf("in place of the owner: %v", err)
	}
	if _, _, err := l.EndUndo(t.Context(), "run-1", classID(d)); !isSuperseded(err) {
		t.Errorf("the last owner ended it: %v", err)
	}
	reason.Detail = "the second"
	if begun, err := undo("run-2", "", &request); err != nil || begun.State != minigroup.Undoing {
		t.Errorf("begun again: %+v, %v", begun, err)
	}
	for range 2 {
		if failure, _, err := l.EndUndo(t.Context(), "run-2", classID(d)); err != nil || failure.Detail != "the first" {
			t.Errorf("it has failed because of %+v, %v", failure, err)
		}
	}
	if begun, err := undo("run-2", "", &request); err != nil || begun.State != minigroup.Failed ||
		begun.Failure.Detail != "the first" {
		t.Errorf("begun after its end: %+v, %v", begun, err)
	}
}

func TestARoomThatAnUndoClosesIsNoStaleClosing(t *testing.T) {
	l, d := newLedger(t), draft(0)
	b := l.begin(entry("run-1", d))
	room := uuid.New()
	l.answer(b.EventAttempt, room)
	l.must(l.RefuseAttempt(t.Context(), b.ConferenceAttempt))
	announced := uuid.New()
	l.exec(`INSERT INTO announced_room (room_id, class_id, kind, state, created_at)
		VALUES ($1, $2, 'event', 'releasing', now())`, announced, classID(d))
	l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.OperationCancelled})
	stale := func() (ids []uuid.UUID) {
		t.Helper()
		rooms, err := l.StaleClosings(t.Context(), 0, 10)
		l.must(err)
		for _, r := range rooms {
			ids = append(ids, r.ID)
		}
		return ids
	}
	if ids := stale(); len(ids) != 1 || ids[0] != announced {
		t.Errorf("during the undo: %v, want %s, which the undo does not close", ids, announced)
	}
	l.must(l.RoomReleased(t.Context(), room))
	if _, open, err := l.EndUndo(t.Context(), "run-1", classID(d)); err != nil || len(open) > 0 {
		t.Fatalf("open: %v, %v", open, err)
	}
	// A reply that arrives after the undo has no run that closes its room.
	late := uuid.New()
	l.answer(b.ConferenceAttempt, late)
	if ids := stale(); len(ids) != 2 {
		t.Errorf("after the undo: %v, want also %s", ids, late)
	}
}
