package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// SendPatch records that a PATCH of the update is about to be sent and may be in flight until the timeout, and returns
// the update. From then on the update is not undone. It returns sent false, and records nothing, if conference has
// nothing to change, if the update is decided, or if a PATCH of it may still be in flight.
//
// It returns *minigroup.SupersededError if the run may not act on the update, a *minigroup.Error of kind ClassNotFound
// if the update is unknown, and another error, to be retried, if another step of the run was faster.
func (s *Store) SendPatch(
	ctx context.Context, run string, id uuid.UUID, timeout time.Duration,
) (rec minigroup.UpdateRecord, sent bool, err error) {
	recorded, err := inGroup(ctx, s, "send patch", func(batch *pgx.Batch, recorded **minigroup.UpdateRecord) {
		batch.Queue(`
			UPDATE minigroup_update u SET patch_until = now() + $3::interval, patches = patches + 1
			WHERE `+ownsUpdate+` AND patch <> '{}' AND patch_until IS NULL
			RETURNING `+updateColumns, id, run, timeout).QueryRow(func(row pgx.Row) (err error) {
			*recorded, err = scanUpdate(row)
			return err
		})
	})
	if err != nil {
		return rec, false, err
	}
	if recorded != nil {
		return *recorded, true, nil
	}
	rec, err = s.UpdateRecord(ctx, id)
	if err != nil || rec.State != minigroup.UpdateRunning || rec.Plan.Patch.Empty() || rec.PatchOpen {
		return rec, false, err
	}
	return rec, false, wrap("send patch", tooLate(rec, run))
}

// PatchUnanswered records that a PATCH of the update was not answered and that the conference room did not show it.
// Another may be sent then. Conference may still execute the first, so the room is looked up again after lookUpAfter.
// It returns the errors of SendPatch.
func (s *Store) PatchUnanswered(ctx context.Context, run string, id uuid.UUID, lookUpAfter time.Duration) error {
	n, err := s.execCount(ctx, "record unanswered patch", `
		UPDATE minigroup_update SET patch_until = NULL, look_up_at = now() + $3::interval
		WHERE `+ownsUpdate+` AND patch_until <= now()`, id, run, lookUpAfter)
	if err != nil || n > 0 {
		return err
	}
	rec, err := s.UpdateRecord(ctx, id)
	if err != nil {
		return err
	}
	return wrap("record unanswered patch", tooLate(rec, run))
}

// tooLate is the error of a step that could not record something about an update.
func tooLate(rec minigroup.UpdateRecord, run string) error {
	if rec.State == minigroup.UpdateRunning && rec.Run == run {
		return fmt.Errorf("another step of the run was faster with update %s", rec.ID)
	}
	return notOwner(rec.ID)
}

// PatchUndone records that the PATCH with this number, counted from 1, was not sent. It changes nothing if another has
// followed.
func (s *Store) PatchUndone(ctx context.Context, run string, id uuid.UUID, number int) error {
	return s.exec(ctx, "record unsent patch", `
		UPDATE minigroup_update SET patch_until = NULL WHERE `+ownsUpdate+` AND patches = $3`, id, run, number)
}

// AdoptStart makes the new window of the update begin when conference has let the room begin, in unix seconds. It
// returns *minigroup.SupersededError if the run may not act on the update.
func (s *Store) AdoptStart(ctx context.Context, run string, id uuid.UUID, start int64) error {
	n, err := s.execCount(ctx, "adopt start", `
		UPDATE minigroup_update SET new_during = tstzrange(to_timestamp($3::bigint), upper(new_during))
		WHERE `+ownsUpdate, id, run, start)
	if err == nil && n == 0 {
		err = notOwner(id)
	}
	return err
}
