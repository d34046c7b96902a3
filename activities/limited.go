package activities

import (
	"context"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// The names of event and conference as services with a limit.
const (
	eventService      = string(minigroup.EventRoom)
	conferenceService = string(minigroup.ConferenceRoom)
)

// LimitedEvent is event with its requests bounded by Limits.
type LimitedEvent struct {
	Event  Event
	Limits *Limits
}

func (e LimitedEvent) call(ctx context.Context, doing string, call func() error) error {
	return e.Limits.Within(ctx, eventService, eventService, doing, call)
}

// CreateRoom implements Event.
func (e LimitedEvent) CreateRoom(ctx context.Context, r minigroup.NewEventRoom) (room uuid.UUID, err error) {
	err = e.call(ctx, createsRoom(minigroup.EventRoom), func() (err error) {
		room, err = e.Event.CreateRoom(ctx, r)
		return err
	})
	return room, err
}

// LockRoom implements Event.
func (e LimitedEvent) LockRoom(ctx context.Context, room uuid.UUID, locks minigroup.Locks) error {
	return e.call(ctx, "lock event room", func() error { return e.Event.LockRoom(ctx, room, locks) })
}

// CloseRoom implements Event.
func (e LimitedEvent) CloseRoom(ctx context.Context, room uuid.UUID) error {
	return e.call(ctx, "close event room", func() error { return e.Event.CloseRoom(ctx, room) })
}

// LimitedConference is conference with its requests bounded by Limits.
type LimitedConference struct {
	Conference Conference
	Limits     *Limits
}

func (c LimitedConference) call(ctx context.Context, doing string, call func() error) error {
	return c.Limits.Within(ctx, conferenceService, conferenceService, doing, call)
}

// CreateRoom implements Conference.
func (c LimitedConference) CreateRoom(ctx context.Context, r minigroup.NewConferenceRoom) (room uuid.UUID, err error) {
	err = c.call(ctx, createsRoom(minigroup.ConferenceRoom), func() (err error) {
		room, err = c.Conference.CreateRoom(ctx, r)
		return err
	})
	return room, err
}

// Room implements Conference.
func (c LimitedConference) Room(ctx context.Context, id uuid.UUID) (room minigroup.ConferenceRoomState, err error) {
	err = c.call(ctx, "read conference room", func() (err error) {
		room, err = c.Conference.Room(ctx, id)
		return err
	})
	return room, err
}

// PatchRoom implements Conference.
func (c LimitedConference) PatchRoom(
	ctx context.Context, id uuid.UUID, p minigroup.ConferencePatch,
) (room minigroup.ConferenceRoomState, err error) {
	err = c.call(ctx, patchesRoom, func() (err error) {
		room, err = c.Conference.PatchRoom(ctx, id, p)
		return err
	})
	return room, err
}

// CloseRoom implements Conference.
func (c LimitedConference) CloseRoom(ctx context.Context, room uuid.UUID) error {
	return c.call(ctx, "close conference room", func() error { return c.Conference.CloseRoom(ctx, room) })
}

// Gateways are the Janus gateways.
type Gateways interface {
	Janus
	GatewayRooms
}

// LimitedGateways are the gateways with the requests to each of them bounded by Limits.
type LimitedGateways struct {
	Gateways Gateways
	Limits   *Limits
}

func (g LimitedGateways) call(ctx context.Context, b minigroup.Backend, doing string, call func() error) error {
	return g.Limits.Within(ctx, b.ID, "janus", doing+b.ID, call)
}

// Reserve implements Janus.
func (g LimitedGateways) Reserve(
	ctx context.Context, b minigroup.Backend, room uuid.UUID, slots int32, description string,
) error {
	return g.call(ctx, b, "reserve slots on ", func() error {
		return g.Gateways.Reserve(ctx, b, room, slots, description)
	})
}

// Release implements Janus.
func (g LimitedGateways) Release(ctx context.Context, b minigroup.Backend, room uuid.UUID) error {
	return g.call(ctx, b, "release slots on ", func() error { return g.Gateways.Release(ctx, b, room) })
}

// Rooms implements GatewayRooms.
func (g LimitedGateways) Rooms(
	ctx context.Context, b minigroup.Backend, prefix string,
) (rooms []minigroup.GatewayRoom, err error) {
	err = g.call(ctx, b, "list rooms of ", func() (err error) {
		rooms, err = g.Gateways.Rooms(ctx, b, prefix)
		return err
	})
	return rooms, err
}
