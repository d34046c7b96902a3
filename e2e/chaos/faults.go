package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"minigroups/e2e/harness"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// mischief makes faults until ctx ends, and returns when all of them are over. What goes wrong with making them is the
// harness's own failure.
func injectFaults(ctx context.Context, w *system, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // what a seed draws, it draws again
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for ctx.Err() == nil {
		do, length := w.nextFault(rnd)
		wg.Go(func() {
			if err := do(ctx, length); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
		harness.Pause(ctx, time.Duration(300+rnd.IntN(1200))*time.Millisecond)
	}
	wg.Wait()
	return errors.Join(failed, w.clearStandInFaults(ctx))
}

// calm ends the faults of the stand-ins.
func (w *system) clearStandInFaults(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return errors.Join(sandboxclient.ClearFaults(ctx, w.event), sandboxclient.ClearFaults(ctx, w.conference))
}

// nextFault picks what happens next, and for how long: mostly less than a step waits, at times longer than a flight.
func (w *system) nextFault(rnd *rand.Rand) (func(context.Context, time.Duration) error, time.Duration) {
	length := time.Duration(200+rnd.IntN(1800)) * time.Millisecond
	if rnd.IntN(5) == 0 {
		length = stepWait + time.Duration(rnd.IntN(5000))*time.Millisecond
	}
	parts := w.parts()
	victim := parts[rnd.IntN(len(parts))]
	switch n := rnd.IntN(100); {
	case n < 20 && victim != w.sandbox: // their memory is the truth about rooms
		return victim.Kill, length
	case n < 38:
		return victim.Freeze, length
	case n < 42 && w.mqtt:
		return w.closeRoom(rnd), length
	case n < 60:
		on, how := w.proxies.pick(rnd), disturbances[rnd.IntN(len(disturbances))]
		return func(ctx context.Context, d time.Duration) error { return w.proxies.disturb(ctx, on, how, d) }, length
	case n < 74:
		return w.standInFault(rnd), length
	case n < 80:
		// Less than a step waits: one that was frozen for longer gives up when it is thawed, and does nothing more.
		return w.freezeAndTerminate(w.workers[rnd.IntN(2)]), stepWait/2 + time.Duration(rnd.IntN(600))*time.Millisecond
	default:
		return w.temporalAction(rnd), length
	}
}

// misbehaviour makes the stand-ins misbehave, a number of times: one of them somehow, or one late while the other refuses,
// so that what was begun is undone while requests are in the air.
func (w *system) standInFault(rnd *rand.Rand) func(context.Context, time.Duration) error {
	services := []string{w.event, w.conference}
	names := []string{"event", "conference"}
	operations := [][]sandbox.Operation{
		{sandbox.OperationCreate, sandbox.OperationCreate, sandbox.OperationUpdate, sandbox.OperationLock},
		{sandbox.OperationCreate, sandbox.OperationCreate, sandbox.OperationUpdate, sandbox.OperationRead, sandbox.OperationClose},
	}
	effects := []sandbox.Effect{
		sandbox.EffectRefuse, sandbox.EffectFail, sandbox.EffectHang, sandbox.EffectLate, sandbox.EffectLate, sandbox.EffectLoseReply, sandbox.EffectLoseReply,
	}
	one := rnd.IntN(2)
	late := sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, Times: 4, DelayMS: 500 + rnd.IntN(int(requestTimeout.Milliseconds()))}
	if rnd.IntN(2) == 0 {
		refuse := sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Times: 4}
		return func(ctx context.Context, d time.Duration) error {
			return w.holdStandInFault(ctx, d, names[one]+" late, the other refuses", func(ctx context.Context) error {
				return errors.Join(sandboxclient.SetFaults(ctx, services[one], late), sandboxclient.SetFaults(ctx, services[1-one], refuse))
			})
		}
	}
	f := late
	f.Operation, f.Do, f.Times = operations[one][rnd.IntN(len(operations[one]))], effects[rnd.IntN(len(effects))], 1+rnd.IntN(4)
	return func(ctx context.Context, d time.Duration) error {
		return w.holdStandInFault(ctx, d, fmt.Sprintf("%s %s", f.Do, f.Operation), func(ctx context.Context) error {
			return sandboxclient.SetFaults(ctx, services[one], f)
		})
	}
}

// misbehave sets faults of the stand-ins, unless these are frozen and hear nothing. They stay until they are used up, or
// others are set.
func (w *system) holdStandInFault(ctx context.Context, d time.Duration, how string, set func(context.Context) error) error {
	if !w.sandbox.TryHold() {
		return nil
	}
	defer w.sandbox.Release()
	defer w.faults.Begin("stand-ins misbehave", how)()
	if err := set(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	harness.Pause(ctx, d)
	return nil
}

// forsake freezes a worker and terminates all open runs meanwhile: when it is thawed it goes on with runs that are gone, beside
// those that have taken their place, whose requests are made to last until then. Updates are caught as they begin.
func (w *system) freezeAndTerminate(worker *harness.Part) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		begin := sandbox.Fault{Operation: sandbox.OperationRead, Do: sandbox.EffectLate, Times: 10, DelayMS: 1000}
		w.setFaultUnlessFrozen(ctx, begin)
		harness.Pause(ctx, 400*time.Millisecond)
		terminated := make(chan struct{})
		go func() {
			defer close(terminated)
			harness.Pause(ctx, d/16)
			short, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			listed, err := w.client.ListWorkflow(short, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200, Query: openRuns})
			if err != nil {
				return // Temporal is away
			}
			late := sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, Times: 10, DelayMS: int(d.Milliseconds())}
			w.setFaultUnlessFrozen(short, late)
			for _, run := range listed.GetExecutions() {
				w.faults.Begin(run.GetExecution().GetWorkflowId(), "terminate beside a frozen worker")()
				w.apply(short, "terminate", run, false)
			}
		}()
		err := worker.Freeze(ctx, d)
		<-terminated
		return err
	}
}

// setFaultUnlessFrozen sets a fault of the stand-ins that have such operations, unless they are frozen.
func (w *system) setFaultUnlessFrozen(ctx context.Context, f sandbox.Fault) {
	if w.sandbox.TryHold() {
		_ = sandboxclient.SetFaults(ctx, w.event, f) // without it the runs that come next are merely faster
		_ = sandboxclient.SetFaults(ctx, w.conference, f)
		w.sandbox.Release()
	}
}

const openRuns = `ExecutionStatus = "Running" AND WorkflowType IN ("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup", "UndoMinigroup", "CloseRoom")`

// lever does to a run of ours what a person can do in Temporal's UI.
func (w *system) temporalAction(rnd *rand.Rand) func(context.Context, time.Duration) error {
	pick, later, all := rnd.Float64(), rnd.IntN(3) == 0, rnd.IntN(2) == 0
	open := []string{"cancel", "cancel", "terminate", "reset"}[rnd.IntN(4)]
	onClosed := rnd.IntN(4) == 0
	return func(ctx context.Context, _ time.Duration) error {
		query, how := openRuns, open
		if onClosed {
			query, how = `ExecutionStatus != "Running" AND WorkflowType IN ("CreateMinigroup", "UpdateMinigroup", "RecreateMinigroup")`, "reset"
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		listed, err := w.client.ListWorkflow(short, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200, Query: query})
		if err != nil || len(listed.GetExecutions()) == 0 {
			return nil // Temporal is away, or nothing is to be had: then nobody does anything to a run
		}
		if how == "cancel" && all {
			w.cancelCreates(short, listed.GetExecutions())
			return nil
		}
		victim := listed.GetExecutions()[int(pick*float64(len(listed.GetExecutions())))]
		defer w.faults.Begin(victim.GetExecution().GetWorkflowId(), how+" of a run")()
		w.apply(short, how, victim, later)
		return nil
	}
}

// cancelCreates cancels all creates that are open: one alone is mostly over before the cancel arrives.
func (w *system) cancelCreates(ctx context.Context, open []*workflow.WorkflowExecutionInfo) {
	for _, run := range open {
		if run.GetType().GetName() == "CreateMinigroup" {
			w.faults.Begin(run.GetExecution().GetWorkflowId(), "cancel of a create")()
			w.apply(ctx, "cancel", run, false)
		}
	}
}

// pull does it. That the run has ended meanwhile, or that Temporal is away, is as good as not to have tried.
func (w *system) apply(ctx context.Context, how string, run *workflow.WorkflowExecutionInfo, later bool) {
	id, runID := run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId()
	switch how {
	case "cancel":
		_ = w.client.CancelWorkflow(ctx, id, runID)
	case "terminate":
		_ = w.client.TerminateWorkflow(ctx, id, runID, "chaos")
	case "reset":
		_, _ = w.client.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: &common.WorkflowExecution{WorkflowId: id, RunId: runID}, Reason: "chaos",
			WorkflowTaskFinishEventId: w.resetPoint(ctx, id, runID, later), RequestId: fmt.Sprint(time.Now().UnixNano()),
		})
	}
}

// resetPoint is the end of the first workflow task, or of the last one.
func (w *system) resetPoint(ctx context.Context, id, runID string, last bool) (point int64) {
	events := w.client.GetWorkflowHistory(ctx, id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
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
