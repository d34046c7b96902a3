package workflows

import (
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Every timeout and every retry of the sagas is on this page.

// stepLimit bounds one try of a step. A step itself waits less for an answer, so this is reached only when its worker has gone.
const stepLimit = 30 * time.Second

// lanes say how long a step is tried. Its first try is always a local activity.
type lanes struct {
	// visible is the number of tries as a regular activity with short pauses, about two minutes of them. 0: none.
	visible int32
	// patient is the number of tries minutes apart that follow, with attention raised. 0: none; unlimited: for ever.
	patient int32
}

const (
	visibleTries = 14
	unlimited    = -1
)

// forward is a step on the way to what was asked for, with as much patience as its run was given.
func forward(patience int32) lanes { return lanes{visibleTries, patience} }

var (
	// persistent is a step that must come to an end: everything after the point of no return, and every undo.
	persistent = lanes{visibleTries, unlimited}
	// brief is a step with an alternative: reserving on this gateway or another.
	brief = lanes{visibleTries, 0}
	// once is a step whose work is brought about by others if it fails.
	once = lanes{}
)

// The pauses of the patient lane.
const (
	patientFirst = 30 * time.Second
	patientMost  = 5 * time.Minute
)

// attemptsWithin is the number of patient tries that take about so long.
func attemptsWithin(d time.Duration) int32 {
	tries, pause := int32(1), patientFirst
	for d > pause {
		d -= pause
		tries++
		pause = min(2*pause, patientMost)
	}
	return tries
}

func fastOptions(title string) workflow.LocalActivityOptions {
	return workflow.LocalActivityOptions{
		Summary:             title,
		StartToCloseTimeout: stepLimit,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
	}
}

func visibleOptions(title string, tries int32) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:             title,
		StartToCloseTimeout: stepLimit,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second, MaximumAttempts: tries,
		},
	}
}

// patientOptions bound the lane by tries and not by time, so that pausing the activity holds it.
func patientOptions(title string, tries int32) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:             title,
		StartToCloseTimeout: stepLimit,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: patientFirst, BackoffCoefficient: 2, MaximumInterval: patientMost, MaximumAttempts: max(tries, 0),
		},
	}
}

// Lane names the lane in which a step is tried: fast, visible or patient.
func Lane(step activity.Info) string {
	switch {
	case step.IsLocalActivity:
		return laneFast
	case step.RetryPolicy != nil && step.RetryPolicy.InitialInterval == patientFirst:
		return lanePatient
	default:
		return laneVisible
	}
}

// A sweep that fails is not tried again: the next one comes soon. Its schedule skips a start while one is open.
const (
	sweepEvery = time.Minute
	sweepLimit = time.Minute
)

func sweepOptions(title string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:             title,
		StartToCloseTimeout: sweepLimit,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
	}
}
