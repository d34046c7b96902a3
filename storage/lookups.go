package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// DueLookups lists at most limit minigroups whose conference room is to be read: first those with an unanswered PATCH
// whose look-up is due; then classes that have begun, have no end and were not looked up for longer than every, those
// that were looked up longest ago first. A minigroup with an undecided update is not listed for its PATCHes. Listing a
// minigroup postpones its next look-up by an hour. Then it is repeated, unless LookedUp has recorded a success.
func (s *Store) DueLookups(ctx context.Context, every time.Duration, limit int) ([]minigroup.Lookup, error) {
	unanswered, err := s.duePatches(ctx, limit)
	if err != nil {
		return nil, err
	}
	late := slices.Collect(maps.Keys(unanswered))
	return list(ctx, s.pool, "list due look-ups", func(row pgx.CollectableRow) (l minigroup.Lookup, err error) {
		err = scanMinigroup(row, &l.Minigroup)
		l.Unanswered = unanswered[l.ID]
		return l, err
	}, fmt.Sprintf(postponeClasses, limit), every, late, limit-len(late))
}

// duePatches lists the PATCHes that are due of at most limit minigroups, and postpones them.
func (s *Store) duePatches(ctx context.Context, limit int) (map[uuid.UUID][]minigroup.UnansweredPatch, error) {
	due := map[uuid.UUID][]minigroup.UnansweredPatch{}
	var classID, updateID uuid.UUID
	var patch *stored.Change
	rows, _ := s.pool.Query(ctx, fmt.Sprintf(postponePatches, limit)) // ForEachRow returns its error
	_, err := pgx.ForEachRow(rows, []any{&classID, &updateID, &patch}, func() error {
		due[classID] = append(due[classID], minigroup.UnansweredPatch{UpdateID: updateID, Patch: patch.Patch()})
		return nil
	})
	return due, wrap("list unanswered patches", err)
}

// The limits of the two statements below are part of their text, because Postgres reads a whole index for a limit that
// it does not know.

// postponePatches postpones the due look-ups of PATCHes, of some classes.
const postponePatches = `
	UPDATE minigroup_update SET look_up_at = now() + interval '1 hour'
	WHERE look_up_at <= now() AND state IN ('done', 'failed') AND class_id = ANY(ARRAY(
		SELECT u.class_id FROM minigroup_update u
		WHERE u.look_up_at <= now() AND u.state IN ('done', 'failed') AND EXISTS (
			SELECT FROM minigroup m WHERE m.id = u.class_id AND m.closed_at IS NULL AND NOT ` + undecided + ` OFFSET 0)
		ORDER BY u.look_up_at LIMIT %d))
	RETURNING class_id, id, patch`

// postponeClasses postpones the look-ups of the classes $2, and of at most $3 others that are due.
const postponeClasses = `
	UPDATE minigroup m SET looked_up_at = now() - $1::interval + least($1::interval, interval '1 hour')
	WHERE id = ANY($2::uuid[] || (ARRAY(
		SELECT id FROM minigroup WHERE state = 'ready' AND closed_at IS NULL AND upper_inf(during)
			AND looked_up_at < now() - $1::interval AND (lower_inf(during) OR lower(during) <= now())
		ORDER BY looked_up_at LIMIT %d FOR UPDATE SKIP LOCKED))[1:$3])
	RETURNING ` + minigroupColumns

// LookedUp records that the conference rooms of minigroups were read and that everything that follows is recorded.
func (s *Store) LookedUp(ctx context.Context, classes []uuid.UUID) error {
	return s.exec(ctx, "record look-ups", `UPDATE minigroup SET looked_up_at = now() WHERE id = ANY($1)`, classes)
}

// NothingToRepair records that the conference room shows none of the PATCHes that were looked up, or is gone, so that
// they are not looked up again. It changes nothing if the minigroup has changed since, or if an update of it is
// undecided.
func (s *Store) NothingToRepair(ctx context.Context, l minigroup.Lookup) error {
	updates := make([]uuid.UUID, len(l.Unanswered))
	for i, u := range l.Unanswered {
		updates[i] = u.UpdateID
	}
	return s.exec(ctx, "record look-up", `
		UPDATE minigroup_update SET look_up_at = NULL
		WHERE class_id = $1 AND id = ANY($3)
			AND EXISTS (SELECT FROM minigroup m WHERE m.id = $1 AND m.revision = $2 AND NOT `+undecided+`)`,
		l.ID, l.Revision, updates)
}
