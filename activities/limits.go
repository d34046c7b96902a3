package activities

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"minigroups/limiter"
	"minigroups/minigroup"
)

// Limits bound the requests that this process has in flight to each service: event, conference and every gateway. A
// request waits until its service has capacity for it, within the time of its step.
type Limits struct {
	mu       sync.Mutex
	max      int
	limiters map[string]*limiter.Limiter // by event, conference or the id of the gateway
}

// maxWaiting is the maximum number of requests of one audience that wait for capacity of one service.
const maxWaiting = 128

// NewLimits returns limits of this many requests to each service; 0: no limit.
func NewLimits(maxInFlight int) *Limits {
	return &Limits{max: maxInFlight, limiters: map[string]*limiter.Limiter{}}
}

// SetMax changes the maximum for one service.
func (l *Limits) SetMax(service string, maxInFlight int) { l.of(service).SetMax(maxInFlight) }

// Stats returns the state of all limiters, by event, conference or the id of the gateway.
func (l *Limits) Stats() map[string]limiter.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	stats := make(map[string]limiter.Stats, len(l.limiters))
	for service, of := range l.limiters {
		stats[service] = of.Stats()
	}
	return stats
}

func (l *Limits) of(service string) *limiter.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	of, ok := l.limiters[service]
	if !ok {
		of = limiter.New(l.max, maxWaiting)
		l.limiters[service] = of
	}
	return of
}

// free reports whether a request of this step to the service would get a permit without waiting.
func (l *Limits) free(ctx context.Context, service string) bool {
	return l.of(service).Free(requestOf(ctx).Audience)
}

// try returns a permit for a request of this step if there is one without waiting, or nil.
func (l *Limits) try(ctx context.Context, service string) *limiter.Permit {
	permit, _ := l.of(service).TryAcquire(requestOf(ctx).Audience)
	return permit
}

// acquire waits for a permit for a request of this step, for half of the time that ctx has left: the other half is for
// the request.
func (l *Limits) acquire(ctx context.Context, service, upstream, doing string) (*limiter.Permit, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	permit, err := l.of(service).Acquire(ctx, requestOf(ctx))
	if err != nil {
		return nil, &minigroup.UpstreamError{Upstream: upstream, Doing: doing, Detail: err.Error()}
	}
	return permit, nil
}

// requestOf describes the requests of a step to a limiter. Requests of runs that belong to no minigroup have no
// audience.
func requestOf(ctx context.Context) limiter.Request {
	if !activity.IsActivity(ctx) {
		return limiter.Request{}
	}
	info := activity.GetInfo(ctx)
	return limiter.Request{
		Audience: audienceOf(info.WorkflowExecution.ID), Retry: !info.IsLocalActivity, Since: info.ScheduledTime,
	}
}

// audienceOf returns the audience in the workflow id of a minigroup, or "" if it is another id.
func audienceOf(workflowID string) string {
	audience, ok := strings.CutPrefix(path.Dir(workflowID), WorkflowIDPrefix)
	if !ok {
		return ""
	}
	return audience
}

// WorkflowIDPrefix begins the workflow ids of minigroups. Their audience and scope follow, separated by a slash.
const WorkflowIDPrefix = "minigroup/"

type permitKey struct{ service string }

// withPermit returns a context whose calls to the service use the permit.
func withPermit(ctx context.Context, service string, permit *limiter.Permit) context.Context {
	return context.WithValue(ctx, permitKey{service}, permit)
}

// Within makes a call to a service with the permit of ctx, or else with one of its own, and reports the answer to the
// limiter. The error is that of the call, or a *minigroup.UpstreamError that says why it was not made.
func (l *Limits) Within(ctx context.Context, service, upstream, doing string, call func() error) error {
	permit, ok := ctx.Value(permitKey{service}).(*limiter.Permit)
	if !ok {
		var err error
		if permit, err = l.acquire(ctx, service, upstream, doing); err != nil {
			return err
		}
		defer permit.Release()
	}
	began := time.Now()
	err := call()
	if !errors.Is(err, context.Canceled) { // which says nothing about the service
		permit.Report(answerOf(err, time.Since(began)))
	}
	return err
}

func answerOf(err error, took time.Duration) limiter.Answer {
	var upstream *minigroup.UpstreamError
	if errors.As(err, &upstream) && upstream.Overloaded() {
		return limiter.Answer{Overloaded: true, Duration: took, RetryAfter: upstream.RetryAfter}
	}
	return limiter.Answer{Duration: took}
}
