package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"minigroups/minigroup"
)

// BegunRecreate is what a recreate finds when it begins.
type BegunRecreate struct {
	BegunUpdate
	// Draft is what the new rooms are for.
	Draft Draft `json:"draft"`
	// EventAttempt and ConferenceAttempt are attempts written for this run and not sent yet; the zero uuid where the recreate
	// had begun before.
	EventAttempt      uuid.UUID `json:"event_attempt"`
	ConferenceAttempt uuid.UUID `json:"conference_attempt"`
}

// BeginRecreate takes the row for this run and writes what the recreate comes to and what it is about to ask for.
func (a *Activities) BeginRecreate(ctx context.Context, in UpdateInput) (BegunRecreate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	begun, err := a.take(ctx, in)
	if err != nil {
		return BegunRecreate{}, toApplicationError(err)
	}
	out := BegunRecreate{BegunUpdate: toBegunUpdate(begun)}
	decided := begun.State == minigroup.UpdateDone || begun.State == minigroup.UpdateFailed
	if decided || begun.Unfinished != uuid.Nil {
		return out, nil
	}
	return out, toApplicationError(a.planRecreate(ctx, in, begun.Minigroup, &out))
}

func (a *Activities) planRecreate(ctx context.Context, in UpdateInput, m minigroup.Minigroup, out *BegunRecreate) error {
	change := in.Change.Minigroup()
	if out.State == minigroup.UpdateRunning { // it goes on as it has begun
		rec, err := a.Ledger.UpdateRecord(ctx, in.ID)
		out.Draft = ToDraft(m.Recreated(rec.Plan, *change.Recreate))
		return err
	}
	plan := minigroup.PlanRecreation(m, change, time.Now().Unix())
	deadline := time.Now().Add(a.Settings.RequestTimeout)
	entry := minigroup.RecreateEntry{
		UpdateEntry: a.updateEntry(ctx, in, plan), EventAttempt: uuid.New(), ConferenceAttempt: uuid.New(), RequestTimeout: a.Settings.RequestTimeout,
	}
	if err := a.Ledger.BeginRecreate(ctx, entry); err != nil {
		return err
	}
	a.InFlight.expectRooms(m.Audience, in.ClassID, deadline, entry.EventAttempt, entry.ConferenceAttempt)
	out.State, out.Draft = minigroup.UpdateRunning, ToDraft(m.Recreated(plan, *change.Recreate))
	out.EventAttempt, out.ConferenceAttempt = entry.EventAttempt, entry.ConferenceAttempt
	return nil
}

// TakeRecreate takes the row for a run that is to give the recreate of another up, and tells how far that had come.
func (a *Activities) TakeRecreate(ctx context.Context, in UpdateInput) (BegunUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	begun, err := a.take(ctx, in)
	return toBegunUpdate(begun), toApplicationError(err)
}

// CopyHostInput names a new conference room of a class.
type CopyHostInput struct {
	ClassID uuid.UUID `json:"class_id"`
	Room    uuid.UUID `json:"room"`
}

// CopyHost tells the new conference room who the host is, where the room that the class has knows one: conference takes no
// host when it makes a room.
func (a *Activities) CopyHost(ctx context.Context, in CopyHostInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	m, err := a.Ledger.ByID(ctx, in.ClassID)
	if err != nil {
		return toApplicationError(err)
	}
	before, err := a.Conference.Room(ctx, m.ConferenceRoomID)
	if isUnknownRoom(err) || (err == nil && before.Host == "") {
		return nil
	}
	if err == nil {
		_, err = a.Conference.PatchRoom(ctx, in.Room, minigroup.ConferencePatch{Host: &before.Host})
	}
	return toApplicationError(err)
}

// SwapRooms is the commit point of a recreate. The rooms before are handed to runs of their own.
func (a *Activities) SwapRooms(ctx context.Context, in UpdateInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	if err := a.Ledger.SwapRooms(ctx, runID(ctx), in.ID); err != nil {
		return toApplicationError(err)
	}
	a.closePending(ctx, in.ClassID)
	return nil
}

// closePending hands what is condemned of a class to runs of their own, also where nobody waits for that any more. What it
// does not reach is left for the sweeper.
func (a *Activities) closePending(ctx context.Context, class uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Settings.StepWait)
	defer cancel()
	rooms, err := a.Ledger.RoomsPendingClose(ctx, class)
	if err != nil {
		activity.GetLogger(ctx).Warn("condemned rooms are left for the sweeper", "class_id", class, "error", err)
	}
	a.closeRooms(ctx, rooms)
}

func (a *Activities) closeRooms(ctx context.Context, rooms []minigroup.RoomPendingClose) {
	for _, room := range rooms {
		if err := a.Runs.CloseRoom(ctx, room); err != nil {
			activity.GetLogger(ctx).Warn("a condemned room is left for the sweeper", "kind", room.Kind, "room_id", room.ID, "error", err)
		}
	}
}
