package sandbox

import (
	"fmt"
	"net/http"
	"strings"
)

// Conference stands in for the conference service. It is an http.Handler, safe for concurrent use.
type Conference struct{ *service[conferenceRoom] }

// NewConference returns a stand-in with the rooms of its state file. It fails where the configuration is not whole or
// the file cannot be read. Close lets go of the file.
func NewConference(cfg Config) (*Conference, error) {
	s, err := newService(cfg, &service[conferenceRoom]{
		name:        "conference",
		contentType: typeText, // its JSON too
		refusal:     "room_time_changing_forbidden",
		faults:      newFaults(OperationCreate, OperationRead, OperationUpdate, OperationClose),
	})
	if err != nil {
		return nil, err
	}
	f := &Conference{s}
	f.route("/api/v1/rooms", "POST", methods{http.MethodPost: f.createRoom})
	f.route("/api/v1/rooms/{id}", "GET,HEAD,PATCH", methods{http.MethodGet: f.readRoom, http.MethodPatch: f.updateRoom})
	f.route("/api/v1/rooms/{id}/close", "POST", methods{http.MethodPost: f.closeRoom})
	f.mux.HandleFunc("POST /sandbox/rooms/{id}/close", f.closeOrphan)
	return f, nil
}

func (f *Conference) createRoom(c *call) reply {
	p := readPayload(c.Request)
	draft := storedRoom{
		Audience:    p.word("audience"),
		Time:        p.timespan("time", epochForSeconds),
		ClassroomID: p.uuid("classroom_id"),
		Tags:        p.optional("tags"),
	}
	policy := p.optionalWord("rtc_sharing_policy", "none", "shared", "owned")
	backend := p.optionalWord("backend", "janus", "none")
	reserve := p.optionalInt32("reserve")
	if p.wrong != nil {
		return *p.wrong
	}
	if policy == "" {
		policy = "none"
		if backend == "janus" {
			policy = "shared"
		}
	}
	allowed := func() *reply { return nil } // times are not looked at
	return f.create(c, http.StatusOK, draft, allowed, func(made storedRoom) conferenceRoom {
		return conferenceRoom{storedRoom: made, Policy: policy, Reserve: reserve}
	})
}

func (f *Conference) updateRoom(c *call) reply {
	id, wrong := pathID(c)
	if wrong != nil {
		return *wrong
	}
	p := readPayload(c.Request)
	time, reserve, host := p.optionalTimespan("time", epochForSeconds), p.optionalInt32("reserve"), p.optionalAgent("host")
	tags, classroom := p.optional("tags"), p.optionalUUID("classroom_id")
	if p.wrong != nil {
		return *p.wrong
	}
	return f.changeRoom(c, OperationUpdate, id, func(room *conferenceRoom) (reply, bool) {
		now := f.now()
		if time != nil && room.Time.ended(now) {
			return f.problem("room_closed", "Room closed"), false
		}
		if no := f.forbidden(c, room.storedRoom, "update"); no != nil {
			return *no, false
		}
		if time != nil {
			if no := f.reschedule(room, *time, now); no != nil {
				return *no, false
			}
		}
		room.update(tags, classroom)
		if reserve != nil {
			room.Reserve = reserve
		}
		if host != nil {
			room.Host = host
		}
		// Shown is the room before it is closed by its new time.
		answer, told := f.found(http.StatusOK, *room), []announcement{toAudience(roomUpdated, room)}
		if time != nil && room.Time.ended(now) {
			room.close(c.caller, now)
			told = append(told, toAudience(roomClosed, room), toRoom(roomClosed, room))
		}
		return answer.telling(told...), true
	})
}

// reschedule takes a room without an end wherever it is asked to, its start too. One with an end keeps its start, and
// has an end for good.
func (f *Conference) reschedule(room *conferenceRoom, asked timespan, now instant) *reply {
	forbidden := func(detail string) *reply {
		no := f.problem("room_time_changing_forbidden", detail)
		return &no
	}
	present := room.Time
	switch {
	case !asked.acceptable():
		no := f.problem("invalid_room_time", "Invalid room time")
		return &no
	case present.To == nil:
		room.Time = asked
	case present.From == nil:
		return forbidden("Room has been already closed")
	case asked.To == nil:
		return forbidden("Setting unbounded closing time is not allowed in this room anymore")
	default:
		end := max(*asked.To, now)
		room.Time = timespan{From: present.From, To: &end}
	}
	if err := room.Time.stored(); err != nil {
		no := f.problem("database_query_failed", err.Error())
		return &no
	}
	return nil
}

func (f *Conference) closeRoom(c *call) reply {
	id, wrong := pathID(c)
	if wrong != nil {
		return *wrong
	}
	return f.changeRoom(c, OperationClose, id, func(room *conferenceRoom) (reply, bool) {
		now := f.now()
		if room.Time.ended(now) {
			return f.problem("room_closed", "Room closed"), false
		}
		if no := f.forbidden(c, room.storedRoom, "update"); no != nil {
			return *no, false
		}
		room.close(c.caller, now)
		if err := room.Time.stored(); err != nil {
			return f.problem("database_query_failed", err.Error()), false
		}
		told := []announcement{toAudience(roomUpdated, room), toAudience(roomClosed, room), toRoom(roomClosed, room)}
		return f.found(http.StatusOK, *room).telling(told...), true
	})
}

// optionalAgent reads an agent id, label.account.audience, of which the audience may have more dots.
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
