package workflows

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// What a run is for, in Markdown: its static details. They never hold what is personal or secret: no host, tags or properties.

const (
	never = " Never *Terminate* it.\n\n"
	// more ends all details: the UI (2.42) shows the last line by half.
	more = "\ndocs/runbook.md says what to do when.\n"
)

func createPurpose(d minigroup.Draft) string {
	return "Creates a minigroup: an event room, a conference room and, where asked for, slots on a gateway. " +
		"What cannot be had as a whole is undone. *Cancel* undoes it, too." + never +
		subject(d) + asked(&d.Time, d.Reserve) + locks(d.Locks()) + more
}

func updatePurpose(d minigroup.Draft, c minigroup.Change) string {
	text := "Changes a minigroup, here and in conference. *Cancel* ends it with nothing changed, unless conference may have made " +
		"the change already."
	switch {
	case c.Recreate != nil:
		text = "Gives a minigroup new rooms in place of those it has. Nothing is changed until both are there, and a refusal, or " +
			"*Cancel*, closes them again."
	case c.Empty():
		text = "Compares a minigroup with its conference room, because a request to change that went unanswered."
	}
	text += never + subject(d) + asked(c.Time, c.Reserve)
	if c.Host != nil {
		text += "- host: another one\n"
	}
	if c.Recreate != nil {
		text += locks(minigroup.Locks{Chat: isTrue(c.Recreate.LockedChat), Questions: isTrue(c.Recreate.LockedQuestions)})
	}
	return text + more
}

func undoPurpose(d minigroup.Draft) string {
	return "Undoes the create of a minigroup, because the run that was creating it is gone. It goes on until nothing is left; " +
		"*Cancel* does not stop it." + never + subject(d) + more
}

func abandonPurpose(d minigroup.Draft) string {
	return "Gives up the recreate of a minigroup, because the run that was recreating it is gone. The minigroup keeps the rooms " +
		"that it has; *Cancel* changes nothing." + never + subject(d) + more
}

func roomPurpose(room minigroup.RoomPendingClose) string {
	return "Closes a room that nobody wants any more. It goes on until the room is closed; when it is cancelled, the sweeper " +
		"starts it again." + never + fmt.Sprintf("- room: %s in %s\n", room.ID, room.Kind) + class(room.ClassID) + more
}

func subject(d minigroup.Draft) string {
	return fmt.Sprintf("- scope: %s\n- audience: %s\n", quoted(d.Scope), quoted(d.Audience)) + class(d.ClassID())
}

func class(id uuid.UUID) string {
	return fmt.Sprintf("- class id: %s\n- in the API: `/api/v1/minigroups/%s`\n", id, id)
}

// asked is what was asked for, as far as it was.
func asked(window *minigroup.Window, reserve *int32) (text string) {
	if window != nil {
		text += "- time: " + bound(window.Start, "no start") + " to " + bound(window.End, "no end") + "\n"
	}
	if reserve != nil {
		text += fmt.Sprintf("- reserve: %d slots\n", *reserve)
	}
	return text
}

func locks(l minigroup.Locks) string {
	if !l.Any() {
		return ""
	}
	return "- locked: " + l.String() + "\n"
}

func bound(seconds *int64, open string) string {
	if seconds == nil {
		return open
	}
	return moment(time.Unix(*seconds, 0))
}

func isTrue(b *bool) bool { return b != nil && *b }
