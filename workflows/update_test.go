package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

func (s *harness) update(run string, id uuid.UUID, d minigroup.Draft, c minigroup.Change, hooks ...hook) *result {
	return s.run(run, workflows.UpdateMinigroup, workflows.UpdateInput{
		UpdateID: id, ClassID: classID(d), Change: stored.NewChange(c), MaxAttempts: maxAttempts,
	}, hooks...)
}

// established makes a minigroup that is ready.
func (s *harness) createReady(d minigroup.Draft) minigroup.Minigroup {
	s.Helper()
	if p := s.create("run-1", d); p.err != nil {
		s.Fatal(p.err)
	}
	return s.assertConsistent(d)
}

// shown is what conference shows of the room of a minigroup.
func (s *harness) conferenceState(m minigroup.Minigroup) minigroup.ConferenceRoomState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conference[m.ConferenceRoomID].ConferenceRoomState
}

// unchanged checks that an update was refused or given up and that nothing has changed.
func (s *harness) assertUnchanged(p *result, before minigroup.Minigroup, room minigroup.ConferenceRoomState, kind minigroup.Kind) {
	s.Helper()
	after := s.assertConsistent(before.Draft)
	if after.Update == nil || after.Update.State != minigroup.UpdateFailed || after.Update.Failure.Kind != kind {
		s.Errorf("the update is told as %+v", after.Update)
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

// became checks that an update is done: the row has the draft's values, and conference shows this window and host.
func (s *harness) assertUpdated(p *result, want minigroup.Draft, window minigroup.Window, host string) minigroup.Minigroup {
	s.Helper()
	after := s.assertConsistent(want)
	if p.err != nil || after.Update != nil {
		s.Errorf("the run ended with %v, the update is told as %+v", p.err, after.Update)
	}
	if fingerprint(after.Draft) != fingerprint(want) {
		s.Errorf("the row has %+v, want %+v", after.Draft, want)
	}
	if room := s.conferenceState(after); !room.Time.Equal(window) || room.Host != host {
		s.Errorf("conference shows %+v, want %+v of host %q", room, window, host)
	}
	return after
}

// later is the window of a draft, ten minutes longer.
func extended(d minigroup.Draft) *minigroup.Window {
	return &minigroup.Window{Start: d.Time.Start, End: new(*d.Time.End + 600)}
}

const newHost = "web.host.example.org"

// changeAll asks for all that an update can ask for.
func changeAll(d minigroup.Draft) (minigroup.Change, minigroup.Draft) {
	want := d
	want.Time, want.Reserve, want.Host = *extended(d), new(int32(10)), newHost
	return minigroup.Change{Time: extended(d), Reserve: new(int32(10)), Host: new(newHost)}, want
}

func TestUpdateThatGoesWell(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("everything that was asked for is changed, and nothing else", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		change, want := changeAll(d)
		p := s.update("run-2", uuid.New(), d, change)
		after := s.assertUpdated(p, want, want.Time, newHost)
		if after.EventRoomID != before.EventRoomID || after.ConferenceRoomID != before.ConferenceRoomID || after.Fingerprint != before.Fingerprint {
			t.Errorf("got %+v, was %+v", after, before)
		}
		if len(p.retried) > 0 || len(p.attention) > 0 || s.callCount(conferencePatch) != 1 {
			t.Errorf("steps that left the fast lane: %v, attention: %v, PATCHes: %d", p.retried, p.attention, s.callCount(conferencePatch))
		}
	})
	t.Run("slots alone ask nothing of conference", func(t *testing.T) {
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
	t.Run("no slots release the reservation", func(t *testing.T) {
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
	t.Run("where conference owns the slots it is told of them", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		s.acts.Settings.Gateways = false
		d := newDraft()
		room := s.conferenceState(s.createReady(d))
		want := d
		want.Reserve = new(int32(3))
		after := s.assertUpdated(s.update("run-2", uuid.New(), d, minigroup.Change{Reserve: new(int32(3))}), want, room.Time, "")
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
	t.Run("a class that lies ahead is closed by an end in the past", func(t *testing.T) {
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
	t.Run("a repeated task of an update that is done changes nothing", func(t *testing.T) {
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
	t.Run("a gateway that is away does not hold an update up", func(t *testing.T) {
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

// updateSteps are what an update asks for. Trouble there delays it and changes nothing of its end.
var updateSteps = []operation{takeForUpdate, conferenceRead, beginUpdate, sendPatch, conferencePatch, commitUpdate}

func TestUpdateInTrouble(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, asks := range updateSteps {
		for name, ways := range map[string][]behaviour{
			"unavailable, then well":          {unavailable, unavailable, unavailable},
			"happened but the reply was lost": {loseReply},
			"no answer, then well":            {hang},
			"attention and then well":         times(1+attemptsBeforeAttention, unavailable),
		} {
			t.Run(string(asks)+": "+name, func(t *testing.T) {
				t.Parallel()
				s := db.newHarness(t)
				d := newDraft()
				s.createReady(d)
				s.script(asks, ways...)
				change, want := changeAll(d)
				s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
			})
		}
	}
}

func TestUpdatePivot(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("a PATCH whose reply was lost is decided by reading the room", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		s.script(conferencePatch, loseReply)
		change, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		if n := s.callCount(conferencePatch); n != 1 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("a PATCH that did not arrive is sent again", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		s.script(conferencePatch, hang)
		change, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
		if n := s.callCount(conferencePatch); n != 2 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("a refusal of a repeat decides nothing by itself", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		s.script(conferencePatch, hang, func(c call) error { // the first is executed after the room was read, and the second is refused
			if err := c.execute(c.ctx); err != nil {
				return err
			}
			return c.fail(refusal)
		})
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
	t.Run("not being allowed to read the room decides nothing about a PATCH that was sent", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		s.script(conferencePatch, loseReply)
		s.script(conferenceRead, succeed, refused, refused) // well for the plan
		change, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change), want, want.Time, newHost)
	})
	t.Run("cancelled before the PATCH, nothing has changed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		room := s.conferenceState(before)
		change, _ := changeAll(d)
		p := s.update("run-2", uuid.New(), d, change, cancelAfter("BeginUpdate"), cancelBefore("PatchConferenceRoom"))
		s.assertUnchanged(p, before, room, minigroup.OperationCancelled)
	})
	t.Run("cancelled before it has begun, nothing has changed and the update is told", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		room := s.conferenceState(before)
		change, _ := changeAll(d)
		s.assertUnchanged(s.update("run-2", uuid.New(), d, change, cancelAtOnce), before, room, minigroup.OperationCancelled)
	})
	for name, patch := range map[string]behaviour{"which arrived": succeed, "whose reply was lost": loseReply, "which did not arrive": hang} {
		t.Run("cancelled during a PATCH "+name+", it goes forward", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.createReady(d)
			change, want := changeAll(d)
			p := s.update("run-2", uuid.New(), d, change, s.cancelDuring("PatchConferenceRoom", conferencePatch, func(c call, cancel func()) error {
				err := patch(c)
				cancel()
				return err
			})...)
			s.assertUpdated(p, want, want.Time, newHost)
		})
	}
	t.Run("cancelled after the PATCH, it is committed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		s.assertUpdated(s.update("run-2", uuid.New(), d, change, cancelAfter("PatchConferenceRoom")), want, want.Time, newHost)
	})
	t.Run("a start that conference has kept is taken over", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		moved := minigroup.Window{Start: new(*d.Time.Start + 30), End: new(*d.Time.End + 600)}
		s.script(conferencePatch, func(c call) error { // the first stream gives the room an end while the PATCH is on its way
			s.setEnd(classID(d), *d.Time.End)
			return c.execute(c.ctx)
		})
		want := d
		want.Time.End = moved.End
		s.assertUpdated(s.update("run-2", uuid.New(), d, minigroup.Change{Time: &moved}), want, want.Time, "")
	})
}

func TestUpdateThatIsRefused(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		draft  func(*minigroup.Draft)
		happen func(*harness, minigroup.Draft)
		change func(minigroup.Draft) minigroup.Change
		kind   minigroup.Kind
		// touched says that conference was asked.
		touched bool
	}{
		"a room that has an end is not moved, and conference is not asked": {
			happen: func(s *harness, d minigroup.Draft) { s.setEnd(classID(d), *d.Time.End) },
			change: func(d minigroup.Draft) minigroup.Change {
				return minigroup.Change{Time: &minigroup.Window{Start: new(*d.Time.Start + 60), End: d.Time.End}, Reserve: new(int32(10))}
			},
			kind: minigroup.RoomTimeChangeForbidden,
		},
		"a room that is closed is not changed": {
			happen: func(s *harness, d minigroup.Draft) { s.setEnd(classID(d), time.Now().Unix()-1) },
			change: func(d minigroup.Draft) minigroup.Change { return minigroup.Change{Time: extended(d)} },
			kind:   minigroup.Closed,
		},
		"more slots than fit are not admitted, and conference is not asked": {
			change: func(d minigroup.Draft) minigroup.Change {
				return minigroup.Change{Time: extended(d), Reserve: new(int32(11))}
			},
			kind: minigroup.CapacityExceeded,
		},
		"conference refuses, and the slots are as before": {
			happen: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, refused) },
			change: func(d minigroup.Draft) minigroup.Change { c, _ := changeAll(d); return c },
			kind:   minigroup.UpstreamRefused, touched: true,
		},
		"conference refuses, and a class without slots has none": {
			draft:  func(d *minigroup.Draft) { d.Reserve = nil },
			happen: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, refused) },
			change: func(d minigroup.Draft) minigroup.Change { c, _ := changeAll(d); return c },
			kind:   minigroup.UpstreamRefused, touched: true,
		},
		"conference is unavailable, then refuses": {
			happen: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, unavailable, unavailable, refused) },
			change: func(d minigroup.Draft) minigroup.Change { c, _ := changeAll(d); return c },
			kind:   minigroup.UpstreamRefused, touched: true,
		},
		"conference refuses a repeat, and the room shows nothing of the first": {
			happen: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, hang, refused) },
			change: func(d minigroup.Draft) minigroup.Change { c, _ := changeAll(d); return c },
			kind:   minigroup.UpstreamRefused, touched: true,
		},
		"conference cannot be read for longer than patience lasts": {
			happen: func(s *harness, _ minigroup.Draft) { s.script(conferenceRead, times(allAttempts, unavailable)...) },
			change: func(d minigroup.Draft) minigroup.Change { c, _ := changeAll(d); return c },
			kind:   minigroup.UpstreamUnavailable,
		},
		"conference cannot be reached for a PATCH for longer than patience lasts": {
			happen: func(s *harness, _ minigroup.Draft) { s.script(conferencePatch, times(allAttempts, unavailable)...) },
			change: func(d minigroup.Draft) minigroup.Change { c, _ := changeAll(d); return c },
			kind:   minigroup.UpstreamUnavailable, touched: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			if c.draft != nil {
				c.draft(&d)
			}
			before := s.createReady(d)
			if c.happen != nil {
				c.happen(s, d)
			}
			room := s.conferenceState(before)
			p := s.update("run-2", uuid.New(), d, c.change(d))
			if (s.callCount(conferencePatch) > 0) != c.touched {
				t.Errorf("%d PATCHes were sent", s.callCount(conferencePatch))
			}
			if room.Time.Ended(time.Now().Unix()) { // the end of the class is noted by others
				s.setEnd(classID(d), *d.Time.End)
				room = s.conferenceState(before)
			}
			s.assertUnchanged(p, before, room, c.kind)
		})
	}
	t.Run("a minigroup that failed is not updated", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(conferenceCreate, refused)
		s.create("run-1", d)
		if p := s.update("run-2", uuid.New(), d, minigroup.Change{Host: new(newHost)}); p.kind() != minigroup.NotReady {
			t.Errorf("the run ended with %v", p.err)
		}
	})
	t.Run("a repeated task of an update that has failed stays failed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		before := s.createReady(d)
		room := s.conferenceState(before)
		s.script(conferencePatch, refused)
		change, _ := changeAll(d)
		id := uuid.New()
		s.update("run-2", id, d, change)
		s.assertUnchanged(s.update("run-2", id, d, change), before, room, minigroup.UpstreamRefused)
	})
}

func TestUpdateLeftByARunThatIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	// leave has run-2 begin an update, and get as far as patch lets it, before it is gone.
	leave := func(t *testing.T, s *harness, id uuid.UUID, d minigroup.Draft, patch behaviour) {
		t.Helper()
		left := minigroup.Change{Time: extended(d), Reserve: new(int32(9))}
		err := s.execute("run-2", s.acts.BeginUpdate, activities.UpdateInput{ID: id, ClassID: classID(d), Change: stored.NewChange(left)})
		if err != nil {
			t.Fatal(err)
		}
		if patch == nil {
			return
		}
		s.script(conferencePatch, patch)
		if err := s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}); err == nil {
			t.Fatal("the PATCH was answered")
		}
	}
	for name, patch := range map[string]behaviour{"before its PATCH": nil, "after a PATCH that arrived": loseReply, "after a PATCH that did not arrive": hang} {
		t.Run("it was left "+name+": the same update finishes it", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.createReady(d)
			id := uuid.New()
			leave(t, s, id, d, patch)
			want := d
			want.Time, want.Reserve = *extended(d), new(int32(9))
			p := s.update("run-3", id, d, minigroup.Change{Time: extended(d), Reserve: new(int32(9))})
			s.assertUpdated(p, want, want.Time, "")
		})
		t.Run("it was left "+name+": another update settles it first", func(t *testing.T) {
			t.Parallel()
			s := db.newHarness(t)
			d := newDraft()
			s.createReady(d)
			id := uuid.New()
			leave(t, s, id, d, patch)
			want := d
			want.Time, want.Reserve, want.Host = *extended(d), new(int32(9)), newHost
			p := s.update("run-3", uuid.New(), d, minigroup.Change{Host: new(newHost)})
			s.assertUpdated(p, want, want.Time, newHost)
			if rec, err := s.ledger.UpdateRecord(t.Context(), id); err != nil || rec.State != minigroup.UpdateDone {
				t.Errorf("the update that was left is %s, %v", rec.State, err)
			}
		})
	}
	t.Run("it was left before its PATCH, and conference refuses it: the other one is done all the same", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		m := s.createReady(d)
		room := s.conferenceState(m)
		id := uuid.New()
		leave(t, s, id, d, nil)
		s.script(conferencePatch, refused)
		want := d
		want.Host = newHost
		s.assertUpdated(s.update("run-3", uuid.New(), d, minigroup.Change{Host: new(newHost)}), want, room.Time, newHost)
		if rec, err := s.ledger.UpdateRecord(t.Context(), id); err != nil || rec.State != minigroup.UpdateFailed {
			t.Errorf("the update that was left is %s, %v", rec.State, err)
		}
	})
	t.Run("two steps that run at once send one PATCH", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		id := uuid.New()
		leave(t, s, id, d, nil)
		both := make(chan struct{}, 2)
		together := func(c call) error {
			both <- struct{}{}
			s.eventually("both are about to send", func() bool { return len(both) == 2 })
			return c.execute(c.ctx)
		}
		s.script(sendPatch, together, together)
		s.script(conferencePatch, loseReply, loseReply)
		var steps sync.WaitGroup
		for range 2 {
			steps.Go(func() { _ = s.execute("run-2", s.acts.PatchConferenceRoom, activities.UpdateRef{ID: id}) })
		}
		steps.Wait()
		if n := s.callCount(conferencePatch); n != 1 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
	t.Run("a run that works on after another took over changes nothing", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createReady(d)
		change, want := changeAll(d)
		id := uuid.New()
		var p *result
		overtaken := s.update("run-2", id, d, change, hook{activity: "PatchConferenceRoom", before: func(context.Context, func()) bool {
			p = s.update("run-3", id, d, change)
			return true
		}})
		s.assertUpdated(p, want, want.Time, newHost)
		if overtaken.err != nil && overtaken.kind() != activities.Superseded {
			t.Errorf("the one that was overtaken ended with %v", overtaken.err)
		}
		if n := s.callCount(conferencePatch); n != 1 {
			t.Errorf("%d PATCHes were sent", n)
		}
	})
}
