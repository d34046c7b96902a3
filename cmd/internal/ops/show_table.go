package ops

import (
	"time"

	"github.com/google/uuid"
)

// writeTable writes the row as a list, followed by a table each of updates, attempts, reservations and runs.
func (r minigroupReport) writeTable(t *table) {
	t.row("class", r.ClassID)
	t.row("audience", r.Audience)
	t.row("scope", r.Scope)
	t.row("host", r.Host)
	t.row("time", formatBound(r.Start)+" to "+formatBound(r.End))
	t.row("slots", r.Reserve)
	t.row("state", string(r.State)+", in the API "+string(r.Status))
	t.row("created at", formatTime(r.CreatedAt))
	t.row("closed at", formatTime(r.ClosedAt))
	t.row("event room", formatID(r.EventRoomID))
	t.row("conference room", formatID(r.ConferenceRoomID))
	if f := r.Failure; f != nil {
		t.row("failure", f.cause()+": "+f.Detail)
		t.row("failed at", formatTime(f.FailedAt))
	}
	t.row("workflow", r.WorkflowID)
	t.row("owner", r.RunID)
	r.writeLedger(t)
	r.writeRuns(t)
}

func (r minigroupReport) writeLedger(t *table) {
	if len(r.Updates) > 0 {
		t.line("\nUpdates, the latest first")
		t.row("OPERATION", "STATE", "REQUESTED AT", "DECIDED AT", "RUN", "FAILURE")
		for _, u := range r.Updates {
			failure := ""
			if u.Failure != nil {
				failure = u.Failure.cause() + ": " + u.Failure.Detail
			}
			t.row(u.Operation, u.State, formatTime(u.RequestedAt), formatTime(u.DecidedAt), u.RunID, failure)
		}
	}
	if len(r.Attempts) > 0 {
		t.line("\nAttempts to create a room, the latest first")
		t.row("SERVICE", "OPERATION", "STATE", "ROOM", "SENT AT", "RUN", "RESOLUTION")
		for _, a := range r.Attempts {
			t.row(a.Service, a.Operation, a.State, formatID(a.RoomID), formatTime(a.SentAt), a.RunID, a.Resolution)
		}
	}
	if len(r.Reservations) > 0 {
		t.line("\nReservations, the latest first")
		t.row("GATEWAY", "STATE", "SLOTS", "FROM", "TO", "ID")
		for _, s := range r.Reservations {
			t.row(s.Backend, s.State, s.Slots, formatBound(s.Start), formatBound(s.End), s.ID)
		}
	}
}

func (r minigroupReport) writeRuns(t *table) {
	if r.Temporal != "ok" {
		t.line("\nIts runs are unknown: %s", r.Temporal)
		return
	}
	t.line("\nRuns, the latest first")
	t.row("TYPE", "STATUS", "STAGE", "STARTED AT", "CLOSED AT", "RUN")
	for _, run := range r.Runs {
		t.row(run.Type, run.Status, run.Stage, formatTime(run.Started), formatTime(run.Closed), run.RunID)
	}
	for _, step := range r.WaitingFor {
		t.line("waits for %s", step)
	}
}

// formatBound formats one side of a time window; the zero time is unbounded.
func formatBound(at time.Time) string {
	if at.IsZero() {
		return "unbounded"
	}
	return formatTime(at)
}

// formatID formats an id; the zero id is empty.
func formatID(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
