package storage_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestAcceptCreate(t *testing.T) {
	accept := func(l ledger, run, replaces string, d minigroup.Draft) error {
		return l.AcceptCreate(t.Context(), minigroup.Claim{Run: run, Replaces: replaces}, minigroup.NewCreateRequest(d))
	}
	cancelled := minigroup.Failure{Kind: minigroup.OperationCancelled}
	l := newLedger(t)
	t.Run("changes nothing once its run has begun", func(t *testing.T) {
		d := named("begun")
		l.begin(entry("run-1", d))
		l.beginUndo(minigroup.Claim{Run: "run-1"}, d, cancelled)
		l.must(accept(l, "run-1", "", d))
		if m := l.read(classID(d)); m.State != minigroup.Undoing {
			t.Errorf("it is %s", m.State)
		}
		if b := l.begin(entry("run-1", d)); b.State != minigroup.Undoing || b.EventAttempt != uuid.Nil {
			t.Errorf("a begin after its undo returned %+v", b)
		}
	})
	t.Run("changes nothing of a ready minigroup", func(t *testing.T) {
		d := named("ready")
		l.ready("run-1", d)
		l.must(accept(l, "run-2", "run-1", d))
		if m := l.read(classID(d)); m.State != minigroup.Ready || m.Run != "run-1" {
			t.Errorf("it is %s and belongs to %s", m.State, m.Run)
		}
	})
	t.Run("takes the row only from the owner that it names, and gives up the rooms of another draft", func(t *testing.T) {
		d := named("owned")
		room := uuid.New()
		l.answer(l.begin(entry("run-1", d)).EventAttempt, room)
		other := d
		other.Host = "another.example.org"
		if err := accept(l, "run-2", "", other); !isOwned(err, "run-1") {
			t.Errorf("got %v", err)
		}
		l.must(accept(l, "run-2", "run-1", other))
		m := l.read(classID(d))
		if m.State != minigroup.Creating || m.Run != "run-2" || m.Host != other.Host {
			t.Errorf("it is %s, belongs to %s, and its host is %s", m.State, m.Run, m.Host)
		}
		pending, err := l.RoomsPendingClose(t.Context(), classID(d))
		l.must(err)
		if len(pending) != 1 || pending[0].ID != room {
			t.Errorf("pending close are %v", pending)
		}
	})
}
