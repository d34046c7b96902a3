package workflows

import (
	"reflect"
	"runtime"
	"strings"
	"time"
	"unicode"

	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/minigroup"
)

// The metrics of sagas go through the metrics handler of the Temporal client. A replay measures nothing. When Temporal
// times a workflow task out and gives it to another worker, both workers measure it.
const (
	// metricEnded counts ended runs, by operation and outcome.
	metricEnded = "saga_ended"
	// metricFailed counts the ended runs with the outcome failed, by operation and reason (the kind of the failure).
	metricFailed = "saga_failed"
	// metricDuration is the time from the start to the end of a run, by operation and outcome.
	metricDuration = "saga_duration"
	// metricStep is the duration of one phase of a step, by step, phase and outcome: ok, refused, unanswered or cancelled.
	metricStep = "saga_step_duration"
)

// The retry phases of a step.
const (
	phaseLocal = "local"
	phaseRetry = "retry"
)

func measureRun(ctx workflow.Context, operation, outcome string) {
	m := workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"operation": operation, "outcome": outcome})
	m.Counter(metricEnded).Inc(1)
	m.Timer(metricDuration).Record(workflow.Now(ctx).Sub(workflow.GetInfo(ctx).WorkflowStartTime))
}

func measureFailure(ctx workflow.Context, operation string, reason minigroup.Kind) {
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"operation": operation, "reason": string(reason)}).
		Counter(metricFailed).Inc(1)
}

func measureStep(ctx workflow.Context, step, phase string, began time.Time, err error) {
	outcome := "unanswered"
	if err == nil {
		outcome = "ok"
	} else if ctx.Err() != nil {
		outcome = "cancelled"
	} else if _, final, _ := activities.FailureOf(err); final {
		outcome = "refused"
	}
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"step": step, "phase": phase, "outcome": outcome}).
		Timer(metricStep).Record(workflow.Now(ctx).Sub(began))
}

// stepName is the name of an activity in snake_case: create_event_room for Activities.CreateEventRoom.
func stepName(activity any) string {
	full := runtime.FuncForPC(reflect.ValueOf(activity).Pointer()).Name()
	return snakeCase(strings.TrimSuffix(full[strings.LastIndex(full, ".")+1:], "-fm"))
}

func snakeCase(camelCase string) string {
	var name strings.Builder
	for i, r := range camelCase {
		if unicode.IsUpper(r) && i > 0 {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}
