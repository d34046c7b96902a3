package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
)

func TestGaugesOfAnEmptyLedgerAreZero(t *testing.T) {
	l := newLedger(t)
	g, err := l.Gauges(t.Context())
	l.must(err)
	if len(g.Sagas) != 6 || len(g.Lost) != 2 || len(g.PendingClose) != 2 || len(g.Gateways) != 0 {
		t.Fatalf("got %+v", g)
	}
	if g.Failed != 0 || g.Outbox != (storage.Waiting{}) {
		t.Fatalf("got %+v", g)
	}
	for key, o := range g.Sagas {
		if o != (storage.OpenSagas{}) {
			t.Errorf("%+v is %+v", key, o)
		}
	}
}

// around is a window that began an hour ago and ends in some hours.
func around(hours int64) minigroup.Window {
	now := time.Now().Unix()
	return minigroup.Window{Start: new(now - 3600), End: new(now + 3600*hours)}
}

func TestGauges(t *testing.T) {
	l := newLedger(t, 100, 50, 1)
	withSlots := func(scope string) minigroup.Draft {
		d := named(scope)
		d.Time, d.Reserve = around(1), new(int32(8))
		return d
	}
	l.begin(entry("run-3", withSlots("fresh")))
	l.begin(entry("run-2", withSlots("stuck")))
	l.exec(`UPDATE minigroup SET changed_at = now() - interval '1 h' WHERE scope = 'stuck'`)
	moving := l.ready("run-1", withSlots("moving"))
	_, err := l.tryUpdate("run-4", moving, minigroup.UpdatePlan{Time: around(2), Reserve: new(int32(20)), Host: "h"})
	l.must(err)
	l.gaugesDuringUndo(withSlots("failed"))
	l.exec(`
		INSERT INTO outbox (audience, label, payload, written_at)
		VALUES ('example.org', 'x', '{}', now() - interval '1 h')`)
	l.exec(`
		UPDATE janus_backend SET away_since = now(), unfit = true, enabled = false, capacity = NULL
		WHERE id = 'janus-2'`)
	l.exec(`UPDATE janus_backend SET draining_since = now() WHERE id = 'janus-3'`)
	g, err := l.Gauges(t.Context())
	l.must(err)
	t.Run("count sagas by operation and state, with the age of the oldest", func(t *testing.T) {
		creating := g.Sagas[storage.SagaState{Operation: "create", State: "creating"}]
		if creating.Count != 2 || creating.Stuck != 1 || creating.Oldest < time.Hour || creating.Oldest > 2*time.Hour {
			t.Errorf("creating: %+v", creating)
		}
		updating := g.Sagas[storage.SagaState{Operation: "update", State: "running"}]
		if updating.Count != 1 || updating.Stuck != 0 || updating.Oldest > time.Hour {
			t.Errorf("updating: %+v", updating)
		}
	})
	t.Run("count failures and waiting records", func(t *testing.T) {
		if g.Failed != 1 || g.PendingClose[minigroup.EventRoom].Count != 0 {
			t.Errorf("failed %d, pending close %+v", g.Failed, g.PendingClose)
		}
		if g.Outbox.Count != 1 || g.Outbox.Oldest < time.Hour {
			t.Errorf("outbox: %+v", g.Outbox)
		}
	})
	t.Run("count the slots of each gateway, the greater of old and new while an update is undecided", func(t *testing.T) {
		one, two, three := g.Gateways["janus-1"], g.Gateways["janus-2"], g.Gateways["janus-3"]
		if sum := one.Reserved + two.Reserved; sum != 8+8+20 { // fresh, stuck, and the new ones of moving
			t.Errorf("janus-1: %+v, janus-2: %+v", one, two)
		}
		if one.Capacity == nil || *one.Capacity != 100 || one.Away || one.Unfit || !one.Open || one.Draining {
			t.Errorf("janus-1: %+v", one)
		}
		if two.Capacity != nil || !two.Away || !two.Unfit || two.Open || two.Draining {
			t.Errorf("janus-2: %+v", two)
		}
		if three.Open || !three.Draining || three.Reserved != 0 {
			t.Errorf("janus-3: %+v", three)
		}
	})
}

// gaugesDuringUndo checks the gauges while a create is undone, and ends the undo.
func (l ledger) gaugesDuringUndo(d minigroup.Draft) {
	l.Helper()
	b, room := l.begin(entry("run-5", d)), uuid.New()
	l.answer(b.EventAttempt, room)
	refused := minigroup.Failure{Kind: minigroup.UpstreamRefused}
	_, err := l.BeginUndo(l.Context(), minigroup.Claim{Run: "run-5"}, classID(d), nil, refused)
	l.must(err)
	g, err := l.Gauges(l.Context())
	l.must(err)
	undoing := g.Sagas[storage.SagaState{Operation: "create", State: "undoing"}]
	if undoing.Count != 1 || g.Failed != 0 ||
		g.PendingClose[minigroup.EventRoom].Count != 1 || g.PendingClose[minigroup.ConferenceRoom].Count != 0 {
		l.Fatalf("during the undo: %+v", g)
	}
	l.released(room)
	l.exec(`UPDATE room_attempt SET state = 'refused' WHERE id = $1`, b.ConferenceAttempt)
	l.exec(`UPDATE janus_reservation SET state = 'released' WHERE class_id = $1`, classID(d))
	if _, open, err := l.EndUndo(l.Context(), "run-5", classID(d)); err != nil || len(open) > 0 {
		l.Fatalf("%v are open, %v", open, err)
	}
}
