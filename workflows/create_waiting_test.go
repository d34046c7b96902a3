package workflows_test

import (
	"context"
	"slices"
	"testing"

	"minigroups/minigroup"
)

// The number of attempts of a step: the local one, and those of the retry phase.
const (
	// attemptsBeforeAttention start within two minutes: after 0, 1, 3, 7, 15, 31 and 63 s.
	attemptsBeforeAttention = 7
	allAttempts             = 1 + maxAttempts
	// attemptsBeforeMove is the number of attempts of the retry phase before slots move to another gateway.
	attemptsBeforeMove = 7
)

func TestACreateWaitsForCapacity(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, st := range map[string]step{"event": createSteps[1], "conference": createSteps[3]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			s.acts = s.newProcessWith(s.acts.Settings, 1)
			s.setCapacities(100)
			first, second := newDraft(), newDraft()
			answer := s.requestInFlight("run-1", first, st, (*gate).before)

			attempts := 0
			p := s.create("run-2", second, hook{activity: st.activity, before: func(context.Context, func()) bool {
				if attempts++; attempts == 3 {
					//nolint:contextcheck // the context of the hook is that of the activity
					if written := s.attemptsAt(second, st.room); len(written) != 0 {
						t.Errorf("without capacity, %v were written to the ledger", written)
					}
					answer()
					s.eventually("there is capacity", func() bool { return s.acts.InFlight.Count() == 0 })
				}
				return true
			}})
			if p.err != nil || attempts != 3 {
				t.Errorf("after %d attempts: %v", attempts, p.err)
			}
			want := []minigroup.AttemptState{minigroup.AttemptHeld}
			if states := s.attemptsAt(second, st.room); !slices.Equal(states, want) {
				t.Errorf("the attempts on the ledger are %v", states)
			}
			if p := s.create("run-1", first); p.err != nil {
				t.Errorf("the create with the request in flight ended with %v", p.err)
			}
		})
	}
}

// attemptsAt lists the states of the attempts at a room of a class.
func (s *harness) attemptsAt(d minigroup.Draft, room minigroup.RoomKind) (states []minigroup.AttemptState) {
	for _, a := range s.attempts(classID(d)) {
		if a.Kind == room {
			states = append(states, a.State)
		}
	}
	return states
}

func TestCreateThatIsRetried(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, st := range map[string]step{"event": createSteps[1], "conference": createSteps[3]} {
		t.Run("needs attention because of "+name+" after two minutes, until it answers", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.script(st.operation, times(1+attemptsBeforeAttention, unavailable)...)
			p := s.create("run-1", d)
			s.assertEnd(p, d, st, end{})
			if !slices.Equal(p.attention, []bool{true, false}) {
				t.Errorf("attention went through %v", p.attention)
			}
		})
		t.Run("everything is undone when "+name+" is unavailable for all attempts", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.script(st.operation, times(1000, unavailable)...)
			p := s.create("run-1", d)
			s.assertEnd(p, d, st, end{failed: minigroup.UpstreamUnavailable})
			if n := s.callCount(st.operation); n != allAttempts {
				t.Errorf("%s received %d requests, want %d", name, n, allAttempts)
			}
			if !slices.Equal(p.attention, []bool{true, false}) {
				t.Errorf("attention went through %v", p.attention)
			}
		})
		t.Run("a cancel while "+name+" is unavailable undoes everything, and nothing needs attention", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.script(st.operation, times(1+attemptsBeforeAttention, unavailable)...)
			p := s.create("run-1", d, s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
				cancel()
				return unavailable(c)
			})...)
			s.assertEnd(p, d, st, end{failed: minigroup.OperationCancelled, cancelled: true})
			if !slices.Equal(p.attention, []bool{true, false}) {
				t.Errorf("attention went through %v", p.attention)
			}
		})
	}
}

func TestCreateWithoutItsGateway(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("the reservation moves to another gateway when its own stays unavailable", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.setCapacities(20, 30) // the fullest gateway with enough slots is chosen
		s.setUnavailable(s.backend(1), true)
		d := newDraft()
		p := s.create("run-1", d)
		if p.err != nil {
			t.Fatal(p.err)
		}
		if is := s.takeSnapshot(); len(is.gateways[s.backend(2)]) != 1 || s.callCount(moveReservation) != 1 {
			t.Errorf("the slots are not on the other gateway after %d moves: %s", s.callCount(moveReservation), is)
		}
		if n := s.callCount(janusReserve); n != 1+attemptsBeforeMove+1 {
			t.Errorf("the gateways were called %d times, want %d", n, 1+attemptsBeforeMove+1)
		}
		if len(p.attention) > 0 {
			t.Errorf("attention went through %v although another gateway follows", p.attention)
		}
		s.setUnavailable(s.backend(1), false)
		s.sweepUntilDone(d)
		s.assertEnd(p, d, step{}, end{})
	})
	t.Run("a move whose reply is lost happens once", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.setCapacities(10, 10, 10)
		s.setUnavailable(s.backend(1), true)
		s.script(moveReservation, loseReply)
		d := newDraft()
		p := s.create("run-1", d)
		s.setUnavailable(s.backend(1), false)
		s.sweepUntilDone(d)
		s.assertEnd(p, d, step{}, end{})
	})
	t.Run("the step waits for its gateway when the slots fit on no other", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.setCapacities(10, 7)
		s.script(janusReserve, times(1+attemptsBeforeAttention+1, unavailable)...)
		d := newDraft()
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		if n := s.callCount(moveReservation); n != 2 { // after 63 and 127 s
			t.Errorf("%d moves were attempted", n)
		}
	})
	t.Run("everything is undone when the only gateway is unavailable for all attempts", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.setUnavailable(s.backend(1), true)
		d := newDraft()
		p := s.create("run-1", d)
		s.setUnavailable(s.backend(1), false)
		s.sweepUntilDone(d)
		s.assertEnd(p, d, step{}, end{failed: minigroup.UpstreamUnavailable})
	})
	t.Run("slots that fit on no gateway are refused before anything is created", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.setCapacities(7)
		d := newDraft()
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{failed: minigroup.CapacityExceeded})
		if n := s.callCount(eventCreate) + s.callCount(conferenceCreate) + s.callCount(janusReserve); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
	t.Run("a class without slots sends nothing to a gateway", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		d.Reserve, d.LockedChat = nil, false
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		if n := s.callCount(janusReserve) + s.callCount(eventLock); n != 0 {
			t.Errorf("%d requests for slots or a lock were sent", n)
		}
	})
	t.Run("without gateways of our own, the slots are created with the conference room", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.acts.Settings.Gateways = false
		d := newDraft()
		p := s.create("run-1", d)
		s.assertEnd(p, d, step{}, end{})
		for _, room := range s.takeSnapshot().conference {
			if room.Reserve == nil || *room.Reserve != 8 {
				t.Errorf("the room has %v slots", room.Reserve)
			}
		}
	})
}

func TestCreateLocks(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, locks := range []minigroup.Locks{{Chat: true}, {Questions: true}, {Chat: true, Questions: true}} {
		t.Run("one request locks "+locks.String(), func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			d.LockedChat, d.LockedQuestions = locks.Chat, locks.Questions
			s.assertEnd(s.create("run-1", d), d, step{}, end{})
			for _, room := range s.takeSnapshot().event {
				if room.locked != locks || s.callCount(eventLock) != 1 {
					t.Errorf("the room has %s locked after %d requests", room.locked, s.callCount(eventLock))
				}
			}
		})
	}
}
