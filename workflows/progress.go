package workflows

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// QueryProgress is the query that tells programs where a run stands. It takes nothing and returns a Progress.
const QueryProgress = "progress"

// Progress is where a run stands. Fields are only ever added.
type Progress struct {
	// Operation is create, update, recreate, undo or close_room.
	Operation string `json:"operation"`
	// Stage is the part of the saga that is under way, as MinigroupStage tells it.
	Stage string `json:"stage"`
	// Attention says that a person should look: a step has been tried for minutes, and goes on minutes apart.
	Attention bool `json:"attention"`
	// WaitingFor are the services that such steps wait for, as MinigroupWaitingFor tells them.
	WaitingFor []string `json:"waiting_for,omitempty"`
	// Steps are those under way, in the order in which they began.
	Steps []*Step `json:"steps"`
	// Reason is why the run undoes what it made, or came to nothing. It is empty as long as neither is so.
	Reason string `json:"reason,omitempty"`
	// Outcome is done, failed, cancelled or superseded once the run has ended.
	Outcome string `json:"outcome,omitempty"`
}

// Step is a step under way.
type Step struct {
	// Name is a word that stays the same, such as create_event_room; Title says the same for people.
	Name  string `json:"step"`
	Title string `json:"title"`
	// Lane is fast, visible (tried again seconds apart) or patient (minutes apart, with attention raised).
	Lane string `json:"lane"`
	// Since is when the step began.
	Since time.Time `json:"since"`
	// FirstTry and LastTry are which tries of the step this lane is for, counted from 1. LastTry is 0 where it has no end. A
	// run does not know which of them is under way: that stands among its pending activities.
	FirstTry int32 `json:"first_try"`
	LastTry  int32 `json:"last_try,omitempty"`
	// LastError is how the lane before ended, and WaitingFor the service that was missing then: event, conference, janus,
	// database (or this service itself), worker. Both are empty in the fast lane.
	LastError  string `json:"last_error,omitempty"`
	WaitingFor string `json:"waiting_for,omitempty"`
}

// The lanes of a step.
const (
	laneFast    = "fast"
	laneVisible = "visible"
	lanePatient = "patient"
)

// progress tells where a run stands: people by its current details, programs by the query, and searches by search attributes,
// which are there also while no worker is up. All three come from what stands here, so that they cannot disagree.
type progress struct{ Progress }

// newProgress begins to tell of a run that was started with the attributes of this stage.
func newProgress(ctx workflow.Context, operation, stage string) *progress {
	p := &progress{Progress{Operation: operation, Stage: stage, Steps: []*Step{}}}
	answer := func() (Progress, error) { return p.Progress, nil }
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress, answer, workflow.QueryHandlerOptions{
		Description: "Where the run stands: its stage, and each step under way with its lane and its last error.",
	})
	if err != nil {
		workflow.GetLogger(ctx).Warn("query not answered", "error", err)
	}
	return p
}

func (p *progress) begin(ctx workflow.Context, name, title string) *Step {
	s := &Step{Name: name, Title: title, Lane: laneFast, Since: workflow.Now(ctx).UTC(), FirstTry: 1, LastTry: 1}
	p.Steps = append(p.Steps, s)
	p.tell(ctx)
	return s
}

// next puts a step into its next lane, which has so many tries, because of how the lane before has ended.
func (p *progress) next(ctx workflow.Context, s *Step, lane string, tries int32, err error) {
	s.Lane, s.FirstTry = lane, s.LastTry+1
	s.LastTry += tries
	if tries == unlimited {
		s.LastTry = 0
	}
	s.LastError, s.WaitingFor = words(err), missing(err)
	p.tell(ctx)
}

func (p *progress) end(ctx workflow.Context, s *Step) {
	p.Steps = slices.DeleteFunc(p.Steps, func(other *Step) bool { return other == s })
	p.tell(ctx)
}

// stage notes the part of the saga that begins.
func (p *progress) stage(ctx workflow.Context, stage string) {
	p.Stage = stage
	upsert(ctx, AttributeStage.ValueSet(stage))
	p.tell(ctx)
}

// undoing notes that what was made is undone from here on, and why.
func (p *progress) undoing(ctx workflow.Context, reason activities.Failure) {
	p.Reason = reason.Detail
	p.stage(ctx, stageUndoing)
}

// tell brings details and attributes to what the steps are.
func (p *progress) tell(ctx workflow.Context) {
	before := p.WaitingFor
	p.WaitingFor = nil
	for _, s := range p.Steps {
		if s.Lane == lanePatient && !slices.Contains(p.WaitingFor, s.WaitingFor) {
			p.WaitingFor = append(p.WaitingFor, s.WaitingFor)
		}
	}
	slices.Sort(p.WaitingFor)
	turned := p.Attention != (len(p.WaitingFor) > 0)
	p.Attention = len(p.WaitingFor) > 0
	if turned || !slices.Equal(before, p.WaitingFor) && tellsEveryWait(ctx) {
		waiting := AttributeWaitingFor.ValueUnset()
		if p.Attention {
			waiting = AttributeWaitingFor.ValueSet(p.WaitingFor)
		}
		upsert(ctx, AttributeAttention.ValueSet(p.Attention), waiting)
	}
	workflow.SetCurrentDetails(ctx, p.details())
}

func upsert(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("search attribute not set", "error", err)
	}
}

// words are what a failure says to support, in one line: more than callers are told, for they may have to find a host.
func words(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return strings.Join(strings.Fields(app.Message()), " ")
	}
	if temporal.IsTimeoutError(err) {
		return "the worker did not finish within " + stepLimit.String() + "; it may have died"
	}
	failure, _, _ := activities.FailureOf(err)
	return failure.Detail
}

// missing is the service for want of which a step has failed.
func missing(err error) string {
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
