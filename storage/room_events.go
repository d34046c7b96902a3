package storage

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

// RecordRoomEvents records events of event and conference, in any order and any number of times. Events for classes
// that are not ours are dropped. Classes whose room is closed end, unless an update of them is undecided. It returns
// how many classes it has ended.
func (s *Store) RecordRoomEvents(ctx context.Context, events minigroup.RoomEvents) (ended int, err error) {
	if len(events.Created) > 0 {
		if err := s.recordAnnounced(ctx, events.Created); err != nil {
			return 0, err
		}
	}
	if len(events.Closed) == 0 {
		return 0, nil
	}
	if err := s.recordClosed(ctx, events.Closed); err != nil {
		return 0, err
	}
	classes := make([]uuid.UUID, len(events.Closed))
	for i, c := range events.Closed {
		classes[i] = c.ClassID
	}
	ids, err := list(ctx, s.pool, "list closed classes", pgx.RowTo[uuid.UUID], `
		SELECT m.id FROM unnest($1::uuid[]) AS class (id)
		CROSS JOIN LATERAL (SELECT * FROM minigroup WHERE id = class.id LIMIT 1) m
		WHERE m.closed_at IS NULL AND `+hasClosed, classes)
	if err != nil {
		return 0, err
	}
	return s.endEach(ctx, ids, endClosed)
}

// clockSkew is how much earlier than the first attempt of its class a room may have been created, by the clock of its
// service, to be taken for a room of that class. Services say when a room was created in whole seconds.
const clockSkew = 6 * time.Second

// recordAnnounced records rooms that no reply has brought yet. Usually the replies have arrived before the events, and
// nothing is written.
func (s *Store) recordAnnounced(ctx context.Context, rooms []minigroup.AnnouncedRoom) error {
	n := len(rooms)
	ids, classes, kinds := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]string, n)
	audiences, created := make([]string, n), make([]time.Time, n)
	for i, r := range rooms {
		ids[i], classes[i], kinds[i], audiences[i], created[i] = r.ID, r.ClassID, string(r.Kind), r.Audience, r.CreatedAt
	}
	return s.exec(ctx, "record announced rooms", `
		INSERT INTO announced_room (room_id, class_id, kind, created_at)
		SELECT r.room_id, m.id, r.kind, r.created_at
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
			AS r (room_id, class_id, kind, audience, created_at)
		CROSS JOIN LATERAL (SELECT id, audience FROM minigroup WHERE id = r.class_id LIMIT 1) m
		WHERE m.audience = r.audience AND NOT EXISTS (SELECT FROM room_attempt t WHERE t.room_id = r.room_id OFFSET 0)
			AND r.created_at >= (SELECT min(sent_at) FROM room_attempt t WHERE t.class_id = m.id) - $6::interval
		ON CONFLICT (room_id) DO NOTHING`, ids, classes, kinds, audiences, created, clockSkew)
}

// recordClosed records rooms that conference has closed, except those that we have closed ourselves.
func (s *Store) recordClosed(ctx context.Context, rooms []minigroup.ClosedRoom) error {
	n := len(rooms)
	ids, classes := make([]uuid.UUID, n), make([]uuid.UUID, n)
	audiences, timedOut := make([]string, n), make([]bool, n)
	for i, r := range rooms {
		ids[i], classes[i], audiences[i], timedOut[i] = r.ID, r.ClassID, r.Audience, r.TimedOut
	}
	return s.exec(ctx, "record closed rooms", `
		INSERT INTO closed_room (room_id, class_id, timed_out)
		SELECT r.room_id, m.id, r.timed_out
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[]) AS r (room_id, class_id, audience, timed_out)
		CROSS JOIN LATERAL (SELECT id, audience FROM minigroup WHERE id = r.class_id LIMIT 1) m
		WHERE m.audience = r.audience AND NOT EXISTS (
				SELECT FROM room_attempt t WHERE t.room_id = r.room_id AND t.state IN ('releasing', 'released'))
			AND NOT EXISTS (
				SELECT FROM announced_room a WHERE a.room_id = r.room_id AND a.state IN ('releasing', 'released'))
		ON CONFLICT (room_id) DO NOTHING`, ids, classes, audiences, timedOut)
}

// MarkAnnouncedForClosing marks announced rooms for closing whose reply can arrive no more, because every attempt of
// their class and kind is answered or lost, and returns their number. A lost attempt never holds a room, so a marked
// room is held by no class, then or later. It also deletes the announced rooms that replies have brought since.
func (s *Store) MarkAnnouncedForClosing(ctx context.Context) (int64, error) {
	marked, err := s.execCount(ctx, "mark announced rooms for closing", `
		UPDATE announced_room r SET state = 'releasing' WHERE state = 'announced'
			AND NOT EXISTS (SELECT FROM room_attempt t WHERE t.room_id = r.room_id)
			AND NOT EXISTS (
				SELECT FROM room_attempt t WHERE t.class_id = r.class_id AND t.kind = r.kind
					AND t.room_id IS NULL AND t.state IN ('sent', 'releasing'))`)
	if err != nil {
		return 0, err
	}
	return marked, s.exec(ctx, "delete announced rooms", `
		DELETE FROM announced_room r
		WHERE state = 'announced' AND EXISTS (SELECT FROM room_attempt t WHERE t.room_id = r.room_id)`)
}

// ResolveUnseen records that the rooms of lost attempts were never seen whose deadline passed more than after ago, and
// returns their number. It leaves attempts open while an announced room of their class and kind is not closed: that may
// be theirs.
func (s *Store) ResolveUnseen(ctx context.Context, after time.Duration) (int64, error) {
	return s.execCount(ctx, "resolve lost attempts", `
		UPDATE room_attempt a SET resolution = 'never_seen', resolved_at = now(), changed_at = now()
		WHERE state = 'lost' AND resolution IS NULL AND expires_at < now() - $1::interval AND NOT EXISTS (
			SELECT FROM announced_room r WHERE r.class_id = a.class_id AND r.kind = a.kind AND r.state <> 'released')`,
		after)
}
