package workflows

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
)

// Rows is what a Starter reads and writes of minigroups besides starting runs.
type Store interface {
	ByID(ctx context.Context, id uuid.UUID) (minigroup.Minigroup, error)
	UpdateRecord(ctx context.Context, id uuid.UUID) (minigroup.UpdateRecord, error)
	AcceptCreate(ctx context.Context, claim minigroup.Claim, r minigroup.CreateRequest) error
	AcceptUpdate(ctx context.Context, claim minigroup.Claim, classID, updateID uuid.UUID, c minigroup.Change) error
}

// Starter starts the runs of minigroups, and answers requests from what they have come to.
type Starter struct {
	client      client.Client
	store       Store
	queue       string
	maxAttempts int32
	// eager has the worker of this process begin the runs that are started here, and pollAfter is how long a run is given to
	// tell of itself before Temporal is asked for its end.
	eager     bool
	pollAfter time.Duration
	notifier  notifier

	drain    func()
	draining <-chan struct{}
}

// NewStarter makes a Starter. patience is how long a saga waits for another service before it gives up.
func NewStarter(c client.Client, rows Store, taskQueue string, retryBudget time.Duration) *Starter {
	draining := make(chan struct{})
	return &Starter{
		client: c, store: rows, queue: taskQueue, maxAttempts: attemptsWithin(retryBudget),
		drain: sync.OnceFunc(func() { close(draining) }), draining: draining,
	}
}

// carriedOutHere is how long a run that was handed to a worker of this process is given. Most tell of themselves within it,
// and a request that does not ask costs Temporal less.
const carriedOutHere = 100 * time.Millisecond

// StartEagerly has the worker of this process, which shares the client, carry out the runs that are started here. Call it before
// any is started. It takes no notice of which build of the workers is to get new runs.
func (s *Starter) StartEagerly() { s.eager, s.pollAfter = true, carriedOutHere }

// Decided tells the requests of this process that wait for the minigroup that something was decided about it.
func (s *Starter) Decided(classID uuid.UUID) { s.notifier.publish(classID, nil) }

// Established hands them a minigroup that is ready, and spares them to read its row.
func (s *Starter) Established(m minigroup.Minigroup) { s.notifier.publish(m.ID, &m) }

// Drain ends all waits for sagas, now and from here on: the process is about to end, and the sagas go on without it.
func (s *Starter) Drain() { s.drain() }

// Register makes a worker carry out the sagas.
func Register(w worker.Registry, a *activities.Activities) {
	w.RegisterWorkflow(CreateMinigroup)
	w.RegisterWorkflow(UpdateMinigroup)
	w.RegisterWorkflow(RecreateMinigroup)
	w.RegisterWorkflow(UndoMinigroup)
	w.RegisterWorkflow(CloseRoom)
	w.RegisterActivity(a)
}

// RegisterSweeper makes a worker sweep.
func RegisterSweeper(w worker.Registry, s *activities.Sweeper) {
	w.RegisterWorkflow(SweepClasses)
	w.RegisterWorkflow(SweepGateways)
	w.RegisterActivity(s)
}

// The memo of a run tells a later request whether it asks for the same.
const (
	memoOperation   = "operation"
	memoFingerprint = "fingerprint"
	memoUpdate      = "update_id"

	operationCreate   = "create"
	operationUpdate   = "update"
	operationRecreate = "recreate"
	operationUndo     = "undo"
	operationClose    = "close_room"
)

// reachable is how long Temporal and Postgres may take, apart from the wait for a saga.
const backendTimeout = 4 * time.Second

// Create brings about the minigroup of a request and waits for it, at most so long. It returns the minigroup and whether it
// is done, was there before, or is still going. Errors are *minigroup.Error: why it could not be had, AlreadyEstablished
// where the scope is taken by another draft, OperationInProgress, or ServiceUnavailable where it is not known whether a
// run was started: then the same request again joins it.
func (s *Starter) Create(ctx context.Context, r minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
	short, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	m, err := s.store.ByID(short, r.ID)
	switch {
	case err == nil && m.State == minigroup.Ready:
		return existing(m, r)
	case err != nil && !isUnknown(err):
		return m, 0, unavailable("the database", err)
	}
	heard, stop := s.notifier.subscribe(r.ID)
	defer stop()
	run, joined, err := s.startOrJoin(short, s.createOptions(r), CreateMinigroup, CreateInput{Request: stored.NewCreateRequest(r), MaxAttempts: s.maxAttempts})
	if err != nil {
		return m, 0, err
	}
	if joined != nil && (joined.operation != operationCreate || joined.fingerprint != r.Fingerprint) {
		return m, 0, conflict(*joined)
	}
	return s.awaitCreate(ctx, run, heard, r, wait)
}

// awaitCreate waits for the run that creates a draft, at most so long, and answers from the row. A run that goes on is announced.
func (s *Starter) awaitCreate(
	ctx context.Context, run client.WorkflowRun, heard <-chan *minigroup.Minigroup, r minigroup.CreateRequest, wait time.Duration,
) (minigroup.Minigroup, minigroup.Outcome, error) {
	var m minigroup.Minigroup
	done, ended, runErr := s.await(ctx, run, heard, wait, func(ctx context.Context, established *minigroup.Minigroup) (done bool) {
		var err error
		if established != nil {
			m = *established
		} else {
			m, err = s.store.ByID(ctx, r.ID)
		}
		return err == nil && m.State == minigroup.Ready && m.Fingerprint == r.Fingerprint
	})
	if done {
		return m, minigroup.OutcomeDone, nil
	}
	ctx = context.WithoutCancel(ctx) // a caller who has gone may still come to look
	if !ended {
		announced, err := s.announce(ctx, run, func(ctx context.Context, claim minigroup.Claim) error {
			return s.store.AcceptCreate(ctx, claim, r)
		})
		if err != nil {
			return minigroup.Minigroup{}, 0, err
		}
		ended = !announced
	}
	return s.createOutcome(ctx, r, ended, runErr)
}

// announce makes sure that the row tells of the run. It reports false where the run is not the open one any more.
func (s *Starter) announce(ctx context.Context, run client.WorkflowRun, write func(context.Context, minigroup.Claim) error) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	err := minigroup.TakeOver(run.GetRunID(), func() (bool, error) {
		return s.IsCurrent(ctx, run.GetID(), run.GetRunID())
	}, func(claim minigroup.Claim) error { return write(ctx, claim) })
	var superseded *minigroup.SupersededError
	if errors.As(err, &superseded) {
		return false, nil
	}
	if err != nil {
		return false, unavailable("the database or Temporal", err)
	}
	return true, nil
}

// createOutcome answers a create from the row.
func (s *Starter) createOutcome(ctx context.Context, r minigroup.CreateRequest, ended bool, runErr error) (minigroup.Minigroup, minigroup.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	m, err := s.store.ByID(ctx, r.ID)
	var terminated *temporal.TerminatedError
	switch {
	case isUnknown(err):
		return m, 0, endedFromOutside()
	case err != nil:
		return m, 0, unavailable("the database", err)
	case m.State == minigroup.Ready && m.Fingerprint == r.Fingerprint:
		return m, minigroup.OutcomeDone, nil
	case m.State == minigroup.Ready:
		return existing(m, r)
	case errors.As(runErr, &terminated):
		return m, 0, endedFromOutside()
	case m.State == minigroup.Failed:
		return m, 0, m.Failure.AsError()
	case ended:
		return m, 0, endedFromOutside()
	default:
		return m, minigroup.OutcomeAccepted, nil
	}
}

// Update brings about a change of a minigroup and waits for it, as Create does. Errors besides those of Create are NotReady
// and, unless the change recreates the minigroup, Closed.
func (s *Starter) Update(ctx context.Context, current minigroup.Minigroup, change minigroup.Change, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error) {
	switch {
	case current.State != minigroup.Ready:
		return current, 0, minigroup.Errorf(minigroup.NotReady, "the minigroup is %s", current.Status(time.Now().Unix()))
	case !current.ClosedAt.IsZero() && change.Recreate == nil:
		return current, 0, minigroup.Errorf(minigroup.Closed, "the minigroup is closed and cannot be changed any more")
	}
	short, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	id, class := uuid.New(), current.ID
	in := UpdateInput{UpdateID: id, ClassID: class, Change: stored.NewChange(change), MaxAttempts: s.maxAttempts}
	o, operation := s.updateOptions(current, change, id), operationOf(change)
	heard, stop := s.notifier.subscribe(class)
	defer stop()
	var run client.WorkflowRun
	var joined *openRun
	var err error
	if operation == operationRecreate {
		run, joined, err = s.startUpdate(short, o, RecreateMinigroup, RecreateInput{UpdateInput: in})
	} else {
		run, joined, err = s.startUpdate(short, o, UpdateMinigroup, in)
	}
	if err != nil {
		return current, 0, err
	}
	if joined != nil {
		if joined.operation != operation || joined.fingerprint != change.Fingerprint() {
			return current, 0, inProgress(joined.operation)
		}
		id = joined.update
	}
	done, ended, _ := s.await(ctx, run, heard, wait, func(ctx context.Context, _ *minigroup.Minigroup) (done bool) {
		rec, err := s.store.UpdateRecord(ctx, id)
		if err == nil && rec.State == minigroup.UpdateDone {
			current, err = s.store.ByID(ctx, class)
			done = err == nil
		}
		return done
	})
	if done {
		return current, minigroup.OutcomeDone, nil
	}
	return s.updateOutcome(context.WithoutCancel(ctx), run, class, id, change, ended)
}

// startUpdate starts the run of an update, or joins the open run, of a minigroup that its caller has read to be ready. The
// row shows what a run has come to some moments before that run ends, and whoever has seen it may go on from there: such a run
// is waited for, and neither joined nor in the way.
func (s *Starter) startUpdate(ctx context.Context, o client.StartWorkflowOptions, workflow, input any) (client.WorkflowRun, *openRun, error) {
	for {
		run, joined, err := s.startOrJoin(ctx, o, workflow, input)
		if err != nil || joined == nil {
			return run, joined, err
		}
		decided, err := s.isDecided(ctx, *joined)
		if err != nil {
			return nil, nil, unavailable("the database", err)
		}
		if !decided {
			return run, joined, nil
		}
		_ = run.Get(ctx, nil) // how it ends does not matter
		select {
		case <-ctx.Done():
			return run, joined, nil
		default:
		}
	}
}

// isDecided reports whether the row shows what a run of a ready minigroup has come to.
func (s *Starter) isDecided(ctx context.Context, open openRun) (bool, error) {
	if open.operation == operationCreate {
		return true, nil
	}
	rec, err := s.store.UpdateRecord(ctx, open.update)
	if isUnknown(err) { // it has not begun
		return false, nil
	}
	return rec.State == minigroup.UpdateDone || rec.State == minigroup.UpdateFailed, err
}

// updateOutcome answers an update from its row. One that goes on is announced first.
func (s *Starter) updateOutcome(ctx context.Context, run client.WorkflowRun, class, id uuid.UUID, change minigroup.Change, ended bool) (minigroup.Minigroup, minigroup.Outcome, error) {
	if !ended {
		announced, err := s.announce(ctx, run, func(ctx context.Context, claim minigroup.Claim) error {
			return s.store.AcceptUpdate(ctx, claim, class, id, change)
		})
		if err != nil {
			return minigroup.Minigroup{}, 0, err
		}
		ended = !announced
	}
	ctx, cancel := context.WithTimeout(ctx, backendTimeout)
	defer cancel()
	rec, err := s.store.UpdateRecord(ctx, id)
	if err != nil && !isUnknown(err) {
		return minigroup.Minigroup{}, 0, unavailable("the database", err)
	}
	switch {
	case err == nil && rec.State == minigroup.UpdateFailed:
		return minigroup.Minigroup{}, 0, rec.Failure.AsError()
	case ended && (err != nil || rec.State != minigroup.UpdateDone):
		return minigroup.Minigroup{}, 0, endedFromOutside()
	}
	m, err := s.store.ByID(ctx, class)
	if err != nil {
		return m, 0, unavailable("the database", err)
	}
	if rec.State == minigroup.UpdateDone {
		return m, minigroup.OutcomeDone, nil
	}
	return m, minigroup.OutcomeAccepted, nil
}

// IsCurrent reports whether the run is the latest of its workflow id and open.
func (s *Starter) IsCurrent(ctx context.Context, workflowID, runID string) (bool, error) {
	open, err := s.latest(ctx, workflowID)
	if err != nil {
		return false, err
	}
	return open != nil && open.runID == runID, nil
}

// CloseRoom starts the run that closes a condemned room; it does no harm where one is open.
func (s *Starter) CloseRoom(ctx context.Context, room minigroup.RoomPendingClose) error {
	o := s.options(roomWorkflowID(room.Kind, room.ID), operationClose, "")
	o.StaticSummary, o.StaticDetails = summary("Close %s room %s", room.Kind, room.ID), closeRoomPurpose(room)
	o.TypedSearchAttributes = temporal.NewSearchAttributes(
		AttributeID.ValueSet(room.ClassID.String()), AttributeStage.ValueSet(stageClosing), AttributeAttention.ValueSet(false))
	_, err := s.client.ExecuteWorkflow(ctx, o, CloseRoom, activities.Room{Kind: room.Kind, ID: room.ID})
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &running) {
		return nil
	}
	return err
}

// IsOpen reports whether the run of a saga is open.
func (s *Starter) IsOpen(ctx context.Context, saga minigroup.OpenSaga) (bool, error) {
	d, err := s.client.DescribeWorkflowExecution(ctx, WorkflowID(saga.Audience, saga.Scope), saga.Run)
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describe run %s: %w", saga.Run, err)
	}
	return isOpen(d.GetWorkflowExecutionInfo().GetStatus()), nil
}

// Heal starts the run that undoes a create or a recreate, or finishes an update, whose run is gone; an update that asks for nothing
// compares the minigroup with conference. It reports false where another run of the minigroup is open.
func (s *Starter) Recover(ctx context.Context, saga minigroup.OpenSaga) (bool, error) {
	m := minigroup.Minigroup{Draft: minigroup.Draft{Audience: saga.Audience, Scope: saga.Scope}, ID: saga.ClassID}
	var err error
	if saga.UpdateID == uuid.Nil {
		o := s.minigroupOptions(m.ID, m.Draft, operationUndo, "", stageUndoing)
		o.StaticSummary, o.StaticDetails = summary("Undo %s for %s", saga.Scope, saga.Audience), undoPurpose(m)
		_, err = s.client.ExecuteWorkflow(ctx, o, UndoMinigroup, UndoInput{ClassID: saga.ClassID})
	} else {
		o := s.updateOptions(m, saga.Change, saga.UpdateID)
		in := UpdateInput{UpdateID: saga.UpdateID, ClassID: saga.ClassID, Change: stored.NewChange(saga.Change), MaxAttempts: s.maxAttempts}
		if saga.Change.Recreate != nil {
			o.StaticSummary, o.StaticDetails = summary("Give up recreating %s for %s", saga.Scope, saga.Audience), failRecreatePurpose(m)
			o.TypedSearchAttributes = temporal.NewSearchAttributes(o.TypedSearchAttributes.Copy(), AttributeStage.ValueSet(stageUndoing))
			_, err = s.client.ExecuteWorkflow(ctx, o, RecreateMinigroup, RecreateInput{UpdateInput: in, Abandoned: true})
		} else {
			_, err = s.client.ExecuteWorkflow(ctx, o, UpdateMinigroup, in)
		}
	}
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &running) {
		return false, nil
	}
	return err == nil, err
}

func isOpen(status enumspb.WorkflowExecutionStatus) bool {
	return status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
}

// openRun is a run that is open, as its memo tells.
type openRun struct {
	runID       string
	operation   string
	fingerprint string
	update      uuid.UUID
}

// startOrJoin starts a run; where one is open under the id, it returns that and what it does.
func (s *Starter) startOrJoin(ctx context.Context, o client.StartWorkflowOptions, workflow, input any) (client.WorkflowRun, *openRun, error) {
	for range 5 {
		run, err := s.client.ExecuteWorkflow(ctx, o, workflow, input)
		if err == nil {
			return run, nil, nil
		}
		var running *serviceerror.WorkflowExecutionAlreadyStarted
		if !errors.As(err, &running) {
			return nil, nil, unavailable("Temporal", err)
		}
		open, err := s.latest(ctx, o.ID)
		if err != nil {
			return nil, nil, unavailable("Temporal", err)
		}
		if open != nil {
			return s.client.GetWorkflow(ctx, o.ID, open.runID), open, nil
		}
	}
	return nil, nil, inProgress("operation")
}

// latest returns the latest run of the workflow id; nil where it is not open.
func (s *Starter) latest(ctx context.Context, workflowID string) (*openRun, error) {
	d, err := s.client.DescribeWorkflowExecution(ctx, workflowID, "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil, nil //nolint:nilnil // no open run is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", workflowID, err)
	}
	info := d.GetWorkflowExecutionInfo()
	if !isOpen(info.GetStatus()) {
		return nil, nil //nolint:nilnil // no open run is an answer
	}
	open := &openRun{runID: info.GetExecution().GetRunId()}
	for key, to := range map[string]any{memoOperation: &open.operation, memoFingerprint: &open.fingerprint, memoUpdate: &open.update} {
		if payload, ok := info.GetMemo().GetFields()[key]; ok {
			if err := converter.GetDefaultDataConverter().FromPayload(payload, to); err != nil {
				return nil, fmt.Errorf("read memo of %s: %w", workflowID, err)
			}
		}
	}
	return open, nil
}

func (s *Starter) createOptions(r minigroup.CreateRequest) client.StartWorkflowOptions {
	o := s.minigroupOptions(r.ID, r.Draft, operationCreate, r.Fingerprint, stageCreating)
	o.StaticSummary, o.StaticDetails = summary("Create %s for %s", r.Scope, r.Audience), createPurpose(r)
	return o
}

func operationOf(c minigroup.Change) string {
	if c.Recreate != nil {
		return operationRecreate
	}
	return operationUpdate
}

func (s *Starter) updateOptions(m minigroup.Minigroup, c minigroup.Change, id uuid.UUID) client.StartWorkflowOptions {
	o := s.minigroupOptions(m.ID, m.Draft, operationOf(c), c.Fingerprint(), stageUpdating)
	o.StaticSummary, o.StaticDetails = summary("Update %s for %s", m.Scope, m.Audience), updatePurpose(m, c)
	switch {
	case c.Recreate != nil:
		o.StaticSummary = summary("Recreate %s for %s", m.Scope, m.Audience)
	case c.Empty():
		o.StaticSummary = summary("Compare %s for %s with conference", m.Scope, m.Audience)
	}
	o.Memo[memoUpdate] = id
	return o
}

func (s *Starter) minigroupOptions(id uuid.UUID, d minigroup.Draft, operation, fingerprint, stage string) client.StartWorkflowOptions {
	o := s.options(WorkflowID(d.Audience, d.Scope), operation, fingerprint)
	o.TypedSearchAttributes = temporal.NewSearchAttributes(
		AttributeID.ValueSet(id.String()), AttributeScope.ValueSet(d.Scope), AttributeAudience.ValueSet(d.Audience),
		AttributeStage.ValueSet(stage), AttributeAttention.ValueSet(false))
	return o
}

// options make Temporal keep the runs of an id apart: a second start is told that one is open. There is no run timeout.
func (s *Starter) options(id, operation, fingerprint string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       id,
		TaskQueue:                                s.queue,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         s.eager,
		Memo:                                     map[string]any{memoOperation: operation, memoFingerprint: fingerprint},
	}
}

// await waits for a run, at most so long and not while draining. Whenever something is heard of the minigroup it looks whether
// all is done, and returns if so. Otherwise it reports whether the run has ended, and how.
func (s *Starter) await(
	ctx context.Context, run client.WorkflowRun, heard <-chan *minigroup.Minigroup, wait time.Duration, look func(context.Context, *minigroup.Minigroup) bool,
) (done, ended bool, err error) {
	if wait <= 0 {
		return false, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	end := make(chan error, 1)
	poll := sync.OnceFunc(func() {
		go func() { end <- run.Get(ctx, nil) }()
	})
	silence := time.NewTimer(s.pollAfter)
	defer silence.Stop()
	for {
		select {
		case d := <-heard:
			if look(ctx, d) {
				return true, false, nil
			}
			poll() // it has come to something else, which its end will tell
		case <-silence.C:
			poll()
		case err := <-end:
			var failed *temporal.WorkflowExecutionError
			return false, err == nil || errors.As(err, &failed), err
		case <-s.draining:
			return false, false, nil
		case <-ctx.Done():
			return false, false, nil
		}
	}
}

func existing(m minigroup.Minigroup, r minigroup.CreateRequest) (minigroup.Minigroup, minigroup.Outcome, error) {
	if m.Fingerprint == r.Fingerprint {
		return m, minigroup.OutcomeExisting, nil
	}
	return m, 0, minigroup.Errorf(minigroup.AlreadyEstablished, "there is another minigroup of this audience and scope")
}

func conflict(open openRun) error {
	if open.operation == operationCreate {
		return minigroup.Errorf(minigroup.AlreadyEstablished, "another minigroup of this audience and scope is being created")
	}
	return inProgress(open.operation)
}

func inProgress(operation string) error {
	err := minigroup.Errorf(minigroup.OperationInProgress, "another %s of this minigroup is under way", operation)
	err.RetryAfter = time.Second
	return err
}

func endedFromOutside() error {
	err := minigroup.Errorf(minigroup.ServiceUnavailable, "the operation was ended from outside before it was decided; ask again")
	err.RetryAfter = time.Second
	return err
}

// unavailable keeps the cause out of what callers are told: it may name hosts.
func unavailable(what string, cause error) error {
	return &unreachableError{public: &minigroup.Error{
		Kind: minigroup.ServiceUnavailable, Detail: what + " is out of reach; whether the operation was started may be unknown, and the same request again joins it",
		RetryAfter: 2 * time.Second,
	}, cause: cause}
}

// unreachableError is a *minigroup.Error for callers that keeps its cause for the log.
type unreachableError struct {
	public *minigroup.Error
	cause  error
}

func (e *unreachableError) Error() string { return e.public.Error() + ": " + e.cause.Error() }

func (e *unreachableError) Unwrap() []error { return []error{e.public, e.cause} }

// isUnknown reports whether there is no such minigroup, or no such update.
func isUnknown(err error) bool {
	var e *minigroup.Error
	return errors.As(err, &e) && e.Kind == minigroup.ClassNotFound
}
