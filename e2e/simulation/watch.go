package simulation

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// alwaysTrue lists what must hold after every step and does not. $1 to $3 are the open rooms: their ids, classes and
// kinds. The events of the rooms $4 are under way. Conference has closed the rooms $5 of itself.
const alwaysTrue = `
	WITH room AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS r (id, class_id, kind))
	SELECT 'LEAK: '||kind||' room '||id||' is open, and the ledger does not know of it' FROM room r
	WHERE id <> ALL($4) AND NOT EXISTS (
			SELECT FROM room_attempt a WHERE a.room_id = r.id AND a.state IN ('held', 'releasing'))
		AND NOT EXISTS (SELECT FROM announced_room a WHERE a.room_id = r.id AND a.state <> 'released')
		AND NOT EXISTS (
			SELECT FROM room_attempt a WHERE a.class_id = r.class_id AND a.kind = r.kind
				AND a.room_id IS NULL AND a.state IN ('sent', 'releasing', 'lost'))
	UNION ALL
	SELECT scope||' is ready and does not hold its rooms' FROM minigroup m
	WHERE state = 'ready' AND 2 <> (
		SELECT count(*) FROM room_attempt a WHERE a.class_id = m.id AND a.state = 'held' AND a.operation = 'create'
			AND a.room_id IN (m.event_room_id, m.conference_room_id))
	UNION ALL
	SELECT scope||' is ready and room '||held.id||' is not open' FROM minigroup m,
		LATERAL unnest(ARRAY[m.event_room_id, m.conference_room_id]) AS held (id)
	WHERE state = 'ready' AND closed_at IS NULL AND held.id <> ALL($5) AND held.id NOT IN (SELECT id FROM room)
		AND (upper_inf(during) OR upper(during) > now())
	UNION ALL
	SELECT 'more slots than '||b.capacity||' are reserved on '||b.id FROM janus_backend b
	WHERE EXISTS (
		SELECT FROM janus_reservation r WHERE r.backend_id = b.id AND r.state <> 'released' AND b.capacity < (
			SELECT sum(o.slots) FROM janus_reservation o
			WHERE o.backend_id = b.id AND o.state <> 'released'
				AND o.during @> coalesce(lower(r.during), '-infinity')))`

// leftUndecided lists what runs have not decided although they have ended by their own decision. A run that fails
// before its update begins, because it is cancelled, leaves the update of a run before it to the sweeper.
const leftUndecided = `
	SELECT 'a run has ended, and its create of '||scope||' is undecided' FROM minigroup
	WHERE owner = ANY($1) AND state IN ('creating', 'undoing')
	UNION ALL
	SELECT 'a run has ended, and its update '||id||' is undecided' FROM minigroup_update u
	WHERE run = ANY($1) AND state = 'running' AND NOT EXISTS (
		SELECT FROM minigroup_update r
		WHERE r.run = u.run AND r.id <> u.id AND r.state = 'failed' AND r.old_during IS NULL)`

// watch checks what must hold after every step, if it may have changed something.
func (s *scenario) watch() error {
	if ended := s.server.Ended(); len(ended) > 0 {
		wrong, err := s.lines(leftUndecided, ended)
		if err == nil && len(wrong) > 0 {
			err = errors.New(strings.Join(wrong, "\n"))
		}
		if err != nil {
			return err
		}
	}
	if !s.watched || !s.changed {
		return nil
	}
	s.changed = false
	var ids, classes []uuid.UUID
	var kinds []string
	for _, service := range []string{"event", "conference"} {
		rooms, err := s.world.rooms(service)
		if err != nil {
			return err
		}
		for _, room := range rooms {
			if room.Open {
				ids, classes, kinds = append(ids, room.ID), append(classes, room.ClassroomID), append(kinds, service)
			}
		}
	}
	wrong, err := s.lines(alwaysTrue, ids, classes, kinds, s.world.broker.underWay(), s.closed)
	if err != nil {
		return fmt.Errorf("check a step: %w", err)
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}
