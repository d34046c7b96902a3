package runs

import (
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/zap"
)

// Instrument adds metrics, logs, request ids and, with a tracer, spans to the options of a Temporal client. They apply
// to its workers too. The spans of a run belong to the trace of the request that started it. class is the search
// attribute of runs that holds the id of their class.
func Instrument(
	o *client.Options, metrics client.MetricsHandler, tracer trace.Tracer, class temporal.SearchAttributeKeyKeyword,
	log *zap.Logger,
) error {
	o.Logger = newSDKLog(log.Named("temporal"))
	o.MetricsHandler = metrics
	classes := classIDPropagator{attribute: class}
	o.ContextPropagators = append(o.ContextPropagators, workflow.ContextPropagator(requestIDPropagator{}), classes)
	if tracer != nil {
		tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
			Tracer: tracer, TextMapPropagator: propagation.TraceContext{}, DisableBaggage: true, AllowInvalidParentSpans: true,
		})
		if err != nil {
			return fmt.Errorf("create Temporal tracing interceptor: %w", err)
		}
		o.Interceptors = append(o.Interceptors, tracing)
	}
	logging := &loggingInterceptor{classes: classes, log: log.Named("steps")}
	o.Interceptors = append(o.Interceptors, interceptor.Interceptor(logging))
	return nil
}
