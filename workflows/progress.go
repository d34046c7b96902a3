package workflows

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
	"minigroups/stored"
)

// QueryProgress is the query that returns the Progress of a run. It takes no argument.
const QueryProgress = "progress"

// Progress is the state of a run. Fields are only ever added.
type Progress struct {
	// Operation is create, update, recreate, undo or close_room.
	Operation string `json:"operation"`
	// Stage is the current part of the saga, with the values of MinigroupStage.
	Stage string `json:"stage"`
	// Attention is true while at least one step needs attention.
	Attention bool `json:"attention"`
	// WaitingFor are the services that those steps wait for, with the values of MinigroupWaitingFor.
	WaitingFor []string `json:"waiting_for,omitempty"`
	// Steps are the current steps, in the order in which they started.
	Steps []*Step `json:"steps"`
	// Reason is why the run undoes its work or failed; empty before that.
	Reason string `json:"reason,omitempty"`
	// Outcome is done, failed, cancelled or superseded once the run has ended.
	Outcome string `json:"outcome,omitempty"`
}

// Step is a step that has started and not ended. A run does not know the number and the error of the newest attempt:
// both stand among its pending activities.
type Step struct {
	// Name is stable, such as create_event_room. Title is for people.
	Name  string `json:"step"`
	Title string `json:"title"`
	// Since is when the step started.
	Since time.Time `json:"since"`
	// Retrying is true once the local attempt has failed.
	Retrying bool `json:"retrying"`
	// Attention is true once the step has been retried for two minutes, unless an alternative follows it.
	Attention bool `json:"attention"`
	// MaxAttempts bounds the attempts of the retry phase; 0: unlimited. It is absent during the local attempt.
	MaxAttempts *int32 `json:"max_attempts,omitempty"`
	// LastError is the error of the local attempt, and WaitingFor the service that caused it: event, conference, janus,
	// database (which includes faults of this service) or worker. Both are empty during the local attempt.
	LastError  string `json:"last_error,omitempty"`
	WaitingFor string `json:"waiting_for,omitempty"`
}

// progress publishes the state of a run in three ways: current details for people, the query for programs, and search
// attributes, which can be read without a worker. All three are derived from Progress, so they cannot disagree.
type progress struct{ Progress }

// newProgress registers the query. The run was started with the search attributes of this stage.
func newProgress(ctx workflow.Context, operation, stage string) *progress {
	p := &progress{Progress{Operation: operation, Stage: stage, Steps: []*Step{}}}
	answer := func() (Progress, error) { return p.Progress, nil }
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress, answer, workflow.QueryHandlerOptions{
		Description: "The stage of the run, and for each current step whether it is retried and why.",
	})
	if err != nil {
		workflow.GetLogger(ctx).Warn("query handler not registered", "error", err)
	}
	return p
}

func (p *progress) startStep(ctx workflow.Context, name, title string) *Step {
	s := &Step{Name: name, Title: title, Since: workflow.Now(ctx).UTC()}
	p.Steps = append(p.Steps, s)
	p.publish(ctx)
	return s
}

// retryStep notes that the local attempt of a step failed with cause.
func (p *progress) retryStep(ctx workflow.Context, s *Step, maxAttempts int32, cause error) {
	s.Retrying, s.MaxAttempts = true, &maxAttempts
	s.LastError, s.WaitingFor = errorText(cause), serviceOf(cause)
	p.publish(ctx)
}

// startAttentionTimer marks a step as needing attention after attentionAfter. The caller calls stop when the step ends.
func (p *progress) startAttentionTimer(ctx workflow.Context, s *Step) (stop func()) {
	ctx, stop = workflow.WithCancel(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		options := workflow.TimerOptions{Summary: s.Title + " needs attention"}
		timer := workflow.NewTimerWithOptions(ctx, attentionAfter, options)
		// The timer may fire in the same workflow task in which the step ends.
		if err := timer.Get(ctx, nil); err == nil && ctx.Err() == nil {
			s.Attention = true
			p.publish(ctx)
		}
	})
	return stop
}

func (p *progress) endStep(ctx workflow.Context, s *Step) {
	p.Steps = slices.DeleteFunc(p.Steps, func(other *Step) bool { return other == s })
	p.publish(ctx)
}

func (p *progress) startStage(ctx workflow.Context, stage string) {
	p.Stage = stage
	upsert(ctx, AttributeStage.ValueSet(stage))
	p.publish(ctx)
}

// startUndo notes that the run undoes its work from now on, and why.
func (p *progress) startUndo(ctx workflow.Context, reason stored.Failure) {
	p.Reason = reason.Detail
	p.startStage(ctx, stageUndoing)
}

// publish updates the current details and, when they have changed, the search attributes about attention.
func (p *progress) publish(ctx workflow.Context) {
	before := p.WaitingFor
	p.WaitingFor = nil
	for _, s := range p.Steps {
		if s.Attention && !slices.Contains(p.WaitingFor, s.WaitingFor) {
			p.WaitingFor = append(p.WaitingFor, s.WaitingFor)
		}
	}
	slices.Sort(p.WaitingFor)
	p.Attention = len(p.WaitingFor) > 0
	if !slices.Equal(before, p.WaitingFor) {
		services := AttributeWaitingFor.ValueUnset()
		if p.Attention {
			services = AttributeWaitingFor.ValueSet(p.WaitingFor)
		}
		upsert(ctx, AttributeAttention.ValueSet(p.Attention), services)
	}
	workflow.SetCurrentDetails(ctx, p.details())
}

func upsert(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes not set", "error", err)
	}
}

// errorText is an error in one line for support. Unlike what callers receive, it may name hosts.
func errorText(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return strings.Join(strings.Fields(app.Message()), " ")
	}
	if temporal.IsTimeoutError(err) {
		return "the worker did not finish within " + AttemptTimeout.String() + "; it may have died"
	}
	failure, _, _ := activities.FailureOf(err)
	return failure.Detail
}

// serviceOf is the service that caused the error of a step.
func serviceOf(err error) string {
	failure, _, _ := activities.FailureOf(err)
	var app *temporal.ApplicationError
	switch {
	case failure.Upstream != "":
		return failure.Upstream
	case errors.As(err, &app):
		return "database"
	default:
		return "worker"
	}
}
