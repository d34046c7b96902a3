package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
)

// BegunRecreate is the result of BeginRecreate.
type BegunRecreate struct {
	BegunUpdate
	// Draft is the draft of the new rooms.
	Draft stored.Draft `json:"draft"`
	// EventAttempt and ConferenceAttempt are attempts that were written for this run and are not sent yet; uuid.Nil if
	// none was, as for a create.
	EventAttempt      uuid.UUID `json:"event_attempt"`
	ConferenceAttempt uuid.UUID `json:"conference_attempt"`
}

// BeginRecreate takes the row for this run, and writes the plan of the recreate and its attempts to the ledger.
func (a *Activities) BeginRecreate(ctx context.Context, in UpdateInput) (BegunRecreate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	var out BegunRecreate
	planned := false
	begun, err := a.begin(ctx, in, func(claim minigroup.Claim, m minigroup.Minigroup) error {
		planned = true
		return a.planRecreate(ctx, claim, in, m, &out)
	})
	if err != nil {
		return BegunRecreate{}, toApplicationError(err)
	}
	out.BegunUpdate = toBegunUpdate(begun)
	if !planned && begun.State == minigroup.UpdateRunning && begun.Unfinished == uuid.Nil { // it has begun before
		rec, err := a.Ledger.UpdateRecord(ctx, in.ID)
		if err != nil {
			return BegunRecreate{}, toApplicationError(err)
		}
		out.Draft = stored.NewDraft(begun.Minigroup.Recreated(rec.Plan, *in.Change.Change().Recreate))
	}
	return out, nil
}

// planRecreate begins a recreate, and writes its draft and attempts to out.
func (a *Activities) planRecreate(
	ctx context.Context, claim minigroup.Claim, in UpdateInput, m minigroup.Minigroup, out *BegunRecreate,
) error {
	change := in.Change.Change()
	plan := minigroup.PlanRecreation(m, change, time.Now().Unix())
	deadline := time.Now().Add(a.Settings.RequestTimeout)
	entry := minigroup.RecreateEntry{
		UpdateEntry: a.updateEntry(claim, in, plan), EventAttempt: a.newAttempt(ctx, minigroup.EventRoom),
		ConferenceAttempt: a.newAttempt(ctx, minigroup.ConferenceRoom),
		RequestTimeout:    a.Settings.RequestTimeout,
	}
	event, conference, err := a.Ledger.BeginRecreate(ctx, entry)
	if err != nil {
		a.InFlight.abandon(ctx, err, entry.EventAttempt, entry.ConferenceAttempt)
		return err
	}
	a.InFlight.registerRooms(in.ClassID, deadline, minigroup.RunningCreate{}, event, conference)
	out.Draft = stored.NewDraft(m.Recreated(plan, *change.Recreate))
	out.EventAttempt, out.ConferenceAttempt = event, conference
	return nil
}

// TakeRecreate takes the row for a run that must fail the recreate of a run that is gone, and returns the state of that
// recreate.
func (a *Activities) TakeRecreate(ctx context.Context, in UpdateInput) (BegunUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	begun, err := a.take(ctx, in)
	return toBegunUpdate(begun), toApplicationError(err)
}

// CopyHostInput names the new conference room of a class.
type CopyHostInput struct {
	ClassID uuid.UUID `json:"class_id"`
	Room    uuid.UUID `json:"room"`
}

// CopyHost sets the host of the new conference room to that of the present one, if there is one, because conference
// accepts no host when it creates a room. If the present room cannot be read, the host is the last that an update has
// set there.
func (a *Activities) CopyHost(ctx context.Context, in CopyHostInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	host, err := a.presentHost(ctx, in.ClassID)
	if err == nil && host != "" {
		_, err = a.Conference.PatchRoom(ctx, in.Room, minigroup.ConferencePatch{Host: &host})
	}
	return toApplicationError(err)
}

// presentHost returns the host of the present conference room of a class, and "" if it has none. That the room cannot
// be read for a minute does not keep the class from new rooms: then the ledger says what is known.
func (a *Activities) presentHost(ctx context.Context, classID uuid.UUID) (string, error) {
	m, err := a.Ledger.ByID(ctx, classID)
	if err != nil {
		return "", err
	}
	reading, cancel := context.WithTimeout(ctx, a.Settings.StepWait/2)
	defer cancel()
	present, err := a.Conference.Room(reading, m.ConferenceRoomID)
	switch {
	case isUnknownRoom(err):
		return "", nil
	case err != nil && failedForAMinute(ctx):
		return a.Ledger.PatchedHost(ctx, classID)
	default:
		return present.Host, unrefused(err)
	}
}

// SwapRooms is the commit point of a recreate: the class gets the new rooms. It starts the runs that close the old
// ones.
func (a *Activities) SwapRooms(ctx context.Context, in UpdateInput) error {
	ctx, cancel := context.WithTimeout(ctx, a.Settings.StepWait)
	defer cancel()
	if err := a.Ledger.SwapRooms(ctx, runID(ctx), in.ID); err != nil {
		return toApplicationError(err)
	}
	a.closePending(ctx, in.ClassID)
	return nil
}
