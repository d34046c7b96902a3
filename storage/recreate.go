package storage

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// BeginRecreate writes the recreate as an update with its old and new values, and the first attempts at its rooms; slots
// are admitted as for an update. Unlike one, it may begin when the class has ended. It returns
// *minigroup.SupersededError where the run does not own the row, PreconditionFailed where it is not at the revision that
// is demanded, and CapacityExceeded where the slots do not fit. Done twice it does the same once.
func (s *Store) BeginRecreate(ctx context.Context, r minigroup.RecreateEntry) error {
	return s.beginUpdate(ctx, "begin recreate", r.UpdateEntry, func(batch *pgx.Batch) {
		first := firstAttempts{
			class: r.ClassID, run: r.Run, update: &r.ID, event: r.EventAttempt, conference: r.ConferenceAttempt,
			timeout: r.RequestTimeout,
		}
		first.queue(batch, new(uuid.UUID), new(uuid.UUID))
	})
}

// SwapRooms is the commit point of a recreate: the class takes its new rooms and is open again where it had ended, and the
// old rooms are condemned, as is every other that was asked for meanwhile. Where conference has closed the new room already,
// the class ends. Done twice it does the same once. It returns *minigroup.SupersededError where the run may not swap any
// more, or a room or the lock is not held.
func (s *Store) SwapRooms(ctx context.Context, run string, id uuid.UUID) error {
	return s.inTx(ctx, "swap rooms", func(tx pgx.Tx) error {
		classID, state, err := lockUpdate(ctx, tx, run, id)
		if err != nil || state == minigroup.UpdateDone {
			return err
		}
		if state != minigroup.UpdateRunning {
			return minigroup.Supersededf("recreate %s is %s", id, state)
		}
		if err := takeNewRooms(ctx, tx, classID, id); err != nil {
			return err
		}
		for _, sql := range []string{
			commitSlots + `minigroup_update u WHERE u.id = $2 AND r.class_id = $1 AND r.state IN ('pending', 'held')`,
			// Of the rooms before, one is held; a request of theirs that is still in flight finds the place taken.
			`UPDATE room_attempt SET state = 'releasing', changed_at = now()
			 WHERE class_id = $1 AND state IN ('sent', 'held') AND NOT (state = 'held' AND operation = 'recreate' AND fingerprint = $2::uuid::text)`,
			`UPDATE room_attempt a SET operation = 'create', fingerprint = m.fingerprint, changed_at = now() FROM minigroup m
			 WHERE m.id = $1 AND a.class_id = m.id AND a.state = 'held' AND a.fingerprint = $2::uuid::text`,
			// What was asked of the old room does not matter any more.
			`UPDATE minigroup_update SET look_up_at = NULL WHERE class_id = $1 AND look_up_at IS NOT NULL AND id <> $2`,
			`UPDATE minigroup_update SET state = 'done', decided_at = now() WHERE class_id = $1 AND id = $2`,
		} {
			if _, err := tx.Exec(ctx, sql, classID, id); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, endClosed, classID, s.publishEvents)
		return err
	})
}

func takeNewRooms(ctx context.Context, tx pgx.Tx, classID, id uuid.UUID) error {
	tag, err := tx.Exec(ctx, `
		UPDATE minigroup m SET during = u.new_during, locked_chat = wanted.chat, locked_questions = wanted.questions, closed_at = NULL, timed_out = false,
			event_room_id = event.room_id, conference_room_id = conference.room_id,
			last_update_id = nullif(m.last_update_id, u.id), looked_up_at = now(), changed_at = now()
		FROM minigroup_update u, room_attempt event, room_attempt conference, LATERAL (
			SELECT coalesce((u.requested->'recreate'->>'locked_chat')::boolean, c.locked_chat) AS chat,
				coalesce((u.requested->'recreate'->>'locked_questions')::boolean, c.locked_questions) AS questions
			FROM minigroup c WHERE c.id = u.class_id
		) wanted
		WHERE m.id = $1 AND u.id = $2
			AND event.class_id = m.id AND event.kind = 'event' AND event.operation = 'recreate'
			AND event.state = 'held' AND event.fingerprint = u.id::text AND (event.locked OR NOT (wanted.chat OR wanted.questions))
			AND conference.class_id = m.id AND conference.kind = 'conference' AND conference.operation = 'recreate'
			AND conference.state = 'held' AND conference.fingerprint = u.id::text`, classID, id)
	if err == nil && tag.RowsAffected() == 0 {
		err = minigroup.Supersededf("a new room or its locks are not held any more")
	}
	return wrap("take new rooms", err)
}

// releaseRecreated condemns what a recreate of the class, of which there is one at a time, has asked for.
func releaseRecreated(ctx context.Context, tx pgx.Tx, classID uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE room_attempt SET state = 'releasing', changed_at = now()
		WHERE class_id = $1 AND operation = 'recreate' AND state IN ('sent', 'held')`, classID)
	return wrap("condemn new rooms", err)
}
