package workflows_test

import (
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// attempt is a row of room_attempt.
type attempt struct {
	ID     uuid.UUID
	Kind   minigroup.RoomKind
	State  minigroup.AttemptState
	RoomID *uuid.UUID
}

func (s *harness) attempts(classID uuid.UUID) []attempt {
	s.Helper()
	rows, err := s.db.Query(s.Context(), `
		SELECT id, kind, state, room_id FROM room_attempt WHERE class_id = $1 ORDER BY sent_at, id`, classID)
	if err != nil {
		s.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[attempt])
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// countAttempts counts the attempts of a kind in a state.
func (s *harness) countAttempts(classID uuid.UUID, kind minigroup.RoomKind, state minigroup.AttemptState) int {
	s.Helper()
	n := 0
	for _, a := range s.attempts(classID) {
		if a.Kind == kind && a.State == state {
			n++
		}
	}
	return n
}

// eventually waits until a condition holds.
func (s *harness) eventually(what string, holds func() bool) {
	s.Helper()
	give, poll := time.After(deadline), time.NewTicker(20*time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-give:
			s.Fatalf("%s: not within %s", what, deadline)
		case <-poll.C:
		}
	}
}

// awaitSettled waits until every request of the class is answered, refused or lost, and every room pending close is
// closed. Attempts that no process knows are marked as lost, as a sweep does.
func (s *harness) awaitSettled(classID uuid.UUID) {
	s.Helper()
	s.eventually("no request is in flight and no room pending close", func() bool {
		if s.requestsInFlight() > 0 {
			return false
		}
		for _, a := range s.attempts(classID) {
			if a.State != minigroup.AttemptSent && a.State != minigroup.AttemptReleasing {
				continue
			}
			if s.ledger.unknownAttempts.Load() {
				if err := s.ledger.AttemptLost(s.Context(), a.ID); err != nil {
					s.Fatal(err)
				}
			}
			return false
		}
		return true
	})
}

// assertConsistent waits until the class has settled, checks that exactly what the row says exists, and returns the
// row.
func (s *harness) assertConsistent(d minigroup.Draft) minigroup.Minigroup {
	s.Helper()
	classID := classID(d)
	s.awaitSettled(classID)
	m, err := s.ledger.ByID(s.Context(), classID)
	if err != nil {
		s.Fatal(err)
	}
	is := s.takeSnapshot()
	switch m.State {
	case minigroup.Ready:
		room, ok := is.event[m.EventRoomID]
		if !ok || room.locked != m.Locks() {
			s.Errorf("the event room %s is not open, or not locked as requested: %s", m.EventRoomID, is)
		}
		if _, ok := is.conference[m.ConferenceRoomID]; !ok && m.ClosedAt.IsZero() {
			s.Errorf("the conference room %s is not open: %s", m.ConferenceRoomID, is)
		}
		delete(is.event, m.EventRoomID)
		delete(is.conference, m.ConferenceRoomID)
	case minigroup.Failed:
		if m.Failure == nil || m.Failure.FailedAt.IsZero() {
			s.Errorf("a failed minigroup has no reason: %+v", m.Failure)
		}
	default:
		s.Errorf("the minigroup is still %s", m.State)
	}
	s.assertHeldRooms(classID, m.State == minigroup.Ready)
	s.assertUnknownRoomsLost(classID, is)
	s.assertSlots(m, is)
	return m
}

// assertHeldRooms checks that the ledger holds one room of each kind for a minigroup that is ready, otherwise none.
func (s *harness) assertHeldRooms(classID uuid.UUID, ready bool) {
	s.Helper()
	want := 0
	if ready {
		want = 1
	}
	for _, kind := range []minigroup.RoomKind{minigroup.EventRoom, minigroup.ConferenceRoom} {
		if n := s.countAttempts(classID, kind, minigroup.AttemptHeld); n != want {
			s.Errorf("%d %s rooms are held, want %d", n, kind, want)
		}
	}
}

// assertUnknownRoomsLost checks that a room which the ledger does not hold is open only when its reply was lost, and
// that there is a lost attempt for each.
func (s *harness) assertUnknownRoomsLost(classID uuid.UUID, is snapshot) {
	s.Helper()
	for id, room := range is.event {
		if !room.replyLost {
			s.Errorf("event room %s is open and not held", id)
		}
	}
	for id, room := range is.conference {
		if !room.replyLost {
			s.Errorf("conference room %s is open and not held", id)
		}
	}
	if lost := s.countAttempts(classID, minigroup.EventRoom, minigroup.AttemptLost); len(is.event) > lost {
		s.Errorf("%d open event rooms that are not held, and %d lost attempts", len(is.event), lost)
	}
	if lost := s.countAttempts(classID, minigroup.ConferenceRoom, minigroup.AttemptLost); len(is.conference) > lost {
		s.Errorf("%d open conference rooms that are not held, and %d lost attempts", len(is.conference), lost)
	}
}

// assertSlots checks that exactly the slots of the row are on the ledger and on its gateway.
func (s *harness) assertSlots(m minigroup.Minigroup, is snapshot) {
	s.Helper()
	open, err := s.ledger.OpenReservations(s.Context(), m.ID)
	if err != nil {
		s.Fatal(err)
	}
	if m.State != minigroup.Ready || !m.ClosedAt.IsZero() || m.Slots() == 0 || !s.acts.Settings.Gateways {
		if len(open) > 0 || len(is.gateways) > 0 {
			s.Errorf("slots are reserved without a class: %+v, %s", open, is)
		}
		return
	}
	if len(open) != 1 || open[0].State != minigroup.ReservationHeld || open[0].Slots != m.Slots() {
		s.Errorf("want one reservation of %d slots, held: %+v", m.Slots(), open)
		return
	}
	rooms := is.gateways[open[0].Backend.ID]
	if len(is.gateways) != 1 || len(rooms) != 1 || rooms[open[0].ID] != m.Slots() {
		s.Errorf("the gateway does not show reservation %s on %s: %s", open[0].ID, open[0].Backend.ID, is)
	}
	var undecided bool
	err = s.db.QueryRow(s.Context(), `
		SELECT EXISTS (SELECT 1 FROM janus_reservation
		WHERE class_id = $1 AND (next_slots IS NOT NULL OR update_id IS NOT NULL))`,
		m.ID).Scan(&undecided)
	if err != nil || undecided {
		s.Errorf("slots of a decided update are left (%v)", errors.Join(err))
	}
}

// newestAttempt is the newest attempt of a kind.
func (s *harness) newestAttempt(d minigroup.Draft, kind minigroup.RoomKind) (id uuid.UUID) {
	s.Helper()
	for _, a := range s.attempts(classID(d)) {
		if a.Kind == kind {
			id = a.ID
		}
	}
	return id
}
