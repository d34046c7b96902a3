package workflows_test

import (
	"fmt"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
)

func TestWorkerFrozenDuringACreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range createPausePoints() {
		t.Run(f.String()+", resumes after the undo of its class", func(t *testing.T) {
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
			// The undo changed nothing when it came before begin or after establish.
			ready := f == (pausePoint{beginCreate, false}) || f == (pausePoint{establish, true})
			if (m.State == minigroup.Ready) != ready {
				t.Errorf("the minigroup is %s", m.State)
			}
		})
		for name, next := range nextDrafts() {
			if f == (pausePoint{establish, true}) {
				continue // no other create changes a minigroup that is ready
			}
			t.Run(f.String()+", resumes when "+name+" is ready", func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				ready := next(d)
				old := s.freezeCreate("run-1", d, f)
				s.expireRequests(d)
				s.makeCurrent("run-2")
				s.mustCreate("run-2", ready)
				before, err := s.ledger.ByID(t.Context(), classID(d))
				if err != nil {
					t.Fatal(err)
				}
				old.resume()
				s.assertNoEffect(old.result())
				s.assertFinal(&ready, d)
				if after := s.assertConsistent(d); !sameRooms(after, before) {
					t.Errorf("other rooms: %+v, were %+v", after, before)
				}
			})
			t.Run(f.String()+", resumes while "+name+" is being created", func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				ready := next(d)
				old := s.freezeCreate("run-1", d, f)
				s.expireRequests(d)
				s.makeCurrent("run-2")
				s.script(establish, func(c call) error {
					old.resume()
					s.assertNoEffect(old.result())
					return executeDetached(c)
				})
				s.mustCreate("run-2", ready)
				s.assertFinal(&ready, d)
			})
		}
	}
}

func TestWorkerOfATerminatedRunBesideANewPOST(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range nextDrafts() {
		for _, f := range createPausePoints() {
			t.Run("it runs to its end while the create of "+name+" is paused "+f.String(), func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				ready := next(d)
				old := s.freezeCreate("run-1", d, pausePoint{beginCreate, true})
				s.expireRequests(d)
				s.makeCurrent("run-2")
				newer := newGate(t)
				if f.operation == beginCreate {
					s.script(beginCreate, succeed) // of the first claim, which finds another owner
				}
				s.script(f.operation, f.behaviour(newer))
				wait := inBackground(s, func() *result { return s.create("run-2", ready) })
				newer.awaitReached(t)
				old.resume()
				s.assertNoEffect(old.result())
				newer.open()
				if p := wait(); p.err != nil {
					t.Error(p.err)
				}
				if f == (pausePoint{beginCreate, false}) {
					ready = d // the old run still owned the row and established it
				}
				s.assertFinal(&ready, d)
			})
		}
		for i := range 5 {
			t.Run(fmt.Sprintf("both run concurrently, the new one with %s, round %d", name, i+1), func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				s.setCapacities(20)
				d := newDraft()
				ready := next(d)
				old := s.freezeCreate("run-1", d, pausePoint{beginCreate, i%2 == 0})
				s.makeCurrent("run-2")
				old.resume()
				s.mustCreate("run-2", ready)
				s.assertNoEffect(old.result())
				s.sweepUntilDone(d)
				if m := s.assertConsistent(d); fingerprint(m.Draft) == fingerprint(d) {
					ready = d // the old run was first
				}
				s.assertFinal(&ready, d)
			})
		}
	}
}

func TestWorkerFrozenDuringAnUndo(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range undoPausePoints() {
		for name, next := range nextDrafts() {
			for when, during := range map[string]bool{"while %s is being created": true, "when %s is ready": false} {
				t.Run(f.String()+", resumes "+fmt.Sprintf(when, name), func(t *testing.T) {
					t.Parallel()
					s := db.newHarness(t)
					s.setCapacities(20)
					d := newDraft()
					ready := next(d)
					s.script(conferenceCreate, s.refuseLast(d))
					old := s.freezeCreate("run-1", d, f)
					s.makeCurrent("run-2")
					if during {
						s.script(establish, func(c call) error {
							old.resume()
							old.result()
							return executeDetached(c)
						})
					}
					s.mustCreate("run-2", ready)
					old.resume()
					// Its undo had ended, or found a minigroup that is ready.
					ended := f == (pausePoint{endUndo, true}) || (f == (pausePoint{beginUndo, false}) && !during)
					if p := old.result(); p.kind() != activities.Superseded && !ended {
						t.Errorf("the run that was gone ended with %v", p.err)
					}
					s.assertFinal(&ready, d)
				})
			}
		}
	}
}

func TestWorkerFrozenPastTheDeadlineOfItsRequest(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// expire marks the attempt of a frozen worker as lost once its deadline has passed, as a sweep does. The request for
	// the other room is answered before: otherwise the next run would wait for it.
	expire := func(s *harness, d minigroup.Draft, kind minigroup.RoomKind) {
		s.eventually("the other room is held", func() bool {
			return s.countAttempts(classID(d), otherKind(kind), minigroup.AttemptHeld) == 1
		})
		id := s.newestAttempt(d, kind)
		s.eventually("the deadline has passed", func() bool {
			if err := s.ledger.AttemptLost(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			return s.countAttempts(classID(d), kind, minigroup.AttemptLost) == 1
		})
	}
	for _, st := range []step{createSteps[1], createSteps[3]} {
		for _, f := range []pausePoint{{st.operation, false}, {st.operation, true}, {answerAttempt, false}} {
			t.Run(st.name+", "+f.String()+": its run continues with another room", func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				d := newDraft()
				replyToOtherKindFirst(s, d, st, f)
				old := s.freezeCreate("run-1", d, f)
				expire(s, d, st.room)
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
					ready := next(d)
					replyToOtherKindFirst(s, d, st, f)
					old := s.freezeCreate("run-1", d, f)
					expire(s, d, st.room)
					s.makeCurrent("run-2")
					s.mustCreate("run-2", ready)
					old.resume()
					s.assertNoEffect(old.result())
					s.assertFinal(&ready, d)
				})
			}
		}
	}
}

func TestWorkerFrozenWhileItsReservationMoves(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	nexts := nextDrafts()
	nexts["a draft without slots"] = func(d minigroup.Draft) minigroup.Draft {
		d.Reserve = nil
		return d
	}
	for name, next := range nexts {
		for _, f := range beforeAndAfter(moveReservation) {
			for when, during := range map[string]bool{"while %s is being created": true, "when %s is ready": false} {
				t.Run(f.String()+", resumes "+fmt.Sprintf(when, name), func(t *testing.T) {
					t.Parallel()
					s, d := db.newHarness(t), newDraft()
					s.setCapacities(10, 20, 30)
					s.setUnavailable(s.backend(1), true)
					ready := next(d)
					old := s.freezeCreate("run-1", d, f)
					s.makeCurrent("run-2")
					if during {
						s.script(establish, func(c call) error {
							old.resume()
							s.assertNoEffect(old.result())
							return executeDetached(c)
						})
					}
					s.mustCreate("run-2", ready)
					old.resume()
					s.assertNoEffect(old.result())
					s.setUnavailable(s.backend(1), false)
					s.assertFinal(&ready, d)
				})
			}
		}
	}
}
