package main

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

// cancelled is what `ops cancel` prints.
type cancelled struct {
	ClassID  uuid.UUID `json:"class_id"`
	Audience string    `json:"audience"`
	Scope    string    `json:"scope"`
	// Run is the run that was asked to end, as it stood then; nil where none was open.
	Run *runShown `json:"run,omitempty"`
	// Ended says that it has, and State is that of the minigroup.
	Ended bool            `json:"ended"`
	State minigroup.State `json:"state"`
	Next  string          `json:"next,omitempty"`
}

func (a *app) cancel() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "cancel CLASS_ID | AUDIENCE SCOPE", Args: cobra.RangeArgs(1, 2),
		Short: "Cancel what is under way on a minigroup: a create is undone, an update too unless it has been sent",
		RunE: a.does(func(ctx context.Context, args []string) error {
			id, err := nameOf(args)
			if err != nil {
				return err
			}
			m, err := a.store.ByID(ctx, id)
			if err != nil {
				return err
			}
			c, err := a.cancelRun(ctx, m, wait)
			if err != nil {
				return err
			}
			if err := a.print(c, c.people); err != nil {
				return err
			}
			if c.Run == nil || !c.Ended {
				return errors.New(c.Next)
			}
			return nil
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long its end is waited for")
	return cmd
}

func (a *app) cancelRun(ctx context.Context, m minigroup.Minigroup, wait time.Duration) (cancelled, error) {
	c := cancelled{ClassID: m.ClassID(), Audience: m.Audience, Scope: m.Scope, State: m.State}
	if err := a.reachTemporal(ctx); err != nil {
		return c, err
	}
	id := workflows.WorkflowID(m.Audience, m.Scope)
	run, _, err := a.describe(ctx, id, "")
	if err != nil {
		return c, err
	}
	if !run.open() {
		c.Next = "nothing is under way on this minigroup"
		if m.State == minigroup.Creating || m.State == minigroup.Undoing {
			c.Next += ", but it is " + string(m.State) + ": the sweeper undoes it within a minute or two, or now: ops sweep classes"
		}
		return c, nil
	}
	c.Run = run
	if err := a.temporal.CancelWorkflow(ctx, id, run.RunID); err != nil {
		return c, fmt.Errorf("cancel run %s: %w", run.RunID, err)
	}
	waiting, stop := context.WithTimeout(ctx, wait)
	defer stop()
	_ = a.temporal.GetWorkflow(waiting, id, run.RunID).Get(waiting, nil) // how it has ended is in the row
	after, err := a.store.ByID(ctx, c.ClassID)
	if err != nil {
		return c, err
	}
	last, _, err := a.describe(ctx, id, run.RunID)
	c.State, c.Ended = after.State, !last.open()
	if !c.Ended {
		c.Next = "its run has been told, and is not at its end yet: ops show " + c.ClassID.String()
	}
	return c, err
}

func (c cancelled) people(t *table) {
	if c.Run == nil {
		return
	}
	t.row("CLASS", "AUDIENCE", "SCOPE", "CANCELLED", "ENDED", "STATE NOW")
	t.row(c.ClassID, c.Audience, c.Scope, c.Run.Type, c.Ended, c.State)
}
