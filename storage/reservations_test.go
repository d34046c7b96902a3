package storage_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestAGatewayHasTheRoomsOfItsReservationsAndStraysOfReleasedOnes(t *testing.T) {
	l := newLedger(t, 100)
	m := l.ready("run-1", draft(8))
	other := named("undone")
	other.Reserve = new(int32(3))
	gone := l.begin(entry("run-1", other)).Reservation
	l.beginUndo(minigroup.Claim{Run: "run-1"}, other, minigroup.Failure{Kind: minigroup.UpstreamRefused})
	rooms, err := l.GatewayRooms(t.Context(), "janus-1", 0)
	if err != nil || len(rooms) != 2 {
		t.Fatalf("got %+v, %v", rooms, err)
	}
	if r := rooms[0]; r.ClassID != m.ID || r.State != minigroup.ReservationHeld {
		t.Errorf("got %+v", r)
	}
	if r := rooms[1]; r.ID != gone || r.State != minigroup.ReservationReleasing {
		t.Errorf("got %+v", r)
	}
	has := []uuid.UUID{rooms[0].ID, gone, uuid.New()}
	if strays, err := l.Strays(t.Context(), has, 0); err != nil || len(strays) != 0 {
		t.Fatalf("got %v, %v", strays, err)
	}
	l.must(l.ReservationReleased(t.Context(), gone))
	if strays, err := l.Strays(t.Context(), has, 0); err != nil || !slices.Equal(strays, []uuid.UUID{gone}) {
		t.Fatalf("got %v, %v", strays, err)
	}
}

func TestMoveReservation(t *testing.T) {
	l, d := newLedger(t, 10, 10, 5), draft(8)
	from := l.begin(entry("run-1", d)).Reservation
	first := l.gatewayOf(d)
	move := func(run string, from, to uuid.UUID) error {
		return l.MoveReservation(t.Context(), run, minigroup.NewCreateRequest(d), from, to, "")
	}
	live := func() (r minigroup.Reservation) {
		t.Helper()
		for _, r := range l.openReservations(classID(d)) {
			if r.State == minigroup.ReservationPending {
				return r
			}
		}
		t.Fatal("the class has no slots")
		return r
	}
	if err := move("run-2", from, uuid.New()); !isSuperseded(err) {
		t.Errorf("moved by another run: %v", err)
	}
	to := uuid.New()
	for range 2 {
		l.must(move("run-1", from, to))
	}
	if r := live(); r.ID != to || r.Backend.ID == first || r.Slots != 8 {
		t.Errorf("it has moved to %+v, from %s", r, first)
	}
	if err := move("run-1", to, uuid.New()); !isKind(err, minigroup.CapacityExceeded) {
		t.Errorf("it has moved to a gateway that it has left, or where it does not fit: %v", err)
	}
	if r := live(); r.ID != to {
		t.Errorf("a move that was refused has changed the reservation to %+v", r)
	}
}
