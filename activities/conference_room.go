package activities

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// CreateConferenceRoom brings the class to a held conference room, open from the class's start on and without end, and
// returns its id. A refusal is final.
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

// roomOf reads the conference room of a minigroup. A room that conference does not know, although it was made more than
// replicaLag ago, is a refusal.
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

// readRoom reads the room of an update. Being refused the read says nothing about a PATCH, so it is not returned as a
// refusal.
func (a *Activities) readRoom(ctx context.Context, rec minigroup.UpdateRecord) (minigroup.ConferenceRoomState, error) {
	room, err := a.Conference.Room(ctx, rec.ConferenceRoomID)
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.Refused {
		open := *upstream
		open.Refused = false
		return room, &open
	}
	return room, err
}
