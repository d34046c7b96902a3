package verify

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// checkRooms checks the rooms of a service: held rooms are open and have the agreed properties, and no other room is
// open unless it is excused.
func (c Checker) checkRooms(
	ctx context.Context, kind minigroup.RoomKind, service string, rows []row, f *Findings,
) error {
	rooms, err := sandboxclient.Rooms(ctx, service)
	if err != nil {
		return err
	}
	wanted := map[uuid.UUID]row{}
	for _, m := range rows {
		id := m.event
		if kind == minigroup.ConferenceRoom {
			id = m.conference
		}
		if id != nil {
			wanted[*id] = m
		}
	}
	for _, room := range rooms {
		m, held := wanted[room.ID]
		delete(wanted, room.ID)
		switch {
		case held:
			m.checkRoom(kind, room, f)
		case room.Open && c.Orphan == nil:
			f.AddViolation("LEAK: no minigroup holds the open %s room %s of class %s", kind, room.ID, room.ClassroomID)
		case room.Open:
			if wrong := c.Orphan(kind, room.ID); wrong != "" {
				f.AddViolation("%s", wrong)
			}
		}
	}
	for id, m := range wanted {
		f.AddViolation("class %s holds %s room %s, which does not exist", m.id, kind, id)
	}
	return nil
}

func (m row) checkRoom(kind minigroup.RoomKind, room sandbox.Room, f *Findings) {
	if !room.Open && !m.closed {
		f.AddViolation("class %s is ready and its %s room %s is closed", m.id, kind, room.ID)
	}
	if kind == minigroup.EventRoom {
		if m.lockedChat && (!room.LockedTypes["message"] || !room.LockedTypes["reaction"]) {
			f.AddViolation("the chat of class %s is not locked", m.id)
		}
		if m.lockedQuestions && (!room.LockedTypes["question"] || !room.LockedTypes["question_reaction"]) {
			f.AddViolation("the questions of class %s are not locked", m.id)
		}
		return
	}
	want := minigroup.Window{Start: m.start, End: m.end}
	if !m.patched {
		want.Start = room.Time[0]
	}
	// A closed room refuses the PATCH that would take back what an unanswered one of a failed update has set.
	if m.closed {
		return
	}
	if shows := (minigroup.Window{Start: room.Time[0], End: room.Time[1]}); !shows.Equal(want) {
		f.AddViolation("class %s: conference shows %v, want %v", m.id, format(shows), format(want))
	}
	if (room.Host == nil) != (m.host == nil) || (m.host != nil && *room.Host != *m.host) {
		f.AddViolation("class %s: conference shows another host than the last update set", m.id)
	}
}

func format(w minigroup.Window) string {
	side := func(t *int64) string {
		if t == nil {
			return "null"
		}
		return fmt.Sprint(*t)
	}
	return "[" + side(w.Start) + ", " + side(w.End) + ")"
}
