package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestPendingReleases(t *testing.T) {
	l, d := newLedger(t, 10), draft(8)
	b := l.begin(entry("run-1", d))
	room := uuid.New()
	l.answer(b.EventAttempt, room)
	if list, err := l.PendingReleases(t.Context(), 0, 10); err != nil || len(list) != 0 {
		t.Fatalf("before the undo: %+v, %v", list, err)
	}
	l.beginUndo(minigroup.Claim{Run: "run-1"}, d, minigroup.Failure{Kind: minigroup.OperationCancelled})
	if list, err := l.PendingReleases(t.Context(), time.Hour, 10); err != nil || len(list) != 0 {
		t.Errorf("older than an hour: %+v, %v", list, err)
	}
	list, err := l.PendingReleases(t.Context(), 0, 10)
	l.must(err)
	seen := map[uuid.UUID]minigroup.PendingRelease{}
	for _, p := range list {
		seen[p.ID] = p
		if p.ClassID != classID(d) || p.Scope != d.Scope || p.Audience != d.Audience || p.Since.IsZero() {
			t.Errorf("got %+v", p)
		}
		one, ok, err := l.PendingRelease(t.Context(), p.ID)
		if err != nil || !ok || one.Service != p.Service || one.Gateway != p.Gateway || one.ClassID != p.ClassID {
			t.Errorf("alone %+v, %t, %v", one, ok, err)
		}
	}
	if len(list) != 2 || seen[room].Service != "event" || seen[b.Reservation].Gateway != "janus-1" {
		t.Errorf("got %+v", list)
	}
	l.must(l.RoomReleased(t.Context(), room))
	l.must(l.ReservationReleased(t.Context(), b.Reservation))
	for _, id := range []uuid.UUID{room, b.Reservation, uuid.New()} {
		if _, ok, err := l.PendingRelease(t.Context(), id); err != nil || ok {
			t.Errorf("%s is still pending: %t, %v", id, ok, err)
		}
	}
}
