package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

// result is what is known of a run that has ended.
type result struct {
	err error
	// retried are the activities that were retried, in order, once for each attempt of the retry phase.
	retried []string
	// attempts are the attempts of the retry phase as the activities saw them, in order.
	attempts []attemptSeen
	// cancelledTimers counts the timers that the run has cancelled.
	cancelledTimers int
	// attention, stages and waiting are the values of MinigroupAttention, MinigroupStage and MinigroupWaitingFor, in
	// order.
	attention []bool
	stages    []string
	waiting   []string
	// progress is the answer to the query after the end of the run.
	progress workflows.Progress
	metrics  *metricsRecorder
	// warnings are what the run has logged for operators.
	warnings *warnings
}

// warnings is a log that keeps the messages from the level of warnings on.
type warnings struct {
	slog.Handler
	mu       sync.Mutex
	messages []string
}

func (*warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler             { return w }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages = append(w.messages, r.Message)
	return nil
}

// has reports whether a warning contains a text.
func (w *warnings) has(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.messages, func(m string) bool { return strings.Contains(m, text) })
}

// attemptSeen is one attempt of a regular activity.
type attemptSeen struct {
	activity, id string
	number       int32
}

// cancelled reports whether the run ended as cancelled.
func (r *result) cancelled() bool {
	var c *temporal.CanceledError
	return errors.As(r.err, &c)
}

// kind is the kind of failure that the run ended with; empty when it did not fail.
func (r *result) kind() minigroup.Kind {
	var app *temporal.ApplicationError
	if r.err == nil || !errors.As(r.err, &app) {
		return ""
	}
	return minigroup.Kind(app.Type())
}

// hook is called during a run: before or after the activity of this name, or at a time after the start of the run.
type hook struct {
	activity string
	// before returns false to keep the activity from running.
	before func(ctx context.Context, cancel func()) bool
	after  func(cancel func())

	at      time.Duration
	inspect func(workflows.Progress)
}

// cancelAtOnce cancels a run before its first step.
var cancelAtOnce = hook{}

// cancelBefore cancels the run when the activity has been started and has done nothing.
func cancelBefore(name string) hook {
	return hook{activity: name, before: func(ctx context.Context, cancel func()) bool {
		cancel()
		waitFor(ctx.Done())
		return false
	}}
}

// cancelAfter cancels the run when the workflow has received the result of the activity.
func cancelAfter(name string) hook {
	return hook{activity: name, after: func(cancel func()) { cancel() }}
}

func (s *harness) create(run string, d minigroup.Draft, hooks ...hook) *result {
	return s.createAs(run, minigroup.NewCreateRequest(d), hooks...)
}

func (s *harness) createAs(run string, r minigroup.CreateRequest, hooks ...hook) *result {
	in := workflows.CreateInput{Request: stored.NewCreateRequest(r), MaxAttempts: maxAttempts}
	return s.run(run, workflows.CreateMinigroup, in, hooks...)
}

func (s *harness) createIn(acts *activities.Activities, run string, d minigroup.Draft) *result {
	in := workflows.CreateInput{Request: requestOf(d), MaxAttempts: maxAttempts}
	return s.runIn(acts, run, workflows.CreateMinigroup, in)
}

// run runs a workflow to its end in an environment that skips time.
func (s *harness) run(id string, workflow, in any, hooks ...hook) *result {
	return s.runIn(s.acts, id, workflow, in, hooks...)
}

// runIn is run in another worker process.
func (s *harness) runIn(acts *activities.Activities, id string, workflow, in any, hooks ...hook) *result {
	var suite testsuite.WorkflowTestSuite
	warned := &warnings{Handler: slog.DiscardHandler}
	suite.SetLogger(log.NewStructuredLogger(slog.New(warned)))
	metrics := newMetricsRecorder()
	suite.SetMetricsHandler(metrics)
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(deadline)
	w := &watcher{run: id, hooks: hooks, cancel: env.CancelWorkflow, ids: map[string]string{}}
	w.metrics, w.warnings = metrics, warned
	env.SetWorkerOptions(worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{w}, DeadlockDetectionTimeout: deadline,
	})
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "minigroup/test"})
	env.RegisterActivity(acts)
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.retried = append(w.retried, info.ActivityType.Name)
	})
	env.SetOnLocalActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		w.completed(info.ActivityID)
	})
	env.SetOnTimerCanceledListener(func(string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cancelledTimers++
	})
	query := func() (p workflows.Progress) {
		if answer, err := env.QueryWorkflow(workflows.QueryProgress); err != nil || answer.Get(&p) != nil {
			s.Errorf("the query failed: %v", err)
		}
		return p
	}
	for _, h := range hooks {
		if h.inspect != nil {
			env.RegisterDelayedCallback(func() { h.inspect(query()) }, h.at)
		} else if h.activity == "" {
			env.RegisterDelayedCallback(env.CancelWorkflow, 0)
		}
	}
	env.ExecuteWorkflow(workflow, in)
	w.running.Lock()
	w.running.Unlock() //nolint:staticcheck // it only waits
	if !env.IsWorkflowCompleted() {
		s.Error("the run did not end")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = env.GetWorkflowError()
	w.progress = query()
	return &w.result
}

// execute executes one activity of a run without its workflow, as a worker does whose run ended before the next step.
func (s *harness) execute(run string, activity, in any) error {
	s.Helper()
	return s.executeIn(s.acts, run, activity, in)
}

func (s *harness) executeIn(acts *activities.Activities, run string, activity, in any) error {
	s.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{&watcher{run: run, ids: map[string]string{}}},
	})
	env.RegisterActivity(acts)
	_, err := env.ExecuteActivity(activity, in)
	return err
}
