package workflows_test

import (
	"fmt"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
)

// standstill is where a worker is frozen: before an operation was carried out, or after it and before the worker knows.
type standstill struct {
	at   operation
	done bool
}

func (f standstill) String() string {
	if f.done {
		return "after " + string(f.at)
	}
	return "before " + string(f.at)
}

func (f standstill) way(g *gate) way {
	if f.done {
		return g.after
	}
	return g.before
}

func standstillsOfACreate() []standstill {
	return around(beginCreate, eventCreate, conferenceCreate, answerAttempt, eventLock, roomLocked, janusReserve, reservationHeld, establish)
}

func standstillsOfAnUndo() []standstill {
	return around(condemn, eventClose, roomReleased, janusRelease, reservationReleased, fail)
}

// around are the standstills before and after each of these.
func around(operations ...operation) []standstill {
	var out []standstill
	for _, at := range operations {
		out = append(out, standstill{at, false}, standstill{at, true})
	}
	return out
}

// sleeper is a worker process that is frozen while it works on a create, for longer than its requests may be in flight.
type sleeper struct {
	wake  func()
	ended func() *played
}

// frozen has a process of its own create a minigroup and freezes it.
func (s *stage) frozen(run string, d minigroup.Draft, f standstill) sleeper {
	s.Helper()
	g := newGate(s.T)
	settings := s.acts.Settings
	settings.StepWait = deadline
	acts := s.process(settings)
	s.tell(f.at, f.way(g))
	ended := beside(s, func() *played { return s.createOn(acts, run, d) })
	g.someone(s.T)
	return sleeper{g.open, ended}
}

// take makes a run the current one: all others are gone, although a worker may not know it yet.
func (s *stage) take(run string) { s.current.Store(run) }

// wokenTooLate checks that a run whose worker was woken did not fail the minigroup or anything else.
func (s *stage) wokenTooLate(p *played) {
	s.Helper()
	if p.err != nil && p.kind() != activities.Superseded {
		s.Errorf("the run that was gone ended with %v", p.err)
	}
}

func drafts() map[string]func(minigroup.Draft) minigroup.Draft {
	return map[string]func(minigroup.Draft) minigroup.Draft{
		"an equal one": func(d minigroup.Draft) minigroup.Draft { return d }, "another draft": other,
	}
}

func TestAWorkerThatWasFrozenDuringACreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range standstillsOfACreate() {
		t.Run(f.String()+", goes on when its class is undone", func(t *testing.T) {
			t.Parallel()
			s := db.stage(t)
			d := newDraft()
			old := s.frozen("run-1", d, f)
			s.take("run-2")
			s.undo("run-2", d)
			old.wake()
			s.wokenTooLate(old.ended())
			s.sweepUntilDone(d)
			m := s.holds(d)
			// Where the undo found nothing, or came after establish, the minigroup is whole.
			if whole := f == (standstill{beginCreate, false}) || f == (standstill{establish, true}); (m.State == minigroup.Ready) != whole {
				t.Errorf("the minigroup is %s", m.State)
			}
		})
		for name, next := range drafts() {
			if f == (standstill{establish, true}) {
				continue // it is ready: no other create touches it
			}
			t.Run(f.String()+", goes on when "+name+" is ready", func(t *testing.T) {
				t.Parallel()
				s := db.stage(t)
				s.gatewaysWith(20)
				d := newDraft()
				made := next(d)
				old := s.frozen("run-1", d, f)
				s.expire(d)
				s.take("run-2")
				s.creates("run-2", made)
				before, err := s.ledger.ByID(t.Context(), classID(d))
				if err != nil {
					t.Fatal(err)
				}
				old.wake()
				s.wokenTooLate(old.ended())
				s.endsWith(&made, d)
				if after := s.holds(d); after.EventRoomID != before.EventRoomID || after.ConferenceRoomID != before.ConferenceRoomID {
					t.Errorf("other rooms: %+v, were %+v", after, before)
				}
			})
			t.Run(f.String()+", goes on while "+name+" is being created", func(t *testing.T) {
				t.Parallel()
				s := db.stage(t)
				s.gatewaysWith(20)
				d := newDraft()
				made := next(d)
				old := s.frozen("run-1", d, f)
				s.expire(d)
				s.take("run-2")
				s.tell(establish, func(c call) error {
					old.wake()
					s.wokenTooLate(old.ended())
					return done(c)
				})
				s.creates("run-2", made)
				s.endsWith(&made, d)
			})
		}
	}
}

func TestAWorkerOfATerminatedRunBesideANewPOST(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, next := range drafts() {
		for _, f := range standstillsOfACreate() {
			t.Run("it does all that is left when "+name+" stands "+f.String(), func(t *testing.T) {
				t.Parallel()
				s := db.stage(t)
				s.gatewaysWith(20)
				d := newDraft()
				made := next(d)
				old := s.frozen("run-1", d, standstill{beginCreate, true})
				s.expire(d)
				s.take("run-2")
				newer := newGate(t)
				if f.at == beginCreate {
					s.tell(beginCreate, well) // which only tells whose the row is
				}
				s.tell(f.at, f.way(newer))
				ended := beside(s, func() *played { return s.create("run-2", made) })
				newer.someone(t)
				old.wake()
				s.wokenTooLate(old.ended())
				newer.open()
				if p := ended(); p.err != nil {
					t.Error(p.err)
				}
				if f == (standstill{beginCreate, false}) {
					made = d // the row was still the old run's, and is established
				}
				s.endsWith(&made, d)
			})
		}
		for i := range 5 {
			t.Run(fmt.Sprintf("both work at the same time, the new one on %s, time %d", name, i+1), func(t *testing.T) {
				t.Parallel()
				s := db.stage(t)
				s.gatewaysWith(20)
				d := newDraft()
				made := next(d)
				old := s.frozen("run-1", d, standstill{beginCreate, i%2 == 0})
				s.take("run-2")
				old.wake()
				s.creates("run-2", made)
				s.wokenTooLate(old.ended())
				s.sweepUntilDone(d)
				if m := s.holds(d); fingerprint(m.Draft) == fingerprint(d) {
					made = d // the old run was first
				}
				s.endsWith(&made, d)
			})
		}
	}
}

// refusedLast refuses when all else is made, so that there is something to undo.
func (s *stage) refusedLast() way {
	return func(c call) error {
		s.eventually("the rest is made", func() bool { return s.called(roomLocked) > 0 && s.called(reservationHeld) > 0 })
		return refused(c)
	}
}

func TestAWorkerThatWasFrozenDuringAnUndo(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range standstillsOfAnUndo() {
		for name, next := range drafts() {
			for when, during := range map[string]bool{"while %s is being created": true, "when %s is ready": false} {
				t.Run(f.String()+", goes on "+fmt.Sprintf(when, name), func(t *testing.T) {
					t.Parallel()
					s := db.stage(t)
					s.gatewaysWith(20)
					d := newDraft()
					made := next(d)
					s.tell(conferenceCreate, s.refusedLast())
					old := s.frozen("run-1", d, f)
					s.take("run-2")
					if during {
						s.tell(establish, func(c call) error {
							old.wake()
							old.ended()
							return done(c)
						})
					}
					s.creates("run-2", made)
					old.wake()
					// Its undo was over, or found a minigroup that is ready: then it has nothing to say either.
					over := f == (standstill{fail, true}) || (f == (standstill{condemn, false}) && !during)
					if p := old.ended(); p.kind() != activities.Superseded && !over {
						t.Errorf("the run that was gone ended with %v", p.err)
					}
					s.endsWith(&made, d)
				})
			}
		}
	}
}

func TestAWorkerThatWasFrozenForLongerThanItsRequestMayBeInFlight(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// lost waits until the attempt of a frozen worker is lost, as a sweep finds it.
	lost := func(s *stage, d minigroup.Draft, kind minigroup.RoomKind) {
		id := s.attemptOf(d, kind)
		s.eventually("the moment is over", func() bool {
			if err := s.ledger.AttemptLost(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			return s.count(classID(d), kind, minigroup.AttemptLost) == 1
		})
	}
	for _, st := range []step{steps[1], steps[3]} {
		for _, f := range []standstill{{st.asks, false}, {st.asks, true}, {answerAttempt, false}} {
			t.Run(st.name+", "+f.String()+": its run goes on with another room", func(t *testing.T) {
				t.Parallel()
				s := db.stage(t)
				d := newDraft()
				only(s, d, st, f)
				old := s.frozen("run-1", d, f)
				lost(s, d, st.room)
				old.wake()
				s.endsAs(old.ended(), d, step{}, end{})
				if n := s.count(classID(d), st.room, minigroup.AttemptReleased); n != 1 {
					t.Errorf("%d rooms were released", n)
				}
			})
			for name, next := range drafts() {
				t.Run(st.name+", "+f.String()+": "+name+" has a room of its own", func(t *testing.T) {
					t.Parallel()
					s := db.stage(t)
					s.gatewaysWith(20)
					d := newDraft()
					made := next(d)
					only(s, d, st, f)
					old := s.frozen("run-1", d, f)
					lost(s, d, st.room)
					s.take("run-2")
					s.creates("run-2", made)
					old.wake()
					s.wokenTooLate(old.ended())
					s.endsWith(&made, d)
				})
			}
		}
	}
}

func TestAWorkerThatWasFrozenWhileItsSlotsMoved(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	nexts := drafts()
	nexts["one without slots"] = func(d minigroup.Draft) minigroup.Draft {
		d.Reserve = nil
		return d
	}
	for name, next := range nexts {
		for _, f := range around(moveReservation) {
			for when, during := range map[string]bool{"while %s is being created": true, "when %s is ready": false} {
				t.Run(f.String()+", goes on "+fmt.Sprintf(when, name), func(t *testing.T) {
					t.Parallel()
					s, d := db.stage(t), newDraft()
					s.gatewaysWith(10, 20, 30)
					s.away(s.backend(1), true)
					made := next(d)
					old := s.frozen("run-1", d, f)
					s.take("run-2")
					if during {
						s.tell(establish, func(c call) error {
							old.wake()
							s.wokenTooLate(old.ended())
							return done(c)
						})
					}
					s.creates("run-2", made)
					old.wake()
					s.wokenTooLate(old.ended())
					s.away(s.backend(1), false)
					s.endsWith(&made, d)
				})
			}
		}
	}
}

// only has the other kind of room answered before the worker is frozen, where both are answered by the same operation.
func only(s *stage, d minigroup.Draft, st step, f standstill) {
	if f.at != answerAttempt {
		return
	}
	kind := minigroup.EventRoom
	if st.room == minigroup.EventRoom {
		kind = minigroup.ConferenceRoom
	}
	s.tell(answerAttempt, well)
	s.tell(st.asks, func(c call) error {
		s.eventually("the other room is there", func() bool { return s.count(classID(d), kind, minigroup.AttemptHeld) == 1 })
		return done(c)
	})
}
