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

// cancelReport is what `ops cancel` prints.
type cancelReport struct {
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience"`
	Scope    string    `json:"scope"`
	// Run is the run that was cancelled, as it was before; nil if none was open.
	Run *runInfo `json:"run,omitempty"`
	// Ended is true once the run has ended.
	Ended bool `json:"ended"`
	// State is the minigroup's state afterwards.
	State minigroup.State `json:"state"`
	// Next says what to do if the run has not ended.
	Next string `json:"next,omitempty"`
}

func (a *app) cancel() *cobra.Command {
	var wait time.Duration
	var by requesterFlags
	cmd := &cobra.Command{
		Use: "cancel CLASS_ID | AUDIENCE SCOPE", Args: cobra.RangeArgs(1, 2),
		Short: "Cancel the running operation of a minigroup: a create is undone, and so is an update before its PATCH",
		RunE: a.connected(func(ctx context.Context, args []string) error {
			m, err := a.minigroup(ctx, args)
			if err != nil {
				return err
			}
			report, err := a.cancelRun(ctx, m, a.requester(by), wait)
			if err != nil {
				return err
			}
			if err := a.print(report, report.writeTable); err != nil {
				return err
			}
			if report.Run == nil || !report.Ended {
				return errors.New(report.Next)
			}
			return nil
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "wait this long for the run to end")
	return interfering(cmd, &by)
}

// cancelRun cancels the open run of a minigroup and waits for its end. It is no error if none is open, or if the run
// has not ended in time: the report says so.
func (a *app) cancelRun(
	ctx context.Context, m minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
) (cancelReport, error) {
	report := cancelReport{ClassID: m.ID, Audience: m.Audience, Scope: m.Scope, State: m.State}
	if err := a.checkTemporal(ctx); err != nil {
		return report, err
	}
	// What the run is, is read before the cancel, which changes it.
	run, err := a.describe(ctx, workflows.WorkflowID(m.Audience, m.Scope), "")
	if err != nil {
		return report, err
	}
	cancelled, err := a.starter().Cancel(ctx, m, by, wait)
	if err != nil {
		return report, err
	}
	report.State, report.Ended = cancelled.Minigroup.State, cancelled.Ended
	if cancelled.Run == "" {
		report.Next, report.Ended = "no operation is running on this minigroup", false
		if m.State == minigroup.Creating || m.State == minigroup.Undoing {
			report.Next += fmt.Sprintf(", but it is %s; the sweeper undoes it within two minutes, or now: ops sweep classes",
				m.State)
		}
		return report, nil
	}
	report.Run = &runInfo{RunID: cancelled.Run}
	if run != nil && run.Info.GetExecution().GetRunId() == cancelled.Run {
		report.Run = newRunInfo(run.Info)
	}
	if !report.Ended {
		report.Next = "the run is cancelled and has not ended yet; to see how it stands: ops show " + report.ClassID.String()
		if report.State == minigroup.Ready {
			report.Next += "; if it waits for the PATCH of an update: ops fail-update " + report.ClassID.String()
		} else {
			report.Next += "; if it waits for a room to be closed: ops release"
		}
	}
	return report, nil
}

func (r cancelReport) writeTable(t *table) {
	if r.Run == nil {
		return
	}
	t.row("CLASS", "AUDIENCE", "SCOPE", "CANCELLED", "ENDED", "STATE NOW")
	t.row(r.ClassID, r.Audience, r.Scope, r.Run.Type, r.Ended, r.State)
}
