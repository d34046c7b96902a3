package storage

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// BeginRecreate writes the recreate as an update with its old and new values, and the first attempts at its rooms. The
// slots are admitted as for an update. It returns the attempts that it has written: uuid.Nil where a room is held, a
// request is in flight or none was to be written. It returns the errors of BeginUpdate, except that a recreate may
// begin when the class has ended. Called twice, it does the same once.
func (s *Store) BeginRecreate(
	ctx context.Context, r minigroup.RecreateEntry,
) (event, conference uuid.UUID, err error) {
	b, err := s.beginUpdate(ctx, "begin recreate", r.UpdateEntry, &firstAttempts{
		class: r.ClassID, run: r.Run, update: &r.ID, event: r.EventAttempt, conference: r.ConferenceAttempt,
		timeout: r.RequestTimeout,
	})
	return b.event, b.conference, err
}

// SwapRooms is the commit point of a recreate: the class takes its new rooms, and is open again if it had ended. The
// old rooms, and everything else in flight, are marked for closing. If conference has closed the new room already, the
// class ends. It returns *minigroup.SupersededError if the run may not act on the recreate, or if a new room or its
// locks are not held. Called twice, it does the same once.
func (s *Store) SwapRooms(ctx context.Context, run string, id uuid.UUID) error {
	return s.inTx(ctx, "swap rooms", func(tx pgx.Tx) error {
		classID, state, err := lockUpdate(ctx, tx, run, id)
		if err != nil || state == minigroup.UpdateDone {
			return err
		}
		if state != minigroup.UpdateRunning {
			return minigroup.Supersededf("recreate %s is %s", id, state)
		}
		tag, err := tx.Exec(ctx, takeNewRooms, classID, id)
		if err == nil && tag.RowsAffected() == 0 {
			err = minigroup.Supersededf("a new room or its locks are not held any more")
		}
		if err != nil {
			return wrap("take new rooms", err)
		}
		var batch pgx.Batch
		for _, sql := range afterSwap {
			batch.Queue(sql, classID, id)
		}
		batch.Queue(endClosed, classID, s.publishEvents)
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// takeNewRooms gives the minigroup $1 the rooms and the window of its recreate $2. It requires that both rooms are
// held, and that everything is locked that is to be: what the recreate asks for, or else what the minigroup has.
const takeNewRooms = `
	UPDATE minigroup m SET during = u.new_during, locked_chat = wanted.chat, locked_questions = wanted.questions,
		closed_at = NULL, timed_out = false, event_room_id = event.room_id, conference_room_id = conference.room_id,
		last_update_id = nullif(m.last_update_id, u.id), looked_up_at = now(), changed_at = now()
	FROM minigroup_update u, room_attempt event, room_attempt conference, LATERAL (
		SELECT coalesce((u.requested->'recreate'->>'locked_chat')::boolean, c.locked_chat) AS chat,
			coalesce((u.requested->'recreate'->>'locked_questions')::boolean, c.locked_questions) AS questions
		FROM minigroup c WHERE c.id = u.class_id
	) wanted
	WHERE m.id = $1 AND u.id = $2
		AND event.class_id = m.id AND event.kind = 'event' AND event.operation = 'recreate'
		AND event.state = 'held' AND event.fingerprint = u.id::text
		AND (event.locked OR NOT (wanted.chat OR wanted.questions))
		AND conference.class_id = m.id AND conference.kind = 'conference' AND conference.operation = 'recreate'
		AND conference.state = 'held' AND conference.fingerprint = u.id::text`

// afterSwap are the statements that follow takeNewRooms, in this order, for the minigroup $1 and its recreate $2.
var afterSwap = []string{
	commitSlots + `minigroup_update u WHERE u.id = $2 AND r.class_id = $1 AND r.state IN ('pending', 'held')`,
	// Every other room of the class is marked for closing, and every other request.
	`UPDATE room_attempt SET state = 'releasing', changed_at = now()
	WHERE class_id = $1 AND state IN ('sent', 'held')
		AND NOT (state = 'held' AND operation = 'recreate' AND fingerprint = $2::uuid::text)`,
	// The new rooms are those of the class as if it had been created with them.
	`UPDATE room_attempt a SET operation = 'create', fingerprint = m.fingerprint, changed_at = now() FROM minigroup m
	WHERE m.id = $1 AND a.class_id = m.id AND a.state = 'held' AND a.fingerprint = $2::uuid::text`,
	// A late PATCH of the old room has no effect any more.
	`UPDATE minigroup_update SET look_up_at = NULL WHERE class_id = $1 AND look_up_at IS NOT NULL AND id <> $2`,
	`UPDATE minigroup_update SET state = 'done', decided_at = now() WHERE class_id = $1 AND id = $2`,
}
