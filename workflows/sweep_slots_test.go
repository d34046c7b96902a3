package workflows_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
)

// hookedGatewayRooms is a ledger that calls listed after it has listed the reservations of a gateway.
type hookedGatewayRooms struct {
	ledger
	listed func()
}

func (l hookedGatewayRooms) GatewayRooms(
	ctx context.Context, backend string, minAge time.Duration,
) ([]minigroup.Reservation, error) {
	out, err := l.ledger.GatewayRooms(ctx, backend, minAge)
	l.listed()
	return out, err
}

// emptyGateway lists no rooms, as a gateway that has restarted.
type emptyGateway struct{}

func (emptyGateway) Rooms(context.Context, minigroup.Backend, string) ([]minigroup.GatewayRoom, error) {
	return nil, nil
}

// recordingJanus records the slots of the requests that make or change a room.
type recordingJanus struct {
	activities.Janus
	mu    sync.Mutex
	slots []int32
}

func (j *recordingJanus) Reserve(
	ctx context.Context, b minigroup.Backend, room uuid.UUID, slots int32, description string,
) error {
	j.mu.Lock()
	j.slots = append(j.slots, slots)
	j.mu.Unlock()
	return j.Janus.Reserve(ctx, b, room, slots, description)
}

func TestSweepDuringAnUpdateOfTheSlots(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// arrange calls update during the sweep.
		arrange func(s *harness, l *hookedGatewayRooms, update func())
		want    []int32
	}{
		"after the sweep has listed the reservations": {
			arrange: func(_ *harness, l *hookedGatewayRooms, update func()) { l.listed = update },
			want:    []int32{8, 9, 9}, // create, update, sweep
		},
		"before the request of the sweep is executed": {
			arrange: func(s *harness, _ *hookedGatewayRooms, update func()) {
				s.script(janusReserve, func(c call) error {
					update()
					return succeed(c)
				})
			},
			want: []int32{8, 8, 9, 9}, // create, sweep, update, sweep again
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A database of its own, because the sweep includes all gateways.
			s, d := newDatabase(t).newHarness(t), newDraft()
			recording := &recordingJanus{Janus: s.acts.Janus}
			s.acts.Janus = recording
			m := s.createReady(d)
			update := sync.OnceFunc(func() {
				if p := s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(9))}); p.err != nil {
					t.Error(p.err)
				}
			})
			l := &hookedGatewayRooms{ledger: s.ledger, listed: func() {}}
			c.arrange(s, l, update)
			s.sweepAllGateways(emptyGateway{}, l)
			m, err := s.ledger.ByID(t.Context(), m.ID)
			if err != nil || m.Slots() != 9 {
				t.Fatalf("the class has %d slots, %v", m.Slots(), err)
			}
			s.assertSlots(m, s.takeSnapshot())
			if !slices.Equal(recording.slots, c.want) {
				t.Errorf("requests for %v slots, want %v", recording.slots, c.want)
			}
		})
	}
}
