package runs

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"

	"minigroups/telemetry"
)

// Names tells what a run and a step are to the service.
type Names struct {
	// Class is the minigroup that the runs of a workflow id are about; false where the id does not tell.
	Class func(workflowID string) (uuid.UUID, bool)
	// Lane is how patiently a step is tried.
	Lane func(activity.Info) string
}

// steps says in the log, once, that a try of a step has failed, and has the lines of runs and steps tell where they belong.
type steps struct {
	interceptor.InterceptorBase
	names Names
	log   *zap.Logger
}

// InterceptActivity stands before each try of a step.
func (s *steps) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &stepInbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, steps: s}
}

// InterceptWorkflow stands before each run.
func (s *steps) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &runInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, s.names}
}

type stepInbound struct {
	interceptor.ActivityInboundInterceptorBase
	*steps
}

// ExecuteActivity carries out one try.
func (s *stepInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	run := info.WorkflowExecution
	fields := []zap.Field{zap.String("workflow_id", run.ID), zap.String("run_id", run.RunID), zap.String("step", snake(info.ActivityType.Name))}
	if class, ok := s.names.Class(run.ID); ok {
		fields = append(fields, zap.Stringer("class_id", class))
	}
	ctx = telemetry.WithFields(ctx, fields...)
	out, err := s.Next.ExecuteActivity(ctx, in)
	if err == nil {
		return out, nil
	}
	say := s.log.Warn
	if temporal.IsCanceledError(err) || errors.Is(ctx.Err(), context.Canceled) {
		say = s.log.Info // somebody wanted it so
	}
	say("a try of a step has failed", append(telemetry.Fields(ctx),
		zap.String("lane", s.names.Lane(info)), zap.Int32("attempt", info.Attempt), zap.NamedError("error", err))...)
	return out, err
}

type runInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	names Names
}

// Init puts the run's own log in its place.
func (r *runInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	return r.Next.Init(&runOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: next}, r.names})
}

type runOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	names Names
}

// GetLogger returns a log whose lines tell where they belong.
func (r *runOutbound) GetLogger(ctx workflow.Context) log.Logger {
	var where []any
	if id := requestOf(ctx); id != "" {
		where = append(where, "request_id", id)
	}
	if class, ok := r.names.Class(workflow.GetInfo(ctx).WorkflowExecution.ID); ok {
		where = append(where, "class_id", class.String())
	}
	return log.With(r.Next.GetLogger(ctx), where...)
}
