package activities

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// CreateConferenceRoom ensures that the class has a held conference room and returns its id. It creates a room that
// opens at the start of the class and has no end. A refusal is not retried.
func (a *Activities) CreateConferenceRoom(ctx context.Context, in RoomInput) (uuid.UUID, error) {
	return a.createRoom(ctx, minigroup.ConferenceRoom, in, func(ctx context.Context) (uuid.UUID, error) {
		draft := in.Draft.Draft()
		room := minigroup.NewConferenceRoom{
			Audience: draft.Audience, ClassID: in.ClassID, Start: startOr(draft.Time, time.Now()), Tags: draft.Tags,
		}
		if !a.Settings.Gateways {
			room.Reserve = draft.Reserve
		}
		return a.Conference.CreateRoom(ctx, room)
	})
}

// roomOf reads the conference room of a minigroup. If conference does not know the room replicaLag after its creation,
// the error is a refusal.
func (a *Activities) roomOf(ctx context.Context, m minigroup.Minigroup) (minigroup.ConferenceRoomState, error) {
	room, err := a.Conference.Room(ctx, m.ConferenceRoomID)
	if isUnknownRoom(err) && time.Since(m.CreatedAt) > replicaLag {
		err = &minigroup.Error{
			Kind: minigroup.UpstreamRefused, Detail: "conference does not know the room of this minigroup",
			Upstream: string(minigroup.ConferenceRoom), UpstreamType: "room_not_found",
		}
	}
	return room, err
}

// readRoom reads the room of an update. A refusal to read says nothing about a PATCH, so it is returned as a retryable
// error.
func (a *Activities) readRoom(ctx context.Context, rec minigroup.UpdateRecord) (minigroup.ConferenceRoomState, error) {
	room, err := a.Conference.Room(ctx, rec.ConferenceRoomID)
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.Refused {
		retryable := *upstream
		retryable.Refused = false
		return room, &retryable
	}
	return room, err
}
