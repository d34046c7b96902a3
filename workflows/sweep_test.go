package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

// isOpen is what the sweeper asks of Temporal.
const isOpen operation = "is open"

// runs is what Temporal knows of the runs of one class: at most one is open, and the latest is the current one.
type fakeTemporal struct {
	*harness
	class      uuid.UUID
	mu         sync.Mutex
	open       string
	recoveries int
	// healing are the runs that sweeps have started; each waits for the end of one.
	recovering []func() *result
}

// start starts a run beside the test, unless one is open.
func (r *fakeTemporal) start(run string, do func() *result) (ended func() *result, started bool) {
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

// ends ends a run, as a terminate does or because it has come to its end.
func (r *fakeTemporal) end(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == run {
		r.open = ""
	}
}

// quiet waits until no run is open.
func (r *fakeTemporal) awaitNoOpenRun() {
	r.Helper()
	r.eventually("no run is open", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.open == ""
	})
}

// heals waits until no run is open, and checks that those which the sweeps have started came to a good end.
func (r *fakeTemporal) awaitRecoveries() {
	r.Helper()
	r.awaitNoOpenRun()
	r.mu.Lock()
	healing := slices.Clone(r.recovering)
	r.mu.Unlock()
	for _, ended := range healing {
		if p := ended(); p.err != nil {
			r.Errorf("a run that was to heal ended with %v", p.err)
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
	run := fmt.Sprintf("healing-%d", r.recoveries)
	r.mu.Unlock()
	ended, started := r.start(run, func() *result {
		if saga.UpdateID == uuid.Nil {
			return r.run(run, workflows.UndoMinigroup, workflows.UndoInput{ClassID: saga.ClassID})
		}
		in := workflows.UpdateInput{UpdateID: saga.UpdateID, ClassID: saga.ClassID, Change: stored.NewChange(saga.Change), MaxAttempts: maxAttempts}
		if saga.Change.Recreate != nil {
			return r.run(run, workflows.RecreateMinigroup, workflows.RecreateInput{UpdateInput: in, Abandoned: true})
		}
		return r.run(run, workflows.UpdateMinigroup, in)
	})
	if started {
		r.mu.Lock()
		r.recovering = append(r.recovering, ended)
		r.mu.Unlock()
	}
	return started, nil
}

// ofOneClass is the ledger without the classes of other cases.
type ofOneClass struct {
	ledger
	class uuid.UUID
}

func (l ofOneClass) OpenSagas(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.OpenSaga, error) {
	sagas, err := l.ledger.OpenSagas(ctx, quiet, limit)
	return slices.DeleteFunc(sagas, func(o minigroup.OpenSaga) bool { return o.ClassID != l.class }), err
}

func (l ofOneClass) DueComparisons(ctx context.Context, limit int) ([]minigroup.OpenSaga, error) {
	due, err := l.ledger.DueComparisons(ctx, limit)
	return slices.DeleteFunc(due, func(o minigroup.OpenSaga) bool { return o.ClassID != l.class }), err
}

func (l ofOneClass) StaleClosings(ctx context.Context, quiet time.Duration, limit int) ([]minigroup.RoomPendingClose, error) {
	rooms, err := l.ledger.StaleClosings(ctx, quiet, limit)
	return slices.DeleteFunc(rooms, func(room minigroup.RoomPendingClose) bool {
		var its bool
		scan := l.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM room_attempt WHERE room_id = $1 AND class_id = $2)`, room.ID, l.class).Scan(&its)
		return scan != nil || !its
	}), err
}

// sweep sweeps the classes, of which this one is as old as the sweeper wants it to be.
func (r *fakeTemporal) sweep() activities.SweptClasses {
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
	sweeper := activities.Sweeper{Ledger: ofOneClass{r.ledger, r.class}, Recovery: r, Steps: r.acts, Grace: time.Hour, Count: func(string, int) {}}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deadline)
	defer cancel()
	swept, err := sweeper.SweepClasses(ctx)
	if err != nil || swept.Failed > 0 {
		r.Errorf("the sweep came to %+v, %v", swept, err)
	}
	return swept
}

// expire ends the moment of every request of a class.
func (s *harness) expireRequests(d minigroup.Draft) {
	s.Helper()
	if _, err := s.db.Exec(s.Context(), `UPDATE room_attempt SET expires_at = now() WHERE class_id = $1`, classID(d)); err != nil {
		s.Fatal(err)
	}
}

func TestALateReplyWhoseRoomTheSweeperCloses(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, st := range []step{createSteps[1], createSteps[3]} {
		for _, m := range lateReplies() {
			t.Run(st.name+": "+m.name, func(t *testing.T) {
				t.Parallel()
				s, d := db.newHarness(t), newDraft()
				s.setCapacities(20)
				r := &fakeTemporal{harness: s, class: classID(d)}
				answer := s.requestInFlight("run-1", d, st, (*gate).after)
				s.closeRoomFails.Store(true)
				made := m.arrange(s, d, st, answer)
				s.closeRoomFails.Store(false)
				r.sweep()
				r.awaitRecoveries()
				s.assertFinal(made, d)
			})
		}
	}
}

func TestTwoSweepsAtOnce(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		// left leaves something for the sweeper to do, and returns the draft that is ready in the end.
		left func(*harness, minigroup.Draft) *minigroup.Draft
	}{
		"undo one create": {func(s *harness, d minigroup.Draft) *minigroup.Draft {
			s.createEventRoomOnly("run-1", d)
			s.expireRequests(d)
			return nil
		}},
		"go on with one undo": {func(s *harness, d minigroup.Draft) *minigroup.Draft {
			s.createEventRoomOnly("run-1", d)
			in := activities.BeginUndoInput{ClassID: classID(d), Reason: stored.Failure{Kind: minigroup.OperationCancelled}}
			if err := s.execute("run-1", s.acts.BeginUndo, in); err != nil {
				s.Fatal(err)
			}
			return nil
		}},
		"finish one update": {func(s *harness, d minigroup.Draft) *minigroup.Draft {
			s.createReady(d)
			change, want := extendBy(d, 10, 9)
			id := uuid.New()
			s.script(conferencePatch, loseReply)
			if err := s.execute("run-2", s.acts.BeginUpdate, activities.UpdateInput{ID: id, ClassID: classID(d), Change: stored.NewChange(change)}); err != nil {
				s.Fatal(err)
			}
			if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}); err == nil {
				s.Fatal("the PATCH was answered")
			}
			return &want
		}},
		"have one room closed": {func(s *harness, d minigroup.Draft) *minigroup.Draft {
			answer := s.requestInFlight("run-1", d, createSteps[1], (*gate).after)
			s.mustUndo("run-2", d)
			s.closeRoomFails.Store(true)
			answer()
			s.awaitReplies(d, minigroup.EventRoom, 1)
			s.closeRoomFails.Store(false)
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			r := &fakeTemporal{harness: s, class: classID(d)}
			made := c.left(s, d)
			one, two := newGate(t), newGate(t)
			s.script(openSagas, one.after, two.after) // both know of the same
			sweeps := []func() activities.SweptClasses{inBackground(s, r.sweep), inBackground(s, r.sweep)}
			one.awaitReached(t)
			two.awaitReached(t)
			one.open()
			two.open()
			for _, ended := range sweeps {
				ended()
			}
			r.awaitRecoveries()
			s.assertFinal(made, d)
		})
	}
}

func TestASweepBesideALiveRun(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range createPausePoints() {
		for name, during := range map[string]func(*harness, minigroup.Draft){
			"": func(*harness, minigroup.Draft) {}, ", and its requests are over their moment": (*harness).expireRequests,
		} {
			t.Run("a create "+f.String()+name, func(t *testing.T) {
				t.Parallel()
				s, d := db.newHarness(t), newDraft()
				r := &fakeTemporal{harness: s, class: classID(d)}
				g := newGate(t)
				s.script(f.operation, f.behaviour(g))
				s.acts.Settings.StepWait = deadline
				ended, _ := r.start("run-1", func() *result { return s.create("run-1", d) })
				g.awaitReached(t)
				during(s, d)
				if swept := r.sweep(); swept.Recovered > 0 {
					t.Errorf("the sweep came to %+v", swept)
				}
				g.open()
				s.assertEnd(ended(), d, step{}, end{})
			})
		}
	}
	for _, f := range updatePausePoints() {
		t.Run("an update "+f.String(), func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.createReady(d)
			r := &fakeTemporal{harness: s, class: classID(d)}
			g := newGate(t)
			s.script(f.operation, f.behaviour(g))
			s.acts.Settings.StepWait = deadline
			change, want := extendBy(d, 10, 9)
			ended, _ := r.start("run-2", func() *result { return s.update("run-2", uuid.New(), d, change) })
			g.awaitReached(t)
			if swept := r.sweep(); swept.Recovered > 0 {
				t.Errorf("the sweep came to %+v", swept)
			}
			g.open()
			s.assertUpdated(ended(), want, want.Time, "")
		})
	}
}

// sweepPausePoints are the moments between which a sweep decides that a create is gone and starts the run that undoes
// it.
var sweepPausePoints = map[string]operation{"has listed what is open": openSagas, "knows that its run is gone": isOpen}

// pauseSweep leaves a create whose run was terminated, and has a sweep come so far.
func pauseSweep(t *testing.T, db database, at operation) (r *fakeTemporal, d minigroup.Draft, goOn func() activities.SweptClasses) {
	t.Helper()
	s, d := db.newHarness(t), newDraft()
	s.setCapacities(20)
	r = &fakeTemporal{harness: s, class: classID(d)}
	s.createEventRoomOnly("run-1", d)
	sweeping := newGate(t)
	s.script(at, sweeping.after)
	ended := inBackground(s, r.sweep)
	sweeping.awaitReached(t)
	return r, d, func() activities.SweptClasses {
		sweeping.open()
		return ended()
	}
}

// posts starts a create beside the test.
func (r *fakeTemporal) startCreate(run string, d minigroup.Draft) (ready func()) {
	r.Helper()
	ended, started := r.start(run, func() *result { return r.create(run, d) })
	if !started {
		r.Fatal("another run is open")
	}
	return func() {
		r.Helper()
		if p := ended(); p.err != nil {
			r.Error(p.err)
		}
		r.awaitNoOpenRun()
	}
}

func TestASweepBesideAPOSTThatRestartsATerminatedClass(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range nextDrafts() {
		for where, at := range sweepPausePoints {
			for _, f := range createPausePoints() {
				if kept := newDraft(); f.operation == eventCreate && fingerprint(next(kept)) == fingerprint(kept) {
					continue // the event room of the terminated run is kept
				}
				t.Run(fmt.Sprintf("the sweep %s, and %s stands %s", where, name, f), func(t *testing.T) {
					t.Parallel()
					r, d, goOn := pauseSweep(t, db, at)
					made, creating := next(d), newGate(t)
					if f.operation == beginCreate {
						r.script(beginCreate, succeed)
					}
					r.script(f.operation, f.behaviour(creating))
					ready := r.startCreate("run-2", made)
					creating.awaitReached(t)
					if n := goOn().Recovered; n > 0 {
						t.Errorf("%d runs were started beside an open one", n)
					}
					creating.open()
					ready()
					r.assertFinal(&made, d)
				})
			}
			t.Run(fmt.Sprintf("the sweep %s, and %s is ready", where, name), func(t *testing.T) {
				t.Parallel()
				r, d, goOn := pauseSweep(t, db, at)
				made := next(d)
				r.startCreate("run-2", made)()
				goOn()
				r.awaitRecoveries()
				r.assertFinal(&made, d)
			})
		}
	}
}

func TestTheUndoOfASweepIsTerminatedAndItsWorkerGoesOn(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range nextDrafts() {
		for _, f := range []pausePoint{{beginUndo, false}, {beginUndo, true}, {eventClose, false}, {roomReleased, false}, {endUndo, false}} {
			t.Run(f.String()+", when "+name+" is ready", func(t *testing.T) {
				t.Parallel()
				r, d, goOn := pauseSweep(t, db, isOpen)
				made, undo := next(d), newGate(t)
				r.script(f.operation, f.behaviour(undo))
				goOn()
				undo.awaitReached(t)
				r.end("healing-1")
				r.startCreate("run-2", made)()
				undo.open()
				r.assertNoEffect(r.recovering[0]())
				r.assertFinal(&made, d)
			})
		}
	}
}

func TestASweepClosesOnlyCondemnedRooms(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	s.setCapacities(30)
	r := &fakeTemporal{harness: s, class: classID(d)}
	s.createEventRoomOnly("run-1", d)
	s.closeRoomFails.Store(true)
	made := otherDraft(d)
	s.createEventRoomOnly("run-2", made) // condemns the room of the first, and holds one
	sweeping := newGate(t)
	s.script(staleClosings, sweeping.after)
	r.open = "run-2"
	swept := inBackground(s, r.sweep)
	sweeping.awaitReached(t)
	r.end("run-2")
	r.startCreate("run-3", made)() // keeps it
	s.closeRoomFails.Store(false)
	sweeping.open()
	if n := swept().Closing; n != 1 {
		t.Errorf("%d rooms are being closed", n)
	}
	s.assertFinal(&made, d)
}

func TestASweepForgetsWhatHasLongBeenOver(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	s.setCapacities(20)
	s.createEventRoomOnly("run-1", d)
	s.mustUndo("run-2", d)
	if _, err := s.db.Exec(s.Context(), `UPDATE room_attempt SET changed_at = now() - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	attempts := func() (n int64) {
		if err := s.db.QueryRow(s.Context(), `SELECT count(*) FROM room_attempt WHERE state = 'released'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	had := attempts()
	for _, c := range []struct {
		history time.Duration
		left    int64
	}{{0, had}, {2 * time.Hour, had}, {time.Minute, 0}} {
		counted := map[string]int{}
		sweeper := activities.Sweeper{
			Ledger: s.ledger, Recovery: &fakeTemporal{harness: s}, Steps: s.acts, Grace: time.Hour, Retention: c.history,
			Count: func(what string, n int) { counted[what] += n },
		}
		swept, err := sweeper.SweepClasses(s.Context())
		if left := attempts(); err != nil || left != c.left || swept.Purged != had-left || int64(counted["purged_room_attempt"]) != had-left {
			t.Errorf("with a history of %s the sweep came to %+v, %v; %d of %d are left and %v counted", c.history, swept, err, left, had, counted)
		}
	}
	if had == 0 {
		t.Error("nothing was over")
	}
}
