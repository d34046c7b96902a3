package storage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"minigroups/minigroup"
)

func TestTransitionsThatTheSchemaRefuses(t *testing.T) {
	l := newLedger(t, 100)
	m := l.ready("run-1", draft(8))
	update := l.update(m, minigroup.UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: "a.b.c"})
	l.exec(`INSERT INTO announced_room (room_id, class_id, kind, created_at) VALUES ($1, $1, 'event', now())`, m.ID)
	for name, c := range map[string]struct {
		sql string
		id  uuid.UUID
	}{
		"a ready minigroup is not undone": {id: m.ID, sql: `
			UPDATE minigroup SET state = 'undoing', failure = '{}', event_room_id = NULL, conference_room_id = NULL
			WHERE id = $1`},
		"a ready minigroup is not created again": {id: m.ID, sql: `
			UPDATE minigroup SET state = 'creating', event_room_id = NULL, conference_room_id = NULL WHERE id = $1`},
		"a held room is released in two steps": {id: m.ID, sql: `
			UPDATE room_attempt SET state = 'released' WHERE class_id = $1 AND state = 'held'`},
		"an announced room is released in two steps": {id: m.ID, sql: `
			UPDATE announced_room SET state = 'released' WHERE room_id = $1`},
		"a held reservation is released in two steps": {id: m.ID, sql: `
			UPDATE janus_reservation SET state = 'released', update_id = NULL WHERE class_id = $1 AND state = 'held'`},
		"a running update is not requested again": {id: update, sql: `
			UPDATE minigroup_update SET state = 'requested' WHERE id = $1`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.db.Exec(t.Context(), c.sql, c.id)
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "23514" || !strings.Contains(refused.Message, "cannot go from") {
				t.Errorf("got %v", err)
			}
		})
	}
}
