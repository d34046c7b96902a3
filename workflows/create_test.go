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
	asks     operation
	activity string
	// undo is the step by which the undo takes it back.
	undo operation
	// room is the kind of room that the step creates, if it does.
	room minigroup.RoomKind
}

var steps = []step{
	{name: "begin", asks: beginCreate, activity: "BeginCreate", undo: condemn},
	{name: "event room", asks: eventCreate, activity: "CreateEventRoom", undo: eventClose, room: minigroup.EventRoom},
	{name: "lock", asks: eventLock, activity: "LockRoom", undo: roomReleased},
	{name: "conference room", asks: conferenceCreate, activity: "CreateConferenceRoom", undo: conferenceClose, room: minigroup.ConferenceRoom},
	{name: "slots on the gateway", asks: janusReserve, activity: "ReserveSlots", undo: janusRelease},
	{name: "establish", asks: establish, activity: "Establish", undo: fail},
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
type trouble struct {
	name string
	// play tells the world how the step goes.
	play func(*stage, step) []plot
	end  func(step) end
	// behind says that the step of the slots may leave them on the gateway, for the sweep to remove.
	behind bool
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
	if st.asks == establish {
		return end{}
	}
	return cancelled(st)
}

// told makes a play of how the next calls of the step go.
func told(ways ...way) func(*stage, step) []plot {
	return func(s *stage, st step) []plot {
		s.tell(st.asks, ways...)
		return nil
	}
}

var troubles = []trouble{
	{name: "refused", play: told(refused), end: failedAs(minigroup.UpstreamRefused)},
	{name: "unavailable, then well", play: told(unavailable, unavailable, unavailable), end: ready},
	{name: "unavailable, then refused", play: told(unavailable, unavailable, refused), end: failedAs(minigroup.UpstreamRefused)},
	{name: "happened but the reply was lost", play: told(lost), end: readyAfterLoss},
	{name: "no answer, then well", play: told(hang), end: readyAfterLoss},
	{name: "cancelled before it", end: cancelled, play: func(_ *stage, st step) []plot {
		return []plot{cancelBefore(st.activity)}
	}},
	{name: "cancelled during it, when it was done", end: cancelledUnlessEstablished, play: func(s *stage, st step) []plot {
		return s.cancelDuring(st.activity, st.asks, func(c call, cancel func()) error {
			err := done(c)
			cancel()
			return err
		})
	}},
	{name: "cancelled during it, and done after the undo", end: cancelled, play: func(s *stage, st step) []plot {
		s.acts.Settings.StepWait = deadline
		undone, end := context.WithCancel(context.Background())
		plots := s.cancelDuring(st.activity, st.asks, func(c call, cancel func()) error {
			cancel()
			waitFor(undone.Done())
			return done(c)
		})
		return append(plots, plot{activity: "EndUndo", after: func(func()) { end() }})
	}},
	{name: "cancelled during it, without an answer", end: cancelled, behind: true, play: func(s *stage, st step) []plot {
		return s.cancelDuring(st.activity, st.asks, func(c call, cancel func()) error {
			cancel()
			return hang(c)
		})
	}},
	{name: "cancelled after it", end: cancelledUnlessEstablished, play: func(_ *stage, st step) []plot {
		return []plot{cancelAfter(st.activity), establishesLate(st)}
	}},
	{name: "its undo fails twice, then works", end: failedAs(minigroup.UpstreamRefused), behind: true, play: func(s *stage, st step) []plot {
		s.tell(establish, refused)
		s.tell(st.undo, unavailable, lost)
		return nil
	}},
	{name: "its undo is refused twice, then works", end: failedAs(minigroup.UpstreamRefused), behind: true, play: func(s *stage, st step) []plot {
		s.tell(establish, refused)
		s.tell(st.undo, refused, refused)
		return nil
	}},
}

// done does what was asked for although its caller has gone.
func done(c call) error { return c.take(context.WithoutCancel(c.ctx)) }

// establishesLate keeps a cancel after an earlier step from racing with establish.
func establishesLate(st step) plot {
	return plot{activity: "Establish", before: func(ctx context.Context, _ func()) bool {
		if st.asks == establish {
			return true
		}
		waitFor(ctx.Done())
		return false
	}}
}

// cancelDuring has the next call of an operation go as told by then, which may cancel the run: that returns when the
// activity has heard of it.
func (s *stage) cancelDuring(name string, o operation, then func(c call, cancel func()) error) []plot {
	type started struct {
		ctx    context.Context
		cancel func()
	}
	begun := make(chan started, 1)
	s.tell(o, func(c call) error {
		a := <-begun
		return then(c, func() {
			a.cancel()
			waitFor(a.ctx.Done())
		})
	})
	return []plot{{activity: name, before: func(ctx context.Context, cancel func()) bool {
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
	for _, st := range steps {
		for _, tr := range troubles {
			t.Run(st.name+": "+tr.name, func(t *testing.T) {
				t.Parallel()
				s := db.stage(t)
				d := newDraft()
				p := s.create("run-1", d, tr.play(s, st)...)
				if tr.behind && st.asks == janusReserve {
					s.sweepUntilDone(d)
				}
				s.endsAs(p, d, st, tr.end(st))
			})
		}
	}
}

// endsAs checks how a create has ended, and what exists afterwards.
func (s *stage) endsAs(p *played, d minigroup.Draft, st step, want end) {
	s.Helper()
	m := s.holds(d)
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
		if n := s.count(classID(d), st.room, minigroup.AttemptLost); n < want.lost || (want.failed == "" && n != want.lost) {
			s.Errorf("%d attempts are lost, want %d", n, want.lost)
		}
	}
}

// sweepUntilDone sweeps the gateways until they show what the ledger says of a class.
func (s *stage) sweepUntilDone(d minigroup.Draft) {
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
	s := newDatabase(t).stage(t)
	d := newDraft()
	p := s.create("run-1", d)
	s.endsAs(p, d, step{}, end{})
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
