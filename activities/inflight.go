package activities

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// InFlight holds the requests of this process that create rooms. Event and conference drop a request half-way when its
// client disconnects, and then a room may exist that cannot be found. So a request outlives the step that started it:
// it ends at its deadline, and is removed only when the ledger has recorded its outcome.
//
// A request is registered when its attempt is written to the ledger. It is sent at most once, and every later attempt
// of the step in this process joins it.
type InFlight struct {
	ledger AnswerLedger
	closer RoomCloser
	log    *zap.Logger

	ctx     context.Context // ends when Stop ends its wait
	cancel  context.CancelFunc
	stopped chan struct{}
	wg      sync.WaitGroup

	mu       sync.Mutex
	requests map[uuid.UUID]*request // by attempt
}

// request is a request to create a room.
type request struct {
	attempt  uuid.UUID
	classID  uuid.UUID
	kind     minigroup.RoomKind
	create   minigroup.RunningCreate // that the room is for; zero if it is for none
	deadline time.Time

	unsent      *time.Timer   // discards the request at its deadline; nil once it is sent
	done        chan struct{} // closed when what follows is set
	room        uuid.UUID
	established *minigroup.Minigroup // if the room was the last thing that the create needed
	err         error
}

// NewInFlight returns an empty InFlight. Stop must be called once, after the worker has stopped.
func NewInFlight(ledger AnswerLedger, closer RoomCloser, log *zap.Logger) *InFlight {
	ctx, cancel := context.WithCancel(context.Background())
	return &InFlight{
		ledger: ledger, closer: closer, log: log,
		ctx: ctx, cancel: cancel, stopped: make(chan struct{}), requests: map[uuid.UUID]*request{},
	}
}

// Stop discards the requests that are not sent, and waits until the outcomes of all others are recorded. When ctx ends,
// it cancels the requests and writes that are left.
func (f *InFlight) Stop(ctx context.Context) {
	close(f.stopped)
	f.mu.Lock()
	for _, r := range f.requests {
		f.discard(r)
	}
	f.mu.Unlock()
	recorded := make(chan struct{})
	go func() {
		f.wg.Wait()
		close(recorded)
	}()
	select {
	case <-recorded:
	case <-ctx.Done():
	}
	f.cancel()
	<-recorded
}

// Count returns the number of requests that are sent and not answered.
func (f *InFlight) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if r.unsent == nil {
			n++
		}
	}
	return n
}

// register adds a request whose attempt this process has written to the ledger. A request that is not sent by its
// deadline is discarded. After Stop, nothing is added.
func (f *InFlight) register(r request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.stopped:
		return // the attempt expires at its deadline
	default:
	}
	added := &r
	added.done = make(chan struct{})
	added.unsent = time.AfterFunc(time.Until(r.deadline), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.discard(added)
	})
	f.requests[r.attempt] = added
}

// registerRooms registers the requests for both rooms of a class; uuid.Nil is no attempt.
func (f *InFlight) registerRooms(
	classID uuid.UUID, deadline time.Time, create minigroup.RunningCreate, event, conference uuid.UUID,
) {
	for kind, attempt := range map[minigroup.RoomKind]uuid.UUID{
		minigroup.EventRoom: event, minigroup.ConferenceRoom: conference,
	} {
		if attempt != uuid.Nil {
			f.register(request{attempt: attempt, classID: classID, kind: kind, create: create, deadline: deadline})
		}
	}
}

// abandon records attempts as refused whose write to the ledger has returned err. They may have been written all the
// same, and are not sent. It returns when that is recorded, so that the next attempt of the step does not find them in
// flight, or when ctx ends: then recording continues. It does nothing if err is a decision of the ledger, which has
// written nothing.
func (f *InFlight) abandon(ctx context.Context, err error, attempts ...uuid.UUID) {
	if _, final, _ := FailureOf(toApplicationError(err)); final {
		return
	}
	recorded := make(chan struct{})
	f.wg.Go(func() {
		defer close(recorded)
		for _, attempt := range attempts {
			if attempt != uuid.Nil {
				f.recordRefusal(attempt)
			}
		}
	})
	select {
	case <-recorded:
	case <-ctx.Done():
	}
}

// discard removes a request that is not sent and records its attempt as refused. It does nothing if the request was
// sent or removed before. The caller holds f.mu.
func (f *InFlight) discard(r *request) {
	if r.unsent == nil || f.requests[r.attempt] != r {
		return
	}
	r.unsent.Stop()
	delete(f.requests, r.attempt)
	f.wg.Go(func() { f.recordRefusal(r.attempt) })
}

// find returns the request of an attempt, or nil if this process does not have it: another process has written the
// attempt, or the outcome is recorded. sent says that the request is in flight.
func (f *InFlight) find(attempt uuid.UUID) (r *request, sent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r = f.requests[attempt]
	return r, r != nil && r.unsent == nil
}

// start sends a request, and calls end when it is answered. It returns false if the request was sent or discarded
// before; then end is not called.
func (f *InFlight) start(r *request, send func(context.Context) (uuid.UUID, error), end func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.unsent == nil || f.requests[r.attempt] != r {
		return false
	}
	if !time.Now().Before(r.deadline) {
		f.discard(r)
		return false
	}
	r.unsent.Stop()
	r.unsent = nil
	f.wg.Go(func() {
		f.run(r, func(ctx context.Context) (uuid.UUID, error) {
			defer end()
			return send(ctx)
		})
	})
	return true
}

// drop discards a request if it is not sent.
func (f *InFlight) drop(r *request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.discard(r)
}

// run sends the request, records its outcome and then hands it to the steps that wait.
func (f *InFlight) run(r *request, send func(context.Context) (uuid.UUID, error)) {
	ctx, cancel := f.until(r.deadline)
	r.room, r.err = send(ctx)
	cancel()
	f.record(r)
	f.mu.Lock()
	delete(f.requests, r.attempt)
	f.mu.Unlock()
	close(r.done)
}

// grace is how long a request continues after its deadline. When a frozen process resumes after the deadline, the reply
// may have arrived, and must be read before the request is cancelled.
const grace = time.Second

// until returns a context that ends grace after the deadline, or after now if the deadline has passed.
func (f *InFlight) until(deadline time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(f.ctx)
	timer := time.AfterFunc(time.Until(deadline), func() {
		time.AfterFunc(grace, func() { cancel(context.DeadlineExceeded) })
	})
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}
