package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// announced is a conference room of the class that was created now.
func announced(d minigroup.Draft) minigroup.AnnouncedRoom {
	return minigroup.AnnouncedRoom{
		Kind: minigroup.ConferenceRoom, ID: uuid.New(), ClassID: classID(d), Audience: d.Audience,
		CreatedAt: time.Now().Truncate(time.Second),
	}
}

// announce records the events of created rooms.
func (l ledger) announce(rooms ...minigroup.AnnouncedRoom) {
	l.Helper()
	l.record(minigroup.RoomEvents{Created: rooms})
}

// pendingClose expires attempts, marks announced rooms for closing, and lists the rooms that must be closed.
func (l ledger) pendingClose() (ids []uuid.UUID) {
	l.Helper()
	_, err := l.ExpireAttempts(l.Context())
	l.must(err)
	_, err = l.MarkAnnouncedForClosing(l.Context())
	l.must(err)
	rooms, err := l.StaleClosings(l.Context(), 0, 10)
	l.must(err)
	for _, r := range rooms {
		ids = append(ids, r.ID)
	}
	return ids
}

// mustPendClose checks which rooms must be closed.
func (l ledger) mustPendClose(want ...uuid.UUID) {
	l.Helper()
	if ids := l.pendingClose(); len(ids) != len(want) || len(ids) == 1 && ids[0] != want[0] {
		l.Fatalf("pending close are %v, want %v", ids, want)
	}
}

func (l ledger) released(room uuid.UUID) {
	l.Helper()
	l.must(l.RoomReleased(l.Context(), room))
}

func TestAnAnnouncedRoomWhoseReplyIsLostIsClosedAndItsAttemptResolved(t *testing.T) {
	l, d := newLedger(t), draft(0)
	b := l.unanswered(d)
	room := announced(d)
	l.announce(room)
	l.announce(room, room)
	l.mustPendClose(room.ID)
	l.announce(room)
	r, ok, err := l.RoomPendingClose(t.Context(), room.ID)
	if err != nil || !ok || r.Kind != minigroup.ConferenceRoom {
		t.Fatalf("got %+v, %v, %v", r, ok, err)
	}
	for range 2 {
		l.released(room.ID)
	}
	l.announce(room)
	l.mustPendClose()
	if lost := l.lost(); lost[minigroup.ConferenceRoom] != 0 || lost[minigroup.EventRoom] != 1 {
		t.Fatalf("lost are %v", lost)
	}
	n := l.count(`SELECT count(*) FROM room_attempt WHERE id = $1 AND resolution = 'closed'`, b.ConferenceAttempt)
	if n != 1 {
		t.Fatal("the attempt is not resolved")
	}
}

func TestALateReplyReopensAResolvedAttempt(t *testing.T) {
	l, d := newLedger(t), draft(0)
	b := l.unanswered(d)
	room := announced(d)
	l.announce(room)
	l.pendingClose()
	l.released(room.ID)
	if state := l.answer(b.ConferenceAttempt, room.ID); state != minigroup.AttemptReleasing {
		t.Fatalf("the late reply is %s", state)
	}
	l.mustPendClose(room.ID)
	l.released(room.ID)
}

func TestAnAnnouncedRoomIsMarkedForClosing(t *testing.T) {
	t.Run("only when no request of its class and kind can be answered any more", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		b := l.unanswered(d)
		orphan := announced(d)
		l.announce(orphan)
		another := attemptAt(minigroup.ConferenceRoom, "run-1", d)
		if a := l.open(another); a.ID != another.ID {
			t.Fatalf("got %+v", a)
		}
		wanted := announced(d)
		l.announce(wanted)
		l.mustPendClose()
		if state := l.answer(another.ID, wanted.ID); state != minigroup.AttemptHeld {
			t.Fatalf("the room of the reply is %s", state)
		}
		l.mustPendClose(orphan.ID)
		if state := l.answer(b.ConferenceAttempt, uuid.New()); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply is %s", state)
		}
	})
	t.Run("although a request for a room of the other kind is in flight", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		e := entry("run-1", d)
		e.Gateways = false
		l.answer(l.begin(e).ConferenceAttempt, uuid.New())
		orphan := announced(d)
		l.announce(orphan)
		l.mustPendClose(orphan.ID)
	})
	t.Run("not while its attempt has expired but is not recorded as lost", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		b := l.unanswered(d)
		room := announced(d)
		l.announce(room)
		if n, err := l.MarkAnnouncedForClosing(t.Context()); err != nil || n != 0 {
			t.Fatalf("%d are marked, %v", n, err)
		}
		if state := l.answer(b.ConferenceAttempt, room.ID); state != minigroup.AttemptHeld {
			t.Fatalf("the room is %s", state)
		}
		l.mustPendClose()
	})
}

func TestAnAnnouncedRoomIsRecordedOnlyIfNoReplyBringsIt(t *testing.T) {
	l, d := newLedger(t), draft(0)
	b := l.begin(entry("run-1", d))
	before, after := announced(d), announced(d)
	before.Kind = minigroup.EventRoom
	l.answer(b.EventAttempt, before.ID)
	l.announce(before, after)
	if n := l.count(`SELECT count(*) FROM announced_room`); n != 1 {
		t.Fatalf("%d are recorded, want the one that no reply has brought", n)
	}
	l.answer(b.ConferenceAttempt, after.ID)
	l.mustPendClose()
	if n := l.count(`SELECT count(*) FROM announced_room`); n != 0 {
		t.Fatalf("%d are recorded", n)
	}
}

func TestRoomsOfOthersAndFromBeforeTheClassAreNotRecorded(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.unanswered(d)
	class, audience, older := announced(d), announced(d), announced(d)
	class.ClassID = uuid.New()
	audience.Audience = "other.org"
	older.CreatedAt = time.Now().Add(-time.Minute)
	l.announce(class, audience, older)
	if n := l.count(`SELECT count(*) FROM announced_room`); n != 0 {
		t.Fatalf("%d are recorded", n)
	}
	slow := announced(d) // by a clock that is behind
	slow.CreatedAt = slow.CreatedAt.Add(-3 * time.Second)
	l.announce(slow)
	if n := l.count(`SELECT count(*) FROM announced_room`); n != 1 {
		t.Fatalf("%d are recorded whose clock is behind", n)
	}
}

func TestEachClosedRoomResolvesALostAttemptThatWasSentBeforeIt(t *testing.T) {
	l, d := newLedger(t), draft(0)
	first := l.unanswered(d).ConferenceAttempt
	second := attemptAt(minigroup.ConferenceRoom, "run-1", d)
	second.RequestTimeout = 0
	l.open(second)
	l.exec(`UPDATE room_attempt SET sent_at = sent_at - interval '1 hour' WHERE id = $1`, first)
	before, after := announced(d), announced(d)
	before.CreatedAt = before.CreatedAt.Add(-30 * time.Minute)
	l.announce(before, after)
	l.pendingClose()
	l.released(before.ID)
	if n := l.count(`SELECT count(*) FROM room_attempt WHERE resolution = 'closed' AND id = $1`, first); n != 1 {
		t.Fatal("it resolves an attempt that was sent after the room was created")
	}
	l.released(after.ID)
	n := l.count(`SELECT count(*) FROM room_attempt WHERE kind = 'conference' AND resolution = 'closed'`)
	if n != 2 {
		t.Fatalf("%d are resolved", n)
	}
}

func TestARoomWhoseReplyIsRecordedLateResolvesNoOtherAttempt(t *testing.T) {
	l, d := newLedger(t), draft(0)
	first := l.unanswered(d).ConferenceAttempt
	second := attemptAt(minigroup.ConferenceRoom, "run-1", d)
	second.RequestTimeout = 0
	id := l.open(second).ID
	room := announced(d)
	l.announce(room)
	l.pendingClose() // no attempt can be answered any more, it seems
	if state := l.answer(id, room.ID); state != minigroup.AttemptReleasing {
		t.Fatalf("the second attempt is %s", state)
	}
	l.released(room.ID)
	n := l.count(`SELECT count(*) FROM room_attempt WHERE id = $1 AND state = 'lost' AND resolution IS NULL`, first)
	if n != 1 {
		t.Error("it resolves an attempt that did not create it")
	}
}

func TestALostAttemptIsResolvedAsNeverSeenUnlessARoomOfItsClassIsBeingClosed(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.unanswered(d)
	l.announce(announced(d))
	l.pendingClose()
	if n, err := l.ResolveUnseen(t.Context(), time.Hour); err != nil || n != 0 {
		t.Fatalf("%d were resolved too early, %v", n, err)
	}
	if n, err := l.ResolveUnseen(t.Context(), 0); err != nil || n != 1 {
		t.Fatalf("%d were resolved, want the one at event, %v", n, err)
	}
	if lost := l.lost(); lost[minigroup.EventRoom] != 0 || lost[minigroup.ConferenceRoom] != 1 {
		t.Fatalf("lost are %v", lost)
	}
}
