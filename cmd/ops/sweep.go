package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"minigroups/workflows"
)

// swept is what `ops sweep` prints of each sweep.
type swept struct {
	Sweep string `json:"sweep"`
	RunID string `json:"run_id"`
	// Did is the result of the run.
	Did map[string]any `json:"did"`
}

var schedules = map[string]string{"classes": workflows.ScheduleClasses, "gateways": workflows.ScheduleGateways}

func (a *app) sweep() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "sweep [classes | gateways]", Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: slices.Sorted(maps.Keys(schedules)),
		Short:     "Have the sweeper run now, over classes and gateways, and say what it did",
		RunE: a.does(func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				args = slices.Sorted(maps.Keys(schedules))
			}
			if err := a.reachTemporal(ctx); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			all := []swept{}
			for _, name := range args {
				s, err := a.sweepNow(ctx, name)
				if err != nil {
					return fmt.Errorf("sweep %s: %w", name, err)
				}
				all = append(all, s)
			}
			return a.print(all, func(t *table) {
				for _, s := range all {
					t.row(s.Sweep, s.words())
				}
			})
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 2*time.Minute, "how long the sweeps are waited for")
	return cmd
}

// sweepNow triggers a schedule and waits for the first run that has begun since.
func (a *app) sweepNow(ctx context.Context, name string) (swept, error) {
	s := swept{Sweep: name}
	schedule := a.temporal.ScheduleClient().GetHandle(ctx, schedules[name])
	before, err := schedule.Describe(ctx)
	if err != nil {
		return s, fmt.Errorf("find schedule %s (the migrate command makes it): %w", schedules[name], err)
	}
	// One that is under way has looked at some of it already.
	err = schedule.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL})
	if err != nil {
		return s, fmt.Errorf("trigger schedule %s: %w", schedules[name], err)
	}
	run, err := newRun(ctx, schedule, before)
	if err != nil {
		return s, err
	}
	s.RunID = run.FirstExecutionRunID
	return s, a.temporal.GetWorkflow(ctx, run.WorkflowID, run.FirstExecutionRunID).Get(ctx, &s.Did)
}

// newRun waits until the schedule tells of a run that it did not know before.
func newRun(ctx context.Context, schedule client.ScheduleHandle, before *client.ScheduleDescription) (*client.ScheduleWorkflowExecution, error) {
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
			return nil, errors.New("it was triggered and has not begun; is a worker running?")
		}
	}
}

// words lists what the sweep did, if it was anything.
func (s swept) words() string {
	text := ""
	for _, what := range slices.Sorted(maps.Keys(s.Did)) {
		value, err := json.Marshal(s.Did[what])
		if err == nil && string(value) != "0" {
			text += fmt.Sprintf("%s %s  ", what, value)
		}
	}
	if text == "" {
		return "found nothing to do"
	}
	return text
}
