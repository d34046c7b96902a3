package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"minigroups/workflows"
)

// sweepReport is what `ops sweep` prints of each sweep.
type sweepReport struct {
	Sweep string `json:"sweep"`
	RunID string `json:"run_id"`
	// Result is the result of the run: counts of what it did.
	Result map[string]any `json:"result"`
}

// sweeps maps the names of sweeps to their Temporal Schedules.
var sweeps = map[string]string{"classes": workflows.ScheduleClasses, "gateways": workflows.ScheduleGateways}

func (a *app) sweep() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "sweep [classes | gateways]", Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: slices.Sorted(maps.Keys(sweeps)),
		Short:     "Run the sweeper now, wait for it, and show what it did",
		RunE: a.connected(func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				args = slices.Sorted(maps.Keys(sweeps))
			}
			if err := a.checkTemporal(ctx); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			reports := []sweepReport{}
			for _, name := range args {
				report, err := a.runSweep(ctx, name)
				if err != nil {
					return fmt.Errorf("sweep %s: %w", name, err)
				}
				reports = append(reports, report)
			}
			return a.print(reports, func(t *table) {
				t.row("SWEEP", "RESULT")
				for _, report := range reports {
					t.row(report.Sweep, report.summary())
				}
			})
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 2*time.Minute, "wait this long for the sweeps to end")
	return cmd
}

// runSweep triggers a schedule and waits for the first run that has begun since.
func (a *app) runSweep(ctx context.Context, name string) (sweepReport, error) {
	report := sweepReport{Sweep: name}
	schedule := a.temporal.ScheduleClient().GetHandle(ctx, sweeps[name])
	before, err := schedule.Describe(ctx)
	if err != nil {
		return report, fmt.Errorf("find schedule %s, which the migrate command creates: %w", sweeps[name], err)
	}
	// A run that is already open may have passed what the caller wants swept, so a new one starts beside it.
	err = schedule.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL})
	if err != nil {
		return report, fmt.Errorf("trigger schedule %s: %w", sweeps[name], err)
	}
	run, err := awaitNewRun(ctx, schedule, before)
	if err != nil {
		return report, err
	}
	report.RunID = run.FirstExecutionRunID
	return report, a.temporal.GetWorkflow(ctx, run.WorkflowID, run.FirstExecutionRunID).Get(ctx, &report.Result)
}

// awaitNewRun waits until the schedule lists a run that is not in before.
func awaitNewRun(
	ctx context.Context, schedule client.ScheduleHandle, before *client.ScheduleDescription,
) (*client.ScheduleWorkflowExecution, error) {
	known := map[string]bool{}
	for _, action := range before.Info.RecentActions {
		known[action.StartWorkflowResult.FirstExecutionRunID] = true
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := schedule.Describe(ctx)
		if err != nil {
			return nil, err
		}
		for _, action := range now.Info.RecentActions {
			if started := action.StartWorkflowResult; started != nil && !known[started.FirstExecutionRunID] {
				return started, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.New("it was triggered and has not begun; check that a worker is running")
		}
	}
}

// summary lists the counts that are not zero.
func (r sweepReport) summary() string {
	var counts []string
	for _, name := range slices.Sorted(maps.Keys(r.Result)) {
		value, err := json.Marshal(r.Result[name])
		if err == nil && string(value) != "0" {
			counts = append(counts, fmt.Sprintf("%s %s", name, value))
		}
	}
	if len(counts) == 0 {
		return "nothing to do"
	}
	return strings.Join(counts, ", ")
}
