package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestSendPatch(t *testing.T) {
	l := newLedger(t)
	m := l.ready("run-1", draft(0))
	later := minigroup.Window{Start: new(*m.Time.Start + 60), End: new(*m.Time.End + 60)}
	id := l.update(m, minigroup.UpdatePlan{Time: later, Host: m.Host, Patch: minigroup.ConferencePatch{Time: &later}})
	send := func(run string) (minigroup.UpdateRecord, bool, error) {
		return l.SendPatch(t.Context(), run, id, time.Minute)
	}
	if rec, sent, err := send("run-1"); sent || !isSuperseded(err) {
		t.Errorf("of another run: %+v, %t, %v", rec, sent, err)
	}
	rec, sent, err := send("run-2")
	if err != nil || !sent || rec.ID != id || rec.Patches != 1 || !rec.PatchOpen {
		t.Fatalf("got %+v, %t, %v", rec, sent, err)
	}
	if rec.ConferenceRoomID != m.ConferenceRoomID || !rec.Plan.Patch.Time.Equal(later) {
		t.Fatalf("got %+v", rec)
	}
	if rec, sent, err := send("run-2"); err != nil || sent || rec.Patches != 1 || rec.PatchLeft < 50*time.Second {
		t.Errorf("while one may be in flight: %+v, %t, %v", rec, sent, err)
	}
	if err := l.PatchUnanswered(t.Context(), "run-2", id, time.Minute); err == nil || isSuperseded(err) {
		t.Errorf("one that may be in flight is recorded as unanswered: %v", err)
	}
	l.must(l.PatchUndone(t.Context(), "run-2", id, rec.Patches))
	if rec, sent, err := send("run-2"); err != nil || !sent || rec.Patches != 2 {
		t.Errorf("again: %+v, %t, %v", rec, sent, err)
	}
	l.commit("run-2", id)
	if rec, sent, err := send("run-2"); err != nil || sent || rec.State != minigroup.UpdateDone || rec.PatchOpen {
		t.Errorf("when it is done: %+v, %t, %v", rec, sent, err)
	}
	_, sent, err = l.SendPatch(t.Context(), "run-2", uuid.New(), time.Minute)
	if sent || !isKind(err, minigroup.ClassNotFound) {
		t.Errorf("of an unknown update: %t, %v", sent, err)
	}
}

func TestSendPatchRecordsNothingIfConferenceHasNothingToChange(t *testing.T) {
	l := newLedger(t)
	id := l.update(l.ready("run-1", named("asks nothing")), minigroup.UpdatePlan{Host: "a.b.c"})
	rec, sent, err := l.SendPatch(t.Context(), "run-2", id, time.Minute)
	if err != nil || sent || rec.State != minigroup.UpdateRunning || rec.PatchOpen {
		t.Errorf("got %+v, %t, %v", rec, sent, err)
	}
}
