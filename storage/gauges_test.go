package storage_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

func lostAttempts(t *testing.T, s *storage.Store) (map[minigroup.RoomKind]int64, error) {
	t.Helper()
	g, err := s.Gauges(t.Context())
	return g.Lost, err
}

func TestGauges(t *testing.T) {
	t.Run("of nothing show that nothing is there", func(t *testing.T) {
		s, _ := storagetest.New(t)
		g, err := s.Gauges(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Sagas) != 6 || len(g.Lost) != 2 || len(g.PendingClose) != 2 || g.Failed != 0 || g.Outbox != (storage.Waiting{}) || len(g.Gateways) != 0 {
			t.Fatalf("got %+v", g)
		}
		for key, o := range g.Sagas {
			if o != (storage.OpenSagas{}) {
				t.Errorf("%+v shows %+v", key, o)
			}
		}
	})
	s, db := storagetest.New(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	gateways(t, s, 100, 50, 1)
	around := func(hours int64) minigroup.Window {
		now := time.Now().Unix()
		return minigroup.Window{Start: new(now - 3600), End: new(now + 3600*hours)}
	}
	scope := func(name string) minigroup.Draft {
		return minigroup.Draft{Audience: "example.org", Scope: name, Host: "h", Time: around(1), Reserve: new(int32(8))}
	}
	begun(t, s, entry("run-3", scope("fresh")))
	begun(t, s, entry("run-2", scope("stuck")))
	exec(`UPDATE minigroup SET changed_at = now() - interval '1 h' WHERE scope = 'stuck'`)
	moving := ready(t, s, "run-1", scope("moving"))
	if _, err := beginUpdate(t, s, "run-4", moving, minigroup.UpdatePlan{Time: around(2), Reserve: new(int32(20)), Host: "h"}); err != nil {
		t.Fatal(err)
	}
	failed := entry("run-5", scope("failed"))
	b, room := begun(t, s, failed), uuid.New()
	answer(t, s, b.EventAttempt, room)
	if _, err := s.BeginUndo(t.Context(), minigroup.Claim{Run: "run-5"}, classID(failed.Draft), nil, minigroup.Failure{Kind: minigroup.UpstreamRefused}); err != nil {
		t.Fatal(err)
	}
	waiting, err := s.Gauges(t.Context())
	if err != nil || waiting.PendingClose[minigroup.EventRoom].Count != 1 || waiting.PendingClose[minigroup.ConferenceRoom].Count != 0 || waiting.Failed != 0 ||
		waiting.Sagas[storage.SagaState{Operation: "create", State: "undoing"}].Count != 1 {
		t.Fatalf("while it is undone, %+v, %v", waiting, err)
	}
	if err := s.RoomReleased(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	exec(`UPDATE room_attempt SET state = 'refused' WHERE id = $1`, b.ConferenceAttempt)
	exec(`UPDATE janus_reservation SET state = 'released' WHERE class_id = $1`, classID(failed.Draft))
	if _, open, err := s.EndUndo(t.Context(), "run-5", classID(failed.Draft)); err != nil || len(open) > 0 {
		t.Fatalf("%v are open, %v", open, err)
	}
	exec(`INSERT INTO outbox (audience, label, payload, written_at) VALUES ('example.org', 'x', '{}', now() - interval '1 h')`)
	exec(`UPDATE janus_backend SET away_since = now(), enabled = false, capacity = NULL WHERE id = 'janus-2'`)
	exec(`UPDATE janus_backend SET draining_since = now() WHERE id = 'janus-3'`)
	g, err := s.Gauges(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("count sagas by what they do, and tell for how long the oldest is open", func(t *testing.T) {
		creating, updating := g.Sagas[storage.SagaState{Operation: "create", State: "creating"}], g.Sagas[storage.SagaState{Operation: "update", State: "running"}]
		if creating.Count != 2 || creating.Stuck != 1 || creating.Oldest < time.Hour || creating.Oldest > 2*time.Hour {
			t.Errorf("creating: %+v", creating)
		}
		if updating.Count != 1 || updating.Stuck != 0 || updating.Oldest > time.Hour {
			t.Errorf("updating: %+v", updating)
		}
	})
	t.Run("count what has failed and what waits", func(t *testing.T) {
		if g.Failed != 1 || g.PendingClose[minigroup.EventRoom].Count != 0 {
			t.Errorf("failed %d, condemned %+v", g.Failed, g.PendingClose)
		}
		if g.Outbox.Count != 1 || g.Outbox.Oldest < time.Hour {
			t.Errorf("outbox: %+v", g.Outbox)
		}
	})
	t.Run("tell of each gateway what counts now, the greater of old and new while an update is undecided", func(t *testing.T) {
		one, two := g.Gateways["janus-1"], g.Gateways["janus-2"]
		// Those of fresh and stuck, and the new ones of moving.
		if sum := one.Reserved + two.Reserved; sum != 8+8+20 || one.Capacity == nil || *one.Capacity != 100 || one.Away || !one.Open || one.Draining {
			t.Errorf("janus-1: %+v, janus-2: %+v", one, two)
		}
		if two.Capacity != nil || !two.Away || two.Open || two.Draining {
			t.Errorf("janus-2: %+v", two)
		}
		if three := g.Gateways["janus-3"]; three.Open || !three.Draining || three.Reserved != 0 {
			t.Errorf("janus-3: %+v", three)
		}
	})
}
