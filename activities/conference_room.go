package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// CreateConferenceRoom brings the class to a held conference room, open from the class's start on and without end, and
// returns its id. Refusals end it.
func (a *Activities) CreateConferenceRoom(ctx context.Context, in RoomInput) (uuid.UUID, error) {
	draft := in.Draft.Minigroup()
	return a.createRoom(ctx, minigroup.ConferenceRoom, in, func(ctx context.Context) (uuid.UUID, error) {
		room := minigroup.NewConferenceRoom{
			Audience: draft.Audience, ClassID: draft.ClassID(), Start: startOr(draft.Time, time.Now()), Tags: draft.Tags,
		}
		if !a.Settings.Gateways {
			room.Reserve = draft.Reserve
		}
		return a.Conference.CreateRoom(ctx, room)
	})
}

// UpdateRef names an update.
type UpdateRef struct {
	ID uuid.UUID `json:"id"`
}

// PatchConferenceRoom brings conference to agree to an update or to refuse it: the pivot of the saga. It returns nil once
// conference shows what the update asks for, and a refusal once conference has clearly refused. As long as a PATCH may
// be in flight nothing is decided and none is sent; then only the room itself tells what became of it.
func (a *Activities) PatchConferenceRoom(ctx context.Context, in UpdateRef) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	for {
		rec, sent, err := a.Ledger.SendPatch(ctx, runID(ctx), in.ID, a.Settings.RequestTimeout)
		switch {
		case err != nil:
			return toApplicationError(err)
		case sent:
			return toApplicationError(a.sendPatch(ctx, rec))
		case rec.State != minigroup.UpdateRunning || rec.Plan.Patch.Empty():
			return nil
		}
		agreed, err := a.readOutcome(ctx, rec)
		if err != nil || agreed {
			return toApplicationError(err)
		}
		if err := a.Ledger.PatchUnanswered(ctx, runID(ctx), rec.ID, a.Settings.RequestTimeout); err != nil {
			return toApplicationError(err)
		}
	}
}

// readOutcome finds out what became of an unanswered PATCH.
func (a *Activities) readOutcome(ctx context.Context, rec minigroup.UpdateRecord) (agreed bool, err error) {
	if rec.PatchLeft > 0 {
		return false, later(rec.PatchLeft, &minigroup.UpstreamError{
			Upstream: string(minigroup.ConferenceRoom), Doing: "update conference room", MaybeDone: true,
			Detail: fmt.Sprintf("a request went unanswered and may be in flight for another %s; then the room is read", rec.PatchLeft.Round(time.Second)),
		})
	}
	room, err := a.readRoom(ctx, rec)
	if err != nil {
		return false, err
	}
	return a.agreed(ctx, rec, room)
}

// readRoom reads the room of an update. Not to be let read it says nothing about a PATCH, so that is no refusal.
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

// agreed reports whether the room shows what the update asks for. Conference may have kept the start: it does so, without
// a word, for a room that got an end in the meantime. The rest was taken then, so the update takes over that start.
func (a *Activities) agreed(ctx context.Context, rec minigroup.UpdateRecord, room minigroup.ConferenceRoomState) (bool, error) {
	now := time.Now().Unix()
	if rec.Plan.Patch.Applied(room, now) {
		return true, nil
	}
	if rec.Plan.Patch.AppliedButStart(room, now) {
		return true, a.Ledger.AdoptStart(ctx, runID(ctx), rec.ID, *room.Time.Start)
	}
	return false, nil
}

// sendPatch sends the PATCH that the ledger knows to be under way.
func (a *Activities) sendPatch(ctx context.Context, rec minigroup.UpdateRecord) error {
	room, err := a.Conference.PatchRoom(ctx, rec.ConferenceRoomID, rec.Plan.Patch)
	var upstream *minigroup.UpstreamError
	repeated := rec.Patches > 1
	switch {
	case err == nil:
	case errors.As(err, &upstream) && !upstream.MaybeDone && !upstream.Refused:
		return errors.Join(err, a.Ledger.PatchUndone(ctx, runID(ctx), rec.ID, rec.Patches))
	case errors.As(err, &upstream) && upstream.Refused && repeated:
		// An earlier request may be what makes this one impossible: the end it set has come, for one.
		var readErr error
		if room, readErr = a.readRoom(ctx, rec); readErr != nil {
			return readErr
		}
	default:
		return pivotRefusal(err)
	}
	agreed, bad := a.agreed(ctx, rec, room)
	switch {
	case bad != nil || agreed:
		return bad
	case err != nil:
		return pivotRefusal(err)
	default:
		return &minigroup.UpstreamError{
			Upstream: string(minigroup.ConferenceRoom), Doing: "update conference room", MaybeDone: true,
			Detail: "it agreed, but its room does not show what was asked for",
		}
	}
}

// pivotRefusal gives the refusals of an update that callers can act on their own words.
func pivotRefusal(err error) error {
	var upstream *minigroup.UpstreamError
	if !errors.As(err, &upstream) || !upstream.Refused {
		return err
	}
	kinds := map[string]minigroup.Kind{"room_time_changing_forbidden": minigroup.RoomTimeChangeForbidden, "room_closed": minigroup.Closed}
	kind, ok := kinds[upstream.Type]
	if !ok {
		return err
	}
	return &minigroup.Error{Kind: kind, Detail: upstream.Public(), Upstream: upstream.Upstream, UpstreamType: upstream.Type}
}

func isUnknownRoom(err error) bool {
	var upstream *minigroup.UpstreamError
	return errors.As(err, &upstream) && upstream.Type == "room_not_found"
}
