package storage

import (
	"context"
	"fmt"
	"time"
)

// atRest is the condition that no operation on the class of the row h is undecided: then nobody asks for what is over. OFFSET 0
// has Postgres look at each row until there are enough, and not join all that is due before it takes the first.
const atRest = `NOT EXISTS (SELECT FROM minigroup m WHERE m.id = h.class_id AND m.state IN ('creating', 'undoing') OFFSET 0)
	AND NOT EXISTS (SELECT FROM minigroup_update u WHERE u.class_id = h.class_id AND u.state IN ('requested', 'running') OFFSET 0)`

// notShown is the condition that an update h has no PATCH to look for and is not the one that its minigroup shows.
const notShown = `look_up_at IS NULL AND NOT EXISTS (
	SELECT FROM minigroup m WHERE m.id = h.class_id AND m.last_update_id = h.id OFFSET 0)`

// histories are what the ledger keeps of things that are over, by table: how a row is known, and which rows may go. Each has an
// index of exactly those.
var histories = map[string]struct{ key, since, over string }{
	"room_attempt":      {`id`, `changed_at`, `(state IN ('released', 'refused') OR resolution IS NOT NULL)`},
	"announced_room":    {`room_id`, `changed_at`, `state = 'released'`},
	"closed_room":       {`room_id`, `received_at`, `settled`},
	"janus_reservation": {`id`, `changed_at`, `state = 'released'`},
	"minigroup_update":  {`id`, `decided_at`, notShown},
}

// Forget deletes what has been over for so long and what nothing needs any more: of each table at most so many rows, the oldest
// first. It returns how many went, by table, also where none did. What a minigroup has or shows stays, as does all that belongs
// to an operation which is not decided.
func (s *Store) Purge(ctx context.Context, after time.Duration, limit int) (map[string]int64, error) {
	forgotten := map[string]int64{}
	for table, h := range histories {
		// As ids and not as a join: Postgres would read the whole table for that. It has to know the limit for the same reason.
		tag, err := s.pool.Exec(ctx, fmt.Sprintf(`
			DELETE FROM %[1]s WHERE %[2]s = ANY(ARRAY(
				SELECT %[2]s FROM %[1]s h WHERE %[4]s AND %[3]s < now() - $1::interval AND `+atRest+`
				ORDER BY %[3]s LIMIT %[5]d FOR UPDATE SKIP LOCKED))`, table, h.key, h.since, h.over, limit), after)
		if err != nil {
			return forgotten, fmt.Errorf("forget what is over in %s: %w", table, err)
		}
		forgotten[table] = tag.RowsAffected()
	}
	return forgotten, nil
}
