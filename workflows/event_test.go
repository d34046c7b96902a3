package workflows_test

import (
	"context"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// eventService is the client of event in the world.
type eventService struct{ *world }

func (s eventService) CreateRoom(ctx context.Context, r minigroup.NewEventRoom) (uuid.UUID, error) {
	id := uuid.New()
	replied, err := s.request(ctx, "event", eventCreate, func() error {
		s.event[id] = &eventRoom{classID: r.ClassID, open: true}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if room := s.event[id]; room != nil && !replied {
		room.replyLost = true
	}
	return id, err
}

func (s eventService) LockRoom(ctx context.Context, id uuid.UUID, locks minigroup.Locks) error {
	_, err := s.request(ctx, "event", eventLock, func() error {
		room, ok := s.event[id]
		if !ok {
			return unknownRoom("event", eventLock)
		}
		room.locked = locks
		return nil
	})
	return err
}

func (s eventService) CloseRoom(ctx context.Context, id uuid.UUID) error {
	_, err := s.request(ctx, "event", eventClose, func() error {
		room, ok := s.event[id]
		if !ok {
			return unknownRoom("event", eventClose)
		}
		room.open = false
		return nil
	})
	return err
}

func unknownRoom(name string, o operation) error {
	return &minigroup.UpstreamError{Upstream: name, Doing: string(o), Type: "room_not_found", Status: 404}
}
