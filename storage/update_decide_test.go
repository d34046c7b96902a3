package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestAnUpdateCommitsItsNewValuesAndNothingElse(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	later := minigroup.Window{Start: new(*m.Time.Start + 60), End: new(*m.Time.End + 60)}
	id := l.update(m, minigroup.UpdatePlan{
		Time: later, Reserve: new(int32(9)), Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later},
	})
	now := l.read(m.ID)
	if now.Update == nil || now.Update.State != minigroup.UpdateRunning || !now.Time.Equal(m.Time) {
		t.Fatalf("got %+v", now)
	}
	if _, sent, err := l.SendPatch(t.Context(), "run-2", id, time.Minute); err != nil || !sent {
		t.Fatal(err)
	}
	rec := l.recordOf(id)
	if !rec.PatchOpen || rec.PatchLeft < 50*time.Second || rec.Patches != 1 || rec.ConferenceRoomID != m.ConferenceRoomID {
		t.Fatalf("got %+v", rec)
	}
	if patch := rec.Plan.Patch; patch.Time == nil || !patch.Time.Equal(later) {
		t.Fatalf("the patch is %+v", patch)
	}
	if state := l.fail("run-2", m.ID, id, minigroup.OperationCancelled, true); state != minigroup.UpdateRunning {
		t.Fatalf("an update whose PATCH may have been sent became %s", state)
	}
	for range 2 {
		l.commit("run-2", id)
	}
	now = l.read(m.ID)
	if now.Update != nil || !now.Time.Equal(later) || *now.Reserve != 9 {
		t.Fatalf("got %+v", now)
	}
	if string(now.Tags) != string(m.Tags) || now.Fingerprint != m.Fingerprint {
		t.Fatalf("got %+v, was %+v", now, m)
	}
	if open := l.openReservations(m.ID); len(open) != 1 || open[0].Slots != 9 {
		t.Fatalf("got %+v", open)
	}
}

func TestAFailedUpdateChangesNothingAndIsShown(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: new(int32(10)), Host: "a.b.c"})
	if state := l.fail("run-2", m.ID, id, minigroup.UpstreamRefused, false); state != minigroup.UpdateFailed {
		t.Fatalf("it is %s", state)
	}
	now := l.read(m.ID)
	if now.Host != m.Host || *now.Reserve != 8 {
		t.Fatalf("got %+v", now)
	}
	if u := now.Update; u == nil || u.State != minigroup.UpdateFailed || u.Failure.Kind != minigroup.UpstreamRefused {
		t.Fatalf("it shows %+v", u)
	}
	if open := l.openReservations(m.ID); open[0].Slots != 8 {
		t.Fatalf("got %+v", open)
	}
}

func TestAFailureOfAnUpdateThatNeverBeganKeepsTheSlotsOfTheRunningOne(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	running, accepted := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: new(int32(9)), Host: m.Host}), uuid.New()
	l.accept(minigroup.Claim{Run: "run-2"}, m.ID, accepted, "d.e.f")
	if state := l.fail("run-2", m.ID, accepted, minigroup.OperationCancelled, false); state != minigroup.UpdateFailed {
		t.Fatalf("it is %s", state)
	}
	l.commit("run-2", running)
	if open := l.openReservations(m.ID); len(open) != 1 || open[0].Slots != 9 {
		t.Fatalf("got %+v", open)
	}
}

func TestAnUpdateIsDecidedOnlyByTheRunThatOwnsIt(t *testing.T) {
	l := newLedger(t, 10)
	m := l.ready("run-1", draft(8))
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	if err := l.CommitUpdate(t.Context(), "run-1", id); !isSuperseded(err) {
		t.Errorf("committed by another run: %v", err)
	}
	_, err := l.FailUpdate(t.Context(), minigroup.Claim{Run: "run-1"}, m.ID, id, minigroup.Change{},
		minigroup.Failure{Kind: minigroup.OperationCancelled}, false)
	if !isSuperseded(err) {
		t.Errorf("failed by another run: %v", err)
	}
	l.fail("run-2", m.ID, id, minigroup.OperationCancelled, false)
	if err := l.CommitUpdate(t.Context(), "run-2", id); !isSuperseded(err) {
		t.Errorf("committed after it has failed: %v", err)
	}
	if now := l.read(m.ID); now.Host != m.Host {
		t.Errorf("got %+v", now)
	}
}
