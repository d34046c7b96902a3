package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

// isOpen is the sweeper's request to Temporal.
const isOpen operation = "is open"

// fakeTemporal has the runs of one class. At most one is open, and the latest is the current one.
type fakeTemporal struct {
	*harness
	class      uuid.UUID
	mu         sync.Mutex
	open       string
	recoveries int
	// recovering are the runs that sweeps have started. Each function waits for the end of one.
	recovering []func() *result
	// lookUpDue makes the look-ups of unanswered PATCHes due at every sweep.
	lookUpDue bool
}

// start starts a run in the background unless one is open. wait waits for its end.
func (r *fakeTemporal) start(run string, do func() *result) (wait func() *result, started bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open != "" {
		return nil, false
	}
	r.open = run
	r.makeCurrent(run)
	return inBackground(r.harness, func() *result {
		p := do()
		r.end(run)
		return p
	}), true
}

// end ends a run, as Terminate does, or because it has ended.
func (r *fakeTemporal) end(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == run {
		r.open = ""
	}
}

// awaitNoOpenRun waits until no run is open.
func (r *fakeTemporal) awaitNoOpenRun() {
	r.Helper()
	r.eventually("no run is open", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.open == ""
	})
}

// awaitRecoveries waits until no run is open, and checks that the runs which the sweeps have started succeeded.
func (r *fakeTemporal) awaitRecoveries() {
	r.Helper()
	r.awaitNoOpenRun()
	r.mu.Lock()
	recoveries := slices.Clone(r.recovering)
	r.mu.Unlock()
	for _, wait := range recoveries {
		if p := wait(); p.err != nil {
			r.Errorf("a recovery ended with %v", p.err)
		}
	}
}

func (r *fakeTemporal) IsOpen(ctx context.Context, saga minigroup.OpenSaga) (open bool, err error) {
	err = r.handle(isOpen, call{ctx: ctx, execute: func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		open = saga.Run == r.open
		return nil
	}})
	return open, err
}

func (r *fakeTemporal) Recover(_ context.Context, saga minigroup.OpenSaga) (bool, error) {
	r.mu.Lock()
	r.recoveries++
	run := fmt.Sprintf("recovery-%d", r.recoveries)
	r.mu.Unlock()
	wait, started := r.start(run, func() *result {
		if saga.UpdateID == uuid.Nil {
			return r.run(run, workflows.UndoMinigroup, workflows.UndoInput{ClassID: saga.ClassID})
		}
		in := workflows.UpdateInput{
			UpdateID: saga.UpdateID, ClassID: saga.ClassID, Change: stored.NewChange(saga.Change), MaxAttempts: maxAttempts,
		}
		if saga.Change.Recreate != nil {
			return r.run(run, workflows.RecreateMinigroup, workflows.RecreateInput{UpdateInput: in, Abandoned: true})
		}
		return r.run(run, workflows.UpdateMinigroup, in)
	})
	if started {
		r.mu.Lock()
		r.recovering = append(r.recovering, wait)
		r.mu.Unlock()
	}
	return started, nil
}

// ofOneClass is the ledger with the sagas and rooms of one class.
type ofOneClass struct {
	ledger
	class     uuid.UUID
	lookUpDue bool
}

func (l ofOneClass) OpenSagas(ctx context.Context, minAge time.Duration, limit int) ([]minigroup.OpenSaga, error) {
	sagas, err := l.ledger.OpenSagas(ctx, minAge, limit)
	return slices.DeleteFunc(sagas, func(o minigroup.OpenSaga) bool { return o.ClassID != l.class }), err
}

// lookUps serialises the look-ups of classes in one database, because listing a class puts its next look-up off.
var lookUps sync.Mutex

func (l ofOneClass) DueLookups(ctx context.Context, every time.Duration, limit int) ([]minigroup.Lookup, error) {
	lookUps.Lock()
	defer lookUps.Unlock()
	if l.lookUpDue {
		_, err := l.db.Exec(ctx, `
			UPDATE minigroup_update SET look_up_at = '2000-01-01' WHERE class_id = $1 AND look_up_at IS NOT NULL`, l.class)
		if err != nil {
			return nil, err
		}
	}
	due, err := l.ledger.DueLookups(ctx, every, limit)
	return slices.DeleteFunc(due, func(d minigroup.Lookup) bool { return d.ID != l.class }), err
}

// EndClosed does not count the classes that it ends of other cases in the same database.
func (l ofOneClass) EndClosed(ctx context.Context, limit int) (int, error) {
	hasEnded := func() (n int, err error) {
		err = l.db.QueryRow(ctx, `SELECT count(closed_at) FROM minigroup WHERE id = $1`, l.class).Scan(&n)
		return n, err
	}
	before, err := hasEnded()
	if err != nil {
		return 0, err
	}
	if _, err := l.ledger.EndClosed(ctx, limit); err != nil {
		return 0, err
	}
	after, err := hasEnded()
	return after - before, err
}

func (l ofOneClass) StaleClosings(
	ctx context.Context, minAge time.Duration, limit int,
) ([]minigroup.RoomPendingClose, error) {
	rooms, err := l.ledger.StaleClosings(ctx, minAge, limit)
	return slices.DeleteFunc(rooms, func(room minigroup.RoomPendingClose) bool {
		var ofClass bool
		scan := l.db.QueryRow(ctx, `
			SELECT EXISTS (SELECT 1 FROM room_attempt WHERE room_id = $1 AND class_id = $2)`,
			room.ID, l.class).Scan(&ofClass)
		return scan != nil || !ofClass
	}), err
}

// sweep makes the rows of the class old enough for the sweeper, and sweeps without a failure.
func (r *fakeTemporal) sweep() activities.SweptClasses {
	r.Helper()
	swept := r.trySweep()
	if swept.Failed > 0 {
		r.Errorf("the sweep returned %+v", swept)
	}
	return swept
}

// trySweep is sweep, with failures.
func (r *fakeTemporal) trySweep() activities.SweptClasses {
	r.Helper()
	for _, sql := range []string{
		`UPDATE minigroup SET changed_at = now() - interval '1 minute' WHERE id = $1`,
		`UPDATE room_attempt SET changed_at = now() - interval '1 minute' WHERE class_id = $1`,
		`UPDATE minigroup_update SET requested_at = now() - interval '1 minute' WHERE class_id = $1`,
	} {
		if _, err := r.db.Exec(r.Context(), sql, r.class); err != nil {
			r.Error(err)
		}
	}
	sweeper := activities.Sweeper{
		Ledger: ofOneClass{r.ledger, r.class, r.lookUpDue}, Recovery: r, Steps: r.acts, Grace: time.Hour,
		Budget: deadline, Count: func(string, int) {},
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deadline)
	defer cancel()
	swept, err := sweepParts(ctx, &sweeper)
	if err != nil {
		r.Errorf("the sweep returned %+v, %v", swept, err)
	}
	return swept
}

// sweepParts runs the parts of a sweep of the classes, one after the other.
func sweepParts(ctx context.Context, s *activities.Sweeper) (swept activities.SweptClasses, err error) {
	for _, part := range []func(context.Context) (activities.SweptClasses, error){
		s.ExpireAttempts, s.RecoverSagas, s.StartClosings, s.EndClasses, s.LookUpRooms, s.PurgeHistory,
	} {
		result, partErr := part(ctx)
		swept.Add(result)
		err = errors.Join(err, partErr)
	}
	return swept, err
}

// expireRequests moves the deadline of every request of a class into the past.
func (s *harness) expireRequests(d minigroup.Draft) {
	s.Helper()
	_, err := s.db.Exec(s.Context(), `UPDATE room_attempt SET expires_at = now() WHERE class_id = $1`, classID(d))
	if err != nil {
		s.Fatal(err)
	}
}
