package sandbox

import (
	"net/http"

	"github.com/google/uuid"
)

// Event is a stand-in for the event service. It is an http.Handler, safe for concurrent use.
type Event struct{ *service[eventRoom] }

// NewEvent returns a stand-in with the rooms of its state file. It returns an error if the configuration is
// incomplete or the file cannot be read. Close closes the file.
func NewEvent(cfg Config) (*Event, error) {
	s, err := newService(cfg, &service[eventRoom]{
		name:        "event",
		contentType: typeJSON,
		refusalType: "access_denied",
		faults:      newFaults(OperationCreate, OperationRead, OperationUpdate, OperationLock),
	})
	if err != nil {
		return nil, err
	}
	e := &Event{s}
	e.route("/api/v1/rooms", "POST", methods{http.MethodPost: e.createRoom})
	e.route("/api/v1/rooms/{id}", "GET,HEAD,PATCH,OPTIONS",
		methods{http.MethodGet: e.readRoom, http.MethodPatch: e.updateRoom})
	e.route("/api/v1/rooms/{id}/locked_types", "POST", methods{http.MethodPost: e.lockTypes})
	e.route("/api/v1/rooms/{id}/events", "POST", methods{http.MethodPost: e.createEvent})
	return e, nil
}

func (e *Event) createRoom(c *call) reply {
	p := readPayload(c.Request)
	draft := storedRoom{
		Audience:    p.text("audience"),
		Time:        p.timespan("time", refuseSeconds),
		ClassroomID: p.uuid("classroom_id"),
		Tags:        p.optional("tags"),
	}
	kind := p.oneOf("kind", p.text("kind"), []string{"Webinar", "P2P", "Minigroup"})
	preserve := p.optionalBool("preserve_history", true)
	if p.refusal != nil {
		return *p.refusal
	}
	allowed := func() *reply {
		if draft.Time.valid() {
			return nil
		}
		refusal := e.problem("invalid_room_time", "Invalid room time")
		return &refusal
	}
	return e.create(c, http.StatusCreated, draft, allowed, func(created storedRoom) eventRoom {
		return eventRoom{storedRoom: created, Kind: kind, PreserveHistory: preserve, LockedTypes: map[string]bool{}}
	})
}

func (e *Event) updateRoom(c *call) reply {
	id, refusal := pathID(c)
	if refusal != nil {
		return *refusal
	}
	p := readPayload(c.Request)
	time := p.optionalTimespan("time", refuseSeconds)
	tags, classroom := p.optional("tags"), p.optionalUUID("classroom_id")
	if p.refusal != nil {
		return *p.refusal
	}
	return e.changeRoom(c, OperationUpdate, id, func(room *eventRoom) (reply, bool) {
		now := e.now()
		if time != nil && room.Time.ended(now) {
			return e.problem("room_closed", "Room already closed"), false
		}
		if refusal := e.forbidden(c, room.storedRoom, "update"); refusal != nil {
			return *refusal, false
		}
		if time != nil {
			if !time.valid() {
				return e.problem("invalid_room_time", "Invalid room time"), false
			}
			room.Time = rescheduleEvent(room.Time, *time, now)
			if err := room.Time.storable(); err != nil {
				return e.problem("database_query_failed", err.Error()), false
			}
		}
		room.update(tags, classroom)
		events := []roomEvent{toAudience(roomUpdated, room)}
		if time != nil && time.ended(now) {
			events = append(events, toRoom(roomClosed, room)) // event publishes no close to the audience
		}
		return e.found(http.StatusOK, *room).withEvents(events...), true
	})
}

// rescheduleEvent gives a room that has not begun the requested time. A room that has begun keeps its start, and an
// end in the past becomes now.
func rescheduleEvent(present, requested timespan, now instant) timespan {
	if !present.begun(now) {
		return requested
	}
	requested.From = present.From
	if requested.ended(now) {
		requested.To = &now
	}
	return requested
}

func (e *Event) lockTypes(c *call) reply {
	id, refusal := pathID(c)
	if refusal != nil {
		return *refusal
	}
	p := readPayload(c.Request)
	locks := decode[map[string]bool](p, "locked_types", p.required("locked_types"))
	if p.refusal != nil {
		return *p.refusal
	}
	return e.changeRoom(c, OperationLock, id, func(room *eventRoom) (reply, bool) {
		if refusal := e.forbidden(c, room.storedRoom, "update"); refusal != nil {
			return *refusal, false
		}
		room.lock(locks)
		return e.found(http.StatusOK, *room).withEvents(toRoom(roomUpdated, room)), true
	})
}

// eventPayloadLimit is the size of an event's data, in bytes, from which the service refuses it.
const eventPayloadLimit = 102400

// createEvent replies as the service does, but does not store the event, because no route reads it.
func (e *Event) createEvent(c *call) reply {
	id, refusal := pathID(c)
	if refusal != nil {
		return *refusal
	}
	p := readPayload(c.Request)
	typ, data := p.text("type"), p.required("data")
	event := map[string]any{
		"type": typ, "set": typ, "data": data,
		"attribute": p.optional("attribute"), "removed": p.optionalBool("removed", false),
	}
	for _, name := range []string{"set", "label"} {
		if raw := p.optional(name); raw != nil {
			event[name] = decode[string](p, name, raw)
		}
	}
	if p.refusal != nil {
		return *p.refusal
	}
	return e.perform(c, OperationAny, e.classroomOf(id), unchecked, func() reply {
		now := e.now()
		room, known := e.rooms.find(id)
		switch {
		case !known:
			return e.noRoom()
		case !room.Time.begun(now) || room.Time.ended(now):
			return e.problem("room_closed", "Room already closed or not yet opened")
		}
		if refusal := e.forbidden(c, room.storedRoom, "create", "events", typ, "authors", c.caller.account); refusal != nil {
			return *refusal
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
