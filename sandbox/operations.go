package sandbox

import (
	"errors"
	"net/http"

	"github.com/google/uuid"
)

// create creates a room and its log entry. Like the real services, it applies a fault first, then calls allowed, which
// returns a refusal or nil, then authorizes the caller.
func (s *service[R]) create(
	c *call, status int, draft storedRoom, allowed func() *reply, build func(storedRoom) R,
) reply {
	c.creation = &Creation{
		At: s.Clock().UnixMilli(), Service: s.name, Host: c.Host, ClassroomID: draft.ClassroomID, Audience: draft.Audience,
	}
	check := func() *reply {
		if refusal := allowed(); refusal != nil {
			return refusal
		}
		return s.forbiddenObject(c, draft.Audience, []string{"classrooms"}, "create")
	}
	return s.perform(c, OperationCreate, draft.ClassroomID, check, func() reply {
		if err := draft.Time.storable(); err != nil {
			return s.problem("database_query_failed", err.Error())
		}
		draft.ID, draft.CreatedAt = uuid.New(), s.now()
		return s.insert(c, status, build(draft))
	})
}

// insert saves a new room together with its log entry.
func (s *service[R]) insert(c *call, status int, room R) reply {
	id := room.common().ID
	c.creation.RoomID = &id
	if err := s.rooms.save(&room, c.creation); err != nil {
		c.creation.RoomID, c.creation.Seq = nil, 0
		return s.problem("database_query_failed", err.Error())
	}
	return s.found(status, room).withEvents(toAudience(roomCreated, room))
}

func (s *service[R]) readRoom(c *call) reply {
	id, refusal := pathID(c)
	if refusal != nil {
		return *refusal
	}
	return s.perform(c, OperationRead, s.classroomOf(id), unchecked, func() reply {
		room, known := s.rooms.find(id)
		if !known {
			return s.noRoom()
		}
		if refusal := s.forbidden(c, room.common(), "read"); refusal != nil {
			return *refusal
		}
		return s.found(http.StatusOK, room)
	})
}

// changeRoom changes the room of that id with alter, which runs while no other change does. alter returns the reply,
// and false if the reply is a refusal.
func (s *service[R]) changeRoom(c *call, operation Operation, id uuid.UUID, alter func(*R) (reply, bool)) reply {
	return s.perform(c, operation, s.classroomOf(id), unchecked, func() reply {
		answer, err := s.rooms.change(id, alter)
		switch {
		case errors.Is(err, errNoRoom):
			return s.noRoom()
		case err != nil:
			return s.problem("database_query_failed", err.Error())
		}
		return answer
	})
}

// classroomOf returns the nil uuid if the room does not exist.
func (s *service[R]) classroomOf(id uuid.UUID) uuid.UUID {
	room, _ := s.rooms.find(id)
	return room.common().ClassroomID
}

func (s *service[R]) noRoom() reply { return s.problem("room_not_found", "Room not found") }
