package sagaworker

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
)

// createdRooms is called for each room that a service has created, with the time at which the request was sent.
type createdRooms func(audience string, sentAt time.Time)

// ofAudiences returns a createdRooms that calls created for rooms of these audiences only; none are all.
func ofAudiences(audiences []string, created func(sentAt time.Time)) createdRooms {
	return func(audience string, sentAt time.Time) {
		if len(audiences) == 0 || slices.Contains(audiences, audience) {
			created(sentAt)
		}
	}
}

func (c createdRooms) observe(audience string, create func() (uuid.UUID, error)) (uuid.UUID, error) {
	sentAt := time.Now()
	room, err := create()
	if err == nil && c != nil {
		c(audience, sentAt)
	}
	return room, err
}

// observedEvent and observedConference report created rooms.
type (
	observedEvent struct {
		activities.Event
		created createdRooms
	}
	observedConference struct {
		activities.Conference
		created createdRooms
	}
)

// CreateRoom implements activities.Event.
func (e observedEvent) CreateRoom(ctx context.Context, r minigroup.NewEventRoom) (uuid.UUID, error) {
	return e.created.observe(r.Audience, func() (uuid.UUID, error) { return e.Event.CreateRoom(ctx, r) })
}

// CreateRoom implements activities.Conference.
func (c observedConference) CreateRoom(ctx context.Context, r minigroup.NewConferenceRoom) (uuid.UUID, error) {
	return c.created.observe(r.Audience, func() (uuid.UUID, error) { return c.Conference.CreateRoom(ctx, r) })
}
