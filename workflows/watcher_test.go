package workflows_test

import (
	"context"
	"strings"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/workflows"
)

// watcher gives a run its id, calls its hooks, and records what support would see.
type watcher struct {
	interceptor.WorkerInterceptorBase
	run    string
	hooks  []hook
	cancel func()
	// running is read-locked by running activities, including those that the workflow does not wait for. One may start
	// while the end is awaited, which a WaitGroup does not allow.
	running sync.RWMutex

	mu sync.Mutex
	// ids has the name of the activity with an id.
	ids map[string]string
	result
}

func (w *watcher) completed(id string) {
	w.mu.Lock()
	name := w.ids[id]
	w.mu.Unlock()
	for _, h := range w.hooks {
		if h.activity == name && h.after != nil {
			h.after(w.cancel)
		}
	}
}

func (w *watcher) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &watchedActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, w}
}

type watchedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	w *watcher
}

func (a *watchedActivity) Init(out interceptor.ActivityOutboundInterceptor) error {
	return a.Next.Init(&activityOfRun{interceptor.ActivityOutboundInterceptorBase{Next: out}, a.w.run})
}

func (a *watchedActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	a.w.running.RLock()
	defer a.w.running.RUnlock()
	info := activity.GetInfo(ctx)
	a.w.mu.Lock()
	a.w.ids[info.ActivityID] = info.ActivityType.Name
	if !info.IsLocalActivity {
		a.w.attempts = append(a.w.attempts, attemptSeen{info.ActivityType.Name, info.ActivityID, info.Attempt})
	}
	a.w.mu.Unlock()
	for _, h := range a.w.hooks {
		if h.activity == info.ActivityType.Name && h.before != nil && !h.before(ctx, a.w.cancel) {
			return nil, ctx.Err()
		}
	}
	return a.Next.ExecuteActivity(ctx, in)
}

// activityOfRun shows activities the id of their run. The test environment has the same id for all runs.
type activityOfRun struct {
	interceptor.ActivityOutboundInterceptorBase
	run string
}

func (a *activityOfRun) GetInfo(ctx context.Context) activity.Info {
	info := a.Next.GetInfo(ctx)
	info.WorkflowExecution.RunID = a.run
	return info
}

func (w *watcher) InterceptWorkflow(
	_ workflow.Context, next interceptor.WorkflowInboundInterceptor,
) interceptor.WorkflowInboundInterceptor {
	return &watchedWorkflow{interceptor.WorkflowInboundInterceptorBase{Next: next}, w}
}

type watchedWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
	w *watcher
}

func (f *watchedWorkflow) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return f.Next.Init(&watchedAttributes{interceptor.WorkflowOutboundInterceptorBase{Next: out}, f.w})
}

type watchedAttributes struct {
	interceptor.WorkflowOutboundInterceptorBase
	w *watcher
}

func (a *watchedAttributes) UpsertTypedSearchAttributes(
	ctx workflow.Context, updates ...temporal.SearchAttributeUpdate,
) error {
	set := temporal.NewSearchAttributes(updates...)
	a.w.mu.Lock()
	if value, ok := set.GetBool(workflows.AttributeAttention); ok {
		a.w.attention = append(a.w.attention, value)
		services, _ := set.GetKeywordList(workflows.AttributeWaitingFor)
		a.w.waiting = append(a.w.waiting, strings.Join(services, ","))
	}
	if value, ok := set.GetKeyword(workflows.AttributeStage); ok {
		a.w.stages = append(a.w.stages, value)
	}
	a.w.mu.Unlock()
	return a.Next.UpsertTypedSearchAttributes(ctx, updates...)
}
