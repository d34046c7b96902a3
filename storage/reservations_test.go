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
	lost := uuid.New() // its reservation is not in the ledger any more
	has := []minigroup.GatewayRoom{
		{ID: rooms[0].ID, ClassID: m.ID}, {ID: gone, ClassID: classID(other)},
		{ID: uuid.New(), ClassID: uuid.New()}, {ID: uuid.New()},
	}
	if strays, err := l.Strays(t.Context(), has, 0); err != nil || len(strays) != 0 {
		t.Fatalf("got %v, %v", strays, err)
	}
	l.must(l.ReservationReleased(t.Context(), gone))
	if strays, err := l.Strays(t.Context(), has, 0); err != nil || !slices.Equal(strays, []uuid.UUID{gone}) {
		t.Fatalf("got %v, %v", strays, err)
	}
	has = append(has, minigroup.GatewayRoom{ID: lost, ClassID: m.ID})
	if strays, err := l.Strays(t.Context(), has, 0); err != nil || !slices.Equal(strays, []uuid.UUID{gone, lost}) {
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

func TestMoveReservationAvoidsGatewaysThatAreAway(t *testing.T) {
	l, d := newLedger(t, 10, 20), draft(8)
	from := l.begin(entry("run-1", d)).Reservation
	move := func(to uuid.UUID) error {
		return l.MoveReservation(t.Context(), "run-1", minigroup.NewCreateRequest(d), from, to, "")
	}
	gateway := func() string {
		t.Helper()
		r, err := l.ReservationOf(t.Context(), classID(d), minigroup.NewCreateRequest(d).Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		return r.Backend.ID
	}
	l.must(l.RecordGateway(t.Context(), "janus-2", minigroup.GatewayState{Reason: "no answer"}))
	if err := move(uuid.New()); !isKind(err, minigroup.CapacityExceeded) || gateway() != "janus-1" {
		t.Fatalf("it has moved to %s: %v", gateway(), err)
	}
	l.must(l.RecordGateway(t.Context(), "janus-2", minigroup.GatewayState{}))
	to := uuid.New()
	l.must(move(to))
	r, err := l.ReservationOf(t.Context(), classID(d), minigroup.NewCreateRequest(d).Fingerprint)
	if err != nil || r.ID != to || r.Backend.ID != "janus-2" || r.Made {
		t.Fatalf("got %+v, %v", r, err)
	}
	// It may move back once the first gateway has certainly no room of the class.
	l.must(l.ReservationReleased(t.Context(), from))
	back := uuid.New()
	l.must(l.MoveReservation(t.Context(), "run-1", minigroup.NewCreateRequest(d), to, back, ""))
	if got := gateway(); got != "janus-1" {
		t.Errorf("it has moved to %s", got)
	}
	if slots, _, err := l.ReservationHeld(t.Context(), back, minigroup.RunningCreate{}); err != nil || slots != 8 {
		t.Errorf("%d slots are held, %v", slots, err)
	}
	if r, err := l.Reservation(t.Context(), back); err != nil || !r.Made || r.State != minigroup.ReservationHeld {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, _, err := l.ReservationHeld(t.Context(), to, minigroup.RunningCreate{}); !isSuperseded(err) {
		t.Errorf("a reservation that was given up is held: %v", err)
	}
}

func TestTheReservationOfACreate(t *testing.T) {
	l, d := newLedger(t, 100), draft(8)
	of := func(d minigroup.Draft) error {
		_, err := l.ReservationOf(t.Context(), classID(d), minigroup.NewCreateRequest(d).Fingerprint)
		return err
	}
	if err := of(d); !isSuperseded(err) {
		t.Errorf("a class without slots: %v", err)
	}
	l.begin(entry("run-1", d))
	l.must(of(d))
	other := d
	other.Reserve = new(int32(3))
	if err := of(other); !isSuperseded(err) {
		t.Errorf("another create of the class: %v", err)
	}
	l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.UpstreamRefused})
	if err := of(d); !isSuperseded(err) {
		t.Errorf("a create that is undone: %v", err)
	}
}
