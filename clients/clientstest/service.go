package clientstest

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"minigroups/sandbox"
)

// Client is the method that both clients have. N is the request to create a room.
type Client[N any] interface {
	CreateRoom(ctx context.Context, n N) (uuid.UUID, error)
}

// Service describes a service that has rooms: its stand-in, its client C, and N, the request to create a room.
type Service[C Client[N], N any] struct {
	// Name is the Upstream of the client's errors.
	Name string
	// NewStandIn returns the sandbox's stand-in for the service.
	NewStandIn func(sandbox.Config) (http.Handler, error)
	// NewClient returns a client of the service at baseURL.
	NewClient func(baseURL string, transport http.RoundTripper, token func() (string, error)) C
	// NewRoom returns a request without optional fields. start is in unix seconds.
	NewRoom func(audience string, class uuid.UUID, start int64) N
	// Operations are the client's calls other than the create.
	Operations []Operation[C]
	// RoomFields are the members, as JSON, that a valid reply contains beside the room's id.
	RoomFields string
}

// Operation is a call of the client that concerns one room.
type Operation[C any] struct {
	// Name is unique within a service.
	Name sandbox.Operation
	Call func(c C, ctx context.Context, id uuid.UUID) error
	// IsDone reports whether the operation was executed on the room, which was open before. It is nil for a read.
	IsDone func(sandbox.Room) bool
}

// operations returns all operations, including the create. The create has no IsDone, because its room may not exist.
func (s Service[C, N]) operations() []Operation[C] {
	create := Operation[C]{
		Name: sandbox.OperationCreate,
		Call: func(c C, ctx context.Context, _ uuid.UUID) error {
			_, err := c.CreateRoom(ctx, s.NewRoom(Audience, uuid.New(), startOfClock))
			return err
		},
	}
	return slices.Concat([]Operation[C]{create}, s.Operations)
}

// verdict returns the expected verdict on this operation if that on a change is ofChange: a read is never maybe done.
func (o Operation[C]) verdict(ofChange string) string {
	if o.Name != sandbox.OperationCreate && o.IsDone == nil && ofChange == MaybeDone {
		return NotDone
	}
	return ofChange
}
