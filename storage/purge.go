package storage

import (
	"context"
	"fmt"
	"time"
)

// finished are the rows of a table that may be deleted once their retention has passed, as long as their class has no
// undecided operation. The schema has an index of these rows for each table.
type finished struct {
	key string
	// since is the column that says since when a row is finished.
	since string
	// condition holds for a finished row h.
	condition string
}

var finishedRows = map[string]finished{
	"room_attempt": {
		key: `id`, since: `changed_at`, condition: `(state IN ('released', 'refused') OR resolution IS NOT NULL)`,
	},
	"announced_room":    {key: `room_id`, since: `changed_at`, condition: `state = 'released'`},
	"closed_room":       {key: `room_id`, since: `received_at`, condition: `settled`},
	"janus_reservation": {key: `id`, since: `changed_at`, condition: `state = 'released'`},
	"minigroup_update":  {key: `id`, since: `decided_at`, condition: notShown},
	// The primary key has two columns. A locked row keeps its ctid.
	"minigroup_history": {key: `ctid`, since: `at`, condition: `true`},
}

// OFFSET 0 in these conditions makes Postgres check each row until there are enough, instead of joining all of them.
const (
	// notShown is the condition that an update h has no PATCH to look for, and that its minigroup does not show it.
	notShown = `look_up_at IS NULL AND NOT EXISTS (
		SELECT FROM minigroup m WHERE m.id = h.class_id AND m.last_update_id = h.id OFFSET 0)`
	// classDecided is the condition that no operation on the class of a row h is undecided.
	classDecided = `NOT EXISTS (
		SELECT FROM minigroup m WHERE m.id = h.class_id AND m.state IN ('creating', 'undoing') OFFSET 0)
		AND NOT EXISTS (
		SELECT FROM minigroup_update u WHERE u.class_id = h.class_id AND u.state IN ('requested', 'running') OFFSET 0)`
)

// Purge deletes finished records that are older than the retention: at most limit rows of each table, the oldest first.
// It skips locked rows. It returns the number of deleted rows by table, also where that is 0.
func (s *Store) Purge(ctx context.Context, retention time.Duration, limit int) (map[string]int64, error) {
	purged := map[string]int64{}
	for table, f := range finishedRows {
		// With a join, or with a limit that it does not know, Postgres would read the whole table.
		n, err := s.execCount(ctx, "purge "+table, fmt.Sprintf(`
			DELETE FROM %[1]s WHERE %[2]s = ANY(ARRAY(
				SELECT %[2]s FROM %[1]s h WHERE %[4]s AND %[3]s < now() - $1::interval AND `+classDecided+`
				ORDER BY %[3]s LIMIT %[5]d FOR UPDATE SKIP LOCKED))`,
			table, f.key, f.since, f.condition, limit), retention)
		if err != nil {
			return purged, err
		}
		purged[table] = n
	}
	return purged, nil
}
