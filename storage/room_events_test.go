package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

func take(t *testing.T, s *storage.Store, a minigroup.RoomEvents) bool {
	t.Helper()
	ended, err := s.RecordRoomEvents(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return ended > 0
}

// made is a conference room of the class that is announced now.
func made(d minigroup.Draft) minigroup.AnnouncedRoom {
	return minigroup.AnnouncedRoom{
		Kind: minigroup.ConferenceRoom, ID: uuid.New(), ClassID: classID(d), Audience: d.Audience, CreatedAt: time.Now().Truncate(time.Second),
	}
}

// announce announces that rooms were made.
func announce(t *testing.T, s *storage.Store, rooms ...minigroup.AnnouncedRoom) {
	t.Helper()
	take(t, s, minigroup.RoomEvents{Created: rooms})
}

// condemned condemns what is to be, and lists what is to be closed then.
func roomsPendingClose(t *testing.T, s *storage.Store) (ids []uuid.UUID) {
	t.Helper()
	if _, err := s.ExpireAttempts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.MarkAnnouncedForClosing(t.Context()); err != nil {
		t.Fatal(err)
	}
	rooms, err := s.StaleClosings(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rooms {
		ids = append(ids, r.ID)
	}
	return ids
}

func count(t *testing.T, db *pgx.Conn, sql string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// unanswered begins a create of which neither request is answered, nor will be.
func unanswered(t *testing.T, s *storage.Store, d minigroup.Draft) minigroup.BegunCreate {
	t.Helper()
	e := entry("run-1", d)
	e.RequestTimeout, e.Gateways = 0, false
	return begun(t, s, e)
}

func TestFoundRooms(t *testing.T) {
	t.Run("a room whose reply was lost is condemned, and its attempt resolved once it is closed", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := draft(0)
		b := unanswered(t, s, d)
		room := made(d)
		announce(t, s, room)
		announce(t, s, room, room)
		if ids := roomsPendingClose(t, s); len(ids) != 1 || ids[0] != room.ID {
			t.Fatalf("condemned are %v", ids)
		}
		announce(t, s, room)
		if r, ok, err := s.RoomPendingClose(t.Context(), room.ID); err != nil || !ok || r.Kind != minigroup.ConferenceRoom {
			t.Fatalf("got %+v, %v, %v", r, ok, err)
		}
		for range 2 {
			if err := s.RoomReleased(t.Context(), room.ID); err != nil {
				t.Fatal(err)
			}
		}
		announce(t, s, room)
		if ids := roomsPendingClose(t, s); len(ids) != 0 {
			t.Fatalf("condemned again are %v", ids)
		}
		lost, err := lostAttempts(t, s)
		if err != nil || lost[minigroup.ConferenceRoom] != 0 || lost[minigroup.EventRoom] != 1 {
			t.Fatalf("lost are %v, %v", lost, err)
		}
		if n := count(t, db, `SELECT count(*) FROM room_attempt WHERE id = $1 AND resolution = 'closed'`, b.ConferenceAttempt); n != 1 {
			t.Fatal("the attempt does not say what became of it")
		}
	})
	t.Run("a reply that comes after all takes its word back", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		b := unanswered(t, s, d)
		room := made(d)
		announce(t, s, room)
		roomsPendingClose(t, s)
		if err := s.RoomReleased(t.Context(), room.ID); err != nil {
			t.Fatal(err)
		}
		if state := answer(t, s, b.ConferenceAttempt, room.ID); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply is %s", state)
		}
		if ids := roomsPendingClose(t, s); len(ids) != 1 || ids[0] != room.ID {
			t.Fatalf("condemned are %v", ids)
		}
		if err := s.RoomReleased(t.Context(), room.ID); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("it waits while any request of its class and kind can be answered", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		b := unanswered(t, s, d)
		orphan := made(d)
		announce(t, s, orphan)
		another := minigroup.AttemptEntry{
			ID: uuid.New(), Run: "run-1", ClassID: classID(d), Kind: minigroup.ConferenceRoom, Operation: minigroup.ForCreate, Fingerprint: fingerprint(d), RequestTimeout: time.Hour,
		}
		if a, err := s.OpenAttempt(t.Context(), another); err != nil || a.ID != another.ID {
			t.Fatalf("got %+v, %v", a, err)
		}
		wanted := made(d)
		announce(t, s, wanted)
		if ids := roomsPendingClose(t, s); len(ids) != 0 {
			t.Fatalf("condemned are %v", ids)
		}
		if state := answer(t, s, another.ID, wanted.ID); state != minigroup.AttemptHeld {
			t.Fatalf("the room that is wanted is %s", state)
		}
		if ids := roomsPendingClose(t, s); len(ids) != 1 || ids[0] != orphan.ID {
			t.Fatalf("condemned are %v, want %s alone", ids, orphan.ID)
		}
		if state := answer(t, s, b.ConferenceAttempt, uuid.New()); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply is %s", state)
		}
	})
	t.Run("requests for a room of the other kind do not keep it open", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		e := entry("run-1", d)
		e.Gateways = false
		b := begun(t, s, e)
		answer(t, s, b.ConferenceAttempt, uuid.New())
		orphan := made(d)
		announce(t, s, orphan)
		if ids := roomsPendingClose(t, s); len(ids) != 1 || ids[0] != orphan.ID {
			t.Fatalf("condemned are %v", ids)
		}
	})
	t.Run("an attempt that is answered in the moment after which it would be lost keeps its room", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		b := unanswered(t, s, d)
		room := made(d)
		announce(t, s, room)
		if n, err := s.MarkAnnouncedForClosing(t.Context()); err != nil || n != 0 { // expired, and not noted as lost
			t.Fatalf("%d are condemned, %v", n, err)
		}
		if state := answer(t, s, b.ConferenceAttempt, room.ID); state != minigroup.AttemptHeld {
			t.Fatalf("the room is %s", state)
		}
		if ids := roomsPendingClose(t, s); len(ids) != 0 {
			t.Fatalf("condemned are %v", ids)
		}
	})
	t.Run("what a reply has brought first or brings later is no find", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := draft(0)
		b := begun(t, s, entry("run-1", d))
		first, later := made(d), made(d)
		first.Kind = minigroup.EventRoom
		answer(t, s, b.EventAttempt, first.ID)
		announce(t, s, first, later)
		if n := count(t, db, `SELECT count(*) FROM announced_room`); n != 1 {
			t.Fatalf("%d are remembered, want the one that no reply has brought", n)
		}
		answer(t, s, b.ConferenceAttempt, later.ID)
		if ids := roomsPendingClose(t, s); len(ids) != 0 || count(t, db, `SELECT count(*) FROM announced_room`) != 0 {
			t.Fatalf("condemned are %v", ids)
		}
	})
	t.Run("strangers and rooms from before the class are never touched", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := draft(0)
		unanswered(t, s, d)
		stranger, elsewhere, older := made(d), made(d), made(d)
		stranger.ClassID = uuid.New()
		elsewhere.Audience = "other.org"
		older.CreatedAt = time.Now().Add(-time.Minute)
		announce(t, s, stranger, elsewhere, older)
		if n := count(t, db, `SELECT count(*) FROM announced_room`); n != 0 {
			t.Fatalf("%d are remembered", n)
		}
	})
	t.Run("of several lost attempts each room resolves one that was sent before it", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := draft(0)
		first := unanswered(t, s, d).ConferenceAttempt
		second := minigroup.AttemptEntry{
			ID: uuid.New(), Run: "run-1", ClassID: classID(d), Kind: minigroup.ConferenceRoom, Operation: minigroup.ForCreate, Fingerprint: fingerprint(d),
		}
		if _, err := s.OpenAttempt(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), `UPDATE room_attempt SET sent_at = sent_at - interval '1 hour' WHERE id = $1`, first); err != nil {
			t.Fatal(err)
		}
		before, after := made(d), made(d)
		before.CreatedAt = before.CreatedAt.Add(-30 * time.Minute)
		announce(t, s, before, after)
		roomsPendingClose(t, s)
		if err := s.RoomReleased(t.Context(), before.ID); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM room_attempt WHERE resolution = 'closed' AND id = $1`, first); n != 1 {
			t.Fatal("it resolves an attempt that was sent after it was made")
		}
		if err := s.RoomReleased(t.Context(), after.ID); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM room_attempt WHERE kind = 'conference' AND resolution = 'closed'`); n != 2 {
			t.Fatalf("%d are resolved", n)
		}
	})
	t.Run("what is not seen for long is told as never seen, unless a room of its class is being closed", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		unanswered(t, s, d)
		announce(t, s, made(d))
		roomsPendingClose(t, s)
		if n, err := s.ResolveUnseen(t.Context(), time.Hour); err != nil || n != 0 {
			t.Fatalf("%d were resolved too early, %v", n, err)
		}
		if n, err := s.ResolveUnseen(t.Context(), 0); err != nil || n != 1 {
			t.Fatalf("%d were resolved, want that of event, %v", n, err)
		}
		if lost, err := lostAttempts(t, s); err != nil || lost[minigroup.EventRoom] != 0 || lost[minigroup.ConferenceRoom] != 1 {
			t.Fatalf("lost are %v, %v", lost, err)
		}
	})
}

func TestBroadcast(t *testing.T) {
	s, db := storagetest.New(t)
	for _, label := range []string{"one", "two", "three"} {
		if _, err := db.Exec(t.Context(), `INSERT INTO outbox (audience, label, payload) VALUES ('example.org', $1, '{"a": 1}')`, label); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("what is not taken stays, and does not keep others from being told", func(t *testing.T) {
		n, err := s.PublishOutbox(t.Context(), 10, func(_ context.Context, b minigroup.OutboxEvent) error {
			if b.Label == "one" {
				return nil
			}
			return errors.New("not now")
		})
		if n != 1 || err != nil {
			t.Fatalf("told %d, %v", n, err)
		}
	})
	t.Run("two at once are given different ones", func(t *testing.T) {
		var told []string
		n, err := s.PublishOutbox(t.Context(), 1, func(ctx context.Context, b minigroup.OutboxEvent) error {
			told = append(told, b.Label)
			_, err := s.PublishOutbox(ctx, 10, func(_ context.Context, b minigroup.OutboxEvent) error {
				told = append(told, b.Label+" to another")
				return nil
			})
			return err
		})
		if n != 1 || err != nil || len(told) != 2 || told[0] != "two" || told[1] != "three to another" {
			t.Fatalf("told %v, %v", told, err)
		}
		if n, err := s.PublishOutbox(t.Context(), 10, nil); n != 0 || err != nil {
			t.Fatalf("told %d once more, %v", n, err)
		}
	})
}
