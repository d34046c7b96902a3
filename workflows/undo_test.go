package workflows_test

import (
	"context"
	"testing"

	"minigroups/activities"
	"minigroups/minigroup"
	"minigroups/stored"
	"minigroups/workflows"
)

func TestUndoOfACreateWhoseRunIsGone(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	t.Run("its room is closed and the minigroup has failed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		p := s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)})
		if p.err != nil || p.progress.Outcome != "done" {
			t.Errorf("got %+v, %v", p.progress, p.err)
		}
		if m := s.assertConsistent(d); m.State != minigroup.Failed || m.Failure.Kind != minigroup.OperationCancelled {
			t.Errorf("the minigroup is %s: %+v", m.State, m.Failure)
		}
	})
	t.Run("a create that does not hold everything at its end is undone", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.script(establish, superseded)
		s.assertEnd(s.create("run-1", d), d, step{}, end{failed: minigroup.OperationCancelled})
	})
	t.Run("an undo that a lost execution of the run has begun is continued", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		p := s.create("run-1", d, hook{activity: "Establish", before: func(context.Context, func()) bool {
			err := s.execute("run-1", s.acts.BeginUndo, activities.BeginUndoInput{
				ClassID: classID(d), Reason: stored.Failure{Kind: minigroup.UpstreamRefused, Detail: "refused before"},
			})
			if err != nil {
				t.Error(err)
			}
			return true
		}})
		s.assertEnd(p, d, step{}, end{failed: minigroup.UpstreamRefused})
	})
	t.Run("a minigroup that is ready is not changed", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.create("run-1", d)
		before := s.assertConsistent(d)
		if p := s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)}); p.err != nil {
			t.Error(p.err)
		}
		if after := s.assertConsistent(d); after.State != minigroup.Ready || after.EventRoomID != before.EventRoomID {
			t.Errorf("got %+v, was %+v", after, before)
		}
	})
	t.Run("a create without slots does not ask a gateway", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		for reserve, want := range map[int32]int64{0: 0, 8: 1} {
			d := newDraft()
			d.Reserve = new(reserve)
			s.script(conferenceCreate, refused)
			p := s.create("run-1", d)
			s.assertEnd(p, d, step{}, end{failed: minigroup.UpstreamRefused})
			p.metrics.assertCount(t, "saga_step_duration outcome=ok phase=local step=sync_gateways", want)
			for _, text := range []string{"query handler", "search attributes", "gateway differs"} {
				if p.warnings.has(text) {
					t.Errorf("it has warned of %q", text)
				}
			}
		}
	})
	t.Run("a minigroup without a row gets none", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		if p := s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)}); p.err != nil {
			t.Error(p.err)
		}
		if _, err := s.ledger.ByID(t.Context(), classID(d)); err == nil {
			t.Error("there is a row")
		}
	})
	t.Run("the undo of a gone run is continued", func(t *testing.T) {
		t.Parallel()
		s := db.newHarness(t)
		d := newDraft()
		s.createEventRoomOnly("run-1", d)
		err := s.execute("run-1", s.acts.BeginUndo, activities.BeginUndoInput{
			ClassID: classID(d), Request: new(requestOf(d)),
			Reason: stored.Failure{Kind: minigroup.UpstreamRefused, Detail: "the first reason"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.run("run-2", workflows.UndoMinigroup, workflows.UndoInput{ClassID: classID(d)})
		if m := s.assertConsistent(d); m.State != minigroup.Failed || m.Failure.Detail != "the first reason" {
			t.Errorf("got %s: %+v", m.State, m.Failure)
		}
	})
}

func TestCloseRoomDoesNotCloseAHeldRoom(t *testing.T) {
	t.Parallel()
	s := newDatabase(t).newHarness(t)
	d := newDraft()
	s.create("run-1", d)
	m := s.assertConsistent(d)
	for _, room := range []activities.Room{
		{Kind: minigroup.EventRoom, ID: m.EventRoomID}, {Kind: minigroup.ConferenceRoom, ID: m.ConferenceRoomID},
	} {
		if p := s.run("close", workflows.CloseRoom, room); p.err != nil {
			t.Error(p.err)
		}
	}
	s.assertConsistent(d)
	if n := s.callCount(eventClose) + s.callCount(conferenceClose); n != 0 {
		t.Errorf("%d requests to close a room were sent", n)
	}
}
