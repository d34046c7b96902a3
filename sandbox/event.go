package sandbox

import (
	"net/http"

	"github.com/google/uuid"
)

// Event stands in for the event service. It is an http.Handler, safe for concurrent use.
type Event struct{ *service[eventRoom] }

// NewEvent returns a stand-in with the rooms of its state file. It fails where the configuration is not whole or the
// file cannot be read. Close lets go of the file.
func NewEvent(cfg Config) (*Event, error) {
	s, err := newService(cfg, &service[eventRoom]{
		name:        "event",
		contentType: typeJSON,
		refusal:     "access_denied",
		faults:      newFaults(OperationCreate, OperationRead, OperationUpdate, OperationLock),
	})
	if err != nil {
		return nil, err
	}
	e := &Event{s}
	e.route("/api/v1/rooms", "POST", methods{http.MethodPost: e.createRoom})
	e.route("/api/v1/rooms/{id}", "GET,HEAD,PATCH,OPTIONS", methods{http.MethodGet: e.readRoom, http.MethodPatch: e.updateRoom})
	e.route("/api/v1/rooms/{id}/locked_types", "POST", methods{http.MethodPost: e.lockTypes})
	e.route("/api/v1/rooms/{id}/events", "POST", methods{http.MethodPost: e.createEvent})
	return e, nil
}

func (e *Event) createRoom(c *call) reply {
	p := readPayload(c.Request)
	draft := storedRoom{
		Audience:    p.word("audience"),
		Time:        p.timespan("time", refuseSeconds),
		ClassroomID: p.uuid("classroom_id"),
		Tags:        p.optional("tags"),
	}
	kind := p.known("kind", p.word("kind"), []string{"Webinar", "P2P", "Minigroup"})
	preserve := p.optionalBool("preserve_history", true)
	if p.wrong != nil {
		return *p.wrong
	}
	allowed := func() *reply {
		if draft.Time.acceptable() {
			return nil
		}
		no := e.problem("invalid_room_time", "Invalid room time")
		return &no
	}
	return e.create(c, http.StatusCreated, draft, allowed, func(made storedRoom) eventRoom {
		return eventRoom{storedRoom: made, Kind: kind, PreserveHistory: preserve, LockedTypes: map[string]bool{}}
	})
}

func (e *Event) updateRoom(c *call) reply {
	id, wrong := pathID(c)
	if wrong != nil {
		return *wrong
	}
	p := readPayload(c.Request)
	time, tags, classroom := p.optionalTimespan("time", refuseSeconds), p.optional("tags"), p.optionalUUID("classroom_id")
	if p.wrong != nil {
		return *p.wrong
	}
	return e.changeRoom(c, OperationUpdate, id, func(room *eventRoom) (reply, bool) {
		now := e.now()
		if time != nil && room.Time.ended(now) {
			return e.problem("room_closed", "Room already closed"), false
		}
		if no := e.forbidden(c, room.storedRoom, "update"); no != nil {
			return *no, false
		}
		if time != nil {
			if !time.acceptable() {
				return e.problem("invalid_room_time", "Invalid room time"), false
			}
			room.Time = rescheduleEvent(room.Time, *time, now)
			if err := room.Time.stored(); err != nil {
				return e.problem("database_query_failed", err.Error()), false
			}
		}
		room.update(tags, classroom)
		told := []announcement{toAudience(roomUpdated, room)}
		if time != nil && time.ended(now) {
			told = append(told, toRoom(roomClosed, room)) // the audience is not told
		}
		return e.found(http.StatusOK, *room).telling(told...), true
	})
}

// rescheduleEvent takes a room that has not opened wherever it is asked to. An open one keeps its start, and an end that
// is past becomes now.
func rescheduleEvent(present, asked timespan, now instant) timespan {
	if !present.begun(now) {
		return asked
	}
	asked.From = present.From
	if asked.ended(now) {
		asked.To = &now
	}
	return asked
}

func (e *Event) lockTypes(c *call) reply {
	id, wrong := pathID(c)
	if wrong != nil {
		return *wrong
	}
	p := readPayload(c.Request)
	locks := decode[map[string]bool](p, "locked_types", p.required("locked_types"))
	if p.wrong != nil {
		return *p.wrong
	}
	return e.changeRoom(c, OperationLock, id, func(room *eventRoom) (reply, bool) {
		if no := e.forbidden(c, room.storedRoom, "update"); no != nil {
			return *no, false
		}
		room.lock(locks)
		return e.found(http.StatusOK, *room).telling(toRoom(roomUpdated, room)), true
	})
}

// eventPayloadLimit is what the service takes as data of one event, in bytes.
const eventPayloadLimit = 102400

// createEvent answers as the service does and forgets the event: nobody reads it back.
func (e *Event) createEvent(c *call) reply {
	id, wrong := pathID(c)
	if wrong != nil {
		return *wrong
	}
	p := readPayload(c.Request)
	typ, data := p.word("type"), p.required("data")
	event := map[string]any{"type": typ, "set": typ, "data": data, "attribute": p.optional("attribute"), "removed": p.optionalBool("removed", false)}
	for _, name := range []string{"set", "label"} {
		if raw := p.optional(name); raw != nil {
			event[name] = decode[string](p, name, raw)
		}
	}
	if p.wrong != nil {
		return *p.wrong
	}
	return e.perform(c, OperationAny, e.classroomOf(id), func() reply {
		now := e.now()
		room, known := e.rooms.find(id)
		switch {
		case !known:
			return e.noRoom()
		case !room.Time.begun(now) || room.Time.ended(now):
			return e.problem("room_closed", "Room already closed or not yet opened")
		}
		if no := e.forbidden(c, room.storedRoom, "create", "events", typ, "authors", c.caller.account); no != nil {
			return *no
		}
		if len(data) >= eventPayloadLimit {
			return e.problem("payload_size_exceeded", "Payload size exceeded")
		}
		return object(http.StatusCreated, e.contentType, e.stamp(event, room, c.caller, now))
	})
}

func (e *Event) stamp(event map[string]any, room eventRoom, author caller, now instant) map[string]any {
	event["id"], event["room_id"] = uuid.New(), room.ID
	event["created_by"], event["original_created_by"] = author.agent, author.agent
	event["created_at"] = int64(now) / 1000
	// Nanoseconds since the room's start.
	event["occurred_at"] = int64(now-*room.Time.From) * 1000
	event["original_occurred_at"] = event["occurred_at"]
	return event
}
