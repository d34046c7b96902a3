package ops

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"minigroups/workflows"
)

// stuckReport is what `ops stuck` prints.
type stuckReport struct {
	Sagas []openSaga `json:"sagas"`
	// More is true if there are more than the limit.
	More bool `json:"more"`
	// Temporal is ok, or the error that kept ops from asking Temporal what the sagas wait for.
	Temporal string `json:"temporal"`
}

type openSaga struct {
	ClassID   uuid.UUID `json:"class_id"`
	Audience  string    `json:"audience"`
	Scope     string    `json:"scope"`
	Operation string    `json:"operation"`
	State     string    `json:"state"`
	Since     time.Time `json:"since"`
	RunID     string    `json:"run_id"`
	// Run is nil if Temporal does not have the run or does not answer.
	Run        *runInfo      `json:"run,omitempty"`
	WaitingFor []pendingStep `json:"waiting_for"`
}

func (a *app) stuck() *cobra.Command {
	var audience string
	var olderThan time.Duration
	limit := countFlag(100)
	cmd := &cobra.Command{
		Use: "stuck", Args: cobra.NoArgs,
		Short: "List operations that have been open for some time, and what they wait for",
		RunE: a.connected(func(ctx context.Context, _ []string) error {
			sagas, err := a.store.WaitingSagas(ctx, audience, olderThan, int(limit)+1)
			if err != nil {
				return err
			}
			report := stuckReport{Sagas: []openSaga{}, More: len(sagas) > int(limit), Temporal: "ok"}
			for _, w := range sagas[:min(int(limit), len(sagas))] {
				report.Sagas = append(report.Sagas, openSaga{
					ClassID: w.ClassID, Audience: w.Audience, Scope: w.Scope, Operation: w.Operation(), State: w.State,
					Since: w.Since.UTC(), RunID: w.Run, WaitingFor: []pendingStep{},
				})
			}
			if err := a.describeEach(ctx, report.Sagas); err != nil {
				report.Temporal = err.Error()
			}
			return a.print(report, report.writeTable)
		}),
	}
	cmd.Flags().Var((*audienceFlag)(&audience), "audience", "only minigroups of this audience")
	cmd.Flags().DurationVar(&olderThan, "older-than", time.Minute, "only operations open for longer than this")
	cmd.Flags().Var(&limit, "limit", "list at most this many, the longest-waiting first")
	return cmd
}

// describeEach asks Temporal what each saga waits for, with at most 8 requests at a time.
func (a *app) describeEach(ctx context.Context, sagas []openSaga) error {
	if err := a.checkTemporal(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range sagas {
		s := &sagas[i]
		group.Go(func() error {
			run, err := a.describe(ctx, workflows.WorkflowID(s.Audience, s.Scope), s.RunID)
			if err != nil {
				return err
			}
			if run != nil {
				s.Run = newRunInfo(run.Info)
			}
			s.WaitingFor = newPendingSteps(run.Waits())
			return nil
		})
	}
	return group.Wait()
}

func (r stuckReport) writeTable(t *table) {
	if len(r.Sagas) == 0 {
		t.line("Nothing is stuck.")
	} else {
		t.row("CLASS", "AUDIENCE", "SCOPE", "OPERATION", "STATE", "SINCE", "ATTENTION", "WAITING FOR")
	}
	for _, saga := range r.Sagas {
		attention := ""
		if saga.Run != nil && saga.Run.Attention {
			attention = "yes"
		}
		t.row(saga.ClassID, saga.Audience, saga.Scope, saga.Operation, saga.State, formatTime(saga.Since), attention,
			saga.waits())
	}
	if r.More {
		t.line("There are more; --limit shows them.")
	}
	if r.Temporal != "ok" {
		t.line("What they wait for is unknown: %s", r.Temporal)
	}
}

// waits says in words what the saga waits for, empty if that is unknown.
func (s openSaga) waits() string {
	steps := make([]string, len(s.WaitingFor))
	for i, step := range s.WaitingFor {
		steps[i] = step.String()
	}
	return strings.Join(steps, "; ")
}
