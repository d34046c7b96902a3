package storage

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
	"minigroups/stored"
)

// DueComparisons lists at most so many minigroups that are to be compared with their conference room, because a PATCH of a
// decided update went unanswered. Each comes as an update that asks for nothing. Where there are more, each call picks others.
func (s *Store) DueComparisons(ctx context.Context, limit int) ([]minigroup.OpenSaga, error) {
	return list(ctx, s.pool, "list due comparisons", scanOpenSaga, `
		SELECT m.id, m.audience, m.scope, m.owner, gen_random_uuid(), NULL::jsonb
		FROM (SELECT DISTINCT class_id FROM minigroup_update WHERE compare_at <= now() AND state IN ('done', 'failed')) due
		JOIN minigroup m ON m.id = due.class_id
		WHERE m.state = 'ready' AND m.closed_at IS NULL
			AND NOT `+undecided+`
		ORDER BY random() LIMIT $1`, limit)
}

// UnansweredPatches lists the PATCHes of decided updates that are due to be looked for in conference.
func (s *Store) UnansweredPatches(ctx context.Context, classID uuid.UUID) ([]minigroup.UnansweredPatch, error) {
	return list(ctx, s.pool, "list unanswered patches", func(row pgx.CollectableRow) (u minigroup.UnansweredPatch, err error) {
		var patch stored.Change
		err = row.Scan(&u.UpdateID, &patch)
		u.Patch = patch.Patch()
		return u, err
	}, `SELECT id, patch FROM minigroup_update
		WHERE class_id = $1 AND compare_at <= now() AND state IN ('done', 'failed') AND patch IS NOT NULL ORDER BY number`, classID)
}

// Compared notes that conference shows nothing of these updates' unanswered PATCHes that the minigroup does not tell. It
// returns *minigroup.SupersededError where the run does not own the minigroup.
func (s *Store) Compared(ctx context.Context, run string, classID uuid.UUID, updates []uuid.UUID) error {
	return s.inTx(ctx, "note comparison", func(tx pgx.Tx) error {
		row, err := lockRow(ctx, tx, classID)
		if err != nil {
			return err
		}
		if err := row.demand(run, minigroup.Ready); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE minigroup_update SET compare_at = NULL WHERE class_id = $1 AND id = ANY($2)`, classID, updates)
		return err
	})
}

// putOffComparison makes a comparison that failed due again after an hour, rather than at the next sweep. It does nothing
// where the update that failed is none.
func putOffComparison(ctx context.Context, tx pgx.Tx, classID, failed uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE minigroup_update SET compare_at = now() + interval '1 hour' WHERE class_id = $1 AND compare_at <= now()
			AND EXISTS (SELECT 1 FROM minigroup_update u WHERE u.id = $2 AND u.requested = '{}')`, classID, failed)
	if err != nil {
		return fmt.Errorf("put off comparison: %w", err)
	}
	return nil
}
