package workflows_test

import (
	"fmt"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
)

// standstill is where a worker is frozen: before an operation was carried out, or after it and before the worker knows.
type pausePoint struct {
	operation operation
	after     bool
}

func (f pausePoint) String() string {
	if f.after {
		return "after " + string(f.operation)
	}
	return "before " + string(f.operation)
}

func (f pausePoint) behaviour(g *gate) behaviour {
	if f.after {
		return g.after
	}
	return g.before
}

func createPausePoints() []pausePoint {
	return beforeAndAfter(beginCreate, eventCreate, conferenceCreate, answerAttempt, eventLock, roomLocked, janusReserve, reservationHeld, establish)
}

func undoPausePoints() []pausePoint {
	return beforeAndAfter(beginUndo, eventClose, roomReleased, janusRelease, reservationReleased, endUndo)
}

// around are the standstills before and after each of these.
func beforeAndAfter(operations ...operation) []pausePoint {
	var out []pausePoint
	for _, at := range operations {
		out = append(out, pausePoint{at, false}, pausePoint{at, true})
	}
	return out
}

// sleeper is a worker process that is frozen while it works on a create, for longer than its requests may be in flight.
type frozenWorker struct {
	resume func()
	result func() *result
}

// frozen has a process of its own create a minigroup and freezes it.
func (s *harness) freezeCreate(run string, d minigroup.Draft, f pausePoint) frozenWorker {
	s.Helper()
	g := newGate(s.T)
	settings := s.acts.Settings
	settings.StepWait = deadline
	acts := s.newProcess(settings)
	s.script(f.operation, f.behaviour(g))
	ended := inBackground(s, func() *result { return s.createIn(acts, run, d) })
	g.awaitReached(s.T)
	return frozenWorker{g.open, ended}
}

// take makes a run the current one: all others are gone, although a worker may not know it yet.
func (s *harness) makeCurrent(run string) { s.current.Store(run) }

// assertNoEffect checks that a run whose worker was woken did not fail the minigroup or anything else.
func (s *harness) assertNoEffect(p *result) {
	s.Helper()
	if p.err != nil && p.kind() != activities.Superseded {
		s.Errorf("the run that was gone ended with %v", p.err)
	}
}

func nextDrafts() map[string]func(minigroup.Draft) minigroup.Draft {
	return map[string]func(minigroup.Draft) minigroup.Draft{
		"an equal one": func(d minigroup.Draft) minigroup.Draft { return d }, "another draft": otherDraft,
	}
}

func TestAWorkerThatWasFrozenDuringACreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range createPausePoints() {
		t.Run(f.String()+", goes on when its class is undone", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			old := s.freezeCreate("run-1", d, f)
			s.makeCurrent("run-2")
			s.mustUndo("run-2", d)
			old.resume()
			s.assertNoEffect(old.result())
			s.sweepUntilDone(d)
			m := s.assertConsistent(d)
			// Where the undo found nothing, or came after establish, the minigroup is whole.
			if whole := f == (pausePoint{beginCreate, false}) || f == (pausePoint{establish, true}); (m.State == minigroup.Ready) != whole {
				t.Errorf("the minigroup is %s", m.State)
			}
		})
		for name, next := range nextDrafts() {
			if f == (pausePoint{establish, true}) {
				continue // it is ready: no other create touches it
			}
			t.Run(f.String()+", goes on when "+name+" is ready", func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				made := next(d)
				old := s.freezeCreate("run-1", d, f)
				s.expireRequests(d)
				s.makeCurrent("run-2")
				s.mustCreate("run-2", made)
				before, err := s.ledger.ByID(t.Context(), classID(d))
				if err != nil {
					t.Fatal(err)
				}
				old.resume()
				s.assertNoEffect(old.result())
				s.assertFinal(&made, d)
				if after := s.assertConsistent(d); after.EventRoomID != before.EventRoomID || after.ConferenceRoomID != before.ConferenceRoomID {
					t.Errorf("other rooms: %+v, were %+v", after, before)
				}
			})
			t.Run(f.String()+", goes on while "+name+" is being created", func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				made := next(d)
				old := s.freezeCreate("run-1", d, f)
				s.expireRequests(d)
				s.makeCurrent("run-2")
				s.script(establish, func(c call) error {
					old.resume()
					s.assertNoEffect(old.result())
					return executeDetached(c)
				})
				s.mustCreate("run-2", made)
				s.assertFinal(&made, d)
			})
		}
	}
}

func TestAWorkerOfATerminatedRunBesideANewPOST(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range nextDrafts() {
		for _, f := range createPausePoints() {
			t.Run("it does all that is left when "+name+" stands "+f.String(), func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				made := next(d)
				old := s.freezeCreate("run-1", d, pausePoint{beginCreate, true})
				s.expireRequests(d)
				s.makeCurrent("run-2")
				newer := newGate(t)
				if f.operation == beginCreate {
					s.script(beginCreate, succeed) // which only tells whose the row is
				}
				s.script(f.operation, f.behaviour(newer))
				ended := inBackground(s, func() *result { return s.create("run-2", made) })
				newer.awaitReached(t)
				old.resume()
				s.assertNoEffect(old.result())
				newer.open()
				if p := ended(); p.err != nil {
					t.Error(p.err)
				}
				if f == (pausePoint{beginCreate, false}) {
					made = d // the row was still the old run's, and is established
				}
				s.assertFinal(&made, d)
			})
		}
		for i := range 5 {
			t.Run(fmt.Sprintf("both work at the same time, the new one on %s, time %d", name, i+1), func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				made := next(d)
				old := s.freezeCreate("run-1", d, pausePoint{beginCreate, i%2 == 0})
				s.makeCurrent("run-2")
				old.resume()
				s.mustCreate("run-2", made)
				s.assertNoEffect(old.result())
				s.sweepUntilDone(d)
				if m := s.assertConsistent(d); fingerprint(m.Draft) == fingerprint(d) {
					made = d // the old run was first
				}
				s.assertFinal(&made, d)
			})
		}
	}
}

// refuseLast refuses when all else is made, so that there is something to undo.
func (s *harness) refuseLast() behaviour {
	return func(c call) error {
		s.eventually("the rest is made", func() bool { return s.callCount(roomLocked) > 0 && s.callCount(reservationHeld) > 0 })
		return refused(c)
	}
}

func TestAWorkerThatWasFrozenDuringAnUndo(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range undoPausePoints() {
		for name, next := range nextDrafts() {
			for when, during := range map[string]bool{"while %s is being created": true, "when %s is ready": false} {
				t.Run(f.String()+", goes on "+fmt.Sprintf(when, name), func(t *testing.T) {
					t.Parallel()
					s := db.newHarness(t)
					s.setCapacities(20)
					d := newDraft()
					made := next(d)
					s.script(conferenceCreate, s.refuseLast())
					old := s.freezeCreate("run-1", d, f)
					s.makeCurrent("run-2")
					if during {
						s.script(establish, func(c call) error {
							old.resume()
							old.result()
							return executeDetached(c)
						})
					}
					s.mustCreate("run-2", made)
					old.resume()
					// Its undo was over, or found a minigroup that is ready: then it has nothing to say either.
					over := f == (pausePoint{endUndo, true}) || (f == (pausePoint{beginUndo, false}) && !during)
					if p := old.result(); p.kind() != activities.Superseded && !over {
						t.Errorf("the run that was gone ended with %v", p.err)
					}
					s.assertFinal(&made, d)
				})
			}
		}
	}
}

func TestAWorkerThatWasFrozenForLongerThanItsRequestMayBeInFlight(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// lost waits until the attempt of a frozen worker is lost, as a sweep finds it.
	lost := func(s *harness, d minigroup.Draft, kind minigroup.RoomKind) {
		id := s.newestAttempt(d, kind)
		s.eventually("the moment is over", func() bool {
			if err := s.ledger.AttemptLost(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			return s.countAttempts(classID(d), kind, minigroup.AttemptLost) == 1
		})
	}
	for _, st := range []step{createSteps[1], createSteps[3]} {
		for _, f := range []pausePoint{{st.operation, false}, {st.operation, true}, {answerAttempt, false}} {
			t.Run(st.name+", "+f.String()+": its run goes on with another room", func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				d := newDraft()
				onlyOf(s, d, st, f)
				old := s.freezeCreate("run-1", d, f)
				lost(s, d, st.room)
				old.resume()
				s.assertEnd(old.result(), d, step{}, end{})
				if n := s.countAttempts(classID(d), st.room, minigroup.AttemptReleased); n != 1 {
					t.Errorf("%d rooms were released", n)
				}
			})
			for name, next := range nextDrafts() {
				t.Run(st.name+", "+f.String()+": "+name+" has a room of its own", func(t *testing.T) {
					t.Parallel()
					s := db.newHarness(t)
					s.setCapacities(20)
					d := newDraft()
					made := next(d)
					onlyOf(s, d, st, f)
					old := s.freezeCreate("run-1", d, f)
					lost(s, d, st.room)
					s.makeCurrent("run-2")
					s.mustCreate("run-2", made)
					old.resume()
					s.assertNoEffect(old.result())
					s.assertFinal(&made, d)
				})
			}
		}
	}
}

func TestAWorkerThatWasFrozenWhileItsSlotsMoved(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	nexts := nextDrafts()
	nexts["one without slots"] = func(d minigroup.Draft) minigroup.Draft {
		d.Reserve = nil
		return d
	}
	for name, next := range nexts {
		for _, f := range beforeAndAfter(moveReservation) {
			for when, during := range map[string]bool{"while %s is being created": true, "when %s is ready": false} {
				t.Run(f.String()+", goes on "+fmt.Sprintf(when, name), func(t *testing.T) {
					t.Parallel()
					s, d := db.newHarness(t), newDraft()
					s.setCapacities(10, 20, 30)
					s.setUnavailable(s.backend(1), true)
					made := next(d)
					old := s.freezeCreate("run-1", d, f)
					s.makeCurrent("run-2")
					if during {
						s.script(establish, func(c call) error {
							old.resume()
							s.assertNoEffect(old.result())
							return executeDetached(c)
						})
					}
					s.mustCreate("run-2", made)
					old.resume()
					s.assertNoEffect(old.result())
					s.setUnavailable(s.backend(1), false)
					s.assertFinal(&made, d)
				})
			}
		}
	}
}

// only has the other kind of room answered before the worker is frozen, where both are answered by the same operation.
func onlyOf(s *harness, d minigroup.Draft, st step, f pausePoint) {
	if f.operation != answerAttempt {
		return
	}
	kind := minigroup.EventRoom
	if st.room == minigroup.EventRoom {
		kind = minigroup.ConferenceRoom
	}
	s.script(answerAttempt, succeed)
	s.script(st.operation, func(c call) error {
		s.eventually("the other room is there", func() bool { return s.countAttempts(classID(d), kind, minigroup.AttemptHeld) == 1 })
		return executeDetached(c)
	})
}
