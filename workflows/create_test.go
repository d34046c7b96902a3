package workflows_test

import (
	"testing"

	"minigroups/minigroup"
)

// step is one step of a saga, and how the tests disturb it.
type step struct {
	name string
	// operation is what the step calls, in the activity.
	operation operation
	activity  string
	// undo is the operation that undoes the step.
	undo operation
	// room is the kind of room that the step creates; empty when it creates none.
	room minigroup.RoomKind
}

var createSteps = []step{
	{name: "begin", operation: beginCreate, activity: "BeginCreate", undo: beginUndo},
	{name: "event room", operation: eventCreate, activity: "CreateEventRoom", undo: eventClose, room: minigroup.EventRoom},
	{name: "lock", operation: eventLock, activity: "LockRoom", undo: roomReleased},
	{
		name: "conference room", operation: conferenceCreate, activity: "CreateConferenceRoom", undo: conferenceClose,
		room: minigroup.ConferenceRoom,
	},
	{name: "slots on the gateway", operation: janusReserve, activity: "ReserveSlots", undo: janusRelease},
	{name: "establish", operation: establish, activity: "Establish", undo: endUndo},
}

// end is how a create must end. The zero value is a minigroup that is ready.
type end struct {
	// failed is the kind of failure; empty when the minigroup is ready.
	failed    minigroup.Kind
	cancelled bool
	// lost is the number of lost attempts for the kind of room of the step.
	lost int
}

func TestCreateWithFaults(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, st := range createSteps {
		for _, tr := range faults {
			create := func(t *testing.T, joint bool) {
				t.Parallel()
				s := db.newHarness(t)
				s.ledger.joint.Store(joint)
				d := newDraft()
				p := s.create("run-1", d, tr.arrange(s, st)...)
				if tr.needsSweep && st.operation == janusReserve {
					s.sweepUntilDone(d)
				}
				s.assertEnd(p, d, st, tr.end(st))
			}
			t.Run(st.name+": "+tr.name, func(t *testing.T) { create(t, false) })
			if st.operation != establish && tr.end(st).failed == "" {
				t.Run(st.name+": "+tr.name+", and the last step establishes", func(t *testing.T) { create(t, true) })
			}
		}
	}
}

func TestTheLastStepOfACreateEstablishesTheMinigroup(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, cancelled := range map[string]bool{"without a fault": false, "although it is cancelled then": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			s.ledger.joint.Store(true)
			var hooks []hook
			for _, activity := range []string{"LockRoom", "CreateConferenceRoom", "ReserveSlots"} {
				hooks = append(hooks, hook{activity: activity, after: func(cancel func()) {
					if m, err := s.ledger.ByID(t.Context(), classID(d)); err == nil && m.State == minigroup.Ready && cancelled {
						cancel()
					}
				}})
			}
			p := s.create("run-1", d, hooks...)
			if m := s.assertConsistent(d); m.State != minigroup.Ready || p.err != nil {
				t.Errorf("the minigroup is %s, and the run ended with %v", m.State, p.err)
			}
			if n := s.callCount(establish); n != 0 {
				t.Errorf("it was established by %d other steps", n)
			}
		})
	}
}

// assertEnd checks how a create has ended, and what exists afterwards. It adds what the step st requires.
func (s *harness) assertEnd(p *result, d minigroup.Draft, st step, want end) {
	s.Helper()
	m := s.assertConsistent(d)
	if want.failed == "" {
		if m.State != minigroup.Ready || p.err != nil {
			s.Errorf("want a minigroup that is ready; it is %s (%+v) and the run ended with %v", m.State, m.Failure, p.err)
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
		n := s.countAttempts(classID(d), st.room, minigroup.AttemptLost)
		if n < want.lost || (want.failed == "" && n != want.lost) {
			s.Errorf("%d attempts are lost, want %d", n, want.lost)
		}
	}
}

// sweepUntilDone sweeps the gateways of a class until they show what the ledger says.
func (s *harness) sweepUntilDone(d minigroup.Draft) {
	s.Helper()
	for range 3 {
		if err := s.sweepGateways(classID(d)); err == nil {
			return
		}
	}
	s.Error("the sweep did not bring the gateways up to date")
}

func TestCreateWithoutFaults(t *testing.T) {
	t.Parallel()
	s := newDatabase(t).newHarness(t)
	d := newDraft()
	p := s.create("run-1", d)
	s.assertEnd(p, d, step{}, end{})
	if len(p.retried) > 0 {
		t.Errorf("steps were retried: %v", p.retried)
	}
	if len(p.attention) > 0 {
		t.Errorf("attention was raised: %v", p.attention)
	}
	if len(p.stages) != 1 || p.stages[0] != "done" {
		t.Errorf("the stages were %v", p.stages)
	}
}
