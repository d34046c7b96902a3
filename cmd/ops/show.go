package main

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/minigroup"
	"minigroups/workflows"
)

// minigroupShown is what `ops show` prints.
type minigroupShown struct {
	ClassID          uuid.UUID          `json:"class_id"`
	Audience         string             `json:"audience"`
	Scope            string             `json:"scope"`
	Host             string             `json:"host"`
	Start            time.Time          `json:"start,omitzero"`
	End              time.Time          `json:"end,omitzero"`
	Reserve          int32              `json:"reserve"`
	State            minigroup.State    `json:"state"`
	Status           minigroup.Status   `json:"status"`
	CreatedAt        time.Time          `json:"created_at"`
	ClosedAt         time.Time          `json:"closed_at,omitzero"`
	EventRoomID      uuid.UUID          `json:"event_room_id,omitzero"`
	ConferenceRoomID uuid.UUID          `json:"conference_room_id,omitzero"`
	Failure          *failureShown      `json:"failure,omitempty"`
	Updates          []updateShown      `json:"updates"`
	Attempts         []attemptShown     `json:"attempts"`
	Reservations     []reservationShown `json:"reservations"`
	WorkflowID       string             `json:"workflow_id"`
	// RunID is the run that took the minigroup last.
	RunID      string      `json:"run_id"`
	Runs       []*runShown `json:"runs"`
	WaitingFor []stepShown `json:"waiting_for"`
	// Temporal is ok, or what is wrong with it: then runs and what they wait for are not known.
	Temporal string `json:"temporal"`
}

type updateShown struct {
	ID          uuid.UUID             `json:"id"`
	Operation   string                `json:"operation"`
	State       minigroup.UpdateState `json:"state"`
	RequestedAt time.Time             `json:"requested_at"`
	DecidedAt   time.Time             `json:"decided_at,omitzero"`
	RunID       string                `json:"run_id"`
	Failure     *failureShown         `json:"failure,omitempty"`
}

type attemptShown struct {
	Service    minigroup.RoomKind         `json:"service"`
	Operation  minigroup.AttemptOperation `json:"operation"`
	State      minigroup.AttemptState     `json:"state"`
	RoomID     uuid.UUID                  `json:"room_id,omitzero"`
	SentAt     time.Time                  `json:"sent_at"`
	ExpiresAt  time.Time                  `json:"expires_at"`
	Resolution string                     `json:"resolution,omitempty"`
	RunID      string                     `json:"run_id"`
}

type reservationShown struct {
	ID       uuid.UUID                  `json:"id"`
	Backend  string                     `json:"backend"`
	State    minigroup.ReservationState `json:"state"`
	Slots    int32                      `json:"slots"`
	Start    time.Time                  `json:"start,omitzero"`
	End      time.Time                  `json:"end,omitzero"`
	Doubtful bool                       `json:"doubtful"`
}

func (a *app) show() *cobra.Command {
	return &cobra.Command{
		Use: "show CLASS_ID | AUDIENCE SCOPE", Args: cobra.RangeArgs(1, 2),
		Short: "Show all that is known of one minigroup: its row, rooms, slots, updates and runs",
		RunE: a.does(func(ctx context.Context, args []string) error {
			id, err := nameOf(args)
			if err != nil {
				return err
			}
			m, err := a.store.ByID(ctx, id)
			if err != nil {
				return err
			}
			shown := showMinigroup(m)
			if err := a.addLedger(ctx, id, &shown); err != nil {
				return err
			}
			if err := a.addRuns(ctx, &shown); err != nil {
				shown.Temporal = err.Error()
			}
			return a.print(shown, shown.people)
		}),
	}
}

func showMinigroup(m minigroup.Minigroup) minigroupShown {
	return minigroupShown{
		ClassID: m.ClassID(), Audience: m.Audience, Scope: m.Scope, Host: m.Host, Start: second(m.Time.Start), End: second(m.Time.End),
		Reserve: m.Slots(), State: m.State, Status: m.Status(time.Now().Unix()), CreatedAt: m.CreatedAt.UTC(), ClosedAt: m.ClosedAt.UTC(),
		EventRoomID: m.EventRoomID, ConferenceRoomID: m.ConferenceRoomID, Failure: showFailure(m.Failure),
		Updates: []updateShown{}, Attempts: []attemptShown{}, Reservations: []reservationShown{},
		WorkflowID: workflows.WorkflowID(m.Audience, m.Scope), RunID: m.Run, Runs: []*runShown{}, WaitingFor: []stepShown{}, Temporal: "ok",
	}
}

// second is a side of a window; unbounded is zero.
func second(unix *int64) time.Time {
	if unix == nil {
		return time.Time{}
	}
	return time.Unix(*unix, 0).UTC()
}

func (a *app) addLedger(ctx context.Context, id uuid.UUID, shown *minigroupShown) error {
	updates, err := a.store.UpdatesOf(ctx, id)
	if err != nil {
		return err
	}
	for _, u := range updates {
		saga := minigroup.WaitingSaga{OpenSaga: minigroup.OpenSaga{UpdateID: u.ID, Change: u.Requested}}
		shown.Updates = append(shown.Updates, updateShown{
			u.ID, saga.Operation(), u.State, u.RequestedAt.UTC(), u.DecidedAt.UTC(), u.Run, showFailure(u.Failure),
		})
	}
	attempts, err := a.store.AttemptsOf(ctx, id)
	if err != nil {
		return err
	}
	for _, at := range attempts {
		shown.Attempts = append(shown.Attempts, attemptShown{
			at.Kind, at.Operation, at.State, at.RoomID, at.SentAt.UTC(), at.ExpiresAt.UTC(), at.Resolution, at.Run,
		})
	}
	reservations, err := a.store.ReservationsOf(ctx, id)
	for _, r := range reservations {
		shown.Reservations = append(shown.Reservations, reservationShown{
			r.ID, r.Backend.ID, r.State, r.Slots, second(r.During.Start), second(r.During.End), r.Doubtful,
		})
	}
	return err
}

func (a *app) addRuns(ctx context.Context, shown *minigroupShown) error {
	if err := a.reachTemporal(ctx); err != nil {
		return err
	}
	runs, err := a.runsOf(ctx, shown.WorkflowID)
	if err != nil {
		return err
	}
	shown.Runs = runs
	_, steps, err := a.describe(ctx, shown.WorkflowID, "")
	shown.WaitingFor = append(shown.WaitingFor, steps...)
	return err
}

func (m minigroupShown) people(t *table) {
	t.row("class", m.ClassID)
	t.row("audience", m.Audience)
	t.row("scope", m.Scope)
	t.row("host", m.Host)
	t.row("time", orUnbounded(m.Start)+" to "+orUnbounded(m.End))
	t.row("slots", m.Reserve)
	t.row("state", string(m.State)+", shown as "+string(m.Status))
	t.row("created at", moment(m.CreatedAt))
	t.row("closed at", moment(m.ClosedAt))
	t.row("event room", orNone(m.EventRoomID))
	t.row("conference room", orNone(m.ConferenceRoomID))
	if f := m.Failure; f != nil {
		t.row("failure", f.words()+": "+f.Detail)
		t.row("failed at", moment(f.FailedAt))
	}
	t.row("workflow", m.WorkflowID)
	t.row("last run", m.RunID)
	if len(m.Updates) > 0 {
		t.say("\nUpdates, the latest first")
		t.row("OPERATION", "STATE", "REQUESTED AT", "DECIDED AT", "RUN", "FAILURE")
		for _, u := range m.Updates {
			why := ""
			if u.Failure != nil {
				why = u.Failure.words() + ": " + u.Failure.Detail
			}
			t.row(u.Operation, u.State, moment(u.RequestedAt), moment(u.DecidedAt), u.RunID, why)
		}
	}
	if len(m.Attempts) > 0 {
		t.say("\nRooms that were asked for, the latest first")
		t.row("SERVICE", "FOR", "STATE", "ROOM", "SENT AT", "RUN", "WHAT BECAME OF IT")
		for _, at := range m.Attempts {
			t.row(at.Service, at.Operation, at.State, orNone(at.RoomID), moment(at.SentAt), at.RunID, at.Resolution)
		}
	}
	if len(m.Reservations) > 0 {
		t.say("\nReservations, the latest first")
		t.row("GATEWAY", "STATE", "SLOTS", "FROM", "TO", "ID")
		for _, r := range m.Reservations {
			t.row(r.Backend, r.State, r.Slots, orUnbounded(r.Start), orUnbounded(r.End), r.ID)
		}
	}
	m.peopleRuns(t)
}

func (m minigroupShown) peopleRuns(t *table) {
	if m.Temporal != "ok" {
		t.say("\nWhat its runs do is not known: %s", m.Temporal)
		return
	}
	t.say("\nRuns, the latest first")
	t.row("TYPE", "STATUS", "STAGE", "STARTED AT", "CLOSED AT", "RUN")
	for _, r := range m.Runs {
		t.row(r.Type, r.Status, r.Stage, moment(r.Started), moment(r.Closed), r.RunID)
	}
	for _, step := range m.WaitingFor {
		t.say("waits for %s", step)
	}
}

func orUnbounded(at time.Time) string {
	if at.IsZero() {
		return "unbounded"
	}
	return moment(at)
}

func orNone(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
