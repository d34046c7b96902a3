package workflows_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

func TestSweepClosesTheRoomOfALateReply(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, st := range []step{createSteps[1], createSteps[3]} {
		for _, reply := range lateReplies() {
			t.Run(st.name+": "+reply.name, func(t *testing.T) {
				t.Parallel()
				s, d := db.newHarness(t), newDraft()
				s.setCapacities(20)
				r := &fakeTemporal{harness: s, class: classID(d)}
				answer := s.requestInFlight("run-1", d, st, (*gate).after)
				s.closeRoomFails.Store(true)
				ready := reply.arrange(s, d, st, answer)
				s.closeRoomFails.Store(false)
				r.sweep()
				r.awaitRecoveries()
				s.assertFinal(ready, d)
			})
		}
	}
}

func TestConcurrentSweeps(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		// arrange leaves work for the sweeper, and returns the draft that is ready in the end; nil when it has failed.
		arrange func(*harness, minigroup.Draft) *minigroup.Draft
	}{
		"undo one create": {func(s *harness, d minigroup.Draft) *minigroup.Draft {
			s.createEventRoomOnly("run-1", d)
			s.expireRequests(d)
			return nil
		}},
		"continue one undo": {func(s *harness, d minigroup.Draft) *minigroup.Draft {
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
			update := activities.UpdateInput{ID: id, ClassID: classID(d), Change: stored.NewChange(change)}
			if err := s.execute("run-2", s.acts.BeginUpdate, update); err != nil {
				s.Fatal(err)
			}
			if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}); err == nil {
				s.Fatal("the PATCH was answered")
			}
			return &want
		}},
		"close one room": {func(s *harness, d minigroup.Draft) *minigroup.Draft {
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
			ready := c.arrange(s, d)
			one, two := newGate(t), newGate(t)
			s.script(openSagas, one.after, two.after) // both find the same
			sweeps := []func() activities.SweptClasses{inBackground(s, r.sweep), inBackground(s, r.sweep)}
			one.awaitReached(t)
			two.awaitReached(t)
			one.open()
			two.open()
			for _, wait := range sweeps {
				wait()
			}
			r.awaitRecoveries()
			s.assertFinal(ready, d)
		})
	}
}

func TestSweepDuringAnOpenRun(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range createPausePoints() {
		for name, during := range map[string]func(*harness, minigroup.Draft){
			"": func(*harness, minigroup.Draft) {}, ", after the deadline of its requests": (*harness).expireRequests,
		} {
			t.Run("a create paused "+f.String()+name, func(t *testing.T) {
				t.Parallel()
				s, d := db.newHarness(t), newDraft()
				r := &fakeTemporal{harness: s, class: classID(d)}
				g := newGate(t)
				s.script(f.operation, f.behaviour(g))
				s.acts.Settings.StepWait = deadline
				wait, _ := r.start("run-1", func() *result { return s.create("run-1", d) })
				g.awaitReached(t)
				during(s, d)
				if swept := r.sweep(); swept.Recovered > 0 {
					t.Errorf("the sweep returned %+v", swept)
				}
				g.open()
				s.assertEnd(wait(), d, step{}, end{})
			})
		}
	}
	for _, f := range updatePausePoints() {
		t.Run("an update paused "+f.String(), func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.createReady(d)
			r := &fakeTemporal{harness: s, class: classID(d)}
			g := newGate(t)
			s.script(f.operation, f.behaviour(g))
			s.acts.Settings.StepWait = deadline
			change, want := extendBy(d, 10, 9)
			wait, _ := r.start("run-2", func() *result { return s.update("run-2", uuid.New(), d, change) })
			g.awaitReached(t)
			if swept := r.sweep(); swept.Recovered > 0 {
				t.Errorf("the sweep returned %+v", swept)
			}
			g.open()
			s.assertUpdated(wait(), want, want.Time, "")
		})
	}
}

// sweepPausePoints are the operations of a sweep after which it starts a run that undoes a create.
var sweepPausePoints = map[string]operation{
	"has listed the open sagas": openSagas, "has found that the run is gone": isOpen,
}

// pauseSweep leaves a create whose run was terminated, and pauses a sweep after an operation. resume ends the pause.
func pauseSweep(
	t *testing.T, db database, o operation,
) (r *fakeTemporal, d minigroup.Draft, resume func() activities.SweptClasses) {
	t.Helper()
	s, d := db.newHarness(t), newDraft()
	s.setCapacities(20)
	r = &fakeTemporal{harness: s, class: classID(d)}
	s.createEventRoomOnly("run-1", d)
	sweeping := newGate(t)
	s.script(o, sweeping.after)
	wait := inBackground(s, r.sweep)
	sweeping.awaitReached(t)
	return r, d, func() activities.SweptClasses {
		sweeping.open()
		return wait()
	}
}

// startCreate starts a create in the background. awaitReady waits for its end, which must be a success.
func (r *fakeTemporal) startCreate(run string, d minigroup.Draft) (awaitReady func()) {
	r.Helper()
	wait, started := r.start(run, func() *result { return r.create(run, d) })
	if !started {
		r.Fatal("another run is open")
	}
	return func() {
		r.Helper()
		if p := wait(); p.err != nil {
			r.Error(p.err)
		}
		r.awaitNoOpenRun()
	}
}

func TestSweepDuringACreateAfterATerminatedOne(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range nextDrafts() {
		for where, o := range sweepPausePoints {
			for _, f := range createPausePoints() {
				if kept := newDraft(); f.operation == eventCreate && fingerprint(next(kept)) == fingerprint(kept) {
					continue // the event room of the terminated run is kept
				}
				t.Run(fmt.Sprintf("the sweep %s, the create of %s is paused %s", where, name, f), func(t *testing.T) {
					t.Parallel()
					r, d, resume := pauseSweep(t, db, o)
					ready, creating := next(d), newGate(t)
					if f.operation == beginCreate {
						r.script(beginCreate, succeed)
					}
					r.script(f.operation, f.behaviour(creating))
					created := r.startCreate("run-2", ready)
					creating.awaitReached(t)
					if n := resume().Recovered; n > 0 {
						t.Errorf("%d runs were started while one was open", n)
					}
					creating.open()
					created()
					r.assertFinal(&ready, d)
				})
			}
			t.Run(fmt.Sprintf("the sweep %s, %s is ready", where, name), func(t *testing.T) {
				t.Parallel()
				r, d, resume := pauseSweep(t, db, o)
				ready := next(d)
				r.startCreate("run-2", ready)()
				resume()
				r.awaitRecoveries()
				r.assertFinal(&ready, d)
			})
		}
	}
}

func TestTerminatedUndoOfASweepWhoseWorkerContinues(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range nextDrafts() {
		for _, f := range []pausePoint{
			{beginUndo, false}, {beginUndo, true}, {eventClose, false}, {roomReleased, false}, {endUndo, false},
		} {
			t.Run(f.String()+", when "+name+" is ready", func(t *testing.T) {
				t.Parallel()
				r, d, resume := pauseSweep(t, db, isOpen)
				ready, undo := next(d), newGate(t)
				r.script(f.operation, f.behaviour(undo))
				resume()
				undo.awaitReached(t)
				r.end("recovery-1")
				r.startCreate("run-2", ready)()
				undo.open()
				r.assertNoEffect(r.recovering[0]())
				r.assertFinal(&ready, d)
			})
		}
	}
}

func TestSweepClosesOnlyRoomsPendingClose(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	s.setCapacities(30)
	r := &fakeTemporal{harness: s, class: classID(d)}
	s.createEventRoomOnly("run-1", d)
	s.closeRoomFails.Store(true)
	ready := otherDraft(d)
	s.createEventRoomOnly("run-2", ready) // marks the room of the first for closing, and holds another
	sweeping := newGate(t)
	s.script(staleClosings, sweeping.after)
	r.open = "run-2"
	swept := inBackground(s, r.sweep)
	sweeping.awaitReached(t)
	r.end("run-2")
	r.startCreate("run-3", ready)() // keeps the room
	s.closeRoomFails.Store(false)
	sweeping.open()
	if n := swept().Closing; n != 1 {
		t.Errorf("%d rooms are being closed", n)
	}
	s.assertFinal(&ready, d)
}

func TestSweepPurgesHistory(t *testing.T) {
	t.Parallel()
	s, d := newDatabase(t).newHarness(t), newDraft()
	s.setCapacities(20)
	s.createEventRoomOnly("run-1", d)
	s.mustUndo("run-2", d)
	_, err := s.db.Exec(s.Context(), `UPDATE room_attempt SET changed_at = now() - interval '1 hour'`)
	if err != nil {
		t.Fatal(err)
	}
	// Whether the attempt at the conference room is refused by now is a matter of time.
	attempts := func() (n int64) {
		err := s.db.QueryRow(s.Context(), `
			SELECT count(*) FROM room_attempt
			WHERE state IN ('released', 'refused') AND changed_at < now() - interval '30 minutes'`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	had := attempts()
	for _, c := range []struct {
		retention time.Duration
		left      int64
	}{{0, had}, {2 * time.Hour, had}, {time.Minute, 0}} {
		counted := map[string]int{}
		sweeper := activities.Sweeper{
			Ledger: s.ledger, Recovery: &fakeTemporal{harness: s}, Steps: s.acts, Grace: time.Hour, Retention: c.retention,
			Budget: deadline, Count: func(what string, n int) { counted[what] += n },
		}
		swept, err := sweepParts(s.Context(), &sweeper)
		left := attempts()
		if err != nil || left != c.left || swept.Purged != had-left || int64(counted["purged_room_attempt"]) != had-left {
			t.Errorf("with a retention of %s the sweep returned %+v, %v; %d of %d are left and %v counted",
				c.retention, swept, err, left, had, counted)
		}
	}
	if had == 0 {
		t.Error("there was nothing to purge")
	}
}

// overdue makes the end of a class pass by more than the grace of sweepIn.
func (s *harness) overdue(d minigroup.Draft) {
	s.Helper()
	_, err := s.db.Exec(s.Context(), `
		UPDATE minigroup SET during = tstzrange(now() - interval '5 hours', now() - interval '4 hours') WHERE id = $1`,
		classID(d))
	if err != nil {
		s.Fatal(err)
	}
}

// sweepIn runs the workflow that sweeps the classes, with this Recovery.
func (s *harness) sweepIn(recovery activities.Recovery) (swept activities.SweptClasses, err error) {
	s.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(deadline)
	env.RegisterActivity(&activities.Sweeper{
		Ledger: s.ledger, Recovery: recovery, Steps: s.acts, Grace: time.Hour, Budget: time.Second,
		Count: func(string, int) {},
	})
	env.ExecuteWorkflow(workflows.SweepClasses)
	if err := env.GetWorkflowError(); err != nil {
		return swept, err
	}
	return swept, env.GetWorkflowResult(&swept)
}

// frozenTemporal answers nothing.
type frozenTemporal struct{}

func (frozenTemporal) IsOpen(ctx context.Context, _ minigroup.OpenSaga) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func (frozenTemporal) Recover(ctx context.Context, _ minigroup.OpenSaga) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestAPartOfASweepDelaysNoOther(t *testing.T) {
	t.Parallel()
	arrange := func(t *testing.T) (*harness, minigroup.Draft) {
		t.Helper()
		s, over := newDatabase(t).newHarness(t), newDraft()
		s.createReady(over)
		s.overdue(over)
		for range 2 * 8 {
			left := newDraft()
			left.Reserve = nil
			s.createEventRoomOnly("run-1", left)
		}
		_, err := s.db.Exec(t.Context(), `UPDATE minigroup SET changed_at = now() - interval '1 hour'`)
		if err != nil {
			t.Fatal(err)
		}
		return s, over
	}
	wantEnded := func(s *harness, d minigroup.Draft) {
		s.Helper()
		if m, err := s.ledger.ByID(s.Context(), classID(d)); err != nil || m.ClosedAt.IsZero() {
			s.Errorf("the class has not ended: %+v, %v", m, err)
		}
	}
	t.Run("when Temporal does not answer", func(t *testing.T) {
		t.Parallel()
		s, over := arrange(t)
		swept, err := s.sweepIn(frozenTemporal{})
		if err != nil || swept.Ended != 1 || swept.Failed == 0 || swept.Failed > 8 || swept.Recovered != 0 {
			t.Errorf("the sweep returned %+v, %v", swept, err)
		}
		wantEnded(s, over)
	})
	t.Run("when it fails", func(t *testing.T) {
		t.Parallel()
		s, over := arrange(t)
		s.script(openSagas, unavailable)
		if swept, err := s.sweepIn(frozenTemporal{}); err == nil {
			t.Errorf("the sweep returned %+v", swept)
		}
		wantEnded(s, over)
	})
}

func TestARoomThatCouldNotBeLookedUpIsLookedUpAgainWithinHours(t *testing.T) {
	t.Parallel()
	s := newDatabase(t).newHarness(t)
	class := func() minigroup.Draft {
		d := newDraft()
		d.Reserve, d.Time.End = nil, nil
		s.mustCreate("run-1", d)
		return d
	}
	d, gone := class(), class()
	s.ageRooms(gone)
	s.deleteRooms(classID(gone))
	sweep := func(after time.Duration) activities.SweptClasses {
		t.Helper()
		_, err := s.db.Exec(t.Context(), `UPDATE minigroup SET looked_up_at = looked_up_at - $1::interval`, after)
		if err != nil {
			t.Fatal(err)
		}
		swept, err := s.sweepIn(frozenTemporal{})
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	s.script(conferenceRead, func(c call) error {
		// The two rooms are read in any order.
		if err := c.execute(c.ctx); err != nil {
			return err
		}
		return c.fail(unavailability)
	}, func(c call) error {
		if err := c.execute(c.ctx); err != nil {
			return err
		}
		return c.fail(unavailability)
	})
	swept := sweep(25 * time.Hour)
	if swept.Failed != 1 || len(swept.RoomGone) != 1 || swept.RoomGone[0] != classID(gone) || swept.Ended != 0 {
		t.Fatalf("the sweep returned %+v", swept)
	}
	reads := s.callCount(conferenceRead)
	if sweep(2 * time.Hour); s.callCount(conferenceRead) != reads+1 {
		t.Errorf("%d rooms were read after two hours, want that of %s", s.callCount(conferenceRead)-reads, d.Scope)
	}
	if sweep(2 * time.Hour); s.callCount(conferenceRead) != reads+1 {
		t.Error("a room is read again two hours after a success")
	}
}
