package storage_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// emptyFields names the fields of a struct that are zero.
func emptyFields(of any, name string) (empty []string) {
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			empty = append(empty, name+"."+v.Type().Field(i).Name)
		}
	}
	return empty
}

func TestAnEstablishedMinigroupHasAllValuesOfItsDraft(t *testing.T) {
	l, d := newLedger(t, 10), draft(8)
	m := l.ready("run-1", d)
	if m.State != minigroup.Ready || m.EventRoomID == uuid.Nil || m.ConferenceRoomID == uuid.Nil {
		t.Fatalf("got %+v", m)
	}
	if fingerprint(m.Draft) != fingerprint(d) || m.Fingerprint != fingerprint(d) {
		t.Fatalf("the draft is %+v, was %+v", m.Draft, d)
	}
	if retry := m.RetryRequest(); retry.Fingerprint != fingerprint(d) || retry.ID != classID(d) || !retry.Retry {
		t.Errorf("a retry of it would be another request: %+v", retry)
	}
	if empty := emptyFields(m.Draft, "Draft"); len(empty) > 0 {
		t.Errorf("the draft of this test lacks %v", empty)
	}
}

func TestEstablish(t *testing.T) {
	t.Run("requires both rooms, the locks and the slots", func(t *testing.T) {
		l, d := newLedger(t, 10), draft(8)
		b := l.begin(entry("run-1", d))
		event := uuid.New()
		for _, step := range []func(){
			func() { l.answer(b.EventAttempt, event) },
			func() { l.answer(b.ConferenceAttempt, uuid.New()) },
			func() { l.locked(event) },
			func() { l.held(b.Reservation) },
		} {
			if _, err := l.Establish(t.Context(), "run-1", classID(d), true); !isSuperseded(err) ||
				!strings.Contains(err.Error(), "not held any more") {
				t.Fatalf("established too early: %v", err)
			}
			step()
		}
		if _, err := l.Establish(t.Context(), "run-2", classID(d), true); !isSuperseded(err) ||
			!strings.Contains(err.Error(), "creating and belongs to run run-1") {
			t.Fatalf("a run that does not own the row got %v", err)
		}
		_, err := l.Establish(t.Context(), "run-1", classID(d), true)
		l.must(err)
	})
	t.Run("requires the lock of the questions alone", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		d.LockedChat = false
		b := l.begin(entry("run-1", d))
		event := uuid.New()
		l.answer(b.EventAttempt, event)
		l.answer(b.ConferenceAttempt, uuid.New())
		if _, err := l.Establish(t.Context(), "run-1", classID(d), true); !isSuperseded(err) {
			t.Fatalf("established too early: %v", err)
		}
		l.locked(event)
		_, err := l.Establish(t.Context(), "run-1", classID(d), true)
		l.must(err)
	})
	t.Run("is refused once the undo has begun, and says why", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		l.begin(entry("run-1", d))
		l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.OperationCancelled})
		if _, err := l.Establish(t.Context(), "run-1", classID(d), true); !isSuperseded(err) ||
			!strings.Contains(err.Error(), "undoing and belongs to run run-1") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestBeginCreate(t *testing.T) {
	t.Run("another run takes the row only from the owner that it names", func(t *testing.T) {
		l, d := newLedger(t), draft(0)
		l.begin(entry("run-1", d))
		for _, owner := range []string{"", "run-0"} {
			if _, err := l.BeginCreate(t.Context(), replacing(owner, "run-2", d)); !isOwned(err, "run-1") {
				t.Fatalf("got %v", err)
			}
		}
		if b := l.begin(replacing("run-1", "run-2", d)); b.State != minigroup.Creating || b.EventAttempt != uuid.Nil {
			t.Fatalf("requests of run-1 may still be in flight, but run-2 got new attempts: %+v", b)
		}
	})
	t.Run("what an equal draft holds is kept, and what another holds is marked for closing", func(t *testing.T) {
		l, d := newLedger(t, 16), draft(8) // slots that are given up count until their gateway has confirmed
		first := l.begin(entry("run-1", d))
		event := uuid.New()
		l.answer(first.EventAttempt, event)
		b := l.begin(replacing("run-1", "run-2", d))
		if b.EventAttempt != uuid.Nil || b.Reservation != first.Reservation || len(b.PendingClose) != 0 {
			t.Fatalf("got %+v", b)
		}
		other := d
		other.Host = "another.example.org"
		b = l.begin(replacing("run-2", "run-3", other))
		if b.EventAttempt == uuid.Nil || b.Reservation == first.Reservation {
			t.Fatalf("got %+v", b)
		}
		if len(b.PendingClose) != 1 || b.PendingClose[0].ID != event {
			t.Fatalf("pending close are %+v", b.PendingClose)
		}
		if state := l.answer(first.ConferenceAttempt, uuid.New()); state != minigroup.AttemptReleasing {
			t.Fatalf("the late reply of another draft is %s", state)
		}
	})
	t.Run("the same run finds what it has written, and what another draft has left", func(t *testing.T) {
		l, d := newLedger(t, 16), draft(8)
		other := d
		other.Host = "another.example.org"
		event := uuid.New()
		l.answer(l.begin(entry("run-0", other)).EventAttempt, event)
		first := l.begin(replacing("run-0", "run-1", d))
		again := l.begin(entry("run-1", d))
		if again.State != minigroup.Creating || again.Reservation != first.Reservation || first.Reservation == uuid.Nil {
			t.Errorf("got %+v, at first %+v", again, first)
		}
		if again.EventAttempt != uuid.Nil || again.ConferenceAttempt != uuid.Nil {
			t.Errorf("it sends requests twice: %+v", again)
		}
		if len(again.PendingClose) != 1 || again.PendingClose[0].ID != event {
			t.Errorf("pending close are %+v", again.PendingClose)
		}
	})
	t.Run("a create that was accepted before it began has its attempts and slots from then on", func(t *testing.T) {
		l, d := newLedger(t, 10), draft(8)
		l.must(l.AcceptCreate(t.Context(), minigroup.Claim{Run: "run-1"}, minigroup.NewCreateRequest(d)))
		e := entry("run-1", d)
		b := l.begin(e)
		if b.EventAttempt != e.EventAttempt || b.ConferenceAttempt != e.ConferenceAttempt || b.Reservation != e.Reservation {
			t.Errorf("got %+v, want the ids of %+v", b, e)
		}
	})
	t.Run("nothing is written beside a ready minigroup", func(t *testing.T) {
		l, d := newLedger(t, 20), draft(8)
		l.ready("run-1", d)
		for _, run := range []string{"run-1", "run-2"} {
			if b := l.begin(replacing("run-1", run, d)); b.State != minigroup.Ready || b.EventAttempt != uuid.Nil {
				t.Errorf("%s got %+v", run, b)
			}
		}
		if n := l.count(`SELECT (SELECT count(*) FROM room_attempt) + (SELECT count(*) FROM janus_reservation)`); n != 3 {
			t.Errorf("there are %d attempts and reservations", n)
		}
	})
}
