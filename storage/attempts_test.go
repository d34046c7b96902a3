package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestAnAttemptIsInFlightUntilItIsAnsweredOrExpiresWhicheverProcessSentIt(t *testing.T) {
	l, d := newLedger(t), draft(0)
	b := l.begin(entry("run-1", d))
	open := func() minigroup.Attempt {
		t.Helper()
		return l.open(attemptAt(minigroup.EventRoom, "run-1", d))
	}
	a := open()
	if a.ID != b.EventAttempt || a.State != minigroup.AttemptSent || a.ExpiresIn <= 0 || a.ExpiresIn > time.Minute {
		t.Fatalf("got %+v", a)
	}
	l.expire(b.EventAttempt)
	second := open()
	if second.ID == b.EventAttempt || second.State != minigroup.AttemptSent {
		t.Fatalf("after it has expired: %+v", second)
	}
	l.must(l.AttemptLost(t.Context(), second.ID))
	third := open()
	if third.ID == second.ID || third.ID == b.EventAttempt {
		t.Fatalf("after the second was lost: %+v", third)
	}
	room := uuid.New()
	l.answer(third.ID, room)
	if a := open(); a.State != minigroup.AttemptHeld || a.RoomID != room {
		t.Fatalf("after the third was answered: %+v", a)
	}
}

func TestAnAttemptIsRefusedToARunThatDoesNotCarryOutTheCreate(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.begin(entry("run-1", d))
	if a, err := l.OpenAttempt(t.Context(), attemptAt(minigroup.EventRoom, "run-2", d)); !isSuperseded(err) {
		t.Errorf("another run got %+v, %v", a, err)
	}
	l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.OperationCancelled})
	if a, err := l.OpenAttempt(t.Context(), attemptAt(minigroup.EventRoom, "run-1", d)); !isSuperseded(err) {
		t.Errorf("during the undo it got %+v, %v", a, err)
	}
}

func TestAnAttemptAfterItsRunHasCompletedTheCreateIsTheHeldOne(t *testing.T) {
	l, d := newLedger(t), draft(0)
	m := l.ready("run-1", d)
	for kind, room := range map[minigroup.RoomKind]uuid.UUID{
		minigroup.EventRoom: m.EventRoomID, minigroup.ConferenceRoom: m.ConferenceRoomID,
	} {
		if a := l.open(attemptAt(kind, "run-1", d)); a.State != minigroup.AttemptHeld || a.RoomID != room {
			t.Errorf("%s: got %+v, want the room %s", kind, a, room)
		}
		if a, err := l.OpenAttempt(t.Context(), attemptAt(kind, "run-2", d)); !isSuperseded(err) {
			t.Errorf("%s: another run got %+v, %v", kind, a, err)
		}
	}
}

func TestOfTwoRepliesOneRoomIsHeld(t *testing.T) {
	l, d := newLedger(t), draft(0)
	b := l.begin(entry("run-1", d))
	l.expire(b.EventAttempt)
	second := l.open(attemptAt(minigroup.EventRoom, "run-1", d))
	if second.State != minigroup.AttemptSent || second.ID == b.EventAttempt {
		t.Fatalf("got %+v", second)
	}
	if state := l.answer(second.ID, uuid.New()); state != minigroup.AttemptHeld {
		t.Fatalf("the first reply is %s", state)
	}
	if state := l.answer(b.EventAttempt, uuid.New()); state != minigroup.AttemptReleasing {
		t.Fatalf("the second reply is %s", state)
	}
}

// lost counts the lost attempts that are not resolved.
func (l ledger) lost() map[minigroup.RoomKind]int64 {
	l.Helper()
	g, err := l.Gauges(l.Context())
	l.must(err)
	return g.Lost
}

func TestExpiredAttemptsAreLostAndALateReplyIsRecorded(t *testing.T) {
	l := newLedger(t)
	l.begin(entry("run-1", named("in time")))
	if n, err := l.ExpireAttempts(t.Context()); err != nil || n != 0 {
		t.Fatalf("%d were lost before their deadline, %v", n, err)
	}
	b := l.unanswered(named("late"))
	l.answer(b.EventAttempt, uuid.New())
	if n, err := l.ExpireAttempts(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d were lost, %v", n, err)
	}
	lost := l.lost()
	if lost[minigroup.ConferenceRoom] != 1 || lost[minigroup.EventRoom] != 0 || len(lost) != 2 {
		t.Fatalf("lost are %v", lost)
	}
	late := uuid.New()
	if state := l.answer(b.ConferenceAttempt, late); state != minigroup.AttemptReleasing {
		t.Fatalf("the late reply is %s", state)
	}
	rooms, err := l.StaleClosings(t.Context(), 0, 10)
	if err != nil || len(rooms) != 1 || rooms[0].ID != late {
		t.Fatalf("got %+v, %v", rooms, err)
	}
	if lost := l.lost(); lost[minigroup.ConferenceRoom] != 0 {
		t.Fatalf("an answered attempt counts as lost: %v", lost)
	}
}

func TestAReplyWithTheRoomOfAnotherAttemptIsARefusal(t *testing.T) {
	for name, prepare := range map[string]func(ledger, uuid.UUID){
		"in flight": func(ledger, uuid.UUID) {},
		"lost":      func(l ledger, attempt uuid.UUID) { l.must(l.AttemptLost(l.Context(), attempt)) },
		"marked for closing": func(l ledger, _ uuid.UUID) {
			l.beginUndo(minigroup.Claim{Run: "run-1"}, named("other"), minigroup.Failure{Kind: minigroup.OperationCancelled})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t)
			m := l.ready("run-1", named("first"))
			b := l.begin(entry("run-1", named("other")))
			prepare(l, b.EventAttempt)
			want := minigroup.AttemptRefused
			if name == "lost" {
				want = minigroup.AttemptLost
			}
			for range 2 {
				if state := l.answer(b.EventAttempt, m.EventRoomID); state != want {
					t.Fatalf("the attempt is %s, want %s", state, want)
				}
			}
			n := l.count(`SELECT count(*) FROM room_attempt WHERE room_id = $1 AND state = 'held' AND class_id = $2`,
				m.EventRoomID, m.ID)
			if n != 1 {
				t.Error("the class has lost its room")
			}
		})
	}
}

func TestOnlyAHeldEventRoomIsLocked(t *testing.T) {
	l, d := newLedger(t), draft(0)
	b := l.begin(entry("run-1", d))
	event, conference := uuid.New(), uuid.New()
	l.answer(b.EventAttempt, event)
	l.answer(b.ConferenceAttempt, conference)
	l.locked(event)
	for what, room := range map[string]uuid.UUID{"a conference room": conference, "an unknown room": uuid.New()} {
		if _, err := l.RoomLocked(t.Context(), room, minigroup.RunningCreate{}); !isSuperseded(err) {
			t.Errorf("locking %s: %v", what, err)
		}
	}
}
