package storage_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// TestAFoundRoomIsTheAnswerToItsAttempt finds rooms of a create whose answers the ledger has lost.
func TestAFoundRoomIsTheAnswerToItsAttempt(t *testing.T) {
	l := newLedger(t)
	l.gateways(100)
	d := unique()
	begun := l.begin(entry("run-1", d))
	found := minigroup.FoundRoom{
		ID: uuid.New(), ClassID: classID(d), Kind: minigroup.EventRoom, Operation: minigroup.ForCreate, Run: "run-1",
		Fingerprint: minigroup.NewCreateRequest(d).Fingerprint, Keep: true,
	}
	for range 2 {
		l.wantFound(found, minigroup.AttemptHeld)
	}
	attempts, err := l.AttemptsOf(t.Context(), found.ClassID)
	if err != nil || len(attempts) != 2 {
		t.Fatalf("got %+v, %v, want the two attempts of the create", attempts, err)
	}
	for _, a := range attempts {
		if isAnswered := a.RoomID == found.ID; isAnswered != (a.ID == begun.EventAttempt) {
			t.Errorf("got %+v", a)
		}
	}
	known, err := l.KnownRooms(t.Context(), []uuid.UUID{found.ID, uuid.New()})
	if err != nil || len(known) != 1 || !known[found.ID] {
		t.Errorf("known are %v, %v", known, err)
	}
}

// TestAFoundRoomIsClosedUnlessItIsToBeKept finds rooms of a class that has both.
func TestAFoundRoomIsClosedUnlessItIsToBeKept(t *testing.T) {
	l := newLedger(t)
	l.gateways(100)
	m := l.ready("run-1", unique())
	for _, keep := range []bool{false, true} {
		found := minigroup.FoundRoom{
			ID: uuid.New(), ClassID: m.ID, Kind: minigroup.ConferenceRoom, Operation: minigroup.ForCreate, Run: "run-2",
			Fingerprint: m.Fingerprint, Keep: keep,
		}
		for range 2 {
			l.wantFound(found, minigroup.AttemptReleasing) // the class has another one
		}
		if room, ok, err := l.RoomPendingClose(t.Context(), found.ID); err != nil || !ok || room.ClassID != m.ID {
			t.Errorf("pending close: %+v, %v, %v", room, ok, err)
		}
	}
	if after := l.read(m.ID); after.ConferenceRoomID != m.ConferenceRoomID || after.State != minigroup.Ready {
		t.Errorf("got %+v", after)
	}
}

// TestARecreateBeginsWithItsFoundRooms requires that no attempt is written, and so no request is sent, for a room that
// exists.
func TestARecreateBeginsWithItsFoundRooms(t *testing.T) {
	l := newLedger(t)
	l.gateways(100)
	m := l.ready("run-1", unique())
	r := l.recreateEntry(m, minigroup.Recreation{})
	l.wantFound(minigroup.FoundRoom{
		ID: uuid.New(), ClassID: m.ID, Kind: minigroup.EventRoom, Operation: minigroup.ForRecreate, Run: "run-0",
		Fingerprint: r.ID.String(), Keep: true,
	}, minigroup.AttemptHeld)
	event, conference, err := l.BeginRecreate(t.Context(), r)
	if err != nil || event != uuid.Nil || conference != r.ConferenceAttempt {
		t.Errorf("it has written %s and %s, %v, want none for the event room", event, conference, err)
	}
}

func (l ledger) wantFound(r minigroup.FoundRoom, want minigroup.AttemptState) {
	l.Helper()
	if state, err := l.RecordFoundRoom(l.Context(), r); err != nil || state != want {
		l.Errorf("room %s is %s, %v, want %s", r.ID, state, err, want)
	}
}
