package simulation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"minigroups/minigroup"
)

const emptyLedger = `
	DELETE FROM minigroup_history; DELETE FROM outbox; DELETE FROM announced_room; DELETE FROM closed_room;
	DELETE FROM janus_reservation; DELETE FROM minigroup_update; DELETE FROM room_attempt; DELETE FROM idempotency_key;
	DELETE FROM minigroup; DELETE FROM janus_backend`

func (s *scenario) lines(sql string, args ...any) ([]string, error) {
	rows, _ := s.db.Query(context.Background(), sql, args...) // CollectRows returns its error
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// unfinished describes what is still in progress.
func (s *scenario) unfinished() ([]string, error) {
	found, err := s.lines(`
		SELECT 'minigroup '||scope||' is '||state FROM minigroup WHERE state IN ('creating', 'undoing')
		UNION ALL SELECT 'update '||id||' is '||state FROM minigroup_update WHERE state IN ('requested', 'running')
		UNION ALL SELECT 'update '||id||' has a PATCH to look for' FROM minigroup_update
			WHERE look_up_at <= now() + interval '1 minute'
		UNION ALL SELECT kind||' attempt '||id||' is '||state FROM room_attempt WHERE state IN ('sent', 'releasing')
		UNION ALL SELECT 'announced room '||room_id||' is '||state FROM announced_room WHERE state <> 'released'
		UNION ALL SELECT 'closed room '||room_id||' is that of '||scope||', which has not ended'
			FROM closed_room c JOIN minigroup m ON m.id = c.class_id AND m.conference_room_id = c.room_id
			WHERE m.closed_at IS NULL
		UNION ALL SELECT 'event '||label||' is not published' FROM outbox
		UNION ALL SELECT 'reservation '||id||' is '||state FROM janus_reservation WHERE state IN ('pending', 'releasing')`)
	if err != nil {
		return nil, err
	}
	for _, id := range s.server.Open() {
		if !strings.HasPrefix(id, "sweep") {
			found = append(found, "run "+id+" is open")
		}
	}
	if n := s.world.broker.waiting(); n > 0 {
		found = append(found, fmt.Sprintf("%d room events are waiting", n))
	}
	for _, r := range s.calls {
		if !r.done {
			found = append(found, "not answered: "+r.what)
		}
	}
	for _, p := range s.slots {
		if p.dead {
			found = append(found, p.name+" is down")
		}
	}
	slots, err := s.slotDifferences()
	return append(found, slots...), err
}

// class is a row of minigroup with what belongs to it.
type class struct {
	ID                uuid.UUID
	Scope             string
	State             minigroup.State
	Closed            bool
	Event, Conference *uuid.UUID
	Reserve           int32
	Slots             []int32
	HeldEvent         int
	HeldConference    int
	LostEvent         int
	LostConference    int
	LockedChat        bool
	// Ended and Recreated are how often that has happened.
	Ended, Recreated int
	// What the last PATCH of the room has set, where it has.
	Patched    bool
	Start, End *int64
	Host       *string
}

// check checks what must hold at the end: one held room per kind, nothing open that is not held or accounted for.
func (s *scenario) check() error {
	rows, _ := s.db.Query(context.Background(), `
		SELECT m.id, m.scope, m.state, m.closed_at IS NOT NULL, m.event_room_id, m.conference_room_id, coalesce(m.reserve, 0),
			ARRAY(SELECT slots FROM janus_reservation r WHERE r.class_id = m.id AND r.state = 'held'),
			(SELECT count(*) FROM room_attempt a WHERE a.class_id = m.id AND a.state = 'held' AND kind = 'event'),
			(SELECT count(*) FROM room_attempt a WHERE a.class_id = m.id AND a.state = 'held' AND kind = 'conference'),
			(SELECT count(*) FROM room_attempt a WHERE a.class_id = m.id AND a.state = 'lost' AND kind = 'event'),
			(SELECT count(*) FROM room_attempt a WHERE a.class_id = m.id AND a.state = 'lost' AND kind = 'conference'),
			m.locked_chat,
			(SELECT count(*) FROM minigroup_history h WHERE h.class_id = m.id AND h.kind = 'ended'),
			(SELECT count(*) FROM minigroup_history h WHERE h.class_id = m.id AND h.kind = 'recreate_done'),
			u.time IS NOT NULL, (u.time->>0)::bigint, (u.time->>1)::bigint, u.host
		FROM minigroup m LEFT JOIN LATERAL (
			SELECT (array_agg(patch->'time' ORDER BY number DESC) FILTER (WHERE patch ? 'time'))[1] AS time,
				(array_agg(patch->>'host' ORDER BY number DESC) FILTER (WHERE patch ? 'host'))[1] AS host
			FROM minigroup_update u
			WHERE u.class_id = m.id AND u.state = 'done' AND u.number > (
				SELECT coalesce(max(number), 0) FROM minigroup_update r
				WHERE r.class_id = m.id AND r.state = 'done' AND r.requested ? 'recreate')
		) u ON true`)
	classes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[class])
	if err != nil {
		return err
	}
	var wrong []error
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	wanted := map[uuid.UUID]class{}
	lost := map[string]int{}
	for _, c := range classes {
		lost["event"+c.ID.String()], lost["conference"+c.ID.String()] = c.LostEvent, c.LostConference
		held := 0
		if c.State == minigroup.Ready {
			held = 1
			wanted[*c.Event], wanted[*c.Conference] = c, c
		}
		if c.HeldEvent != held || c.HeldConference != held {
			add("%s is %s and holds %d event rooms and %d conference rooms", c.Scope, c.State, c.HeldEvent, c.HeldConference)
		}
		slots := []int32{}
		if c.State == minigroup.Ready && !c.Closed && c.Reserve > 0 {
			slots = append(slots, c.Reserve)
		}
		if !slices.Equal(c.Slots, slots) {
			add("%s is %s, closed %t, and holds slots %v instead of %v", c.Scope, c.State, c.Closed, c.Slots, slots)
		}
	}
	for _, service := range []string{"event", "conference"} {
		rooms, err := s.world.rooms(service)
		if err != nil {
			return err
		}
		for _, room := range rooms {
			c, held := wanted[room.ID]
			delete(wanted, room.ID)
			switch {
			case held && !room.Open && !c.Closed:
				add("%s room %s of %s is closed", service, room.ID, c.Scope)
			case held && service == "event" && c.LockedChat && !room.LockedTypes["message"]:
				add("the chat of %s is not locked", c.Scope)
			case held && service == "conference" && !c.Closed:
				shown := minigroup.Window{Start: room.Time[0], End: room.Time[1]}
				if c.Patched && !shown.Equal(minigroup.Window{Start: c.Start, End: c.End}) {
					add("conference shows another window of %s", c.Scope)
				}
				if c.Host != nil && (room.Host == nil || *room.Host != *c.Host) {
					add("conference shows another host of %s", c.Scope)
				}
			case !held && room.Open:
				account := service + room.ClassroomID.String()
				if lost[account]--; lost[account] < 0 {
					add("LEAK: %s room %s is open and not held, and no attempt is lost", service, room.ID)
				} else if s.world.broker.announced(room.ID) {
					add("LEAK: %s room %s is open and not held, although it was announced", service, room.ID)
				}
			}
		}
	}
	for id, c := range wanted {
		add("%s holds room %s, which does not exist", c.Scope, id)
	}
	for _, c := range classes {
		published := s.world.broker.published[c.Scope]
		switch {
		case c.Closed && published == 0:
			add("%s is closed and no event of that was published", c.Scope)
		case !c.Closed && c.Recreated == 0 && published > 0:
			add("%s is open and an event of its end was published", c.Scope)
		}
		if c.Ended > 1+c.Recreated {
			add("%s has ended %d times, with %d recreates", c.Scope, c.Ended, c.Recreated)
		}
	}
	for _, r := range s.calls {
		ready := slices.ContainsFunc(classes, func(c class) bool {
			return c.Scope == r.scope && c.State == minigroup.Ready
		})
		if r.kind == create && (r.status == http.StatusOK || r.status == http.StatusCreated) && !ready {
			add("it was answered that %s is ready, and it is not: %s", r.scope, r.what)
		}
		if r.isFailure() {
			failed, err := s.failedCreates(r.scope, r.answered)
			if err != nil {
				return err
			}
			if failed == r.failures {
				add("the failure of an earlier request was answered to %s", r.what)
			}
		}
	}
	return errors.Join(wrong...)
}

// slotDifferences describes where gateways and ledger differ.
func (s *scenario) slotDifferences() (found []string, err error) {
	held, err := s.lines(`SELECT id||' '||backend_id||' '||slots FROM janus_reservation WHERE state = 'held'`)
	if err != nil {
		return nil, err
	}
	for _, name := range s.world.gatewayNames() {
		rooms, err := s.world.gatewayRooms(name)
		if err != nil {
			return nil, err
		}
		for _, room := range rooms {
			shown := fmt.Sprintf("%s %s %d", room.Room, name, room.MaxPublishers)
			if i := slices.Index(held, shown); i >= 0 {
				held = slices.Delete(held, i, i+1)
				continue
			}
			found = append(found, "a gateway shows "+shown+", which no class has")
		}
	}
	for _, missing := range held {
		found = append(found, "no gateway shows "+missing)
	}
	return found, nil
}
