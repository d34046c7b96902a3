package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

func recreation(id uuid.UUID, d minigroup.Draft, c minigroup.Change) workflows.RecreateInput {
	if c.Recreate == nil {
		c.Recreate = &minigroup.Recreation{}
	}
	return workflows.RecreateInput{UpdateInput: workflows.UpdateInput{
		UpdateID: id, ClassID: classID(d), Change: stored.NewChange(c), MaxAttempts: maxAttempts,
	}}
}

func (s *stage) recreate(run string, id uuid.UUID, d minigroup.Draft, c minigroup.Change, plots ...plot) *played {
	return s.run(run, workflows.RecreateMinigroup, recreation(id, d, c), plots...)
}

// renewed checks that a class has the rooms it had before, or others, and holds nothing besides.
func (s *stage) renewed(before minigroup.Minigroup, want bool) minigroup.Minigroup {
	s.Helper()
	after := s.holds(before.Draft)
	event, conference := after.EventRoomID != before.EventRoomID, after.ConferenceRoomID != before.ConferenceRoomID
	if after.State != minigroup.Ready || event != want || conference != want {
		s.Errorf("want new rooms: %v; it is %s with event room %s and conference room %s, had %s and %s",
			want, after.State, after.EventRoomID, after.ConferenceRoomID, before.EventRoomID, before.ConferenceRoomID)
	}
	return after
}

// isRenewed reports whether the class has other rooms than before.
func (s *stage) isRenewed(before minigroup.Minigroup) bool {
	s.Helper()
	m, err := s.ledger.ByID(s.Context(), before.ID)
	if err != nil {
		s.Fatal(err)
	}
	return m.EventRoomID != before.EventRoomID
}

func TestRecreateThatGoesWell(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("the class has new rooms, the old ones are closed, and nothing else has changed", func(t *testing.T) {
		t.Parallel()
		s, d := db.stage(t), newDraft()
		before := s.established(d)
		p := s.recreate("run-2", uuid.New(), d, minigroup.Change{})
		after := s.renewed(before, true)
		if p.err != nil || after.Update != nil || fingerprint(after.Draft) != fingerprint(d) || after.Fingerprint != before.Fingerprint {
			t.Errorf("the run ended with %v; %+v, was %+v", p.err, after, before)
		}
		if len(p.retried) > 0 || len(p.attention) > 0 {
			t.Errorf("steps that left the fast lane: %v, attention: %v", p.retried, p.attention)
		}
		if room := s.shown(after); !minigroup.Window.Equal(room.Time, minigroup.Window{Start: d.Time.Start}) {
			t.Errorf("the conference room is %+v", room.Time)
		}
	})
	t.Run("twice, and then it can be updated", func(t *testing.T) {
		t.Parallel()
		s, d := db.stage(t), newDraft()
		first := s.established(d)
		for _, run := range []string{"run-2", "run-3"} {
			before := s.holds(d)
			if p := s.recreate(run, uuid.New(), d, minigroup.Change{}); p.err != nil {
				t.Fatal(p.err)
			}
			s.renewed(before, true)
		}
		change, want := longer(d, 10, 9)
		if p := s.update("run-4", uuid.New(), d, change); p.err != nil {
			t.Fatal(p.err)
		}
		s.tells(want)
		s.renewed(first, true)
	})
	t.Run("the new conference room knows the host that the old one knew", func(t *testing.T) {
		t.Parallel()
		s, d := db.stage(t), newDraft()
		s.established(d)
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Host: new(newHost)}); p.err != nil {
			t.Fatal(p.err)
		}
		before := s.holds(d)
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{})
		if after := s.renewed(before, true); p.err != nil || after.Host != newHost || s.shown(after).Host != newHost {
			t.Errorf("the run ended with %v; the host is %s, in conference %s", p.err, after.Host, s.shown(after).Host)
		}
	})
	t.Run("another time and other locks, when that is asked for", func(t *testing.T) {
		t.Parallel()
		s, d := db.stage(t), newDraft()
		before := s.established(d)
		want := d
		want.Time, want.LockedChat, want.LockedQuestions = *later(d), false, true
		p := s.recreate("run-2", uuid.New(), d, minigroup.Change{
			Time: later(d), Recreate: &minigroup.Recreation{LockedChat: new(false), LockedQuestions: new(true)},
		})
		after := s.renewed(before, true)
		if p.err != nil || fingerprint(after.Draft) != fingerprint(want) || s.look().event[after.EventRoomID].locked != want.Locks() {
			t.Errorf("the run ended with %v; got %+v, want %+v", p.err, after.Draft, want)
		}
	})
	t.Run("a class that is over is open again, with its slots", func(t *testing.T) {
		t.Parallel()
		s, d := db.stage(t), newDraft()
		s.established(d)
		now := time.Now().Unix()
		over := minigroup.Change{Time: &minigroup.Window{Start: d.Time.Start, End: new(now - 1)}}
		if p := s.update("run-2", uuid.New(), d, over); p.err != nil {
			t.Fatal(p.err)
		}
		before := s.holds(d)
		if before.ClosedAt.IsZero() {
			t.Fatal("the class is not over")
		}
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{})
		after := s.renewed(before, true)
		if p.err != nil || !after.ClosedAt.IsZero() || after.Status(now) != minigroup.StatusRealTime || after.Time.End != nil {
			t.Errorf("the run ended with %v; the class is %+v", p.err, after)
		}
	})
	t.Run("it is refused where the slots of the new time do not fit", func(t *testing.T) {
		t.Parallel()
		s, d := db.stage(t), newDraft()
		before := s.established(d)
		other := newDraft()
		other.Reserve, other.Time = new(int32(5)), minigroup.Window{Start: new(*d.Time.End + 60), End: new(*d.Time.End + 120)}
		if p := s.create("run-2", other); p.err != nil {
			t.Fatal(p.err)
		}
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{Time: later(d)})
		if p.kind() != minigroup.CapacityExceeded || s.called(eventCreate) != 2 {
			t.Errorf("the run ended with %v; %d event rooms were asked for", p.err, s.called(eventCreate))
		}
		m, err := s.ledger.ByID(t.Context(), classID(d))
		if err != nil || m.EventRoomID != before.EventRoomID || m.Update == nil || m.Update.Failure.Kind != minigroup.CapacityExceeded {
			t.Errorf("got %+v, %v", m, err)
		}
	})
}

var stepsOfARecreate = []step{
	{name: "begin", asks: beginRecreate, activity: "BeginRecreate"},
	{name: "event room", asks: eventCreate, activity: "CreateEventRoom", room: minigroup.EventRoom},
	{name: "lock", asks: eventLock, activity: "LockRoom"},
	{name: "conference room", asks: conferenceCreate, activity: "CreateConferenceRoom", room: minigroup.ConferenceRoom},
	{name: "host", asks: conferenceRead, activity: "CopyHost"},
	{name: "swap", asks: swapRooms, activity: "SwapRooms"},
}

func TestRecreateInTrouble(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// swapsLate keeps a cancel after an earlier step from racing with the swap.
	swapsLate := func(st step) plot {
		return plot{activity: "SwapRooms", before: func(ctx context.Context, _ func()) bool {
			if st.asks == swapRooms {
				return true
			}
			waitFor(ctx.Done())
			return false
		}}
	}
	for name, c := range map[string]struct {
		play func(*stage, step) []plot
		// kind is how it has to fail; empty where the class has its new rooms.
		kind func(step) minigroup.Kind
	}{
		"refused": {told(refused), func(step) minigroup.Kind { return minigroup.UpstreamRefused }},
		"unavailable, then well": {
			told(unavailable, unavailable, unavailable), func(step) minigroup.Kind { return "" },
		},
		"unavailable, then refused": {
			told(unavailable, unavailable, refused), func(step) minigroup.Kind { return minigroup.UpstreamRefused },
		},
		"happened but the reply was lost": {told(lost), func(step) minigroup.Kind { return "" }},
		"no answer, then well":            {told(hang), func(step) minigroup.Kind { return "" }},
		"cancelled before it": {
			func(_ *stage, st step) []plot { return []plot{cancelBefore(st.activity)} },
			func(step) minigroup.Kind { return minigroup.OperationCancelled },
		},
		"cancelled during it, when it was done": {
			func(s *stage, st step) []plot {
				return s.cancelDuring(st.activity, st.asks, func(c call, cancel func()) error {
					err := done(c)
					cancel()
					return err
				})
			},
			cancelledUnlessSwapped,
		},
		"cancelled during it, and done when it was given up": {
			func(s *stage, st step) []plot {
				s.acts.Settings.StepWait = deadline
				over := newGate(s.T)
				plots := s.cancelDuring(st.activity, st.asks, func(c call, cancel func()) error {
					cancel()
					return over.before(c)
				})
				return append(plots, plot{activity: "FailUpdate", after: func(func()) { over.open() }})
			},
			func(step) minigroup.Kind { return minigroup.OperationCancelled },
		},
		"cancelled during it, without an answer": {
			func(s *stage, st step) []plot {
				return s.cancelDuring(st.activity, st.asks, func(c call, cancel func()) error {
					cancel()
					return hang(c)
				})
			},
			func(step) minigroup.Kind { return minigroup.OperationCancelled },
		},
		"cancelled after it": {
			func(_ *stage, st step) []plot { return []plot{cancelAfter(st.activity), swapsLate(st)} },
			cancelledUnlessSwapped,
		},
		"refused, and giving up fails twice": {
			func(s *stage, st step) []plot {
				s.tell(st.asks, refused)
				s.tell(failUpdate, unavailable, lost)
				return nil
			},
			func(step) minigroup.Kind { return minigroup.UpstreamRefused },
		},
	} {
		for _, st := range stepsOfARecreate {
			t.Run(st.name+": "+name, func(t *testing.T) {
				t.Parallel()
				s, d := db.stage(t), newDraft()
				before := s.established(d)
				p := s.recreate("run-2", uuid.New(), d, minigroup.Change{}, c.play(s, st)...)
				kind := c.kind(st)
				after := s.renewed(before, kind == "")
				switch {
				case kind == "" && (p.err != nil || after.Update != nil):
					t.Errorf("the run ended with %v, the recreate is told as %+v", p.err, after.Update)
				case kind == minigroup.OperationCancelled && !p.cancelled(), kind == minigroup.UpstreamRefused && p.kind() != kind:
					t.Errorf("the run ended with %v, want %s", p.err, kind)
				case kind != "" && (after.Update == nil || after.Update.Requested.Recreate == nil || after.Update.Failure.Kind != kind):
					t.Errorf("the recreate is told as %+v, want %s", after.Update, kind)
				}
			})
		}
	}
}

func cancelledUnlessSwapped(st step) minigroup.Kind {
	if st.asks == swapRooms {
		return ""
	}
	return minigroup.OperationCancelled
}

func standstillsOfARecreate() []standstill {
	return around(takeForUpdate, beginRecreate, eventCreate, conferenceCreate, answerAttempt, eventLock, roomLocked, conferenceRead, swapRooms)
}

// frozenRecreate has a process of its own recreate a minigroup and freezes it.
func (s *stage) frozenRecreate(run string, d minigroup.Draft, f standstill) sleeper {
	s.Helper()
	g := newGate(s.T)
	settings := s.acts.Settings
	settings.StepWait = deadline
	acts := s.process(settings)
	s.tell(f.at, f.way(g))
	ended := beside(s, func() *played {
		return s.runOn(acts, run, workflows.RecreateMinigroup, recreation(uuid.New(), d, minigroup.Change{}))
	})
	g.someone(s.T)
	return sleeper{g.open, ended}
}

func TestAWorkerThatWasFrozenDuringARecreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, f := range standstillsOfARecreate() {
		start := func(t *testing.T) (s *stage, before minigroup.Minigroup, old sleeper) {
			t.Helper()
			s = db.stage(t)
			before = s.established(newDraft())
			return s, before, s.frozenRecreate("run-2", before.Draft, f)
		}
		t.Run(f.String()+", goes on when the sweeper has had it given up", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			// A run that has taken the row and written nothing yet is none that the sweeper knows: it does its work to the end.
			renewed := f == standstill{beginRecreate, false} || s.isRenewed(before)
			r := &runs{stage: s, class: before.ID}
			s.take("run-3") // the run is gone
			r.sweep()
			r.heals()
			old.wake()
			s.wokenTooLate(old.ended())
			s.renewed(before, renewed)
		})
		t.Run(f.String()+", goes on when another recreate is done", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			s.take("run-3")
			if p := s.recreate("run-3", uuid.New(), before.Draft, minigroup.Change{}); p.err != nil {
				t.Fatal(p.err)
			}
			done, err := s.ledger.ByID(t.Context(), before.ID)
			if err != nil {
				t.Fatal(err)
			}
			old.wake()
			s.wokenTooLate(old.ended())
			s.renewed(before, true)
			s.renewed(done, false)
		})
		t.Run(f.String()+", goes on before another recreate swaps", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			s.take("run-3")
			s.tell(swapRooms, func(c call) error {
				old.wake()
				s.wokenTooLate(old.ended())
				return done(c)
			})
			if p := s.recreate("run-3", uuid.New(), before.Draft, minigroup.Change{}); p.err != nil {
				t.Fatal(p.err)
			}
			s.renewed(before, true)
		})
		t.Run(f.String()+", goes on when an update is done", func(t *testing.T) {
			t.Parallel()
			s, before, old := start(t)
			swapped := s.isRenewed(before)
			s.take("run-3")
			change, want := longer(before.Draft, 10, 9)
			if p := s.update("run-3", uuid.New(), before.Draft, change); p.err != nil {
				t.Fatal(p.err)
			}
			old.wake()
			s.wokenTooLate(old.ended())
			s.renewed(before, swapped)
			s.tells(want)
		})
	}
}

func TestALateReplyToARecreate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	again := func(s *stage, d minigroup.Draft) {
		if p := s.recreate("run-3", uuid.New(), d, minigroup.Change{}); p.err != nil {
			s.Error(p.err)
		}
	}
	for _, st := range []step{stepsOfARecreate[1], stepsOfARecreate[3]} {
		for name, c := range map[string]struct {
			play  func(s *stage, id uuid.UUID, d minigroup.Draft, answer func())
			swaps bool
		}{
			"when it was given up": {func(s *stage, id uuid.UUID, d minigroup.Draft, answer func()) {
				in := recreation(id, d, minigroup.Change{})
				in.Abandoned = true
				if p := s.run("run-3", workflows.RecreateMinigroup, in); p.err != nil {
					s.Error(p.err)
				}
				answer()
			}, false},
			"when the class has other new rooms": {func(s *stage, _ uuid.UUID, d minigroup.Draft, answer func()) {
				again(s, d)
				answer()
			}, true},
			"before the class takes other new rooms": {func(s *stage, _ uuid.UUID, d minigroup.Draft, answer func()) {
				s.tell(swapRooms, func(c call) error {
					answer()
					s.arrived(d, st.room, 3)
					return done(c)
				})
				again(s, d)
			}, true},
		} {
			t.Run(st.name+": "+name, func(t *testing.T) {
				t.Parallel()
				s, d, id := db.stage(t), newDraft(), uuid.New()
				before := s.established(d)
				in := recreation(id, d, minigroup.Change{})
				if err := s.act("run-2", s.acts.BeginRecreate, activities.UpdateInput{ID: id, ClassID: classID(d), Change: in.Change}); err != nil {
					t.Fatal(err)
				}
				reply := newGate(t)
				s.tell(st.asks, reply.after)
				room := roomInput(d, s.attemptOf(d, st.room))
				room.Operation, room.Fingerprint = minigroup.ForRecreate, id.String()
				beside(s, func() error { return s.act("run-2", s.roomStep(s.acts, st), room) })
				reply.someone(t)
				s.take("run-3")
				c.play(s, id, d, reply.open)
				s.renewed(before, c.swaps)
				if n := s.count(classID(d), st.room, minigroup.AttemptReleased); (n == 2) != c.swaps {
					t.Errorf("%d rooms were released", n)
				}
			})
		}
	}
}
