package rivals

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

var noOpTwin = Rival{
	Name: "no-op twin",
	Description: "the product's workflow, started as the product does, with steps that do nothing: it shows the " +
		"cost of Temporal alone",
	Weakness: "no row, no rooms",
	Temporal: true,
	start:    startTwin,
}

const (
	twinQueue       = "twin"
	twinRetryBudget = time.Hour
	twinWait        = 15 * time.Second
)

type twinCreator struct {
	starter  *workflows.Starter
	temporal client.Client
	worker   worker.Worker
}

func startTwin(_ context.Context, m Dependencies) (Creator, error) {
	c, err := client.Dial(client.Options{
		HostPort: m.Temporal, Logger: discardLogger{},
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}}, // as in the product
	})
	if err != nil {
		return nil, err
	}
	steps := &twinActivities{}
	starter := workflows.NewStarter(c, twinStore{}, twinQueue, twinRetryBudget)
	starter.StartEagerly()
	steps.established = starter.Established
	w := worker.New(c, twinQueue, worker.Options{})
	w.RegisterWorkflow(workflows.CreateMinigroup)
	w.RegisterActivity(steps)
	if err := w.Start(); err != nil {
		c.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return twinCreator{starter, c, w}, nil
}

// Create starts a workflow with the product's Starter and waits for it.
func (t twinCreator) Create(ctx context.Context, d minigroup.Draft) (CreatedRooms, error) {
	m, outcome, err := t.starter.Create(ctx, minigroup.NewCreateRequest(d), twinWait)
	if err == nil && outcome != minigroup.OutcomeDone {
		err = fmt.Errorf("the outcome of the workflow is %v", outcome)
	}
	return CreatedRooms{m.EventRoomID, m.ConferenceRoomID}, err
}

// Close stops the worker.
func (t twinCreator) Close() {
	t.worker.Stop()
	t.temporal.Close()
}

// twinActivities are activities with the names of the product's. They keep a request until it is established.
type twinActivities struct {
	begun       sync.Map // *twinCreate by class id
	established func(minigroup.Minigroup)
}

// twinCreate is a request, and the number of its steps that are not done.
type twinCreate struct {
	minigroup.CreateRequest
	left atomic.Int32
}

// BeginCreate returns ids for all attempts.
func (s *twinActivities) BeginCreate(_ context.Context, in stored.CreateRequest) (activities.BegunCreate, error) {
	create := &twinCreate{CreateRequest: in.Request()}
	create.left.Store(3)
	s.begun.Store(in.ClassID, create)
	return activities.BegunCreate{
		State: minigroup.Creating, EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), Reservation: uuid.New(),
	}, nil
}

// CreateEventRoom returns a random id.
func (s *twinActivities) CreateEventRoom(_ context.Context, in activities.RoomInput) (activities.HeldRoom, error) {
	return activities.HeldRoom{ID: uuid.New(), Completion: s.done(in.ClassID)}, nil
}

// CreateConferenceRoom returns a random id.
func (s *twinActivities) CreateConferenceRoom(_ context.Context, in activities.RoomInput) (activities.HeldRoom, error) {
	return activities.HeldRoom{ID: uuid.New(), Completion: s.done(in.ClassID)}, nil
}

// ReserveSlots does nothing.
func (s *twinActivities) ReserveSlots(
	_ context.Context, in activities.ReserveSlotsInput,
) (activities.Completion, error) {
	return s.done(in.Request.ClassID), nil
}

// done gives the class to the request that waits for it, after the last step.
func (s *twinActivities) done(classID uuid.UUID) activities.Completion {
	begun, _ := s.begun.Load(classID)
	create, ok := begun.(*twinCreate)
	if !ok || create.left.Add(-1) != 0 {
		return activities.Completion{}
	}
	s.begun.Delete(classID)
	s.established(minigroup.Minigroup{
		Draft: create.Draft, ID: create.ID, Fingerprint: create.Fingerprint, State: minigroup.Ready, CreatedAt: time.Now(),
		EventRoomID: uuid.New(), ConferenceRoomID: uuid.New(),
	})
	return activities.Completion{Established: true}
}

// twinStore is an empty store for the Starter.
type twinStore struct{}

// Read returns ClassNotFound.
func (s twinStore) Read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error) {
	return s.ByID(ctx, key.ID)
}

// ByID returns ClassNotFound.
func (twinStore) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error) {
	return minigroup.Minigroup{}, minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
}

var errNoRows = errors.New("there are no rows")

// UpdateRecord returns an error.
func (twinStore) UpdateRecord(context.Context, uuid.UUID) (minigroup.UpdateRecord, error) {
	return minigroup.UpdateRecord{}, errNoRows
}

// AcceptCreate returns an error. It is called only for requests that do not wait.
func (twinStore) AcceptCreate(context.Context, minigroup.Claim, minigroup.CreateRequest) error {
	return errNoRows
}

// AcceptUpdate returns an error, too.
func (twinStore) AcceptUpdate(context.Context, minigroup.Claim, uuid.UUID, uuid.UUID, minigroup.Change) error {
	return errNoRows
}

// RecordCancel returns an error, too.
func (twinStore) RecordCancel(context.Context, uuid.UUID, string, minigroup.Requester) error {
	return errNoRows
}
