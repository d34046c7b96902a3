package sandbox

import (
	"fmt"
	"net/http"
	"strings"
)

// Conference is a stand-in for the conference service. It is an http.Handler, safe for concurrent use.
type Conference struct{ *service[conferenceRoom] }

// NewConference returns a stand-in with the rooms of its state file. It returns an error if the configuration is
// incomplete or the file cannot be read. Close closes the file.
func NewConference(cfg Config) (*Conference, error) {
	s, err := newService(cfg, &service[conferenceRoom]{
		name:        "conference",
		contentType: typeText, // also for JSON
		refusalType: "room_time_changing_forbidden",
		faults:      newFaults(OperationCreate, OperationRead, OperationUpdate, OperationClose),
	})
	if err != nil {
		return nil, err
	}
	f := &Conference{s}
	f.route("/api/v1/rooms", "POST", methods{http.MethodPost: f.createRoom})
	f.route("/api/v1/rooms/{id}", "GET,HEAD,PATCH", methods{http.MethodGet: f.readRoom, http.MethodPatch: f.updateRoom})
	f.route("/api/v1/rooms/{id}/close", "POST", methods{http.MethodPost: f.closeRoom})
	f.mux.HandleFunc("POST /sandbox/rooms/{id}/close", f.closeUnasked)
	return f, nil
}

func (f *Conference) createRoom(c *call) reply {
	p := readPayload(c.Request)
	draft := storedRoom{
		Audience:    p.text("audience"),
		Time:        p.timespan("time", epochForSeconds),
		ClassroomID: p.uuid("classroom_id"),
		Tags:        p.optional("tags"),
	}
	policy := p.optionalOneOf("rtc_sharing_policy", "none", "shared", "owned")
	backend := p.optionalOneOf("backend", "janus", "none")
	reserve := p.optionalInt32("reserve")
	if p.refusal != nil {
		return *p.refusal
	}
	if policy == "" {
		policy = "none"
		if backend == "janus" {
			policy = "shared"
		}
	}
	c.secondConnection = policy == "owned"
	return f.create(c, http.StatusOK, draft, unchecked, func(created storedRoom) conferenceRoom {
		return conferenceRoom{storedRoom: created, Policy: policy, Reserve: reserve}
	})
}

func (f *Conference) updateRoom(c *call) reply {
	id, refusal := pathID(c)
	if refusal != nil {
		return *refusal
	}
	p := readPayload(c.Request)
	time, reserve := p.optionalTimespan("time", epochForSeconds), p.optionalInt32("reserve")
	host := p.optionalAgent("host")
	tags, classroom := p.optional("tags"), p.optionalUUID("classroom_id")
	if p.refusal != nil {
		return *p.refusal
	}
	return f.changeRoom(c, OperationUpdate, id, func(room *conferenceRoom) (reply, bool) {
		now := f.now()
		if time != nil && room.Time.ended(now) {
			return f.problem("room_closed", "Room closed"), false
		}
		if refusal := f.forbidden(c, room.storedRoom, "update"); refusal != nil {
			return *refusal, false
		}
		if time != nil {
			if refusal := f.reschedule(room, *time, now); refusal != nil {
				return *refusal, false
			}
		}
		room.update(tags, classroom)
		if reserve != nil {
			room.Reserve = reserve
		}
		if host != nil {
			room.Host = host
		}
		// The reply and the first event show the room before its new time closes it.
		answer, events := f.found(http.StatusOK, *room), []roomEvent{toAudience(roomUpdated, room)}
		if time != nil && room.Time.ended(now) {
			room.close(c.caller, now)
			events = append(events, toAudience(roomClosed, room), toRoom(roomClosed, room))
		}
		return answer.withEvents(events...), true
	})
}

// reschedule gives a room without an end any valid time. A room with an end keeps its start, and its end can be moved
// but not removed.
func (f *Conference) reschedule(room *conferenceRoom, requested timespan, now instant) *reply {
	forbidden := func(detail string) *reply {
		refusal := f.problem("room_time_changing_forbidden", detail)
		return &refusal
	}
	present := room.Time
	switch {
	case !requested.valid():
		refusal := f.problem("invalid_room_time", "Invalid room time")
		return &refusal
	case present.To == nil:
		room.Time = requested
	case present.From == nil:
		return forbidden("Room has been already closed")
	case requested.To == nil:
		return forbidden("Setting unbounded closing time is not allowed in this room anymore")
	default:
		end := max(*requested.To, now)
		room.Time = timespan{From: present.From, To: &end}
	}
	if err := room.Time.storable(); err != nil {
		refusal := f.problem("database_query_failed", err.Error())
		return &refusal
	}
	return nil
}

func (f *Conference) closeRoom(c *call) reply {
	id, refusal := pathID(c)
	if refusal != nil {
		return *refusal
	}
	return f.changeRoom(c, OperationClose, id, func(room *conferenceRoom) (reply, bool) {
		now := f.now()
		if room.Time.ended(now) {
			return f.problem("room_closed", "Room closed"), false
		}
		if refusal := f.forbidden(c, room.storedRoom, "update"); refusal != nil {
			return *refusal, false
		}
		room.close(c.caller, now)
		if err := room.Time.storable(); err != nil {
			return f.problem("database_query_failed", err.Error()), false
		}
		events := []roomEvent{toAudience(roomUpdated, room), toAudience(roomClosed, room), toRoom(roomClosed, room)}
		return f.found(http.StatusOK, *room).withEvents(events...), true
	})
}

// optionalAgent reads an agent id, label.account.audience. The audience may contain dots.
func (p *payload) optionalAgent(name string) *string {
	raw := p.optional(name)
	if raw == nil {
		return nil
	}
	agent := decode[string](p, name, raw)
	if strings.Count(agent, ".") < 2 {
		p.reject(fmt.Errorf("%s: invalid value: string %q, expected struct AgentId", name, agent))
	}
	return &agent
}
