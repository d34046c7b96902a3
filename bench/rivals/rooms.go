package rivals

import (
	"context"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/minigroup"
)

// Rooms makes rooms at the upstreams, by the product's clients.
type Rooms struct {
	event      *event.Client
	conference *conference.Client
	janus      *janus.Client
	gateway    minigroup.Backend
}

// NewRooms makes rooms at the upstreams of this address (see command upstream). token gives the bearer token of each request.
func NewRooms(upstream string, token func() (string, error)) *Rooms {
	transport := rest.NewTransport()
	return &Rooms{
		event:      event.New(upstream+"/event", transport, token),
		conference: conference.New(upstream+"/conference", transport, token),
		janus:      janus.New(janus.Config{AdminSecret: "secret", AdminKey: "key", RoomKey: "room key"}, transport),
		gateway:    minigroup.Backend{ID: "gateway", AdminURL: upstream + "/janus"},
	}
}

// Event makes an event room.
func (r *Rooms) Event(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	return r.event.CreateRoom(ctx, minigroup.NewEventRoom{Audience: d.Audience, ClassID: minigroup.ClassID(d.Audience, d.Scope), Start: time.Now().Unix()})
}

// Conference makes a conference room.
func (r *Rooms) Conference(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	return r.conference.CreateRoom(ctx, minigroup.NewConferenceRoom{Audience: d.Audience, ClassID: minigroup.ClassID(d.Audience, d.Scope), Start: time.Now().Unix()})
}

// Janus makes a room for the slots.
func (r *Rooms) Janus(ctx context.Context, d minigroup.Draft) error {
	return r.janus.Reserve(ctx, r.gateway, minigroup.ClassID(d.Audience, d.Scope), max(d.Slots(), 1), "minigroup:"+minigroup.ClassID(d.Audience, d.Scope).String())
}

// All makes all three at the same time.
func (r *Rooms) All(ctx context.Context, d minigroup.Draft) (made Made, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { made.EventRoom, err = r.Event(ctx, d); return err })
	group.Go(func() (err error) { made.ConferenceRoom, err = r.Conference(ctx, d); return err })
	group.Go(func() error { return r.Janus(ctx, d) })
	return made, group.Wait()
}
