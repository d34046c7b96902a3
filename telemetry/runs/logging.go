package runs

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"

	"minigroups/telemetry"
)

// loggingInterceptor logs each failed attempt of a step once, and adds the ids of request, class and run to the log
// lines of runs and steps.
type loggingInterceptor struct {
	interceptor.InterceptorBase
	classes classIDPropagator
	log     *zap.Logger
}

// InterceptActivity wraps the attempts of steps.
func (l *loggingInterceptor) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &stepInbound{
		ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next},
		loggingInterceptor:             l,
	}
}

// InterceptWorkflow wraps runs.
func (l *loggingInterceptor) InterceptWorkflow(
	_ workflow.Context, next interceptor.WorkflowInboundInterceptor,
) interceptor.WorkflowInboundInterceptor {
	return &runInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, l.classes}
}

type stepInbound struct {
	interceptor.ActivityInboundInterceptorBase
	*loggingInterceptor
}

// ExecuteActivity executes one attempt of a step.
func (s *stepInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	run := info.WorkflowExecution
	fields := []zap.Field{
		zap.String("workflow_id", run.ID), zap.String("run_id", run.RunID),
		zap.String("step", snakeCase(info.ActivityType.Name)),
	}
	ctx = telemetry.WithFields(ctx, fields...)
	out, err := s.Next.ExecuteActivity(ctx, in)
	if err == nil {
		return out, nil
	}
	logAttempt := s.log.Warn
	if temporal.IsCanceledError(err) || errors.Is(ctx.Err(), context.Canceled) {
		logAttempt = s.log.Info // cancellation is requested, not a failure
	}
	logAttempt("step attempt failed", append(telemetry.Fields(ctx),
		zap.String("phase", phase(info)), zap.Int32("attempt", info.Attempt), zap.Error(err))...)
	return out, err
}

// phase returns the retry phase of an attempt: local for a local activity, which is the first attempt of a step, and
// retry for a regular activity.
func phase(info activity.Info) string {
	if info.IsLocalActivity {
		return "local"
	}
	return "retry"
}

type runInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	classes classIDPropagator
}

// Init adds the outbound interceptor, which replaces the logger of the run.
func (r *runInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	return r.Next.Init(&runOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: next}, r.classes})
}

type runOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	classes classIDPropagator
}

// GetLogger returns a logger that adds request_id and class_id, where known, to each line.
func (r *runOutbound) GetLogger(ctx workflow.Context) log.Logger {
	var fields []any
	if id := requestID(ctx); id != "" {
		fields = append(fields, "request_id", id)
	}
	if class := r.classes.of(ctx); class != "" {
		fields = append(fields, "class_id", class)
	}
	return log.With(r.Next.GetLogger(ctx), fields...)
}
