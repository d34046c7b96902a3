package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
	"minigroups/stored"
	"minigroups/workflows"
)

const (
	// stepWait is shorter than the time before a gateway is checked again, and long enough for Postgres under load.
	stepWait       = 1500 * time.Millisecond
	requestTimeout = 500 * time.Millisecond
	// maxAttempts bounds the attempts of the retry phase.
	maxAttempts = 10
	// deadline is how long a test waits for something that must happen.
	deadline = 20 * time.Second
)

// database is a real ledger for all cases of a test. Each case has a class and gateways of its own.
type database struct {
	store *storage.Store
	pool  *pgxpool.Pool
}

func newDatabase(t *testing.T) database {
	t.Helper()
	return tracedDatabase(t, nil)
}

func tracedDatabase(t *testing.T, tracer pgx.QueryTracer) database {
	t.Helper()
	store, conn := storagetest.Traced(t, tracer)
	pool, err := pgxpool.New(t.Context(), conn.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return database{store, pool}
}

// harness runs sagas in one worker process, or in several, with the world and a real ledger.
type harness struct {
	*testing.T
	*world
	ledger ledger
	db     *pgxpool.Pool
	// acts are the activities of the first process.
	acts *activities.Activities
	// group is the group of the gateways.
	group string
	// notCurrent makes IsCurrent false for every run.
	notCurrent atomic.Bool
	// current is the id of the one run that is current; while it is empty, every run is.
	current atomic.Value
	// closeRoomFails makes Temporal start no run that closes a room.
	closeRoomFails atomic.Bool
	closing        sync.WaitGroup

	processesMu sync.Mutex
	processes   []*activities.InFlight
}

func (b database) newHarness(t *testing.T) *harness {
	t.Helper()
	s := &harness{T: t, world: newWorld(), db: b.pool, group: uuid.NewString()}
	s.ledger = ledger{
		Store: b.store, world: s.world, db: b.pool, joint: new(atomic.Bool), unknownAttempts: new(atomic.Bool),
	}
	s.acts = s.newProcess(activities.Settings{
		StepWait: stepWait, RequestTimeout: requestTimeout, Gateways: true, Group: s.group,
	})
	s.setCapacities(10)
	return s
}

// newProcess returns the activities of a new worker process. It is stopped at the end of the test.
func (s *harness) newProcess(settings activities.Settings) *activities.Activities {
	return s.newProcessWith(settings, 0)
}

// newProcessWith is newProcess with a maximum of requests in flight to each service; 0: unlimited.
func (s *harness) newProcessWith(settings activities.Settings, maxInFlight int) *activities.Activities {
	inFlight, limits := activities.NewInFlight(s.ledger, s, zap.NewNop()), activities.NewLimits(maxInFlight)
	s.processesMu.Lock()
	s.processes = append(s.processes, inFlight)
	s.processesMu.Unlock()
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		inFlight.Stop(ctx)
		s.closing.Wait()
		if ctx.Err() != nil {
			s.Error("a request was still in flight at the end of the test")
		}
	})
	return &activities.Activities{
		Settings: settings, Ledger: s.ledger, Runs: s, InFlight: inFlight, Limits: limits,
		Event:      activities.LimitedEvent{Limits: limits, Event: eventService{s.world}},
		Conference: activities.LimitedConference{Limits: limits, Conference: conferenceService{s.world}},
		Janus:      activities.LimitedGateways{Limits: limits, Gateways: gateways{Janus: janusService{s.world}}},
	}
}

// gateways reserve and release slots, and cannot be listed.
type gateways struct {
	activities.Janus
	activities.GatewayRooms
}

// requestsInFlight counts the requests to create a room, in all processes, whose result is not on the ledger yet.
func (s *harness) requestsInFlight() (n int) {
	s.processesMu.Lock()
	defer s.processesMu.Unlock()
	for _, process := range s.processes {
		n += process.Count()
	}
	return n
}

// backend is the id of the gateway with this number.
func (s *harness) backend(number int) string { return fmt.Sprintf("%s-%d", s.group, number) }

// setCapacities creates the gateways 1, 2 … with these capacities, or changes theirs.
func (s *harness) setCapacities(capacities ...int32) {
	s.Helper()
	for i, c := range capacities {
		_, err := s.db.Exec(s.Context(), `
			INSERT INTO janus_backend (id, "group", capacity, admin_url) VALUES ($1, $2, $3, 'http://127.0.0.1:1')
			ON CONFLICT (id) DO UPDATE SET capacity = $3`, s.backend(i+1), s.group, c)
		if err != nil {
			s.Fatal(err)
		}
	}
}

// makeCurrent makes a run the current one. All others are gone, although their workers may not know it yet.
func (s *harness) makeCurrent(run string) { s.current.Store(run) }

// IsCurrent, CloseRoom, Decided and Established implement activities.Runs.
func (s *harness) IsCurrent(_ context.Context, _, run string) (bool, error) {
	current, _ := s.current.Load().(string)
	return !s.notCurrent.Load() && (current == "" || current == run), nil
}

func (s *harness) Decided(uuid.UUID) {}

func (s *harness) Established(minigroup.Minigroup) {}

func (s *harness) CloseRoom(_ context.Context, room minigroup.RoomPendingClose) error {
	if s.closeRoomFails.Load() {
		return errors.New("temporal is unavailable")
	}
	s.closing.Add(1)
	go func() {
		defer s.closing.Done()
		s.run("close "+room.ID.String(), workflows.CloseRoom, activities.Room{Kind: room.Kind, ID: room.ID})
	}()
	return nil
}

// sweepGateways brings the gateways of a class to what the ledger says, as a sweep does.
func (s *harness) sweepGateways(classID uuid.UUID) error {
	s.Helper()
	sweeper := *s.acts
	sweeper.Settings.StepWait = deadline
	return s.executeIn(&sweeper, "sweep", sweeper.SyncGateways, activities.ClassRef{ID: classID})
}

// newDraft is a draft of a class of its own that has begun, with 8 slots and a locked chat.
func newDraft() minigroup.Draft {
	now := time.Now().Unix()
	return minigroup.Draft{
		Audience: "example.org", Scope: "math/7b/" + uuid.NewString(), Host: "host.example.org",
		Time: minigroup.Window{Start: new(now - 60), End: new(now + 3600)}, Tags: json.RawMessage(`{"grade":7}`),
		Reserve: new(int32(8)), LockedChat: true,
	}
}

// otherDraft is another draft of the same class.
func otherDraft(d minigroup.Draft) minigroup.Draft {
	d.Host, d.Reserve = "another.example.org", new(int32(3))
	return d
}

func classID(d minigroup.Draft) uuid.UUID { return minigroup.NewClassID(d.Audience, d.Scope) }

func fingerprint(d minigroup.Draft) string { return minigroup.NewCreateRequest(d).Fingerprint }

func requestOf(d minigroup.Draft) stored.CreateRequest {
	return stored.NewCreateRequest(minigroup.NewCreateRequest(d))
}

// roomInput is the input of the step that creates a room of a create.
func roomInput(d minigroup.Draft, attempt uuid.UUID) activities.RoomInput {
	return activities.RoomInput{
		ClassID: classID(d), Draft: stored.NewDraft(d), Operation: minigroup.ForCreate, Fingerprint: fingerprint(d),
		Attempt: attempt,
	}
}

// inBackground runs a function concurrently with the test. The function it returns waits for the end and returns the
// result. The test does not end before.
func inBackground[T any](s *harness, f func() T) (wait func() T) {
	ended := make(chan struct{})
	var out T
	go func() {
		defer close(ended)
		out = f()
	}()
	s.Cleanup(func() { waitFor(ended) })
	return func() T {
		s.Helper()
		select {
		case <-ended:
		case <-time.After(deadline):
			s.Fatal("the function in the background did not end")
		}
		return out
	}
}
