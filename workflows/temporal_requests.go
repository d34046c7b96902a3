package workflows

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
)

const (
	// The pauses between the attempts of a request that Temporal is too busy for.
	firstBusyPause = 100 * time.Millisecond
	maxBusyPause   = time.Second
	// checkEvery is the age of a request to Temporal at which its health is checked for the first time, and the minimum
	// pause between two checks.
	checkEvery = 500 * time.Millisecond
	// awayAfter is how long checks must fail until Temporal counts as out of reach. It also bounds one check.
	awayAfter = 1500 * time.Millisecond
)

// errAway says that Temporal cannot be reached.
var errAway = errors.New("temporal is out of reach")

// requestTemporal sends a request within ctx, again after each time that Temporal was too busy for it. When Temporal
// cannot be reached, it fails with errAway after about two seconds, however much time is left.
func (s *Starter) requestTemporal(ctx context.Context, send func(context.Context) error) error {
	for pause := firstBusyPause; ; pause = min(2*pause, maxBusyPause) {
		err := s.tryTemporal(ctx, send)
		if !isBusy(err) || !sleep(ctx, pause/2+rand.N(pause)) { //nolint:gosec // pauses need no secret numbers
			return err
		}
	}
}

// tryTemporal sends a request once.
func (s *Starter) tryTemporal(ctx context.Context, send func(context.Context) error) error {
	requestCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	if deadline, ok := ctx.Deadline(); ok {
		// The SDK sends a request for half of the time that its context has left, and for 10 s at most.
		var stop context.CancelFunc
		requestCtx, stop = context.WithTimeout(requestCtx, 2*time.Until(deadline))
		defer stop()
	}
	go func() {
		if s.health.awaitAway(requestCtx) {
			cancel(errAway)
		}
	}()
	err := send(requestCtx)
	if cause := context.Cause(requestCtx); err != nil && cause != nil {
		return fmt.Errorf("%w: %w", cause, err) // the SDK's error does not say why the context has ended
	}
	return err
}

// isBusy reports whether Temporal has refused a request because it is overloaded, or has not answered it in time.
func isBusy(err error) bool {
	var exhausted *serviceerror.ResourceExhausted
	var late *serviceerror.DeadlineExceeded
	return !isAway(err) &&
		(errors.As(err, &exhausted) || errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded))
}

// isAway reports whether a request failed because Temporal cannot be reached.
func isAway(err error) bool {
	var away *serviceerror.Unavailable
	return errors.Is(err, errAway) || errors.As(err, &away)
}

// IsRefused reports whether Temporal has refused a request for a reason that stays until an operator removes it: its
// namespace or the search attributes do not fit, or this service may not use it. Repeating the request does not help.
func IsRefused(err error) bool {
	var none *serviceerror.NamespaceNotFound
	switch serviceerror.ToStatus(err).Code() {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated,
		codes.Unimplemented:
		return true
	case codes.NotFound: // the error of a missing run, too
		return errors.As(err, &none)
	default:
		return false
	}
}

// temporalHealth checks whether Temporal can be reached while requests to it take long. All requests of a process share
// its checks.
type temporalHealth struct {
	client client.Client

	mu    sync.Mutex // held during a check
	ended time.Time  // when the last check ended
	err   error      // its result
}

// awaitAway returns true when checks have failed for awayAfter, and false when ctx ends.
func (h *temporalHealth) awaitAway(ctx context.Context) bool {
	var failingSince time.Time
	for sleep(ctx, checkEvery) {
		began := time.Now()
		switch err := h.check(ctx); {
		case err == nil:
			failingSince = time.Time{}
		case failingSince.IsZero():
			failingSince = began
		}
		if !failingSince.IsZero() && time.Since(failingSince) >= awayAfter {
			return ctx.Err() == nil
		}
	}
	return false
}

// check returns an error unless Temporal answers. It shares the result of a check that ends while it waits, and of a
// successful one that has just ended.
func (h *temporalHealth) check(ctx context.Context) error {
	asked := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.After(asked) || (h.err == nil && time.Since(h.ended) < checkEvery) {
		return h.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), awayAfter)
	defer cancel()
	_, h.err = h.client.CheckHealth(ctx, &client.CheckHealthRequest{})
	h.ended = time.Now()
	return h.err
}

// sleep pauses for a time, and returns false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
