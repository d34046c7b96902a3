package workflows_test

import (
	"context"
	"testing"

	"minigroups/minigroup"
)

// step is one step of a create, as the tests disturb it.
type step struct {
	name string
	// asks is what the step asks for, in this activity.
	operation operation
	activity  string
	// undo is the step by which the undo takes it back.
	undo operation
	// room is the kind of room that the step creates, if it does.
	room minigroup.RoomKind
}

var createSteps = []step{
	{name: "begin", operation: beginCreate, activity: "BeginCreate", undo: beginUndo},
	{name: "event room", operation: eventCreate, activity: "CreateEventRoom", undo: eventClose, room: minigroup.EventRoom},
	{name: "lock", operation: eventLock, activity: "LockRoom", undo: roomReleased},
	{name: "conference room", operation: conferenceCreate, activity: "CreateConferenceRoom", undo: conferenceClose, room: minigroup.ConferenceRoom},
	{name: "slots on the gateway", operation: janusReserve, activity: "ReserveSlots", undo: janusRelease},
	{name: "establish", operation: establish, activity: "Establish", undo: endUndo},
}

// end is how a create has to end. The zero end is that of a minigroup that is ready.
type end struct {
	// failed is the kind of failure; empty where the minigroup is ready.
	failed    minigroup.Kind
	cancelled bool
	// lost is the number of requests for rooms of the step's kind that are lost.
	lost int
}

// trouble is one way in which a step can go.
type fault struct {
	name string
	// play tells the world how the step goes.
	arrange func(*harness, step) []hook
	end     func(step) end
	// behind says that the step of the slots may leave them on the gateway, for the sweep to remove.
	needsSweep bool
}

func ready(step) end { return end{} }

// readyAfterLoss is the end where the step asked twice: of the room of the first reply nobody knows.
func readyAfterLoss(st step) end {
	if st.room != "" {
		return end{lost: 1}
	}
	return end{}
}

func failedAs(kind minigroup.Kind) func(step) end {
	return func(step) end { return end{failed: kind} }
}

func cancelled(step) end { return end{failed: minigroup.OperationCancelled, cancelled: true} }

// cancelledUnlessEstablished is the end where the step was done when the cancel was heard.
func cancelledUnlessEstablished(st step) end {
	if st.operation == establish {
		return end{}
	}
	return cancelled(st)
}

// told makes a play of how the next calls of the step go.
func scripted(ways ...behaviour) func(*harness, step) []hook {
	return func(s *harness, st step) []hook {
		s.script(st.operation, ways...)
		return nil
	}
}

var faults = []fault{
	{name: "refused", arrange: scripted(refused), end: failedAs(minigroup.UpstreamRefused)},
	{name: "unavailable, then well", arrange: scripted(unavailable, unavailable, unavailable), end: ready},
	{name: "unavailable, then refused", arrange: scripted(unavailable, unavailable, refused), end: failedAs(minigroup.UpstreamRefused)},
	{name: "happened but the reply was lost", arrange: scripted(loseReply), end: readyAfterLoss},
	{name: "no answer, then well", arrange: scripted(hang), end: readyAfterLoss},
	{name: "cancelled before it", end: cancelled, arrange: func(_ *harness, st step) []hook {
		return []hook{cancelBefore(st.activity)}
	}},
	{name: "cancelled during it, when it was done", end: cancelledUnlessEstablished, arrange: func(s *harness, st step) []hook {
		return s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
			err := executeDetached(c)
			cancel()
			return err
		})
	}},
	{name: "cancelled during it, and done after the undo", end: cancelled, arrange: func(s *harness, st step) []hook {
		s.acts.Settings.StepWait = deadline
		undone, end := context.WithCancel(context.Background())
		plots := s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
			cancel()
			waitFor(undone.Done())
			return executeDetached(c)
		})
		return append(plots, hook{activity: "EndUndo", after: func(func()) { end() }})
	}},
	{name: "cancelled during it, without an answer", end: cancelled, needsSweep: true, arrange: func(s *harness, st step) []hook {
		return s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
			cancel()
			return hang(c)
		})
	}},
	{name: "cancelled after it", end: cancelledUnlessEstablished, arrange: func(_ *harness, st step) []hook {
		return []hook{cancelAfter(st.activity), establishesLate(st)}
	}},
	{name: "its undo fails twice, then works", end: failedAs(minigroup.UpstreamRefused), needsSweep: true, arrange: func(s *harness, st step) []hook {
		s.script(establish, refused)
		s.script(st.undo, unavailable, loseReply)
		return nil
	}},
	{name: "its undo is refused twice, then works", end: failedAs(minigroup.UpstreamRefused), needsSweep: true, arrange: func(s *harness, st step) []hook {
		s.script(establish, refused)
		s.script(st.undo, refused, refused)
		return nil
	}},
}

// done does what was asked for although its caller has gone.
func executeDetached(c call) error { return c.take(context.WithoutCancel(c.ctx)) }

// establishesLate keeps a cancel after an earlier step from racing with establish.
func establishesLate(st step) hook {
	return hook{activity: "Establish", before: func(ctx context.Context, _ func()) bool {
		if st.operation == establish {
			return true
		}
		waitFor(ctx.Done())
		return false
	}}
}

// cancelDuring has the next call of an operation go as told by then, which may cancel the run: that returns when the
// activity has heard of it.
func (s *harness) cancelDuring(name string, o operation, then func(c call, cancel func()) error) []hook {
	type started struct {
		ctx    context.Context
		cancel func()
	}
	begun := make(chan started, 1)
	s.script(o, func(c call) error {
		a := <-begun
		return then(c, func() {
			a.cancel()
			waitFor(a.ctx.Done())
		})
	})
	return []hook{{activity: name, before: func(ctx context.Context, cancel func()) bool {
		select {
		case <-begun: // an earlier try has not come so far
		default:
		}
		begun <- started{ctx, cancel}
		return true
	}}}
}

func TestCreateInTrouble(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, st := range createSteps {
		for _, tr := range faults {
			t.Run(st.name+": "+tr.name, func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				d := newDraft()
				p := s.create("run-1", d, tr.arrange(s, st)...)
				if tr.needsSweep && st.operation == janusReserve {
					s.sweepUntilDone(d)
				}
				s.assertEnd(p, d, st, tr.end(st))
			})
		}
	}
}

// assertEnd checks how a create has ended, and what exists afterwards.
func (s *harness) assertEnd(p *result, d minigroup.Draft, st step, want end) {
	s.Helper()
	m := s.assertConsistent(d)
	if want.failed == "" {
		if m.State != minigroup.Ready || p.err != nil {
			s.Errorf("want a minigroup that is ready, it is %s (%+v) and the run ended with %v", m.State, m.Failure, p.err)
		}
	} else {
		if m.State != minigroup.Failed || m.Failure.Kind != want.failed {
			s.Errorf("want %s, the minigroup is %s: %+v", want.failed, m.State, m.Failure)
		}
		if p.cancelled() != want.cancelled || (!want.cancelled && p.kind() != want.failed) {
			s.Errorf("the run ended with %v", p.err)
		}
	}
	if st.room != "" {
		if n := s.countAttempts(classID(d), st.room, minigroup.AttemptLost); n < want.lost || (want.failed == "" && n != want.lost) {
			s.Errorf("%d attempts are lost, want %d", n, want.lost)
		}
	}
}

// sweepUntilDone sweeps the gateways until they show what the ledger says of a class.
func (s *harness) sweepUntilDone(d minigroup.Draft) {
	s.Helper()
	for range 3 {
		if err := s.sweepGateways(classID(d)); err == nil {
			return
		}
	}
	s.Error("the sweep did not bring the gateways up to date")
}

func TestCreateThatGoesWell(t *testing.T) {
	t.Parallel()
	s := newDatabase(t).newHarness(t)
	d := newDraft()
	p := s.create("run-1", d)
	s.assertEnd(p, d, step{}, end{})
	if len(p.retried) > 0 {
		t.Errorf("steps left the fast lane: %v", p.retried)
	}
	if len(p.attention) > 0 {
		t.Errorf("attention was raised: %v", p.attention)
	}
	if len(p.stages) != 1 || p.stages[0] != "done" {
		t.Errorf("the stages were %v", p.stages)
	}
}
