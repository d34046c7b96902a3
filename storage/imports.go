package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// ImportedSources returns what ImportedClass.Source was of those of the classes that were imported or exported.
func (s *Store) ImportedSources(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	sources := map[uuid.UUID]string{}
	var id uuid.UUID
	var source string
	rows, _ := s.pool.Query(ctx, `SELECT class_id, source FROM dispatcher_class WHERE class_id = ANY($1)`, ids)
	_, err := pgx.ForEachRow(rows, []any{&id, &source}, func() error {
		sources[id] = source
		return nil
	})
	return sources, wrap("read imported classes", err)
}

// errDryRun ends the transaction of a dry run.
var errDryRun = errors.New("nothing is changed")

// ImportClasses makes rows of classes, in one transaction: each ready, with its rooms and its slots, as if it had been
// created here. A class that was imported before and has not changed here since gets its new values. It returns the
// result of each class; one that is skipped does not keep the others.
//
// A dry run does the same and rolls back, so that its results are those of the import, except that the slots of other
// calls are not reserved meanwhile.
func (s *Store) ImportClasses(
	ctx context.Context, classes []minigroup.ImportedClass, o minigroup.ImportOptions,
) ([]minigroup.ImportResult, error) {
	who, err := actor(o.By)
	if err != nil {
		return nil, err
	}
	results := make([]minigroup.ImportResult, len(classes))
	err = s.inTx(ctx, "import classes", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, actAs, who); err != nil {
			return err
		}
		for i, c := range classes {
			err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) { // a savepoint
				results[i], err = importClass(ctx, tx, c, o)
				return err
			})
			if results[i], err = importResult(results[i], err, c); err != nil {
				return fmt.Errorf("class %s: %w", c.ID, err)
			}
		}
		if o.DryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return results, err
}

// importResult returns the result of a class whose savepoint was rolled back because of err, unless err concerns all.
func importResult(
	r minigroup.ImportResult, err error, c minigroup.ImportedClass,
) (minigroup.ImportResult, error) {
	skipped := minigroup.ImportResult{Outcome: minigroup.ImportSkipped}
	var full *minigroup.Error
	switch {
	case err == nil:
		return r, nil
	case violates(err, "minigroup_scope_is_unique"):
		skipped.Reason, skipped.Detail = minigroup.ImportScopeTaken, "a minigroup with another id has this scope"
	case violates(err, "attempt_room"):
		skipped.Reason, skipped.Detail = minigroup.ImportRoomTaken, "another minigroup has one of its rooms"
	case errors.As(capacityExceeded(err, c.Slots()), &full):
		skipped.Reason, skipped.Detail = minigroup.ImportCapacity, full.Detail
	default:
		return r, err
	}
	return skipped, nil
}

// importMinigroup inserts a ready minigroup, or updates one that was imported or exported, if nothing has changed it
// here since and no update of it is undecided. It returns whether it has inserted it, and no row if it has done
// neither.
const importMinigroup = `
	INSERT INTO minigroup (id, audience, scope, state, owner, during, host, reserve, locked_chat, locked_questions,
		tags, properties, fingerprint, event_room_id, conference_room_id, created_at, closed_at, timed_out)
	VALUES ($1, $2, $3, 'ready', $4, tstzrange(to_timestamp($5::bigint), to_timestamp($6::bigint)), $7, $8, $9, $10,
		$11, coalesce($12, '{}'::jsonb), $13, $14, $15, $16, $17, $18)
	ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, audience = excluded.audience, scope = excluded.scope,
		during = excluded.during, host = excluded.host, reserve = excluded.reserve, locked_chat = excluded.locked_chat,
		locked_questions = excluded.locked_questions, tags = excluded.tags, properties = excluded.properties,
		fingerprint = excluded.fingerprint, event_room_id = excluded.event_room_id,
		conference_room_id = excluded.conference_room_id, closed_at = excluded.closed_at, timed_out = excluded.timed_out
	WHERE minigroup.revision = (SELECT revision FROM dispatcher_class WHERE class_id = minigroup.id)
		AND NOT EXISTS (
			SELECT FROM minigroup_update u WHERE u.class_id = minigroup.id AND u.state IN ('requested', 'running'))
	RETURNING xmax = 0`

// afterImport are the statements that follow importMinigroup for the class $1, in this order.
var afterImport = []string{
	// Dispatcher has replaced these rooms. They are left to it.
	`DELETE FROM room_attempt a USING minigroup m
	WHERE m.id = $1 AND a.class_id = m.id AND a.state = 'held'
		AND a.room_id NOT IN (m.event_room_id, m.conference_room_id)`,
	`UPDATE room_attempt a SET fingerprint = m.fingerprint, changed_at = now(),
		locked = a.kind = 'event' AND (m.locked_chat OR m.locked_questions)
	FROM minigroup m WHERE m.id = $1 AND a.class_id = m.id AND a.state = 'held'`,
	`INSERT INTO room_attempt (id, class_id, kind, operation, state, room_id, locked, answered_at, expires_at, run,
		fingerprint)
	SELECT gen_random_uuid(), m.id, room.kind, 'create', 'held', room.id,
		room.kind = 'event' AND (m.locked_chat OR m.locked_questions), now(), now(), m.owner, m.fingerprint
	FROM minigroup m, LATERAL (
		VALUES ('event', m.event_room_id), ('conference', m.conference_room_id)) AS room (kind, id)
	WHERE m.id = $1 AND NOT EXISTS (SELECT FROM room_attempt a WHERE a.class_id = m.id AND a.room_id = room.id)`,
	// The event of a room that was closed since it was looked up was not recorded: the sweeper looks it up soon.
	`UPDATE minigroup SET looked_up_at = looked_up_at - interval '1 day' WHERE id = $1`,
}

// giveBackImported gives back the slots of a class $1 that was imported before, unless they are the requested ones: $2
// from $3 to $4, or none if $2 is 0.
const giveBackImported = `
	UPDATE janus_reservation SET state = 'releasing', changed_at = now()
	WHERE class_id = $1 AND state IN ('pending', 'held') AND NOT ($2::integer > 0 AND slots = $2
		AND upper(during) IS NOT DISTINCT FROM to_timestamp($4::bigint) AND lower(during) <= to_timestamp($3::bigint))`

// reserveImported reserves the slots of an imported class like reserve, unless it has them.
var reserveImported = `
	INSERT INTO janus_reservation (id, class_id, backend_id, state, slots, during, fingerprint, update_id)
	SELECT $9, m.id, coalesce((` + admit + `), raise_capacity_exceeded(NULL)), 'pending', $4, ` + slotsDuring + `,
		m.fingerprint, $3::uuid
	FROM minigroup m WHERE m.id = $1 AND m.owner = $2 AND NOT EXISTS (
		SELECT FROM janus_reservation r WHERE r.class_id = m.id AND r.state IN ('pending', 'held'))`

// markSynced records that dispatcher's row of the class $1 has the hash $2, and that the minigroup is equal to it, if
// it has the revision $4, or whatever that is if $4 is null. The trigger of the table adds that to the history.
const markSynced = `
	INSERT INTO dispatcher_class (class_id, source, revision, last)
	SELECT id, $2, revision, $3 FROM minigroup WHERE id = $1 AND revision = coalesce($4, revision)
	ON CONFLICT (class_id) DO UPDATE SET source = excluded.source, revision = excluded.revision, last = excluded.last`

func importClass(
	ctx context.Context, tx pgx.Tx, c minigroup.ImportedClass, o minigroup.ImportOptions,
) (minigroup.ImportResult, error) {
	var inserted bool
	err := tx.QueryRow(ctx, importMinigroup, c.ID, c.Audience, c.Scope, minigroup.ImportOwner, c.Time.Start, c.Time.End,
		c.Host, c.Reserve, c.LockedChat, c.LockedQuestions, jsonText(c.Tags), jsonText(c.Properties),
		minigroup.NewCreateRequest(c.Draft).Fingerprint, c.EventRoomID, c.ConferenceRoomID, c.CreatedAt,
		orNull(c.ClosedAt), c.TimedOut).Scan(&inserted)
	if errors.Is(err, pgx.ErrNoRows) {
		return minigroup.ImportResult{
			Outcome: minigroup.ImportSkipped, Reason: minigroup.ImportChangedHere,
			Detail: "it was changed in dispatcher and here; what is here stays",
		}, nil
	}
	if err != nil {
		return minigroup.ImportResult{}, err
	}
	result := minigroup.ImportResult{Outcome: minigroup.ImportUpdated}
	if inserted {
		result.Outcome = minigroup.ImportCreated
	}
	var batch pgx.Batch
	for _, sql := range afterImport {
		batch.Queue(sql, c.ID)
	}
	slots, during := c.Slots(), slotsWindow(c.Time, time.Now())
	if !o.Gateways || !c.ClosedAt.IsZero() {
		slots = 0
	}
	if !inserted {
		batch.Queue(giveBackImported, c.ID, slots, during.Start, during.End)
	}
	if slots > 0 {
		batch.Queue(lockAdmission)
		batch.Queue(reserveImported, c.ID, minigroup.ImportOwner, nil, slots, during.Start, during.End, o.Group,
			[]string{}, uuid.New())
	}
	batch.Queue(markSynced, c.ID, c.Source, minigroup.HistoryImported, nil)
	return result, tx.SendBatch(ctx, &batch).Close()
}

// ImportAccount gives an account the properties that it has in dispatcher and not here. It returns whether it has any
// that it did not have.
func (s *Store) ImportAccount(
	ctx context.Context, a minigroup.Account, properties []byte, dryRun bool,
) (changed bool, err error) {
	err = s.inTx(ctx, "import account", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO account (audience, label, properties) VALUES ($1, $2, $3::jsonb)
			ON CONFLICT (audience, label) DO UPDATE SET properties = excluded.properties || account.properties,
				changed_at = now()
			WHERE excluded.properties || account.properties <> account.properties`, a.Audience, a.Label, string(properties))
		changed = err == nil && tag.RowsAffected() > 0
		if err == nil && dryRun {
			err = errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return changed, err
}

// ImportedUntouched returns those of the classes that were imported or exported, and whether nothing has changed them
// here since.
func (s *Store) ImportedUntouched(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	untouched := map[uuid.UUID]bool{}
	var id uuid.UUID
	var same bool
	rows, _ := s.pool.Query(ctx, `
		SELECT d.class_id, d.revision = m.revision FROM dispatcher_class d JOIN minigroup m ON m.id = d.class_id
		WHERE d.class_id = ANY($1)`, ids)
	_, err := pgx.ForEachRow(rows, []any{&id, &same}, func() error {
		untouched[id] = same
		return nil
	})
	return untouched, wrap("read imported classes", err)
}
