package rivals

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

var empty = Rival{
	Name:     "no-op twin",
	Does:     "the product's own workflow and Starter, run and answered as the product's are, whose steps do nothing: what Temporal alone costs",
	Weakness: "it does nothing: no row, no rooms",
	Temporal: true,
	start:    startEmpty,
}

const (
	emptyQueue    = "empty"
	emptyPatience = time.Hour
	emptyWait     = 15 * time.Second
)

type emptyCreator struct {
	starter  *workflows.Starter
	temporal client.Client
	worker   worker.Worker
}

func startEmpty(_ context.Context, m Means) (Creator, error) {
	c, err := client.Dial(client.Options{
		HostPort: m.Temporal, Logger: quiet{},
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}}, // as the product
	})
	if err != nil {
		return nil, err
	}
	steps := &emptySteps{}
	starter := workflows.NewStarter(c, emptyRows{}, emptyQueue, emptyPatience)
	starter.StartEagerly()
	steps.established = starter.Established
	w := worker.New(c, emptyQueue, worker.Options{})
	w.RegisterWorkflow(workflows.CreateMinigroup)
	w.RegisterActivity(steps)
	if err := w.Start(); err != nil {
		c.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return emptyCreator{starter, c, w}, nil
}

// Create has the product's Starter start a run and wait for it.
func (e emptyCreator) Create(ctx context.Context, d minigroup.Draft) (Made, error) {
	m, outcome, err := e.starter.Create(ctx, minigroup.NewCreateRequest(d), emptyWait)
	if err == nil && outcome != minigroup.OutcomeDone {
		err = fmt.Errorf("the run has come to %v", outcome)
	}
	return Made{m.EventRoomID, m.ConferenceRoomID}, err
}

// Close ends the worker.
func (e emptyCreator) Close() {
	e.worker.Stop()
	e.temporal.Close()
}

// emptySteps are the product's activities by name. What they are asked for is kept until it is established.
type emptySteps struct {
	begun       sync.Map // drafts, by class id
	established func(minigroup.Minigroup)
}

// BeginCreate says that there is everything to do.
func (s *emptySteps) BeginCreate(_ context.Context, in stored.CreateRequest) (activities.BegunCreate, error) {
	s.begun.Store(in.ClassID, in.Request())
	return activities.BegunCreate{State: minigroup.Creating, EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), Reservation: uuid.New()}, nil
}

// CreateEventRoom makes an id up.
func (*emptySteps) CreateEventRoom(context.Context, activities.RoomInput) (uuid.UUID, error) {
	return uuid.New(), nil
}

// CreateConferenceRoom makes an id up.
func (*emptySteps) CreateConferenceRoom(context.Context, activities.RoomInput) (uuid.UUID, error) {
	return uuid.New(), nil
}

// ReserveSlots does nothing.
func (*emptySteps) ReserveSlots(context.Context, activities.ReservationRef) error { return nil }

// Establish hands the class to whoever waits for it.
func (s *emptySteps) Establish(_ context.Context, in activities.ClassRef) error {
	begun, ok := s.begun.LoadAndDelete(in.ID)
	if !ok {
		return nil
	}
	request, _ := begun.(minigroup.CreateRequest)
	s.established(minigroup.Minigroup{
		Draft: request.Draft, ID: request.ID, Fingerprint: request.Fingerprint, State: minigroup.Ready, CreatedAt: time.Now(),
		EventRoomID: uuid.New(), ConferenceRoomID: uuid.New(),
	})
	return nil
}

// emptyRows are what the Starter finds: nothing.
type emptyRows struct{}

// ByID finds none.
func (emptyRows) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error) {
	return minigroup.Minigroup{}, minigroup.Errorf(minigroup.ClassNotFound, "there is no minigroup with this id")
}

var errNoRows = errors.New("there are no rows")

// UpdateRecord finds none.
func (emptyRows) UpdateRecord(context.Context, uuid.UUID) (minigroup.UpdateRecord, error) {
	return minigroup.UpdateRecord{}, errNoRows
}

// AcceptCreate is for runs that are not waited for.
func (emptyRows) AcceptCreate(context.Context, minigroup.Claim, minigroup.CreateRequest) error {
	return errNoRows
}

// AcceptUpdate is as well.
func (emptyRows) AcceptUpdate(context.Context, minigroup.Claim, uuid.UUID, uuid.UUID, minigroup.Change) error {
	return errNoRows
}
