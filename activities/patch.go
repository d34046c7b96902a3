package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"minigroups/minigroup"
)

// PatchLedger records the PATCHes of an update.
type PatchLedger interface {
	SendPatch(
		ctx context.Context, run string, id uuid.UUID, timeout time.Duration,
	) (rec minigroup.UpdateRecord, sent bool, err error)
	AdoptStart(ctx context.Context, run string, id uuid.UUID, start int64) error
	PatchUndone(ctx context.Context, run string, id uuid.UUID, number int) error
	PatchUnanswered(ctx context.Context, run string, id uuid.UUID, lookUpAfter time.Duration) error
}

const patchesRoom = "update conference room"

// UpdateRef names an update.
type UpdateRef struct {
	ID      uuid.UUID `json:"id"`
	ClassID uuid.UUID `json:"class_id"`
}

// PatchConferenceRoom is the pivot of an update. It returns nil once the conference room shows what the update
// requests, and a refusal if conference has certainly not changed the room, or does not have it any more. If the update
// was decided to fail meanwhile, it returns the recorded failure as a refusal. While an unanswered PATCH may be in
// flight, it fails and sends no other. After that, it reads the room to find out whether the PATCH was executed.
func (a *Activities) PatchConferenceRoom(ctx context.Context, in UpdateRef) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	permit, err := a.Limits.acquire(ctx, conferenceService, conferenceService, patchesRoom)
	if err != nil {
		return toApplicationError(a.unlessFailed(ctx, in.ID, err))
	}
	defer permit.Release()
	ctx = withPermit(ctx, conferenceService, permit)
	for {
		rec, sent, err := a.Ledger.SendPatch(ctx, runID(ctx), in.ID, a.Settings.RequestTimeout)
		switch {
		case err != nil:
			return toApplicationError(err)
		case sent:
			return toApplicationError(a.sendPatch(ctx, rec))
		case rec.State == minigroup.UpdateFailed:
			return toApplicationError(rec.Failure.AsError())
		case rec.State != minigroup.UpdateRunning || rec.Plan.Patch.Empty():
			return nil
		}
		applied, err := a.readOutcome(ctx, rec)
		if err != nil || applied {
			return toApplicationError(err)
		}
		if err := a.Ledger.PatchUnanswered(ctx, runID(ctx), rec.ID, a.Settings.RequestTimeout); err != nil {
			return toApplicationError(err)
		}
	}
}

// unlessFailed returns err, or the recorded failure of an update that was decided to fail meanwhile: then its run need
// not wait until conference has capacity.
func (a *Activities) unlessFailed(ctx context.Context, id uuid.UUID, err error) error {
	rec, readErr := a.Ledger.UpdateRecord(ctx, id)
	if readErr == nil && rec.State == minigroup.UpdateFailed {
		return rec.Failure.AsError()
	}
	return err
}

// readOutcome reports whether an unanswered PATCH was executed. It fails until the PATCH cannot be in flight any more.
func (a *Activities) readOutcome(ctx context.Context, rec minigroup.UpdateRecord) (applied bool, err error) {
	if rec.PatchLeft > 0 {
		return false, &minigroup.UpstreamError{
			Upstream: conferenceService, Doing: patchesRoom, MaybeDone: true,
			Detail: fmt.Sprintf("a request was not answered and may be in flight for up to %s; after that, the room is read",
				rec.PatchLeft.Round(time.Second)),
		}
	}
	room, err := a.readRoomAgain(ctx, rec.ConferenceRoomID)
	if err != nil {
		return false, err
	}
	return a.isApplied(ctx, rec, room)
}

// isApplied reports whether the room shows what the update requests. If the room got an end in the meantime, conference
// silently keeps its start and applies the rest; then the update adopts that start.
func (a *Activities) isApplied(
	ctx context.Context, rec minigroup.UpdateRecord, room minigroup.ConferenceRoomState,
) (bool, error) {
	now := time.Now().Unix()
	if rec.Plan.Patch.Applied(room, now) {
		return true, nil
	}
	if rec.Plan.Patch.AppliedButStart(room, now) {
		return true, a.Ledger.AdoptStart(ctx, runID(ctx), rec.ID, *room.Time.Start)
	}
	return false, nil
}

// sendPatch sends a PATCH that the ledger has recorded, and returns nil if the room then shows it.
func (a *Activities) sendPatch(ctx context.Context, rec minigroup.UpdateRecord) error {
	room, err := a.Conference.PatchRoom(ctx, rec.ConferenceRoomID, rec.Plan.Patch)
	var upstream *minigroup.UpstreamError
	repeated := rec.Patches > 1
	switch {
	case err == nil:
	case errors.As(err, &upstream) && !upstream.MaybeDone && !upstream.Refused:
		return errors.Join(a.ifGone(ctx, rec.ConferenceRoomID, err),
			a.Ledger.PatchUndone(ctx, runID(ctx), rec.ID, rec.Patches))
	case errors.As(err, &upstream) && upstream.Refused && repeated:
		// An earlier PATCH may be the reason: for example, the end that it has set has passed.
		var readErr error
		if room, readErr = a.readRoomAgain(ctx, rec.ConferenceRoomID); readErr != nil {
			return readErr
		}
	default:
		return a.refused(ctx, rec, err)
	}
	applied, adoptErr := a.isApplied(ctx, rec, room)
	switch {
	case adoptErr != nil || applied:
		return adoptErr
	case err != nil:
		return a.refused(ctx, rec, err)
	default:
		return &minigroup.UpstreamError{
			Upstream: conferenceService, Doing: patchesRoom, MaybeDone: true,
			Detail: "the request was accepted, but the room does not show the change",
		}
	}
}

// roomClosed is the error type with which conference refuses to change a room that is closed.
const roomClosed = "room_closed"

// refused returns the refusal of a PATCH. If it is refused because the room is closed, that is recorded first, as when
// an update begins. If that fails, the class ends when the event of the room is received, or the room is looked up.
func (a *Activities) refused(ctx context.Context, rec minigroup.UpdateRecord, err error) error {
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.Type == roomClosed {
		if err := a.readIfClosed(ctx, rec); err != nil {
			activity.GetLogger(ctx).Warn("a room that is closed was not recorded", "class_id", rec.ClassID, "error", err)
		}
	}
	return patchRefusal(err)
}

func (a *Activities) readIfClosed(ctx context.Context, rec minigroup.UpdateRecord) error {
	m, err := a.Ledger.ByID(ctx, rec.ClassID)
	if err != nil {
		return err
	}
	room, err := a.readRoomAgain(ctx, rec.ConferenceRoomID)
	if err != nil {
		return err
	}
	return a.recordIfClosed(ctx, m, room)
}

// patchRefusal gives the refusals that callers can act on their own kinds of error.
func patchRefusal(err error) error {
	var upstream *minigroup.UpstreamError
	if !errors.As(err, &upstream) || !upstream.Refused {
		return err
	}
	kinds := map[string]minigroup.Kind{
		"room_time_changing_forbidden": minigroup.RoomTimeChangeForbidden, roomClosed: minigroup.Closed,
	}
	kind, ok := kinds[upstream.Type]
	if !ok {
		return err
	}
	return &minigroup.Error{
		Kind: kind, Detail: upstream.Public(), Upstream: upstream.Upstream, UpstreamType: upstream.Type,
	}
}
