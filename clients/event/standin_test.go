package event_test

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
	"minigroups/clients/event"
	"minigroups/minigroup"
	"minigroups/sandbox"
)

// service describes event for the tests that it shares with conference.
var service = clientstest.Service[*event.Client, minigroup.NewEventRoom]{
	Name:       "event",
	NewStandIn: func(cfg sandbox.Config) (http.Handler, error) { return sandbox.NewEvent(cfg) },
	NewClient:  event.New,
	NewRoom: func(audience string, class uuid.UUID, start int64) minigroup.NewEventRoom {
		return minigroup.NewEventRoom{Audience: audience, ClassID: class, Start: start}
	},
	Operations: []clientstest.Operation[*event.Client]{
		{
			Name: sandbox.OperationLock,
			Call: func(c *event.Client, ctx context.Context, id uuid.UUID) error {
				return c.LockRoom(ctx, id, minigroup.Locks{Chat: true})
			},
			IsDone: func(room sandbox.Room) bool { return room.LockedTypes["message"] },
		},
		{
			Name: sandbox.OperationUpdate, Call: (*event.Client).CloseRoom,
			IsDone: func(room sandbox.Room) bool { return !room.Open },
		},
	},
	RoomFields: `"kind":"Minigroup"`,
}
