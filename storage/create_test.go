package storage_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

func draft(reserve int32) minigroup.Draft {
	start := time.Now().Unix() + 3600
	d := minigroup.Draft{
		Audience: "example.org", Scope: "math/7b Ж%", Host: "host.example.org",
		Time: minigroup.Window{Start: new(start), End: new(start + 3600)},
		Tags: json.RawMessage(`{"a":[1,2.5,{"b":null}]}`), LockedChat: true, LockedQuestions: true,
		Properties: json.RawMessage(`{"p":{"q":[true]}}`),
	}
	if reserve > 0 {
		d.Reserve = new(reserve)
	}
	return d
}

func entry(run string, d minigroup.Draft) minigroup.CreateEntry {
	return minigroup.CreateEntry{
		Claim: minigroup.Claim{Run: run}, CreateRequest: minigroup.NewCreateRequest(d), EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), Reservation: uuid.New(),
		RequestTimeout: time.Minute, Gateways: true,
	}
}

// begun begins a create and fails the test where that fails.
func begun(t *testing.T, s *storage.Store, e minigroup.CreateEntry) minigroup.BegunCreate {
	t.Helper()
	b, err := s.BeginCreate(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func answer(t *testing.T, s *storage.Store, attempt, room uuid.UUID) minigroup.AttemptState {
	t.Helper()
	state, err := s.AnswerAttempt(t.Context(), attempt, room)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func gateways(t *testing.T, s *storage.Store, capacities ...int32) {
	t.Helper()
	var backends []minigroup.Backend
	for i, c := range capacities {
		backends = append(backends, minigroup.Backend{ID: "janus-" + string(rune('1'+i)), AdminURL: "http://127.0.0.1:1/admin", Capacity: new(c)})
	}
	if err := s.SyncBackends(t.Context(), backends); err != nil {
		t.Fatal(err)
	}
}

// ready brings a draft to a ready minigroup.
func ready(t *testing.T, s *storage.Store, run string, d minigroup.Draft) minigroup.Minigroup {
	t.Helper()
	b := begun(t, s, entry(run, d))
	event := uuid.New()
	answer(t, s, b.EventAttempt, event)
	answer(t, s, b.ConferenceAttempt, uuid.New())
	if d.Locks().Any() {
		if err := s.RoomLocked(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	if b.Reservation != uuid.Nil {
		if err := s.ReservationHeld(t.Context(), b.Reservation); err != nil {
			t.Fatal(err)
		}
	}
	m, err := s.Establish(t.Context(), run, classID(d), true)
	if err != nil {
		t.Fatal(err)
	}
	if found := read(t, s, classID(d)); !reflect.DeepEqual(m, found) {
		t.Fatalf("established as %+v, and found as %+v", m, found)
	}
	return m
}

// emptyFields names the fields of a struct that hold nothing.
func emptyFields(of any, name string) (empty []string) {
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			empty = append(empty, name+"."+v.Type().Field(i).Name)
		}
	}
	return empty
}

func TestCreate(t *testing.T) {
	t.Run("a minigroup is ready with all its values once everything is held", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		d := draft(8)
		m := ready(t, s, "run-1", d)
		if m.State != minigroup.Ready || m.EventRoomID == uuid.Nil || m.ConferenceRoomID == uuid.Nil {
			t.Fatalf("got %+v", m)
		}
		if fingerprint(m.Draft) != fingerprint(d) || m.Fingerprint != fingerprint(d) {
			t.Fatalf("the draft changed on its way: %+v, was %+v", m.Draft, d)
		}
		if retry := m.RetryRequest(); retry.Fingerprint != fingerprint(d) || retry.ID != classID(d) || !retry.Retry {
			t.Errorf("a retry of it would be another request: %+v", retry)
		}
		if empty := emptyFields(m.Draft, "Draft"); len(empty) > 0 {
			t.Errorf("this draft does not try %v", empty)
		}
	})
	t.Run("establish demands both rooms, the lock and the slots", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		d := draft(8)
		b := begun(t, s, entry("run-1", d))
		event := uuid.New()
		for _, step := range []func() error{
			func() error { answer(t, s, b.EventAttempt, event); return nil },
			func() error { answer(t, s, b.ConferenceAttempt, uuid.New()); return nil },
			func() error { return s.RoomLocked(t.Context(), event) },
			func() error { return s.ReservationHeld(t.Context(), b.Reservation) },
		} {
			var superseded *minigroup.SupersededError
			if _, err := s.Establish(t.Context(), "run-1", classID(d), true); !errors.As(err, &superseded) {
				t.Fatalf("established too early: %v", err)
			}
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Establish(t.Context(), "run-2", classID(d), true); err == nil {
			t.Fatal("a run that does not own the row established it")
		}
		if _, err := s.Establish(t.Context(), "run-1", classID(d), true); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("establish demands the lock of the questions alone, too", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		d.LockedChat = false
		b := begun(t, s, entry("run-1", d))
		event := uuid.New()
		answer(t, s, b.EventAttempt, event)
		answer(t, s, b.ConferenceAttempt, uuid.New())
		var superseded *minigroup.SupersededError
		if _, err := s.Establish(t.Context(), "run-1", classID(d), true); !errors.As(err, &superseded) {
			t.Fatalf("established too early: %v", err)
		}
		if err := s.RoomLocked(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Establish(t.Context(), "run-1", classID(d), true); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("another run takes the row only from the owner it names", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		begun(t, s, entry("run-1", d))
		e := entry("run-2", d)
		_, err := s.BeginCreate(t.Context(), e)
		var owned *minigroup.OwnedError
		if !errors.As(err, &owned) || owned.Owner != "run-1" {
			t.Fatalf("got %v", err)
		}
		e.Replaces = "run-0"
		if _, err = s.BeginCreate(t.Context(), e); !errors.As(err, &owned) {
			t.Fatalf("got %v", err)
		}
		e.Replaces = "run-1"
		if b := begun(t, s, e); b.State != minigroup.Creating || b.EventAttempt != uuid.Nil {
			t.Fatalf("requests of run-1 may still be in flight, yet run-2 was given fresh attempts: %+v", b)
		}
	})
	t.Run("what was held for an equal draft is kept, what was held for another is condemned", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 16) // what is given up counts until its gateway has confirmed
		d := draft(8)
		first := begun(t, s, entry("run-1", d))
		event := uuid.New()
		answer(t, s, first.EventAttempt, event)
		e := entry("run-2", d)
		e.Replaces = "run-1"
		if b := begun(t, s, e); b.EventAttempt != uuid.Nil || b.Reservation != first.Reservation || len(b.PendingClose) != 0 {
			t.Fatalf("got %+v", b)
		}
		other := d
		other.Host = "another.example.org"
		e = entry("run-3", other)
		e.Replaces = "run-2"
		b := begun(t, s, e)
		if b.EventAttempt == uuid.Nil || b.Reservation == first.Reservation || len(b.PendingClose) != 1 || b.PendingClose[0].ID != event {
			t.Fatalf("got %+v", b)
		}
		if state := answer(t, s, first.ConferenceAttempt, uuid.New()); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply of another draft is %s", state)
		}
	})
	t.Run("an attempt is in flight until it is answered or expires, whichever process sent it", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := draft(0)
		b := begun(t, s, entry("run-1", d))
		open := func() minigroup.Attempt {
			t.Helper()
			a, err := s.OpenAttempt(t.Context(), eventAttempt("run-1", d))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := open(); a.ID != b.EventAttempt || a.State != minigroup.AttemptSent || a.ExpiresIn <= 0 || a.ExpiresIn > time.Minute {
			t.Fatalf("got %+v", a)
		}
		expire(t, db, b.EventAttempt)
		second := open()
		if second.ID == b.EventAttempt || second.State != minigroup.AttemptSent {
			t.Fatalf("after it has expired: %+v", second)
		}
		if err := s.AttemptLost(t.Context(), second.ID); err != nil {
			t.Fatal(err)
		}
		third := open()
		if third.ID == second.ID || third.ID == b.EventAttempt {
			t.Fatalf("after the second was lost: %+v", third)
		}
		room := uuid.New()
		answer(t, s, third.ID, room)
		if a := open(); a.State != minigroup.AttemptHeld || a.RoomID != room {
			t.Fatalf("after the third was answered: %+v", a)
		}
	})
	t.Run("of two replies one is held", func(t *testing.T) {
		s, db := storagetest.New(t)
		d := draft(0)
		b := begun(t, s, entry("run-1", d))
		expire(t, db, b.EventAttempt)
		second, err := s.OpenAttempt(t.Context(), eventAttempt("run-1", d))
		if err != nil || second.State != minigroup.AttemptSent || second.ID == b.EventAttempt {
			t.Fatalf("got %+v, %v", second, err)
		}
		if a, b := answer(t, s, second.ID, uuid.New()), answer(t, s, b.EventAttempt, uuid.New()); a != minigroup.AttemptHeld || b != minigroup.AttemptReleasing {
			t.Fatalf("got %s and %s", a, b)
		}
	})
}

func TestUndo(t *testing.T) {
	reason := minigroup.Failure{Kind: minigroup.UpstreamRefused, Detail: "conference refused", Upstream: "conference"}
	t.Run("condemns what is held and what is in flight, and fails when all is closed", func(t *testing.T) {
		s, _ := storagetest.New(t)
		gateways(t, s, 10)
		d := draft(8)
		b := begun(t, s, entry("run-1", d))
		event := uuid.New()
		answer(t, s, b.EventAttempt, event)
		c, err := s.BeginUndo(t.Context(), minigroup.Claim{Run: "run-1"}, classID(d), new(minigroup.NewCreateRequest(d)), reason)
		if err != nil || c.State != minigroup.Undoing || len(c.Rooms) != 1 || c.Rooms[0].ID != event || len(c.Reservations) != 1 {
			t.Fatalf("got %+v, %v", c, err)
		}
		if _, open, err := s.EndUndo(t.Context(), "run-1", classID(d)); err != nil || len(open) != 1 {
			t.Fatalf("open %v, %v", open, err)
		}
		if m, err := s.ByID(t.Context(), classID(d)); err != nil || m.State != minigroup.Undoing {
			t.Fatalf("with a room left open the row is %s, %v", m.State, err)
		}
		late := uuid.New()
		if state := answer(t, s, b.ConferenceAttempt, late); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply is %s", state)
		}
		for _, room := range []uuid.UUID{event, late} {
			if err := s.RoomReleased(t.Context(), room); err != nil {
				t.Fatal(err)
			}
		}
		told, open, err := s.EndUndo(t.Context(), "run-1", classID(d))
		if err != nil || len(open) != 0 || told.Kind != reason.Kind {
			t.Fatalf("got %+v, %v, %v", told, open, err)
		}
		m, err := s.ByID(t.Context(), classID(d))
		if err != nil || m.State != minigroup.Failed || m.Failure.Upstream != "conference" || m.Failure.FailedAt.IsZero() {
			t.Fatalf("got %+v, %v", m, err)
		}
	})
	t.Run("leaves a ready minigroup alone", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		ready(t, s, "run-1", d)
		c, err := s.BeginUndo(t.Context(), minigroup.Claim{Run: "run-1"}, classID(d), new(minigroup.NewCreateRequest(d)), reason)
		if err != nil || c.State != minigroup.Ready {
			t.Fatalf("got %+v, %v", c, err)
		}
	})
	t.Run("a create that ended before it began is told as failed", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		for _, run := range []string{"run-1", "run-2"} {
			claim := minigroup.Claim{Run: run, Replaces: "run-1"}
			if c, err := s.BeginUndo(t.Context(), claim, classID(d), new(minigroup.NewCreateRequest(d)), minigroup.Failure{Kind: minigroup.OperationCancelled, Detail: run}); err != nil || c.State != minigroup.Undoing {
				t.Fatalf("got %+v, %v", c, err)
			}
			if told, _, err := s.EndUndo(t.Context(), run, classID(d)); err != nil || told.Detail != run {
				t.Fatalf("got %+v, %v", told, err)
			}
		}
	})
}

func classID(d minigroup.Draft) uuid.UUID { return minigroup.ClassID(d.Audience, d.Scope) }

func fingerprint(d minigroup.Draft) string { return minigroup.NewCreateRequest(d).Fingerprint }

// eventAttempt asks for an attempt at the event room of a create.
func eventAttempt(run string, d minigroup.Draft) minigroup.AttemptEntry {
	return minigroup.AttemptEntry{
		ID: uuid.New(), Run: run, ClassID: classID(d), Kind: minigroup.EventRoom, Operation: minigroup.ForCreate,
		Fingerprint: fingerprint(d), RequestTimeout: time.Minute,
	}
}

// expire ends the time for which the request of an attempt may be in flight.
func expire(t *testing.T, db *pgx.Conn, attempt uuid.UUID) {
	t.Helper()
	_, err := db.Exec(t.Context(), `UPDATE room_attempt SET sent_at = sent_at - interval '1 hour', expires_at = now() WHERE id = $1`, attempt)
	if err != nil {
		t.Fatal(err)
	}
}
