package workflows

import (
	"reflect"
	"runtime"
	"strings"
	"time"
	"unicode"

	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// What is measured of sagas, by the metrics handler of the Temporal client. A replay measures nothing again. A workflow task
// that Temporal takes for lost is measured by each worker that carries it out.
const (
	// metricEnded counts the runs that have ended and metricDuration is how long they took, by operation and outcome.
	metricEnded    = "saga_ended"
	metricDuration = "saga_duration"
	// metricStep is how long a step was in a lane, by step, lane, and whether it went well (ok), was refused, unanswered or
	// cancelled.
	metricStep = "saga_step_duration"
)

func measureRun(ctx workflow.Context, operation, outcome string) {
	m := workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"operation": operation, "outcome": outcome})
	m.Counter(metricEnded).Inc(1)
	m.Timer(metricDuration).Record(workflow.Now(ctx).Sub(workflow.GetInfo(ctx).WorkflowStartTime))
}

func measureStep(ctx workflow.Context, s *Step, began time.Time, err error) {
	outcome := "unanswered"
	if err == nil {
		outcome = "ok"
	} else if ctx.Err() != nil {
		outcome = "cancelled"
	} else if _, final, _ := activities.FailureOf(err); final {
		outcome = "refused"
	}
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"step": s.Name, "lane": s.Lane, "outcome": outcome}).
		Timer(metricStep).Record(workflow.Now(ctx).Sub(began))
}

// stepName is the name of an activity in snake_case: create_event_room for Activities.CreateEventRoom.
func stepName(activity any) string {
	full := runtime.FuncForPC(reflect.ValueOf(activity).Pointer()).Name()
	var name strings.Builder
	for i, r := range strings.TrimSuffix(full[strings.LastIndex(full, ".")+1:], "-fm") {
		if unicode.IsUpper(r) && i > 0 {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}
