package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"minigroups/minigroup"
	"minigroups/workflows"
)

// failUpdateReport is what `ops fail-update` prints.
type failUpdateReport struct {
	ClassID   uuid.UUID `json:"class_id"`
	Audience  string    `json:"audience"`
	Scope     string    `json:"scope"`
	UpdateID  uuid.UUID `json:"update_id"`
	Operation string    `json:"operation"`
	// Failed is true once the update has failed; without --yes it stays as it is.
	Failed bool `json:"failed"`
	// Ended is true once no run works on the minigroup any more, or on a later operation.
	Ended bool `json:"ended"`
	// MaybePatched says that conference may have executed the update, or may execute it later. MayDiffer are the values
	// that the conference room may have then.
	MaybePatched bool        `json:"maybe_patched"`
	MayDiffer    []mayDiffer `json:"may_differ"`
}

// mayDiffer is a value that may be another one in conference.
type mayDiffer struct {
	Field      string `json:"field"`
	Minigroup  string `json:"minigroup"`
	Conference string `json:"conference_may_have"`
}

func (a *app) failUpdate() *cobra.Command {
	var yes bool
	var wait time.Duration
	var by requesterFlags
	cmd := &cobra.Command{
		Use: "fail-update CLASS_ID | AUDIENCE SCOPE", Args: cobra.RangeArgs(1, 2),
		Short: "Fail an update that cannot be cancelled, although conference may have executed it",
		Long: `Fails the undecided update of a minigroup, although conference may have executed its PATCH. The minigroup
keeps its values. Shows which values the conference room may have. The sweeper reads the room as soon as it can, and
changes it back or takes its values over. Without --yes, nothing is changed. Use ops cancel first: it ends every
operation whose outcome is known.`,
		RunE: a.connected(func(ctx context.Context, args []string) error {
			m, err := a.minigroup(ctx, args)
			if err != nil {
				return err
			}
			report, err := a.failUndecided(ctx, m, yes, by, wait)
			if err != nil {
				return err
			}
			return a.print(report, report.writeTable)
		}),
	}
	yesFlag(cmd, &yes, "the update")
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "wait this long for the run of the update to end")
	return interfering(cmd, &by)
}

// failUndecided fails the undecided update of a minigroup, if yes is set, and waits for the end of its run.
func (a *app) failUndecided(
	ctx context.Context, m minigroup.Minigroup, yes bool, by requesterFlags, wait time.Duration,
) (failUpdateReport, error) {
	u, err := a.store.UndecidedUpdate(ctx, m.ID)
	if err == nil && u != nil && yes {
		u, err = a.store.ForceFailUpdate(ctx, m.ID, a.requester(by), minigroup.Failure{
			Kind:   minigroup.OperationCancelled,
			Detail: "failed by an operator; it is unknown whether conference has executed it",
		})
	}
	if err == nil && u == nil {
		err = errors.New("no update of this minigroup is undecided")
	}
	if err != nil {
		return failUpdateReport{}, err
	}
	report := newFailUpdateReport(m, *u)
	if report.Failed = yes; yes {
		report.Ended = a.hurry(ctx, workflows.WorkflowID(m.Audience, m.Scope), u.Run, "PatchConferenceRoom", wait)
	}
	return report, nil
}

func newFailUpdateReport(m minigroup.Minigroup, u minigroup.UpdateRecord) failUpdateReport {
	saga := minigroup.WaitingSaga{OpenSaga: minigroup.OpenSaga{UpdateID: u.ID, Change: u.Requested}}
	r := failUpdateReport{
		ClassID: m.ID, Audience: m.Audience, Scope: m.Scope, UpdateID: u.ID, Operation: saga.Operation(),
		MaybePatched: u.MaybePatched, MayDiffer: []mayDiffer{},
	}
	if !r.MaybePatched {
		return r
	}
	patch := u.Plan.Patch
	if patch.Time != nil {
		r.MayDiffer = append(r.MayDiffer, mayDiffer{"time", formatWindow(m.Time), formatWindow(*patch.Time)})
	}
	if patch.Reserve != nil {
		r.MayDiffer = append(r.MayDiffer, mayDiffer{"reserve", fmt.Sprint(m.Slots()), fmt.Sprint(*patch.Reserve)})
	}
	if patch.Host != nil {
		r.MayDiffer = append(r.MayDiffer, mayDiffer{"host", m.Host, *patch.Host})
	}
	return r
}

func formatWindow(w minigroup.Window) string {
	bound := func(seconds *int64) string {
		if seconds == nil {
			return "open"
		}
		return formatTime(fromUnix(seconds))
	}
	return bound(w.Start) + " to " + bound(w.End)
}

func (r failUpdateReport) writeTable(t *table) {
	t.row("CLASS", "AUDIENCE", "SCOPE", "UPDATE", "OPERATION", "FAILED", "RUN ENDED")
	t.row(r.ClassID, r.Audience, r.Scope, r.UpdateID, r.Operation, r.Failed, r.Ended)
	if r.MaybePatched {
		t.line("\nConference may have executed this update, or may execute it later. Until the sweeper can read the room:")
		t.row("FIELD", "MINIGROUP", "THE CONFERENCE ROOM MAY HAVE")
		for _, d := range r.MayDiffer {
			t.row(d.Field, d.Minigroup, d.Conference)
		}
	} else {
		t.line("\nConference has not executed it: no PATCH went unanswered.")
	}
	if !r.Failed {
		t.line("\nNothing was changed. To fail the update: ops fail-update %s --yes", r.ClassID)
	}
}
