package workflows_test

import (
	"context"

	"minigroups/minigroup"
)

// fault is one way in which a step can fail.
type fault struct {
	name string
	// arrange scripts the step.
	arrange func(*harness, step) []hook
	end     func(step) end
	// needsSweep says that the reservation may stay on the gateway until a sweep.
	needsSweep bool
}

func ready(step) end { return end{} }

// readyAfterLoss is the end when the step sent two requests, and the room of the first reply is unknown.
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

// cancelledUnlessEstablished is the end when the step was executed before the run received the cancel.
func cancelledUnlessEstablished(st step) end {
	if st.operation == establish {
		return end{}
	}
	return cancelled(st)
}

// scripted sets the behaviour of the next calls of the step.
func scripted(behaviours ...behaviour) func(*harness, step) []hook {
	return func(s *harness, st step) []hook {
		s.script(st.operation, behaviours...)
		return nil
	}
}

var faults = []fault{
	{name: "refused", arrange: scripted(refused), end: failedAs(minigroup.UpstreamRefused)},
	{name: "unavailable, then successful", arrange: scripted(unavailable, unavailable, unavailable), end: ready},
	{
		name:    "unavailable, then refused",
		arrange: scripted(unavailable, unavailable, refused), end: failedAs(minigroup.UpstreamRefused),
	},
	{name: "executed, and the reply is lost", arrange: scripted(loseReply), end: readyAfterLoss},
	{name: "no reply, then successful", arrange: scripted(hang), end: readyAfterLoss},
	{name: "cancelled before it", end: cancelled, arrange: func(_ *harness, st step) []hook {
		return []hook{cancelBefore(st.activity)}
	}},
	{
		name: "cancelled during it, after it was executed", end: cancelledUnlessEstablished,
		arrange: func(s *harness, st step) []hook {
			return s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
				err := executeDetached(c)
				cancel()
				return err
			})
		},
	},
	{name: "cancelled during it, and executed after the undo", end: cancelled, arrange: func(s *harness, st step) []hook {
		s.acts.Settings.StepWait = deadline
		undone, end := context.WithCancel(context.Background())
		hooks := s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
			cancel()
			waitFor(undone.Done())
			return executeDetached(c)
		})
		return append(hooks, hook{activity: "EndUndo", after: func(func()) { end() }})
	}},
	{
		name: "cancelled during it, without a reply", end: cancelled, needsSweep: true,
		arrange: func(s *harness, st step) []hook {
			return s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
				cancel()
				return hang(c)
			})
		},
	},
	{name: "cancelled after it", end: cancelledUnlessEstablished, arrange: func(_ *harness, st step) []hook {
		return []hook{cancelAfter(st.activity), establishesLate(st)}
	}},
	{
		name: "its undo fails twice, then succeeds", end: failedAs(minigroup.UpstreamRefused), needsSweep: true,
		arrange: func(s *harness, st step) []hook {
			s.script(establish, refused)
			s.script(st.undo, unavailable, loseReply)
			return nil
		},
	},
	{
		name: "its undo is refused twice, then succeeds", end: failedAs(minigroup.UpstreamRefused), needsSweep: true,
		arrange: func(s *harness, st step) []hook {
			s.script(establish, refused)
			s.script(st.undo, refused, refused)
			return nil
		},
	},
}

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

// cancelDuring makes the next call of an operation behave as then says. Its cancel cancels the run and returns when the
// activity has received the cancel.
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
		case <-begun: // of an earlier attempt, which did not call the operation
		default:
		}
		begun <- started{ctx, cancel}
		return true
	}}}
}
