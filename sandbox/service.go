package sandbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// service is what the stand-ins for event and conference share: everything but the rules of their rooms.
type service[R room] struct {
	Config
	name        string
	contentType string // of its JSON
	refusal     string // type of EffectRefuse where the fault names none
	rooms       *store[R]
	faults      *faults
	mux         *http.ServeMux
	// delivering keeps the log from being read between the sending of a reply and its entry.
	delivering sync.RWMutex
}

// call is one authenticated request on its way.
type call struct {
	*http.Request
	caller   caller
	began    time.Time
	creation *Creation // of a create, once its body was read
}

func newService[R room](cfg Config, s *service[R]) (*service[R], error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	rooms, err := openStore[R](cfg.StateFile)
	if err != nil {
		return nil, err
	}
	s.Config, s.rooms, s.mux = cfg, rooms, http.NewServeMux()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _ = empty(http.StatusNotFound).send(w) })
	s.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		_ = reply{status: http.StatusOK, body: []byte("pong")}.send(w)
	})
	s.mux.Handle("/sandbox/faults", s.faults)
	s.mux.HandleFunc("GET /sandbox/rooms", s.inspectRooms)
	s.mux.HandleFunc("GET /sandbox/log", s.inspectLog)
	return s, nil
}

// ServeHTTP answers as the service would.
func (s *service[R]) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close lets go of the state file. Creates and changes after it are refused.
func (s *service[R]) Close() error { return s.rooms.close() }

func (s *service[R]) now() instant { return at(s.Clock()) }

type methods map[string]func(*call) reply

// route serves the methods at the pattern. allow is the header of a 405, in the service's own order.
func (s *service[R]) route(pattern, allow string, handlers methods) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		handle, known := handlers[method]
		if !known {
			_ = reply{status: http.StatusMethodNotAllowed, allow: allow}.send(w)
			return
		}
		began := s.Clock()
		who, wrong := s.authenticate(r)
		if wrong != nil {
			_ = wrong.send(w)
			return
		}
		c := &call{Request: r, caller: who, began: began}
		s.deliver(w, c, handle(c))
	})
}

// deliverTimeout bounds the sending of one reply.
const deliverTimeout = 10 * time.Second

// deliver sends the answer, or cuts the connection of one that is dropped, and completes the log.
func (s *service[R]) deliver(w http.ResponseWriter, c *call, answer reply) {
	s.delivering.RLock()
	delivered := false
	if !answer.dropped && c.Context().Err() == nil {
		connection := http.NewResponseController(w)
		_ = connection.SetWriteDeadline(time.Now().Add(deliverTimeout))
		delivered = answer.send(w) == nil
		_ = connection.SetWriteDeadline(time.Time{})
	}
	if entry := c.creation; entry != nil && (delivered || entry.Announced || entry.Seq == 0) {
		if entry.ReplyDelivered = delivered; delivered {
			entry.RepliedAt = s.Clock().UnixMilli()
		}
		_ = s.rooms.save(nil, entry) // a broken file is told to the next create
	}
	s.delivering.RUnlock()
	if !delivered {
		panic(http.ErrAbortHandler)
	}
}

// perform meets the fault, if there is one, and does the work as the real services do: wherever it is when the client
// hangs up, it ends. What is to be announced is announced last, right before the reply.
func (s *service[R]) perform(c *call, operation Operation, classroom uuid.UUID, work func() reply) reply {
	fault, replaced := s.faults.take(operation, func(id uuid.UUID) bool { return id == classroom })
	if c.creation != nil {
		c.creation.Fault = fault.Do
	}
	before, after := pauses(operation)
	switch fault.Do {
	case EffectRefuse:
		return s.refuse(fault)
	case EffectFail:
		return fail(fault)
	case EffectHang:
		return hang(c.Context(), replaced)
	case EffectLate:
		delay := time.Duration(fault.DelayMS) * time.Millisecond
		before, after = delay/2, delay-delay/2
	}
	if !wait(c.Context(), before) {
		return dropped
	}
	answer := work()
	if !wait(c.Context(), after) {
		return dropped
	}
	announced := s.announce(answer.announcements, c.began)
	if c.creation != nil {
		c.creation.Announced = announced
	}
	if fault.Do == EffectLoseReply {
		return dropped
	}
	return answer
}

// pauses puts the work of a create at a random point of a millisecond, for a client that hangs up to meet either side.
func pauses(operation Operation) (before, after time.Duration) {
	if operation != OperationCreate {
		return 0, 0
	}
	before = rand.N(time.Millisecond) //nolint:gosec // nothing secret about it
	return before, time.Millisecond - before
}

// wait is false once the client has hung up.
func wait(ctx context.Context, pause time.Duration) bool {
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

func (s *service[R]) refuse(fault Fault) reply {
	typ := fault.Type
	if typ == "" {
		typ = s.refusal
	}
	status := fault.Status
	if status == 0 {
		status = statusOf(typ)
	}
	answer := problem(s.contentType, status, typ, "Refused by a fault of the sandbox")
	answer.retryAfter = fault.RetryAfter
	return answer
}

func fail(fault Fault) reply {
	status := fault.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	answer := text(status, "Failed by a fault of the sandbox")
	answer.retryAfter = fault.RetryAfter
	return answer
}

func hang(ctx context.Context, replaced <-chan struct{}) reply {
	select {
	case <-ctx.Done():
		return dropped
	case <-replaced:
		return text(http.StatusServiceUnavailable, "Held by a fault of the sandbox")
	}
}

func (s *service[R]) problem(typ, detail string) reply {
	return problem(s.contentType, statusOf(typ), typ, detail)
}

func (s *service[R]) found(status int, room R) reply {
	return object(status, s.contentType, room.object())
}

// forbidden is nil where the caller may do the action to the room's class.
func (s *service[R]) forbidden(c *call, room storedRoom, action string, rest ...string) *reply {
	return s.forbiddenObject(c, room.Audience, append([]string{"classrooms", room.ClassroomID.String()}, rest...), action)
}

func (s *service[R]) forbiddenObject(c *call, audience string, object []string, action string) *reply {
	typ, detail := s.authorize(c.caller.account, audience, object, action)
	if typ == "" {
		return nil
	}
	no := s.problem(typ, detail)
	return &no
}

// create makes a room and its log entry. allowed comes after the fault and before authorization; it returns a refusal
// or nil.
func (s *service[R]) create(c *call, status int, draft storedRoom, allowed func() *reply, build func(storedRoom) R) reply {
	c.creation = &Creation{At: s.Clock().UnixMilli(), Service: s.name, Host: c.Host, ClassroomID: draft.ClassroomID, Audience: draft.Audience}
	return s.perform(c, OperationCreate, draft.ClassroomID, func() reply {
		if no := allowed(); no != nil {
			return *no
		}
		if no := s.forbiddenObject(c, draft.Audience, []string{"classrooms"}, "create"); no != nil {
			return *no
		}
		if err := draft.Time.stored(); err != nil {
			return s.problem("database_query_failed", err.Error())
		}
		draft.ID, draft.CreatedAt = uuid.New(), s.now()
		return s.insert(c, status, build(draft))
	})
}

// insert keeps a new room together with its log entry.
func (s *service[R]) insert(c *call, status int, room R) reply {
	id := room.common().ID
	c.creation.RoomID = &id
	if err := s.rooms.save(&room, c.creation); err != nil {
		c.creation.RoomID, c.creation.Seq = nil, 0
		return s.problem("database_query_failed", err.Error())
	}
	return s.found(status, room).telling(toAudience(roomCreated, room))
}

func (s *service[R]) readRoom(c *call) reply {
	id, wrong := pathID(c)
	if wrong != nil {
		return *wrong
	}
	return s.perform(c, OperationRead, s.classroomOf(id), func() reply {
		room, known := s.rooms.find(id)
		if !known {
			return s.noRoom()
		}
		if no := s.forbidden(c, room.common(), "read"); no != nil {
			return *no
		}
		return s.found(http.StatusOK, room)
	})
}

// changeRoom does the operation on the room of that id, with nobody in between. alter returns the answer, and false if
// it is a refusal.
func (s *service[R]) changeRoom(c *call, operation Operation, id uuid.UUID, alter func(*R) (reply, bool)) reply {
	return s.perform(c, operation, s.classroomOf(id), func() reply {
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

// classroomOf is the nil uuid for a room that does not exist.
func (s *service[R]) classroomOf(id uuid.UUID) uuid.UUID {
	room, _ := s.rooms.find(id)
	return room.common().ClassroomID
}

func (s *service[R]) noRoom() reply { return s.problem("room_not_found", "Room not found") }

// pathID answers 400 for a path without a uuid.
func pathID(c *call) (uuid.UUID, *reply) {
	id, err := uuid.Parse(c.PathValue("id"))
	if err != nil {
		wrong := text(http.StatusBadRequest, "Invalid URL: UUID parsing failed: "+err.Error())
		return uuid.Nil, &wrong
	}
	return id, nil
}
