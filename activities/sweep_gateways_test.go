package activities

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// sweptWorld is a ledger with one gateway and its reservations, and the gateway with its rooms.
type sweptWorld struct {
	SweepLedger
	Janus
	reservations []minigroup.Reservation
	rooms        []minigroup.GatewayRoom
	strays       []uuid.UUID
	// fails has the errors of calls, by their names.
	fails map[string]error
	// calls are the requests to the gateway, and what is recorded.
	calls    []string
	recorded []minigroup.GatewayState
	// gateways is their number; 0: one.
	gateways int
	mu       sync.Mutex
}

func (w *sweptWorld) Backends(context.Context) ([]minigroup.Backend, error) {
	return slices.Repeat([]minigroup.Backend{{ID: "janus-1"}}, max(w.gateways, 1)), w.fails["backends"]
}

func (w *sweptWorld) GatewayRooms(context.Context, string, time.Duration) ([]minigroup.Reservation, error) {
	return w.reservations, w.fails["reservations"]
}

func (w *sweptWorld) Strays(context.Context, []minigroup.GatewayRoom, time.Duration) ([]uuid.UUID, error) {
	return w.strays, w.fails["strays"]
}

func (w *sweptWorld) RecordGateway(_ context.Context, _ string, state minigroup.GatewayState) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recorded = append(w.recorded, state)
	return w.fails["record"]
}

func (w *sweptWorld) Rooms(context.Context, minigroup.Backend, string) ([]minigroup.GatewayRoom, error) {
	return w.rooms, w.fails["list"]
}

func (w *sweptWorld) Reservation(_ context.Context, id uuid.UUID) (minigroup.Reservation, error) {
	i := slices.IndexFunc(w.reservations, func(r minigroup.Reservation) bool { return r.ID == id })
	return w.reservations[i], nil
}

func (w *sweptWorld) ReservationHeld(
	ctx context.Context, id uuid.UUID, _ minigroup.RunningCreate,
) (int32, *minigroup.Minigroup, error) {
	r, err := w.Reservation(ctx, id)
	return r.Slots, nil, errors.Join(err, w.fails["hold"])
}

func (w *sweptWorld) ReservationReleased(context.Context, uuid.UUID) error {
	w.note("released")
	return nil
}

func (w *sweptWorld) Reserve(context.Context, minigroup.Backend, uuid.UUID, int32, string) error {
	w.note("reserve")
	return w.fails["reserve"]
}

func (w *sweptWorld) Release(_ context.Context, _ minigroup.Backend, room uuid.UUID) error {
	call := "remove"
	if slices.Contains(w.strays, room) {
		call = "remove stray"
	}
	w.note(call)
	return w.fails["release"]
}

func (w *sweptWorld) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

func (w *sweptWorld) sweep(budget time.Duration) (SweptGateways, map[string]int, error) {
	counts := map[string]int{}
	s := Sweeper{
		Ledger: w, Rooms: w, Budget: budget, Count: func(what string, n int) { counts[what] += n },
		Steps: &Activities{Settings: Settings{StepWait: time.Minute}, Ledger: w.steps(), Janus: w},
	}
	swept, err := s.SweepGateways(context.Background())
	return swept, counts, err
}

// stepsOf is the ledger of the steps, whose methods have the names of those of sweeps.
type stepsOf struct {
	Ledger
	w *sweptWorld
}

func (w *sweptWorld) steps() Ledger { return stepsOf{w: w} }

func (s stepsOf) Reservation(ctx context.Context, id uuid.UUID) (minigroup.Reservation, error) {
	return s.w.Reservation(ctx, id)
}

func (s stepsOf) ReservationHeld(
	ctx context.Context, id uuid.UUID, c minigroup.RunningCreate,
) (int32, *minigroup.Minigroup, error) {
	return s.w.ReservationHeld(ctx, id, c)
}

func (s stepsOf) ReservationReleased(ctx context.Context, id uuid.UUID) error {
	return s.w.ReservationReleased(ctx, id)
}

func (s stepsOf) RecordGateway(ctx context.Context, b string, state minigroup.GatewayState) error {
	return s.w.RecordGateway(ctx, b, state)
}

func reservation(state minigroup.ReservationState, slots int32) minigroup.Reservation {
	return minigroup.Reservation{ID: uuid.New(), ClassID: uuid.New(), State: state, Slots: slots, Made: true}
}

func TestASweepMakesAGatewayMatchTheLedger(t *testing.T) {
	held, releasing := reservation(minigroup.ReservationHeld, 8), reservation(minigroup.ReservationReleasing, 8)
	pending, unmade := reservation(minigroup.ReservationPending, 8), reservation(minigroup.ReservationReleasing, 8)
	unmade.Made = false
	doubtful := reservation(minigroup.ReservationReleasing, 8)
	doubtful.Made, doubtful.Doubtful = false, true
	room := func(r minigroup.Reservation, slots int32) []minigroup.GatewayRoom {
		return []minigroup.GatewayRoom{{ID: r.ID, Slots: slots}}
	}
	one := func(r minigroup.Reservation) []minigroup.Reservation { return []minigroup.Reservation{r} }
	away := errors.New("away")
	unfit := &minigroup.UpstreamError{Upstream: "janus", Doing: "list", Detail: "wrong", Unfit: true}
	stray := uuid.New()
	for name, c := range map[string]struct {
		world    *sweptWorld
		spent    bool
		want     SweptGateways
		calls    []string
		recorded []minigroup.GatewayState
		fails    bool
	}{
		"a room that fits stays": {
			world:    &sweptWorld{reservations: one(held), rooms: room(held, 8)},
			recorded: []minigroup.GatewayState{{}},
		},
		"a room that is missing is made": {
			world: &sweptWorld{reservations: one(held)}, want: SweptGateways{Made: 1}, calls: []string{"reserve"},
			recorded: []minigroup.GatewayState{{}},
		},
		"a room with other slots is changed": {
			world: &sweptWorld{reservations: one(held), rooms: room(held, 9)}, want: SweptGateways{Made: 1},
			calls: []string{"reserve"}, recorded: []minigroup.GatewayState{{}},
		},
		"a room whose reservation is pending is made again": {
			world: &sweptWorld{reservations: one(pending), rooms: room(pending, 8)}, want: SweptGateways{Made: 1},
			calls: []string{"reserve"}, recorded: []minigroup.GatewayState{{}},
		},
		"a room that is released is removed": {
			world: &sweptWorld{reservations: one(releasing), rooms: room(releasing, 8)}, want: SweptGateways{Removed: 1},
			calls: []string{"remove", "released"}, recorded: []minigroup.GatewayState{{}},
		},
		"a stray is removed": {
			world: &sweptWorld{strays: []uuid.UUID{stray}}, want: SweptGateways{Removed: 1},
			calls: []string{"remove stray"}, recorded: []minigroup.GatewayState{{}},
		},
		"a room that cannot be made is counted": {
			world: &sweptWorld{reservations: one(held), fails: map[string]error{"reserve": away}},
			want:  SweptGateways{Failed: 1}, calls: []string{"reserve"}, recorded: []minigroup.GatewayState{{}},
		},
		"a room that was released meanwhile is not": {
			world: &sweptWorld{
				reservations: one(pending), fails: map[string]error{"hold": minigroup.Supersededf("released")},
			},
			calls: []string{"reserve", "remove", "released"}, recorded: []minigroup.GatewayState{{}},
		},
		"nothing is done when the budget is spent": {
			world: &sweptWorld{reservations: one(held), strays: []uuid.UUID{stray}}, spent: true,
			recorded: []minigroup.GatewayState{{}},
		},
		"a gateway that does not answer is away": {
			world: &sweptWorld{reservations: one(held), fails: map[string]error{"list": away}},
			want:  SweptGateways{Away: []string{"janus-1"}}, recorded: []minigroup.GatewayState{{Reason: "list rooms: away"}},
		},
		"a gateway that answers wrongly only loses slots without a room": {
			world: &sweptWorld{
				reservations: []minigroup.Reservation{held, releasing, doubtful, unmade},
				fails:        map[string]error{"list": unfit, "release": unfit},
			},
			want: SweptGateways{Removed: 1, Away: []string{"janus-1"}}, calls: []string{"remove", "released"},
			recorded: []minigroup.GatewayState{{Reason: "janus: wrong", Unfit: true}, {Reason: "janus: wrong", Unfit: true}},
		},
		"a gateway that makes rooms wrongly is unfit": {
			world: &sweptWorld{
				reservations: one(held), strays: []uuid.UUID{stray}, fails: map[string]error{"reserve": unfit},
			},
			want: SweptGateways{Failed: 1, Away: []string{"janus-1"}}, calls: []string{"reserve"},
			recorded: []minigroup.GatewayState{{Reason: "janus: wrong", Unfit: true}, {Reason: "janus: wrong", Unfit: true}},
		},
		"without the reservations nothing is done": {
			world: &sweptWorld{strays: []uuid.UUID{stray}, fails: map[string]error{"reservations": away}},
			want:  SweptGateways{Away: []string{"janus-1"}},
		},
		"without the strays the gateway counts as away": {
			world: &sweptWorld{strays: []uuid.UUID{stray}, fails: map[string]error{"strays": away}},
			want:  SweptGateways{Away: []string{"janus-1"}}, recorded: []minigroup.GatewayState{{}},
		},
		"a state that cannot be recorded counts as away": {
			world: &sweptWorld{strays: []uuid.UUID{stray}, fails: map[string]error{"record": away}},
			want:  SweptGateways{Away: []string{"janus-1"}}, recorded: []minigroup.GatewayState{{}},
		},
		"without the gateways it fails": {
			world: &sweptWorld{fails: map[string]error{"backends": away}}, fails: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			budget := time.Minute
			if c.spent {
				budget = 0
			}
			swept, counts, err := c.world.sweep(budget)
			if (err != nil) != c.fails || !reflect.DeepEqual(swept, c.want) {
				t.Errorf("got %+v, %v, want %+v", swept, err, c.want)
			}
			if !slices.Equal(c.world.calls, c.calls) || !slices.Equal(c.world.recorded, c.recorded) {
				t.Errorf("calls %q, recorded %+v", c.world.calls, c.world.recorded)
			}
			want := map[string]int{
				"made": c.want.Made, "removed": c.want.Removed, "away": len(c.want.Away), "failed": c.want.Failed,
			}
			if !c.fails && !reflect.DeepEqual(counts, want) {
				t.Errorf("counted %v, want %v", counts, want)
			}
		})
	}
}

func TestTheGatewaysOfASweepAreAdded(t *testing.T) {
	held := []minigroup.Reservation{reservation(minigroup.ReservationHeld, 8)}
	w := &sweptWorld{gateways: 3, reservations: held, strays: []uuid.UUID{uuid.New()}}
	if swept, _, err := w.sweep(time.Minute); err != nil || swept.Made != 3 || swept.Removed != 3 {
		t.Errorf("got %+v, %v", swept, err)
	}
	w = &sweptWorld{gateways: 3, reservations: held, fails: map[string]error{"reserve": errors.New("away")}}
	if swept, _, err := w.sweep(time.Minute); err != nil || swept.Failed != 3 {
		t.Errorf("got %+v, %v", swept, err)
	}
}
