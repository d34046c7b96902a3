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

// Rooms creates rooms at the upstreams with the product's clients.
type Rooms struct {
	event      *event.Client
	conference *conference.Client
	janus      *janus.Client
	gateway    minigroup.Backend
	// conferences has a place for each create at conference in progress.
	conferences chan struct{}
}

// maxConferences is how many creates at conference are in progress at most. Conference deadlocks if that is as many as
// it has database connections, and no alternative would do its work.
const maxConferences = 4

// NewRooms returns the clients of the upstreams at a URL (see command upstream). token returns the bearer token of each
// request.
func NewRooms(upstream string, token func() (string, error)) *Rooms {
	transport := rest.NewTransport()
	return &Rooms{
		event:      event.New(upstream+"/event", transport, token),
		conference: conference.New(upstream+"/conference", transport, token),
		janus:      janus.New(janus.Config{AdminSecret: "secret", AdminKey: "key", RoomKey: "room key"}, transport),
		gateway:    minigroup.Backend{ID: "gateway", AdminURL: upstream + "/janus"},

		conferences: make(chan struct{}, maxConferences),
	}
}

// Event creates an event room.
func (r *Rooms) Event(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	return r.event.CreateRoom(ctx, minigroup.NewEventRoom{
		Audience: d.Audience, ClassID: minigroup.NewClassID(d.Audience, d.Scope), Start: time.Now().Unix(),
	})
}

// Conference creates a conference room.
func (r *Rooms) Conference(ctx context.Context, d minigroup.Draft) (uuid.UUID, error) {
	select {
	case r.conferences <- struct{}{}:
		defer func() { <-r.conferences }()
	case <-ctx.Done():
		return uuid.Nil, ctx.Err()
	}
	return r.conference.CreateRoom(ctx, minigroup.NewConferenceRoom{
		Audience: d.Audience, ClassID: minigroup.NewClassID(d.Audience, d.Scope), Start: time.Now().Unix(),
	})
}

// Janus creates a room for the slots.
func (r *Rooms) Janus(ctx context.Context, d minigroup.Draft) error {
	id := minigroup.NewClassID(d.Audience, d.Scope)
	return r.janus.Reserve(ctx, r.gateway, id, max(d.Slots(), 1), "minigroup:"+id.String())
}

// All creates all three in parallel.
func (r *Rooms) All(ctx context.Context, d minigroup.Draft) (rooms CreatedRooms, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { rooms.EventRoom, err = r.Event(ctx, d); return err })
	group.Go(func() (err error) { rooms.ConferenceRoom, err = r.Conference(ctx, d); return err })
	group.Go(func() error { return r.Janus(ctx, d) })
	return rooms, group.Wait()
}
