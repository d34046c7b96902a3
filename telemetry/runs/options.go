package runs

import (
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"
)

// Tell makes a client of Temporal, and the workers that use it, tell of runs: in metrics, in the log and, with a tracer, in
// spans that belong to the trace of whoever started the run.
func Instrument(o *client.Options, metrics client.MetricsHandler, tracer trace.Tracer, names Names, log *zap.Logger) error {
	o.Logger = newSDKLog(log.Named("temporal"))
	o.MetricsHandler = metrics
	o.ContextPropagators = append(o.ContextPropagators, workflow.ContextPropagator(carrier{}))
	if tracer != nil {
		tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
			Tracer: tracer, TextMapPropagator: propagation.TraceContext{}, DisableBaggage: true, AllowInvalidParentSpans: true,
		})
		if err != nil {
			return fmt.Errorf("make tracing of Temporal: %w", err)
		}
		o.Interceptors = append(o.Interceptors, tracing)
	}
	o.Interceptors = append(o.Interceptors, interceptor.Interceptor(&steps{names: names, log: log.Named("steps")}))
	return nil
}
