package activities

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// CreateConferenceRoom ensures that the class has a held conference room, and returns it. It creates a room that
// opens at the start of the class and has no end. A refusal is not retried.
func (a *Activities) CreateConferenceRoom(ctx context.Context, in RoomInput) (HeldRoom, error) {
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

// readRoom reads the conference room of a minigroup. If conference does not have the room any more, the error is a
// *minigroup.Error.
func (a *Activities) readRoom(ctx context.Context, id uuid.UUID) (minigroup.ConferenceRoomState, error) {
	room, err := a.Conference.Room(ctx, id)
	return room, a.ifGone(ctx, id, err)
}

// readRoomAgain is readRoom for an update whose PATCH was sent. A refusal to read says nothing about the PATCH, so it
// is returned as a retryable error.
func (a *Activities) readRoomAgain(ctx context.Context, id uuid.UUID) (minigroup.ConferenceRoomState, error) {
	room, err := a.readRoom(ctx, id)
	return room, unrefused(err)
}

// unrefused returns a refusal as a retryable error, and every other error unchanged.
func unrefused(err error) error {
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.Refused {
		retryable := *upstream
		retryable.Refused = false
		return &retryable
	}
	return err
}

// closedEarly reports whether conference has closed the room of a class that has not ended.
func closedEarly(class minigroup.Window, room minigroup.ConferenceRoomState, now int64) bool {
	return room.Time.Ended(now) && !class.Ended(now)
}

// recordIfClosed records that conference has closed the room of a minigroup early, as its event would.
func (a *Activities) recordIfClosed(
	ctx context.Context, m minigroup.Minigroup, room minigroup.ConferenceRoomState,
) error {
	if !closedEarly(m.Time, room, time.Now().Unix()) {
		return nil
	}
	closed := minigroup.ClosedRoom{
		ID: m.ConferenceRoomID, ClassID: m.ID, Audience: m.Audience, TimedOut: room.TimedOut,
	}
	_, err := a.Ledger.RecordRoomEvents(ctx, minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{closed}})
	return err
}

// ifGone returns the error of a request about the conference room of a minigroup, and instead a *minigroup.Error if
// conference does not know the room replicaLag after its creation: then the room is gone.
func (a *Activities) ifGone(ctx context.Context, id uuid.UUID, err error) error {
	if !isUnknownRoom(err) {
		return err
	}
	since, readErr := a.Ledger.RoomKnownSince(ctx, id)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if time.Since(since) <= replicaLag {
		return err
	}
	return &minigroup.Error{
		Kind: minigroup.UpstreamRefused, Upstream: conferenceService, UpstreamType: roomNotFound,
		Detail: "conference does not have the room of this minigroup any more; recreate the minigroup to give it new rooms",
	}
}

// isGone reports whether err is what ifGone returns for a room that is gone.
func isGone(err error) bool {
	var gone *minigroup.Error
	return errors.As(err, &gone) && gone.UpstreamType == roomNotFound
}
