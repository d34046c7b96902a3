package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

func recreateInput(id uuid.UUID, d minigroup.Draft, c minigroup.Change) workflows.RecreateInput {
	if c.Recreate == nil {
		c.Recreate = &minigroup.Recreation{}
	}
	return workflows.RecreateInput{UpdateInput: workflows.UpdateInput{
		UpdateID: id, ClassID: classID(d), Change: stored.NewChange(c), MaxAttempts: maxAttempts,
	}}
}

func (s *harness) recreate(run string, id uuid.UUID, d minigroup.Draft, c minigroup.Change, hooks ...hook) *result {
	return s.run(run, workflows.RecreateMinigroup, recreateInput(id, d, c), hooks...)
}

// assertRooms checks that a class has two new rooms, or the two rooms of before, and holds nothing else.
func (s *harness) assertRooms(before minigroup.Minigroup, wantNew bool) minigroup.Minigroup {
	s.Helper()
	after := s.assertConsistent(before.Draft)
	event, conference := after.EventRoomID != before.EventRoomID, after.ConferenceRoomID != before.ConferenceRoomID
	if after.State != minigroup.Ready || event != wantNew || conference != wantNew {
		s.Errorf("want new rooms: %v; it is %s with event room %s and conference room %s, had %s and %s",
			wantNew, after.State, after.EventRoomID, after.ConferenceRoomID, before.EventRoomID, before.ConferenceRoomID)
	}
	return after
}

// hasNewRooms reports whether the class has other rooms than before.
func (s *harness) hasNewRooms(before minigroup.Minigroup) bool {
	s.Helper()
	m, err := s.ledger.ByID(s.Context(), before.ID)
	if err != nil {
		s.Fatal(err)
	}
	return m.EventRoomID != before.EventRoomID
}

func TestRecreateWithoutFaults(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("the class has new rooms, the old ones are closed, and nothing else has changed", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		before := s.createReady(d)
		p := s.recreate("run-2", uuid.New(), d, minigroup.Change{})
		after := s.assertRooms(before, true)
		if p.err != nil || after.Update != nil || fingerprint(after.Draft) != fingerprint(d) ||
			after.Fingerprint != before.Fingerprint {
			t.Errorf("the run ended with %v; %+v, was %+v", p.err, after, before)
		}
		if len(p.retried) > 0 || len(p.attention) > 0 {
			t.Errorf("retried steps: %v, attention: %v", p.retried, p.attention)
		}
		if room := s.conferenceState(after); !minigroup.Window.Equal(room.Time, minigroup.Window{Start: d.Time.Start}) {
			t.Errorf("the conference room is %+v", room.Time)
		}
	})
	t.Run("a class can be recreated twice, and then updated", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		first := s.createReady(d)
		for _, run := range []string{"run-2", "run-3"} {
			before := s.assertConsistent(d)
			if p := s.recreate(run, uuid.New(), d, minigroup.Change{}); p.err != nil {
				t.Fatal(p.err)
			}
			s.assertRooms(before, true)
		}
		change, want := extendBy(d, 10, 9)
		if p := s.update("run-4", uuid.New(), d, change); p.err != nil {
			t.Fatal(p.err)
		}
		s.assertShows(want)
		s.assertRooms(first, true)
	})
	t.Run("a recreate that is decided is not repeated", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		before, done, failed := s.createReady(d), uuid.New(), uuid.New()
		for range 2 {
			if p := s.recreate("run-2", done, d, minigroup.Change{}); p.err != nil {
				t.Error(p.err)
			}
			if after := s.assertRooms(before, true); s.callCount(eventCreate) != 2 {
				t.Errorf("%d event rooms were created: %+v", s.callCount(eventCreate), after)
			}
		}
		before = s.assertConsistent(d)
		s.script(conferenceCreate, refused)
		for range 2 {
			if p := s.recreate("run-3", failed, d, minigroup.Change{}); p.kind() != minigroup.UpstreamRefused {
				t.Errorf("it ended with %v", p.err)
			}
			s.assertRooms(before, false)
		}
	})
	t.Run("the new conference room has the host of the old one", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Host: new(newHost)}); p.err != nil {
			t.Fatal(p.err)
		}
		before := s.assertConsistent(d)
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{})
		after := s.assertRooms(before, true)
		if p.err != nil || after.Host != newHost || s.conferenceState(after).Host != newHost {
			t.Errorf("the run ended with %v; the host is %s, in conference %s", p.err, after.Host, s.conferenceState(after).Host)
		}
	})
	t.Run("the time and the locks change if requested", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		before := s.createReady(d)
		want := d
		want.Time, want.LockedChat, want.LockedQuestions = *extended(d), false, true
		p := s.recreate("run-2", uuid.New(), d, minigroup.Change{
			Time: extended(d), Recreate: &minigroup.Recreation{LockedChat: new(false), LockedQuestions: new(true)},
		})
		after := s.assertRooms(before, true)
		locked := s.takeSnapshot().event[after.EventRoomID].locked
		if p.err != nil || fingerprint(after.Draft) != fingerprint(want) || locked != want.Locks() {
			t.Errorf("the run ended with %v; got %+v, want %+v", p.err, after.Draft, want)
		}
	})
	t.Run("a class that has ended is open again, with its slots", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		s.createReady(d)
		now := time.Now().Unix()
		over := minigroup.Change{Time: &minigroup.Window{Start: d.Time.Start, End: new(now - 1)}}
		if p := s.update("run-2", uuid.New(), d, over); p.err != nil {
			t.Fatal(p.err)
		}
		before := s.assertConsistent(d)
		if before.ClosedAt.IsZero() {
			t.Fatal("the class has not ended")
		}
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{})
		after := s.assertRooms(before, true)
		if p.err != nil || !after.ClosedAt.IsZero() || after.Status(now) != minigroup.StatusRealTime ||
			after.Time.End != nil {
			t.Errorf("the run ended with %v; the class is %+v", p.err, after)
		}
	})
	t.Run("it is refused when the slots do not fit at the new time", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		before := s.createReady(d)
		other := newDraft()
		other.Reserve = new(int32(5))
		other.Time = minigroup.Window{Start: new(*d.Time.End + 60), End: new(*d.Time.End + 120)}
		if p := s.create("run-2", other); p.err != nil {
			t.Fatal(p.err)
		}
		p := s.recreate("run-3", uuid.New(), d, minigroup.Change{Time: extended(d)})
		if p.kind() != minigroup.CapacityExceeded || s.callCount(eventCreate) != 2 {
			t.Errorf("the run ended with %v; %d event rooms were requested", p.err, s.callCount(eventCreate))
		}
		m, err := s.ledger.ByID(t.Context(), classID(d))
		if err != nil || m.EventRoomID != before.EventRoomID || m.Update == nil ||
			m.Update.Failure.Kind != minigroup.CapacityExceeded {
			t.Errorf("got %+v, %v", m, err)
		}
	})
}

var recreateSteps = []step{
	{name: "begin", operation: beginRecreate, activity: "BeginRecreate"},
	{name: "event room", operation: eventCreate, activity: "CreateEventRoom", room: minigroup.EventRoom},
	{name: "lock", operation: eventLock, activity: "LockRoom"},
	{
		name: "conference room", operation: conferenceCreate, activity: "CreateConferenceRoom",
		room: minigroup.ConferenceRoom,
	},
	{name: "host", operation: conferenceRead, activity: "CopyHost"},
	{name: "swap", operation: swapRooms, activity: "SwapRooms"},
}

func TestRecreateWithFaults(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// swapsLate keeps a cancel after an earlier step from racing with the swap.
	swapsLate := func(st step) hook {
		return hook{activity: "SwapRooms", before: func(ctx context.Context, _ func()) bool {
			if st.operation == swapRooms {
				return true
			}
			waitFor(ctx.Done())
			return false
		}}
	}
	for name, c := range map[string]struct {
		arrange func(*harness, step) []hook
		// kind is the kind of failure; empty when the class has new rooms.
		kind func(step) minigroup.Kind
	}{
		"refused": {scripted(refused), refusedUnlessRead},
		"unavailable, then successful": {
			scripted(unavailable, unavailable, unavailable), func(step) minigroup.Kind { return "" },
		},
		"unavailable, then refused": {
			scripted(unavailable, unavailable, refused), refusedUnlessRead,
		},
		"executed, and the reply is lost": {scripted(loseReply), func(step) minigroup.Kind { return "" }},
		"no reply, then successful":       {scripted(hang), func(step) minigroup.Kind { return "" }},
		"cancelled before it": {
			func(_ *harness, st step) []hook { return []hook{cancelBefore(st.activity)} },
			func(step) minigroup.Kind { return minigroup.OperationCancelled },
		},
		"cancelled during it, after it was executed": {
			func(s *harness, st step) []hook {
				return s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
					err := executeDetached(c)
					cancel()
					return err
				})
			},
			cancelledUnlessSwapped,
		},
		"cancelled during it, and executed after the recreate has failed": {
			func(s *harness, st step) []hook {
				s.acts.Settings.StepWait = deadline
				failed := newGate(s.T)
				hooks := s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
					cancel()
					return failed.before(c)
				})
				return append(hooks, hook{activity: "FailUpdate", after: func(func()) { failed.open() }})
			},
			func(step) minigroup.Kind { return minigroup.OperationCancelled },
		},
		"cancelled during it, without a reply": {
			func(s *harness, st step) []hook {
				return s.cancelDuring(st.activity, st.operation, func(c call, cancel func()) error {
					cancel()
					return hang(c)
				})
			},
			func(step) minigroup.Kind { return minigroup.OperationCancelled },
		},
		"cancelled after it": {
			func(_ *harness, st step) []hook { return []hook{cancelAfter(st.activity), swapsLate(st)} },
			cancelledUnlessSwapped,
		},
		"refused, and marking it as failed fails twice": {
			func(s *harness, st step) []hook {
				s.script(st.operation, refused)
				s.script(failUpdate, unavailable, loseReply)
				return nil
			},
			refusedUnlessRead,
		},
	} {
		for _, st := range recreateSteps {
			t.Run(st.name+": "+name, func(t *testing.T) {
				t.Parallel()
				s, d := db.newHarness(t), newDraft()
				before := s.createReady(d)
				p := s.recreate("run-2", uuid.New(), d, minigroup.Change{}, c.arrange(s, st)...)
				kind := c.kind(st)
				after := s.assertRooms(before, kind == "")
				switch {
				case kind == "" && (p.err != nil || after.Update != nil):
					t.Errorf("the run ended with %v, the row shows %+v", p.err, after.Update)
				case kind == minigroup.OperationCancelled && !p.cancelled(),
					kind == minigroup.UpstreamRefused && p.kind() != kind:
					t.Errorf("the run ended with %v, want %s", p.err, kind)
				case kind != "" && (after.Update == nil || after.Update.Requested.Recreate == nil ||
					after.Update.Failure.Kind != kind):
					t.Errorf("the row shows %+v, want %s", after.Update, kind)
				}
			})
		}
	}
}

func cancelledUnlessSwapped(st step) minigroup.Kind {
	if st.operation == swapRooms {
		return ""
	}
	return minigroup.OperationCancelled
}

// refusedUnlessRead is the kind of failure after a refusal. A present room that may not be read does not keep a class
// from new rooms.
func refusedUnlessRead(st step) minigroup.Kind {
	if st.operation == conferenceRead {
		return ""
	}
	return minigroup.UpstreamRefused
}
