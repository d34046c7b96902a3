package storage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

func TestTransitions(t *testing.T) {
	s, db := storagetest.New(t)
	gateways(t, s, 100)
	m := ready(t, s, "run-1", draft(8))
	update, err := beginUpdate(t, s, "run-2", m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(t.Context(), `
		INSERT INTO announced_room (room_id, class_id, kind, created_at) VALUES ($1, $1, 'event', now())`, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sql string
		id  uuid.UUID
	}{
		"a ready minigroup is not undone": {`
			UPDATE minigroup SET state = 'undoing', failure = '{}', event_room_id = NULL, conference_room_id = NULL
			WHERE id = $1`, m.ID},
		"a ready minigroup is not created again": {`
			UPDATE minigroup SET state = 'creating', event_room_id = NULL, conference_room_id = NULL
			WHERE id = $1`, m.ID},
		"a held room is released in two steps": {`
			UPDATE room_attempt SET state = 'released' WHERE class_id = $1 AND state = 'held'`, m.ID},
		"an announced room is released in two steps": {`
			UPDATE announced_room SET state = 'released' WHERE room_id = $1`, m.ID},
		"a held reservation is released in two steps": {`
			UPDATE janus_reservation SET state = 'released', update_id = NULL
			WHERE class_id = $1 AND state = 'held'`, m.ID},
		"a running update is not requested again": {`
			UPDATE minigroup_update SET state = 'requested' WHERE id = $1`, update},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := db.Exec(t.Context(), c.sql, c.id)
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "23514" || !strings.Contains(refused.Message, "cannot go from") {
				t.Errorf("got %v", err)
			}
		})
	}
}
