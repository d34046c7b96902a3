package workflows_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

func (s *harness) update(run string, id uuid.UUID, d minigroup.Draft, c minigroup.Change, hooks ...hook) *result {
	return s.run(run, workflows.UpdateMinigroup, workflows.UpdateInput{
		UpdateID: id, ClassID: classID(d), Change: stored.NewChange(c), MaxAttempts: maxAttempts,
	}, hooks...)
}

// createReady creates a minigroup.
func (s *harness) createReady(d minigroup.Draft) minigroup.Minigroup {
	s.Helper()
	if p := s.create("run-1", d); p.err != nil {
		s.Fatal(p.err)
	}
	return s.assertConsistent(d)
}

// conferenceState is the state of the conference room of a minigroup.
func (s *harness) conferenceState(m minigroup.Minigroup) minigroup.ConferenceRoomState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conference[m.ConferenceRoomID].ConferenceRoomState
}

// assertUnchanged checks that an update has failed with this kind of failure and changed nothing.
func (s *harness) assertUnchanged(
	p *result, before minigroup.Minigroup, room minigroup.ConferenceRoomState, kind minigroup.Kind,
) {
	s.Helper()
	after := s.assertConsistent(before.Draft)
	if after.Update == nil || after.Update.State != minigroup.UpdateFailed || after.Update.Failure.Kind != kind {
		s.Errorf("the row shows the update as %+v", after.Update)
	}
	if p.cancelled() != (kind == minigroup.OperationCancelled) || (!p.cancelled() && p.kind() != kind) {
		s.Errorf("the run ended with %v", p.err)
	}
	if fingerprint(after.Draft) != fingerprint(before.Draft) || !after.ClosedAt.Equal(before.ClosedAt) {
		s.Errorf("the row has changed: %+v, was %+v", after, before)
	}
	s.assertSameRoom(s.conferenceState(before), room)
}

func (s *harness) assertSameRoom(is, was minigroup.ConferenceRoomState) {
	s.Helper()
	if !is.Time.Equal(was.Time) || is.Host != was.Host || (is.Reserve == nil) != (was.Reserve == nil) {
		s.Errorf("the room is %+v, want %+v", is, was)
	}
}

// assertUpdated checks that an update has succeeded: the row has the values of the draft, and conference has this
// window and host.
func (s *harness) assertUpdated(
	p *result, want minigroup.Draft, window minigroup.Window, host string,
) minigroup.Minigroup {
	s.Helper()
	after := s.assertConsistent(want)
	if p.err != nil || after.Update != nil {
		s.Errorf("the run ended with %v, the row shows the update as %+v", p.err, after.Update)
	}
	if fingerprint(after.Draft) != fingerprint(want) {
		s.Errorf("the row has %+v, want %+v", after.Draft, want)
	}
	if room := s.conferenceState(after); !room.Time.Equal(window) || room.Host != host {
		s.Errorf("conference shows %+v, want %+v of host %q", room, window, host)
	}
	return after
}

// extended is the window of a draft with ten more minutes.
func extended(d minigroup.Draft) *minigroup.Window {
	return &minigroup.Window{Start: d.Time.Start, End: new(*d.Time.End + 600)}
}

const newHost = "web.host.example.org"

// changeAll changes everything that an update can change. It returns the draft afterwards, too.
func changeAll(d minigroup.Draft) (minigroup.Change, minigroup.Draft) {
	want := d
	want.Time, want.Reserve, want.Host = *extended(d), new(int32(10)), newHost
	return minigroup.Change{Time: extended(d), Reserve: new(int32(10)), Host: new(newHost)}, want
}

func TestUpdateWithoutFaults(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("everything that was requested is changed, and nothing else", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		change, want := changeAll(d)
		p := s.update("run-2", uuid.New(), d, change)
		after := s.assertUpdated(p, want, want.Time, newHost)
		if !sameRooms(after, before) || after.Fingerprint != before.Fingerprint {
			t.Errorf("got %+v, was %+v", after, before)
		}
		if len(p.retried) > 0 || len(p.attention) > 0 || s.callCount(conferencePatch) != 1 {
			t.Errorf("retried steps: %v, attention: %v, PATCHes: %d", p.retried, p.attention, s.callCount(conferencePatch))
		}
	})
	t.Run("a change of slots alone sends nothing to conference", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		m := s.createReady(d)
		room := s.conferenceState(m)
		want := d
		want.Reserve = new(int32(3))
		s.assertUpdated(s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(3))}), want, room.Time, "")
		if n := s.callCount(conferencePatch); n != 0 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("a change to 0 slots releases the reservation", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		room := s.conferenceState(s.createReady(d))
		want := d
		want.Reserve = new(int32(0))
		s.assertUpdated(s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(0))}), want, room.Time, "")
	})
	t.Run("a class without slots gets some", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		d.Reserve = nil
		room := s.conferenceState(s.createReady(d))
		want := d
		want.Reserve = new(int32(10))
		s.assertUpdated(s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(10))}), want, room.Time, "")
	})
	t.Run("without gateways of our own, conference receives the slots", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.acts.Settings.Gateways = false
		d := newDraft()
		room := s.conferenceState(s.createReady(d))
		want := d
		want.Reserve = new(int32(3))
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(3))})
		after := s.assertUpdated(p, want, room.Time, "")
		if shown := s.conferenceState(after); shown.Reserve == nil || *shown.Reserve != 3 {
			t.Errorf("conference shows %+v", shown)
		}
	})
	t.Run("an end in the past closes the class", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		want := d
		want.Time.End = new(time.Now().Unix() - 5)
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Time: &want.Time})
		if p.err != nil {
			t.Fatal(p.err)
		}
		m := s.assertConsistent(d)
		now := time.Now().Unix()
		if m.ClosedAt.IsZero() || m.Status(now) != minigroup.StatusClosed || !m.Time.Equal(want.Time) {
			t.Errorf("got %+v", m)
		}
		if room := s.conferenceState(m); !room.Time.Ended(now) {
			t.Errorf("conference shows %+v", room)
		}
	})
	t.Run("an end in the past closes a class that has not begun", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		d.Time.Start = new(*d.Time.End - 60)
		s.createReady(d)
		p := s.update("run-2", uuid.New(), d, minigroup.Change{Time: &minigroup.Window{End: new(time.Now().Unix() - 5)}})
		if p.err != nil {
			t.Fatal(p.err)
		}
		if m := s.assertConsistent(d); m.ClosedAt.IsZero() || !s.conferenceState(m).Time.Ended(time.Now().Unix()) {
			t.Errorf("got %+v, conference shows %+v", m, s.conferenceState(m))
		}
	})
	t.Run("a repeated workflow task of an update that is done changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		id := uuid.New()
		s.update("run-2", id, d, change)
		s.assertUpdated(s.update("run-2", id, d, change), want, want.Time, newHost)
		s.assertUpdated(s.update("run-2", id, d, change, cancelAtOnce), want, want.Time, newHost)
		if n := s.callCount(conferencePatch); n != 1 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("an unavailable gateway does not delay an update", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		s.setUnavailable(s.backend(1), true)
		p := s.update("run-2", uuid.New(), d, change)
		s.setUnavailable(s.backend(1), false)
		if err := s.sweepGateways(classID(d)); err != nil {
			t.Error(err)
		}
		s.assertUpdated(p, want, want.Time, newHost)
	})
}

// updateSteps are the operations of an update. A fault in one of them delays the update and does not change its result.
var updateSteps = []operation{readForUpdate, conferenceRead, beginUpdate, sendPatch, conferencePatch, commitUpdate}

func TestUpdateWithFaults(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, o := range updateSteps {
		for name, behaviours := range map[string][]behaviour{
			"unavailable, then successful":     {unavailable, unavailable, unavailable},
			"executed, and the reply is lost":  {loseReply},
			"no reply, then successful":        {hang},
			"needs attention, then successful": times(1+attemptsBeforeAttention, unavailable),
		} {
			t.Run(string(o)+": "+name, func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				d := newDraft()
				s.createReady(d)
				s.script(o, behaviours...)
				change, want := changeAll(d)
				s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
			})
		}
	}
}
