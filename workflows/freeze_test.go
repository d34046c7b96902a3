package workflows_test

import (
	"minigroups/activities"
	"minigroups/minigroup"
)

// pausePoint is where a worker is frozen: before an operation is executed, or after that and before its reply.
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
	return beforeAndAfter(beginCreate, eventCreate, conferenceCreate, answerAttempt, eventLock, roomLocked, janusReserve,
		reservationHeld, establish)
}

func undoPausePoints() []pausePoint {
	return beforeAndAfter(beginUndo, eventClose, roomReleased, janusRelease, reservationReleased, endUndo)
}

// beforeAndAfter are the pause points before and after each operation.
func beforeAndAfter(operations ...operation) []pausePoint {
	var out []pausePoint
	for _, o := range operations {
		out = append(out, pausePoint{o, false}, pausePoint{o, true})
	}
	return out
}

// frozenWorker is a worker process that is frozen during a run. result waits for the end of the run.
type frozenWorker struct {
	resume func()
	result func() *result
}

// freezeCreate runs a create in a process of its own and freezes the process.
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

// assertNoEffect checks that a run which resumed after another has taken over did not fail the minigroup. If the other
// has undone its create, it may end with the reason of that.
func (s *harness) assertNoEffect(r *result) {
	s.Helper()
	if r.err != nil && r.kind() != activities.Superseded && r.kind() != minigroup.OperationCancelled {
		s.Errorf("the run that was gone ended with %v", r.err)
	}
}

// nextDrafts are the drafts of a create that follows another create.
func nextDrafts() map[string]func(minigroup.Draft) minigroup.Draft {
	return map[string]func(minigroup.Draft) minigroup.Draft{
		"the same draft": func(d minigroup.Draft) minigroup.Draft { return d },
		"another draft":  otherDraft,
	}
}

// refuseLast refuses once everything else of a class is created, so that there is something to undo.
func (s *harness) refuseLast(d minigroup.Draft) behaviour {
	return func(c call) error {
		s.eventually("the rest is created", func() bool {
			var all bool
			err := s.db.QueryRow(s.Context(), `
				SELECT EXISTS (SELECT FROM room_attempt WHERE class_id = $1 AND locked)
					AND EXISTS (SELECT FROM janus_reservation WHERE class_id = $1 AND state = 'held')`, classID(d)).Scan(&all)
			return err == nil && all
		})
		return refused(c)
	}
}

// replyToOtherKindFirst lets the reply for the other kind of room reach the ledger first, because both kinds use the
// same operation.
func replyToOtherKindFirst(s *harness, d minigroup.Draft, st step, f pausePoint) {
	if f.operation != answerAttempt {
		return
	}
	kind := otherKind(st.room)
	s.script(answerAttempt, succeed)
	s.script(st.operation, func(c call) error {
		s.eventually("the other room is held", func() bool {
			return s.countAttempts(classID(d), kind, minigroup.AttemptHeld) == 1
		})
		return executeDetached(c)
	})
}

func otherKind(kind minigroup.RoomKind) minigroup.RoomKind {
	if kind == minigroup.EventRoom {
		return minigroup.ConferenceRoom
	}
	return minigroup.EventRoom
}

func sameRooms(a, b minigroup.Minigroup) bool {
	return a.EventRoomID == b.EventRoomID && a.ConferenceRoomID == b.ConferenceRoomID
}
