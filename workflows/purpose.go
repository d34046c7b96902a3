package workflows

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// The static details of a run, in Markdown: its purpose. They hold nothing personal or secret: no host, tags or
// properties.

const (
	neverTerminate = " Never *Terminate* it.\n\n"
	// runbookHint ends every text, because the UI (2.42) cuts the last line in half.
	runbookHint = "\ndocs/runbook.md says what to do when.\n"
)

func createPurpose(r minigroup.CreateRequest) string {
	return "Creates a minigroup: an event room, a conference room and, if requested, slots on a gateway. If one of them " +
		"cannot be created, everything is undone. *Cancel* undoes it, too." + neverTerminate +
		describeClass(r.ID, r.Draft) + describeRequest(&r.Time, r.Reserve) + describeLocks(r.Locks()) + runbookHint
}

func updatePurpose(m minigroup.Minigroup, c minigroup.Change) string {
	text := "Changes a minigroup, here and in conference. *Cancel* ends it with nothing changed, unless conference may " +
		"have made the change already."
	switch {
	case c.Recreate != nil:
		text = "Gives a minigroup new rooms in place of those it has. Nothing is changed until both exist, and a " +
			"refusal, or *Cancel*, closes them again."
	case c.Repair:
		text = "Repairs a minigroup: conference has executed a change after it had been taken for lost, so that the " +
			"minigroup and its conference room differ."
	}
	text += neverTerminate + describeClass(m.ID, m.Draft) + describeRequest(c.Time, c.Reserve)
	if c.Host != nil {
		text += "- host: another one\n"
	}
	if c.Recreate != nil {
		text += describeLocks(minigroup.Locks{
			Chat: isTrue(c.Recreate.LockedChat), Questions: isTrue(c.Recreate.LockedQuestions),
		})
	}
	return text + runbookHint
}

func undoPurpose(m minigroup.Minigroup) string {
	return "Undoes the create of a minigroup, because the run that was creating it is gone. It goes on until everything " +
		"is closed; *Cancel* does not stop it." + neverTerminate + describeClass(m.ID, m.Draft) + runbookHint
}

func failRecreatePurpose(m minigroup.Minigroup) string {
	return "Ends the recreate of a minigroup, because the run that was recreating it is gone. The minigroup keeps the " +
		"rooms that it has; *Cancel* changes nothing." + neverTerminate + describeClass(m.ID, m.Draft) + runbookHint
}

func closeRoomPurpose(room minigroup.RoomPendingClose) string {
	return "Closes a room that no minigroup uses. It goes on until the room is closed; after *Cancel* the sweeper " +
		"starts it again." + neverTerminate + fmt.Sprintf("- room: %s in %s\n", room.ID, room.Kind) +
		describeClassID(room.ClassID) + runbookHint
}

func describeClass(id uuid.UUID, d minigroup.Draft) string {
	return fmt.Sprintf("- scope: %s\n- audience: %s\n", quoted(d.Scope), quoted(d.Audience)) + describeClassID(id)
}

func describeClassID(id uuid.UUID) string {
	return fmt.Sprintf("- class id: %s\n- in the API: `/api/v1/minigroups/%s`\n", id, id)
}

// describeRequest lists the requested values; nil is not requested.
func describeRequest(window *minigroup.Window, reserve *int32) (text string) {
	if window != nil {
		text += "- time: " + describeBound(window.Start, "no start") + " to " + describeBound(window.End, "no end") + "\n"
	}
	if reserve != nil {
		text += fmt.Sprintf("- reserve: %d slots\n", *reserve)
	}
	return text
}

func describeLocks(l minigroup.Locks) string {
	if !l.Any() {
		return ""
	}
	return "- locked: " + l.String() + "\n"
}

func describeBound(seconds *int64, open string) string {
	if seconds == nil {
		return open
	}
	return timestamp(time.Unix(*seconds, 0))
}

func isTrue(b *bool) bool { return b != nil && *b }
