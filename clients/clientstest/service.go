package clientstest

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"minigroups/sandbox"
)

// Client is what clients have in common: C is the client, N the room it is asked to create.
type Client[N any] interface {
	CreateRoom(ctx context.Context, n N) (uuid.UUID, error)
}

// Service is a service that has rooms, with its client and its stand-in.
type Service[C Client[N], N any] struct {
	// Name is the Upstream of the client's errors.
	Name string
	// NewStandIn returns the sandbox's stand-in for the service.
	NewStandIn func(sandbox.Config) (http.Handler, error)
	// NewClient returns a client of the service at baseURL.
	NewClient func(baseURL string, transport http.RoundTripper, token func() (string, error)) C
	// NewRoom is a room to create that has nothing but these; start is in unix seconds.
	NewRoom func(audience string, class uuid.UUID, start int64) N
	// Operations are what the client does beside the create.
	Operations []Operation[C]
	// Fields are those, as JSON, that a reply about a room needs beside the id.
	Fields string
}

// Operation is a call of the client about one room.
type Operation[C any] struct {
	// Name is unique within a service.
	Name sandbox.Operation
	Call func(c C, ctx context.Context, id uuid.UUID) error
	// IsDone tells from the room, which had been open, whether the operation was carried out; nil if it only reads.
	IsDone func(sandbox.Room) bool
}

// operations are all of the client's, the create too, whose IsDone is nil for there may be no room.
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

// expect is the verdict on the operation where a change gets want: nothing that only reads leaves open what was done.
func (o Operation[C]) expect(want string) string {
	if o.Name != sandbox.OperationCreate && o.IsDone == nil && want == maybeDone {
		return notDone
	}
	return want
}
