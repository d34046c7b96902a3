package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// RecordRoomEvents commits what event and conference have announced, in any order and however often; what belongs to no
// class of ours is dropped. Classes whose room was closed end, unless an operation on them is undecided. It returns how
// many did.
func (s *Store) RecordRoomEvents(ctx context.Context, a minigroup.RoomEvents) (ended int, err error) {
	if len(a.Created) > 0 {
		if err := s.noteFound(ctx, a.Created); err != nil {
			return 0, err
		}
	}
	if len(a.Closed) == 0 {
		return 0, nil
	}
	if err := s.noteClosed(ctx, a.Closed); err != nil {
		return 0, err
	}
	classes := make([]uuid.UUID, len(a.Closed))
	for i, c := range a.Closed {
		classes[i] = c.ClassID
	}
	ids, err := list(ctx, s.pool, "list closed classes", pgx.RowTo[uuid.UUID],
		`SELECT id FROM minigroup m WHERE id = ANY($1) AND closed_at IS NULL AND `+hasClosed, classes)
	if err != nil {
		return 0, err
	}
	return s.endEach(ctx, ids, endClosed)
}

// clockSkew is how far the clock of a service may be behind that of Postgres for its rooms to be told from those that were
// made before their class's first attempt. Services tell when a room was made in whole seconds.
const clockSkew = 6 * time.Second

// recordAnnounced remembers rooms that no reply has brought, yet. In peace nearly all of them are known by then, and nothing is
// written.
func (s *Store) noteFound(ctx context.Context, rooms []minigroup.AnnouncedRoom) error {
	n := len(rooms)
	ids, classes, kinds, audiences, made := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]string, n), make([]string, n), make([]time.Time, n)
	for i, r := range rooms {
		ids[i], classes[i], kinds[i], audiences[i], made[i] = r.ID, r.ClassID, string(r.Kind), r.Audience, r.CreatedAt
	}
	return s.exec(ctx, "note announced rooms", `
		INSERT INTO announced_room (room_id, class_id, kind, made_at)
		SELECT a.room_id, m.id, a.kind, a.made_at
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[]) AS a (room_id, class_id, kind, audience, made_at)
		JOIN minigroup m ON m.id = a.class_id AND m.audience = a.audience
		WHERE NOT EXISTS (SELECT FROM room_attempt t WHERE t.room_id = a.room_id)
			AND a.made_at >= (SELECT min(sent_at) FROM room_attempt t WHERE t.class_id = m.id) - $6::interval
		ON CONFLICT (room_id) DO NOTHING`, ids, classes, kinds, audiences, made, clockSkew)
}

// recordClosed remembers rooms that conference has closed, but not those that we have condemned.
func (s *Store) noteClosed(ctx context.Context, rooms []minigroup.ClosedRoom) error {
	n := len(rooms)
	ids, classes, audiences, timedOut := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]string, n), make([]bool, n)
	for i, r := range rooms {
		ids[i], classes[i], audiences[i], timedOut[i] = r.ID, r.ClassID, r.Audience, r.TimedOut
	}
	return s.exec(ctx, "note closed rooms", `
		INSERT INTO closed_room (room_id, class_id, timed_out)
		SELECT a.room_id, m.id, a.timed_out
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[]) AS a (room_id, class_id, audience, timed_out)
		JOIN minigroup m ON m.id = a.class_id AND m.audience = a.audience
		WHERE NOT EXISTS (SELECT FROM room_attempt t WHERE t.room_id = a.room_id AND t.state IN ('releasing', 'released'))
			AND NOT EXISTS (SELECT FROM announced_room f WHERE f.room_id = a.room_id AND f.state IN ('releasing', 'released'))
		ON CONFLICT (room_id) DO NOTHING`, ids, classes, audiences, timedOut)
}

// MarkAnnouncedForClosing condemns announced rooms that nobody holds, and returns how many that were: those of which no reply can
// bring the id any more, because every attempt of their class and kind is answered or noted as lost. An attempt that is lost
// never holds a room, so a room is not condemned here and held there. Nobody is at work on them. It forgets those whose reply came after all.
func (s *Store) MarkAnnouncedForClosing(ctx context.Context) (condemned int64, err error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE announced_room f SET state = 'releasing' WHERE state = 'announced'
			AND NOT EXISTS (SELECT FROM room_attempt t WHERE t.room_id = f.room_id)
			AND NOT EXISTS (
				SELECT FROM room_attempt t WHERE t.class_id = f.class_id AND t.kind = f.kind
					AND t.room_id IS NULL AND t.state IN ('sent', 'releasing'))`)
	if err != nil {
		return 0, fmt.Errorf("condemn announced rooms: %w", err)
	}
	return tag.RowsAffected(), s.exec(ctx, "forget announced rooms", `
		DELETE FROM announced_room f WHERE state = 'announced' AND EXISTS (SELECT FROM room_attempt t WHERE t.room_id = f.room_id)`)
}

// ResolveUnseen notes of lost attempts whose moment has passed so long ago that their room was never seen, and returns how
// many that were. Those of a class and kind of which a room is being closed are left alone: it may be theirs.
func (s *Store) ResolveUnseen(ctx context.Context, after time.Duration) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE room_attempt a SET resolution = 'never_seen', resolved_at = now(), changed_at = now()
		WHERE state = 'lost' AND resolution IS NULL AND expires_at < now() - $1::interval
			AND NOT EXISTS (SELECT FROM announced_room f WHERE f.class_id = a.class_id AND f.kind = a.kind AND f.state <> 'released')`, after)
	if err != nil {
		return 0, fmt.Errorf("resolve lost attempts: %w", err)
	}
	return tag.RowsAffected(), nil
}

// Broadcast hands what is to be announced by us, the oldest first and at most so many, to publish, and forgets what that
// took, which is what it returned nil for. It returns how many those were. Processes that call it at the same time are given
// different ones. What publish took may be handed out again where the process or Postgres dies in between.
func (s *Store) PublishOutbox(ctx context.Context, limit int, publish func(context.Context, minigroup.OutboxEvent) error) (told int, err error) {
	err = s.inTx(ctx, "broadcast", func(tx pgx.Tx) error {
		ids := []int64{}
		due, err := list(ctx, tx, "list broadcasts", func(row pgx.CollectableRow) (b minigroup.OutboxEvent, err error) {
			var id int64
			err = row.Scan(&id, &b.Audience, &b.Label, &b.Payload)
			ids = append(ids, id)
			return b, err
		}, `SELECT id, audience, label, payload FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, limit)
		if err != nil {
			return err
		}
		taken := ids[:0]
		for i, b := range due {
			if publish(ctx, b) == nil {
				taken = append(taken, ids[i])
			}
		}
		told = len(taken)
		_, err = tx.Exec(ctx, `DELETE FROM outbox WHERE id = ANY($1)`, taken)
		return err
	})
	return told, err
}
