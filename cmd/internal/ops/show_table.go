package ops

import (
	"time"

	"github.com/google/uuid"
)

// writeTable writes the row as a list, followed by the timeline and what the last run waits for.
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
	if r.RunLink != "" {
		t.row("in Temporal", r.RunLink)
	}
	r.writeTimeline(t)
	if r.Temporal != "ok" {
		t.line("\nIts runs are unknown: %s", r.Temporal)
	}
	for _, step := range r.WaitingFor {
		t.line("waits for %s", step)
	}
}

// writeTimeline writes everything that is known to have happened, the earliest first.
func (r minigroupReport) writeTimeline(t *table) {
	t.line("")
	t.row("AT", "WHAT", "BY", "RUN", "DETAILS")
	for _, m := range r.timeline() {
		t.row(formatTime(m.at), m.what, m.by, m.run, m.details)
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
