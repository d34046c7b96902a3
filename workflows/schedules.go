package workflows

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// The ids of the schedules of the sweeper.
const (
	ScheduleClasses  = "minigroups/sweep-classes"
	ScheduleGateways = "minigroups/sweep-gateways"
)

// EnsureSchedules creates the schedules of the sweeper, or updates those that exist.
func EnsureSchedules(ctx context.Context, c client.Client, taskQueue string) error {
	for id, workflow := range map[string]any{ScheduleClasses: SweepClasses, ScheduleGateways: SweepGateways} {
		options := scheduleOptions(id, workflow, taskQueue)
		_, err := c.ScheduleClient().Create(ctx, options)
		if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
			err = c.ScheduleClient().GetHandle(ctx, id).Update(ctx, client.ScheduleUpdateOptions{
				DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
					schedule := in.Description.Schedule
					schedule.Spec, schedule.Action = &options.Spec, options.Action
					return &client.ScheduleUpdate{Schedule: &schedule}, nil
				},
			})
		}
		if err != nil {
			return fmt.Errorf("ensure schedule %s: %w", id, err)
		}
	}
	return nil
}

func scheduleOptions(id string, workflow any, taskQueue string) client.ScheduleOptions {
	return client.ScheduleOptions{
		ID:   id,
		Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: sweepInterval}}},
		Action: &client.ScheduleWorkflowAction{
			ID: id, Workflow: workflow, TaskQueue: taskQueue, WorkflowExecutionTimeout: 2 * sweepTimeout,
		},
	}
}
