package ops

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/cmd/internal/process"
	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/workflows"
)

// minigroupReport is what `ops show` prints.
type minigroupReport struct {
	ClassID          uuid.UUID        `json:"class_id"`
	Audience         string           `json:"audience"`
	Scope            string           `json:"scope"`
	Host             string           `json:"host"`
	Start            time.Time        `json:"start,omitzero"`
	End              time.Time        `json:"end,omitzero"`
	Reserve          int32            `json:"reserve"`
	State            minigroup.State  `json:"state"`
	Status           minigroup.Status `json:"status"`
	CreatedAt        time.Time        `json:"created_at"`
	ClosedAt         time.Time        `json:"closed_at,omitzero"`
	EventRoomID      uuid.UUID        `json:"event_room_id,omitzero"`
	ConferenceRoomID uuid.UUID        `json:"conference_room_id,omitzero"`
	Failure          *failureInfo     `json:"failure,omitempty"`
	// History has what has happened and who has asked for it, the latest first, as all lists below.
	History      []historyInfo     `json:"history"`
	Updates      []updateInfo      `json:"updates"`
	Attempts     []attemptInfo     `json:"attempts"`
	Reservations []reservationInfo `json:"reservations"`
	WorkflowID   string            `json:"workflow_id"`
	// RunID is the run that owns the minigroup's row.
	RunID      string        `json:"run_id"`
	RunLink    string        `json:"run_link,omitempty"`
	Runs       []*runInfo    `json:"runs"`
	WaitingFor []pendingStep `json:"waiting_for"`
	// Temporal is ok, or the error that kept ops from asking Temporal for the runs.
	Temporal string `json:"temporal"`
}

type updateInfo struct {
	ID          uuid.UUID             `json:"id"`
	Operation   string                `json:"operation"`
	State       minigroup.UpdateState `json:"state"`
	RequestedAt time.Time             `json:"requested_at"`
	DecidedAt   time.Time             `json:"decided_at,omitzero"`
	RunID       string                `json:"run_id"`
	Failure     *failureInfo          `json:"failure,omitempty"`
}

type attemptInfo struct {
	Service    minigroup.RoomKind         `json:"service"`
	Operation  minigroup.AttemptOperation `json:"operation"`
	State      minigroup.AttemptState     `json:"state"`
	RoomID     uuid.UUID                  `json:"room_id,omitzero"`
	SentAt     time.Time                  `json:"sent_at"`
	ExpiresAt  time.Time                  `json:"expires_at"`
	Resolution string                     `json:"resolution,omitempty"`
	RunID      string                     `json:"run_id"`
}

type reservationInfo struct {
	ID       uuid.UUID                  `json:"id"`
	Backend  string                     `json:"backend"`
	State    minigroup.ReservationState `json:"state"`
	Slots    int32                      `json:"slots"`
	Start    time.Time                  `json:"start,omitzero"`
	End      time.Time                  `json:"end,omitzero"`
	Doubtful bool                       `json:"doubtful"`
	// CreatedAt is when the slots were reserved.
	CreatedAt time.Time `json:"created_at"`
}

func (a *app) show() *cobra.Command {
	return &cobra.Command{
		Use: "show CLASS_ID | AUDIENCE SCOPE", Args: cobra.RangeArgs(1, 2),
		Short: "Show one minigroup: its row, what has happened to it and who has asked for that",
		RunE: a.connected(func(ctx context.Context, args []string) error {
			m, err := a.minigroup(ctx, args)
			if err != nil {
				return err
			}
			report := newMinigroupReport(m)
			if err := a.addHistory(ctx, &report, m); err != nil {
				return err
			}
			if err := a.addLedger(ctx, &report); err != nil {
				return err
			}
			if err := a.addRuns(ctx, &report); err != nil {
				report.Temporal = err.Error()
			}
			return a.print(report, report.writeTable)
		}),
	}
}

func newMinigroupReport(m minigroup.Minigroup) minigroupReport {
	return minigroupReport{
		ClassID: m.ID, Audience: m.Audience, Scope: m.Scope, Host: m.Host,
		Start: fromUnix(m.Time.Start), End: fromUnix(m.Time.End), Reserve: m.Slots(),
		State: m.State, Status: m.Status(time.Now().Unix()), CreatedAt: m.CreatedAt.UTC(), ClosedAt: m.ClosedAt.UTC(),
		EventRoomID: m.EventRoomID, ConferenceRoomID: m.ConferenceRoomID, Failure: newFailureInfo(m.Failure),
		History: []historyInfo{}, Updates: []updateInfo{}, Attempts: []attemptInfo{}, Reservations: []reservationInfo{},
		WorkflowID: workflows.WorkflowID(m.Audience, m.Scope), RunID: m.Run,
		Runs: []*runInfo{}, WaitingFor: []pendingStep{}, Temporal: "ok",
	}
}

// fromUnix converts one side of a time window. An unbounded side (nil) becomes the zero time.
func fromUnix(seconds *int64) time.Time {
	if seconds == nil {
		return time.Time{}
	}
	return time.Unix(*seconds, 0).UTC()
}

// addHistory adds the last entries of the minigroup's history, and the page of the run that owns it.
func (a *app) addHistory(ctx context.Context, report *minigroupReport, m minigroup.Minigroup) error {
	entries, err := a.store.History(ctx, m.ID, 0, storage.HistoryLimit)
	for _, e := range entries {
		report.History = append(report.History, a.newHistoryInfo(m, e))
	}
	report.RunLink = process.RunLink(a.cfg, m, m.Run)
	return err
}

// addLedger adds the minigroup's updates, attempts and reservations.
func (a *app) addLedger(ctx context.Context, report *minigroupReport) error {
	updates, err := a.store.UpdatesOf(ctx, report.ClassID)
	if err != nil {
		return err
	}
	for _, u := range updates {
		saga := minigroup.WaitingSaga{OpenSaga: minigroup.OpenSaga{UpdateID: u.ID, Change: u.Requested}}
		report.Updates = append(report.Updates, updateInfo{
			ID: u.ID, Operation: saga.Operation(), State: u.State, RequestedAt: u.RequestedAt.UTC(),
			DecidedAt: u.DecidedAt.UTC(), RunID: u.Run, Failure: newFailureInfo(u.Failure),
		})
	}
	attempts, err := a.store.AttemptsOf(ctx, report.ClassID)
	if err != nil {
		return err
	}
	for _, at := range attempts {
		report.Attempts = append(report.Attempts, attemptInfo{
			Service: at.Kind, Operation: at.Operation, State: at.State, RoomID: at.RoomID,
			SentAt: at.SentAt.UTC(), ExpiresAt: at.ExpiresAt.UTC(), Resolution: at.Resolution, RunID: at.Run,
		})
	}
	reservations, err := a.store.ReservationsOf(ctx, report.ClassID)
	for _, r := range reservations {
		report.Reservations = append(report.Reservations, reservationInfo{
			ID: r.ID, Backend: r.Backend.ID, State: r.State, Slots: r.Slots,
			Start: fromUnix(r.During.Start), End: fromUnix(r.During.End), Doubtful: r.Doubtful,
			CreatedAt: r.CreatedAt.UTC(),
		})
	}
	return err
}

// addRuns adds what Temporal knows: the latest runs, and the steps that the last one waits for.
func (a *app) addRuns(ctx context.Context, report *minigroupReport) error {
	if err := a.checkTemporal(ctx); err != nil {
		return err
	}
	runs, err := a.runsOf(ctx, report.WorkflowID)
	if err != nil {
		return err
	}
	report.Runs = runs
	run, err := a.describe(ctx, report.WorkflowID, "")
	if run.IsOpen() {
		report.WaitingFor = newPendingSteps(run.Waits())
	}
	return err
}
