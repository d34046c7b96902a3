package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"minigroups/workflows"
)

// stuckShown is what `ops stuck` prints.
type stuckShown struct {
	Sagas []sagaShown `json:"sagas"`
	// More says that there are more than were asked for.
	More bool `json:"more"`
	// Temporal is ok, or what is wrong with it: then it is not known what the sagas wait for.
	Temporal string `json:"temporal"`
}

type sagaShown struct {
	ClassID   uuid.UUID `json:"class_id"`
	Audience  string    `json:"audience"`
	Scope     string    `json:"scope"`
	Operation string    `json:"operation"`
	State     string    `json:"state"`
	Since     time.Time `json:"since"`
	RunID     string    `json:"run_id"`
	// Run is nil where Temporal does not know it or is not there.
	Run        *runShown   `json:"run,omitempty"`
	WaitingFor []stepShown `json:"waiting_for"`
	known      bool
}

func (a *app) stuck() *cobra.Command {
	var audience string
	var olderThan time.Duration
	limit := count(100)
	cmd := &cobra.Command{
		Use: "stuck", Args: cobra.NoArgs,
		Short: "List creates, undos and updates that have been undecided for some time, and what they wait for",
		RunE: a.does(func(ctx context.Context, _ []string) error {
			sagas, err := a.store.WaitingSagas(ctx, audience, olderThan, int(limit)+1)
			if err != nil {
				return err
			}
			shown := stuckShown{Sagas: []sagaShown{}, More: len(sagas) > int(limit), Temporal: "ok"}
			for _, w := range sagas[:min(int(limit), len(sagas))] {
				shown.Sagas = append(shown.Sagas, sagaShown{
					ClassID: w.ClassID, Audience: w.Audience, Scope: w.Scope, Operation: w.Operation(), State: w.State,
					Since: w.Since.UTC(), RunID: w.Run, WaitingFor: []stepShown{},
				})
			}
			if err := a.lookAt(ctx, shown.Sagas); err != nil {
				shown.Temporal = err.Error()
			}
			return a.print(shown, shown.people)
		}),
	}
	cmd.Flags().StringVar(&audience, "audience", "", "only those of this audience")
	cmd.Flags().DurationVar(&olderThan, "older-than", time.Minute, "undecided for longer than this")
	cmd.Flags().Var(&limit, "limit", "list no more than so many, those that have waited longest")
	return cmd
}

// lookAt asks Temporal what each of them waits for, some at a time.
func (a *app) lookAt(ctx context.Context, sagas []sagaShown) error {
	if err := a.reachTemporal(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range sagas {
		s := &sagas[i]
		group.Go(func() error {
			run, steps, err := a.describe(ctx, workflows.WorkflowID(s.Audience, s.Scope), s.RunID)
			if err != nil {
				return err
			}
			s.Run, s.known = run, true
			s.WaitingFor = append(s.WaitingFor, steps...)
			return nil
		})
	}
	return group.Wait()
}

func (s stuckShown) people(t *table) {
	if len(s.Sagas) == 0 {
		t.say("Nothing is stuck.")
	} else {
		t.row("CLASS", "AUDIENCE", "SCOPE", "OPERATION", "STATE", "SINCE", "ATTENTION", "WAITING FOR")
	}
	for _, saga := range s.Sagas {
		attention := ""
		if saga.Run != nil && saga.Run.Attention {
			attention = "yes"
		}
		t.row(saga.ClassID, saga.Audience, saga.Scope, saga.Operation, saga.State, moment(saga.Since), attention, saga.waits())
	}
	if s.More {
		t.say("There are more: --limit")
	}
	if s.Temporal != "ok" {
		t.say("What they wait for is not known: %s", s.Temporal)
	}
}

// waits says in words what the saga waits for.
func (s sagaShown) waits() string {
	switch {
	case !s.known:
		return ""
	case !s.Run.open():
		status := "unknown to Temporal"
		if s.Run != nil {
			status = s.Run.Status
		}
		return fmt.Sprintf("the sweeper: its run is %s (ops sweep classes)", status)
	case len(s.WaitingFor) == 0:
		return "a worker"
	}
	steps := make([]string, len(s.WaitingFor))
	for i, step := range s.WaitingFor {
		steps[i] = step.String()
	}
	return strings.Join(steps, "; ")
}
