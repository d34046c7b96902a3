package conference_test

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
	"minigroups/clients/conference"
	"minigroups/minigroup"
	"minigroups/sandbox"
)

type standIn = clientstest.StandIn[*conference.Client, minigroup.NewConferenceRoom]

// service describes conference for the tests that it shares with event.
var service = clientstest.Service[*conference.Client, minigroup.NewConferenceRoom]{
	Name:       "conference",
	NewStandIn: func(cfg sandbox.Config) (http.Handler, error) { return sandbox.NewConference(cfg) },
	NewClient:  conference.New,
	NewRoom: func(audience string, class uuid.UUID, start int64) minigroup.NewConferenceRoom {
		return minigroup.NewConferenceRoom{Audience: audience, ClassID: class, Start: start}
	},
	Operations: []clientstest.Operation[*conference.Client]{
		{
			Name: sandbox.OperationRead,
			Call: func(c *conference.Client, ctx context.Context, id uuid.UUID) error {
				_, err := c.Room(ctx, id)
				return err
			},
		},
		{
			Name: sandbox.OperationUpdate,
			Call: func(c *conference.Client, ctx context.Context, id uuid.UUID) error {
				_, err := c.PatchRoom(ctx, id, minigroup.ConferencePatch{Reserve: new(int32(3))})
				return err
			},
			IsDone: func(room sandbox.Room) bool { return room.Reserve != nil },
		},
		{
			Name: sandbox.OperationClose, Call: (*conference.Client).CloseRoom,
			IsDone: func(room sandbox.Room) bool { return !room.Open },
		},
	},
	RoomFields: `"time":[1,null]`,
}
