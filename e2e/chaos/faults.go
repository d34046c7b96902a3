package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"minigroups/e2e/harness"
	"minigroups/e2e/linearizability"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/workflows"
)

// injectFaults injects faults until ctx ends, and returns when all of them have ended. An error means that a fault
// could not be injected.
func injectFaults(ctx context.Context, s *system, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible by the seed
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	inject := func(do func() error) {
		wg.Go(func() {
			if err := do(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
	}
	inject(func() error { return s.deleteNamespace(ctx, seed) })
	failoverAt, failover := s.failoverFault(rnd)
	for number := 0; ctx.Err() == nil; number++ {
		do, length := s.nextFault(rnd)
		if number == failoverAt {
			do = failover
		}
		inject(func() error { return do(ctx, length) })
		harness.Pause(ctx, time.Duration(300+rnd.IntN(1200))*time.Millisecond)
	}
	wg.Wait()
	return errors.Join(failed, s.clearStandInFaults(ctx))
}

// clearStandInFaults removes the faults of the stand-ins.
func (s *system) clearStandInFaults(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return errors.Join(sandboxclient.ClearFaults(ctx, s.event), sandboxclient.ClearFaults(ctx, s.conference))
}

// nextFault draws the next fault and its duration: mostly less than a step waits, sometimes longer than the request
// timeout.
func (s *system) nextFault(rnd *rand.Rand) (func(context.Context, time.Duration) error, time.Duration) {
	length := time.Duration(200+rnd.IntN(1800)) * time.Millisecond
	if rnd.IntN(5) == 0 {
		length = stepWait + time.Duration(rnd.IntN(5000))*time.Millisecond
	}
	parts := s.parts()
	victim := parts[rnd.IntN(len(parts))]
	switch n := rnd.IntN(100); {
	case n < 20 && victim != s.sandbox: // their rooms are in memory only, and the check needs them
		return victim.Kill, length
	case n < 38:
		return victim.Freeze, length
	case n < 42 && s.mqtt:
		return s.closeRoom(rnd), length
	case n < 45 && s.gateway != nil:
		return s.disconnectClients, length
	case n < 60:
		on, how := s.proxies.pick(rnd), disturbances[rnd.IntN(len(disturbances))]
		return func(ctx context.Context, d time.Duration) error { return s.proxies.disturb(ctx, on, how, d) }, length
	case n < 74:
		return s.standInFault(rnd), length
	case n < 80:
		// Shorter than a step waits: a step that was frozen for longer times out at once after the thaw.
		return s.freezeAndTerminate(s.workers[rnd.IntN(2)]), stepWait/2 + time.Duration(rnd.IntN(600))*time.Millisecond
	default:
		return s.temporalAction(rnd), length
	}
}

// standInFault returns a fault of the stand-ins. Either conference is slow, or one of them has a fault that applies a
// limited number of times, or one is late while the other refuses, so that a create is undone while requests are in
// flight.
func (s *system) standInFault(rnd *rand.Rand) func(context.Context, time.Duration) error {
	services := []string{s.event, s.conference}
	names := []string{"event", "conference"}
	operations := [][]sandbox.Operation{
		{sandbox.OperationCreate, sandbox.OperationCreate, sandbox.OperationUpdate, sandbox.OperationLock},
		{
			sandbox.OperationCreate, sandbox.OperationCreate, sandbox.OperationUpdate, sandbox.OperationRead,
			sandbox.OperationClose,
		},
	}
	effects := []sandbox.Effect{
		sandbox.EffectRefuse, sandbox.EffectFail, sandbox.EffectHang, sandbox.EffectLate, sandbox.EffectLate,
		sandbox.EffectLoseReply, sandbox.EffectLoseReply,
	}
	if rnd.IntN(4) == 0 {
		return s.slowConference(300 + rnd.IntN(700))
	}
	one := rnd.IntN(2)
	late := sandbox.Fault{
		Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, Times: 4,
		DelayMS: 500 + rnd.IntN(int(requestTimeout.Milliseconds())),
	}
	if rnd.IntN(2) == 0 {
		refuse := sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Times: 4}
		return func(ctx context.Context, d time.Duration) error {
			return s.holdStandInFault(ctx, d, names[one]+" late, the other refuses", func(ctx context.Context) error {
				return errors.Join(
					sandboxclient.SetFaults(ctx, services[one], late),
					sandboxclient.SetFaults(ctx, services[1-one], refuse))
			})
		}
	}
	f := late
	f.Operation = operations[one][rnd.IntN(len(operations[one]))]
	f.Do, f.Times = effects[rnd.IntN(len(effects))], 1+rnd.IntN(4)
	return func(ctx context.Context, d time.Duration) error {
		return s.holdStandInFault(ctx, d, fmt.Sprintf("%s %s", f.Do, f.Operation), func(ctx context.Context) error {
			return sandboxclient.SetFaults(ctx, services[one], f)
		})
	}
}

// slowConference makes all creates of conference take that many milliseconds for a while, so that many are in flight at
// once and exhaust its database connections. It does nothing while the stand-ins are frozen.
func (s *system) slowConference(milliseconds int) func(context.Context, time.Duration) error {
	slow := sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: milliseconds}
	return func(ctx context.Context, d time.Duration) error {
		if !s.sandbox.TryHold() {
			return nil
		}
		defer s.sandbox.Release()
		defer s.faults.Begin("stand-ins misbehave", "conference is slow")()
		if err := sandboxclient.SetFaults(ctx, s.conference, slow); err != nil && ctx.Err() == nil {
			return err
		}
		harness.Pause(ctx, d)
		return sandboxclient.ClearFaults(context.WithoutCancel(ctx), s.conference)
	}
}

// holdStandInFault sets faults of the stand-ins, unless these are frozen. The faults stay until they are used up or
// replaced.
func (s *system) holdStandInFault(
	ctx context.Context, d time.Duration, how string, set func(context.Context) error,
) error {
	if !s.sandbox.TryHold() {
		return nil
	}
	defer s.sandbox.Release()
	defer s.faults.Begin("stand-ins misbehave", how)()
	if err := set(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	harness.Pause(ctx, d)
	return nil
}

// freezeAndTerminate freezes a worker and terminates all open runs meanwhile. After the thaw the worker continues runs
// that no longer exist, beside the new runs of the same minigroups. Late stand-ins make requests last until then, and
// catch updates in their first step.
func (s *system) freezeAndTerminate(worker *harness.Part) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		begin := sandbox.Fault{Operation: sandbox.OperationRead, Do: sandbox.EffectLate, Times: 10, DelayMS: 1000}
		s.setFaultUnlessFrozen(ctx, begin)
		harness.Pause(ctx, 400*time.Millisecond)
		terminated := make(chan struct{})
		go func() {
			defer close(terminated)
			harness.Pause(ctx, d/16)
			short, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200, Query: openRuns}
			listed, err := s.client.ListWorkflow(short, request)
			if err != nil {
				return // Temporal is down
			}
			late := sandbox.Fault{
				Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, Times: 10, DelayMS: int(d.Milliseconds()),
			}
			s.setFaultUnlessFrozen(short, late)
			for _, run := range listed.GetExecutions() {
				s.faults.Begin(run.GetExecution().GetWorkflowId(), "terminate while a worker is frozen")()
				s.apply(short, "terminate", run, false)
			}
		}()
		err := worker.Freeze(ctx, d)
		<-terminated
		return err
	}
}

// setFaultUnlessFrozen sets a fault of the stand-ins that have such operations, unless they are frozen.
func (s *system) setFaultUnlessFrozen(ctx context.Context, f sandbox.Fault) {
	if s.sandbox.TryHold() {
		_ = sandboxclient.SetFaults(ctx, s.event, f) // if it fails, the next runs are faster
		_ = sandboxclient.SetFaults(ctx, s.conference, f)
		s.sandbox.Release()
	}
}

// The queries for runs on which temporalAction acts.
const (
	openRuns = `ExecutionStatus = "Running" AND WorkflowType IN
		("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup", "UndoMinigroup", "CloseRoom")`
	closedRuns = `ExecutionStatus != "Running" AND WorkflowType IN
		("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup")`
)

// temporalAction returns one of the actions of the Temporal UI on a run.
func (s *system) temporalAction(rnd *rand.Rand) func(context.Context, time.Duration) error {
	pick, later, all := rnd.Float64(), rnd.IntN(3) == 0, rnd.IntN(2) == 0
	open := []string{"cancel", "cancel", "terminate", "reset"}[rnd.IntN(4)]
	onClosed := rnd.IntN(4) == 0
	return func(ctx context.Context, _ time.Duration) error {
		query, how := openRuns, open
		if onClosed {
			query, how = closedRuns, "reset"
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200, Query: query}
		listed, err := s.client.ListWorkflow(short, request)
		if err != nil || len(listed.GetExecutions()) == 0 {
			return nil // Temporal is down, or there is no such run
		}
		if how == "cancel" && all {
			s.cancelCreates(short, listed.GetExecutions())
			return nil
		}
		victim := listed.GetExecutions()[int(pick*float64(len(listed.GetExecutions())))]
		defer s.faults.Begin(victim.GetExecution().GetWorkflowId(), how+" of a run")()
		s.apply(short, how, victim, later)
		return nil
	}
}

// cancelCreates cancels all open creates, because a single one has mostly ended before the cancel arrives.
func (s *system) cancelCreates(ctx context.Context, open []*workflow.WorkflowExecutionInfo) {
	for _, run := range open {
		if run.GetType().GetName() == "CreateMinigroup" {
			s.faults.Begin(run.GetExecution().GetWorkflowId(), "cancel of a create")()
			s.apply(ctx, "cancel", run, false)
		}
	}
}

// apply executes the action. It ignores errors: the run may have ended meanwhile, or Temporal may be down.
func (s *system) apply(ctx context.Context, how string, run *workflow.WorkflowExecutionInfo, later bool) {
	id, runID := run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId()
	switch how {
	case "cancel":
		_ = s.client.CancelWorkflow(ctx, id, runID)
	case "terminate":
		_ = s.client.TerminateWorkflow(ctx, id, runID, "chaos")
	case "reset":
		var class uuid.UUID
		attribute := run.GetSearchAttributes().GetIndexedFields()[workflows.AttributeID.GetName()]
		if converter.GetDefaultDataConverter().FromPayload(attribute, &class) == nil {
			s.history.others(linearizability.Reset, class)
		}
		_, _ = s.client.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: &common.WorkflowExecution{WorkflowId: id, RunId: runID},
			WorkflowTaskFinishEventId: s.resetPoint(ctx, id, runID, later),
			RequestId:                 fmt.Sprint(time.Now().UnixNano()), Reason: "chaos",
		})
	}
}

// resetPoint returns the event that ends the first workflow task, or the last one.
func (s *system) resetPoint(ctx context.Context, id, runID string, last bool) (point int64) {
	events := s.client.GetWorkflowHistory(ctx, id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return point
		}
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			point = event.GetEventId()
			if !last {
				return point
			}
		}
	}
	return point
}
