package sandbox

import (
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox/pool"
)

// service is the common part of the stand-ins for event and conference: everything but the rules of their rooms.
type service[R room] struct {
	Config
	name        string
	contentType string // of its JSON
	refusalType string // the problem type of EffectRefuse if the fault has none
	rooms       *store[R]
	faults      *faults
	pool        *pool.Pool // of database connections
	mux         *http.ServeMux
	// delivering keeps the log from being read after a reply is sent and before its log entry is complete.
	delivering sync.RWMutex
}

// call is one authenticated request.
type call struct {
	*http.Request
	caller   caller
	began    time.Time
	creation *Creation // of a create request whose body was read
	// secondConnection says that the work is followed by more, with another connection.
	secondConnection bool
}

func newService[R room](cfg Config, s *service[R]) (*service[R], error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.ServiceTime == 0 {
		cfg.ServiceTime = time.Millisecond
	}
	rooms, err := openStore[R](cfg.StateFile)
	if err != nil {
		return nil, err
	}
	s.Config, s.rooms, s.mux = cfg, rooms, http.NewServeMux()
	s.pool = pool.New(cfg.Connections, cfg.AcquireTimeout)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _ = empty(http.StatusNotFound).send(w) })
	s.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		_ = reply{status: http.StatusOK, body: []byte("pong")}.send(w)
	})
	s.faults.serve(s.mux)
	s.mux.HandleFunc("GET /sandbox/rooms", s.inspectRooms)
	s.mux.HandleFunc("GET /sandbox/log", s.inspectLog)
	s.mux.HandleFunc("GET /sandbox/pool", s.inspectPool)
	s.mux.HandleFunc("PUT /sandbox/pool", s.resizePool)
	return s, nil
}

// ServeHTTP answers as the service would.
func (s *service[R]) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close closes the state file. Later creates and changes fail.
func (s *service[R]) Close() error { return s.rooms.close() }

func (s *service[R]) now() instant { return at(s.Clock()) }

type methods map[string]func(*call) reply

// route serves the methods at the pattern. allow is the Allow header of a 405, in the order of the real service.
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
		who, refusal := s.authenticate(r)
		if refusal != nil {
			_ = refusal.send(w)
			return
		}
		c := &call{Request: r, caller: who, began: began}
		s.deliver(w, c, handle(c))
	})
}

// deliverTimeout bounds the sending of one reply.
const deliverTimeout = 10 * time.Second

// deliver sends the reply, or closes the connection if the reply is dropped, and completes the log entry.
func (s *service[R]) deliver(w http.ResponseWriter, c *call, answer reply) {
	s.delivering.RLock()
	delivered := false
	if !answer.dropped && c.Context().Err() == nil {
		connection := http.NewResponseController(w)
		_ = connection.SetWriteDeadline(time.Now().Add(deliverTimeout))
		delivered = answer.send(w) == nil
		_ = connection.SetWriteDeadline(time.Time{})
	}
	if entry := c.creation; entry != nil && (delivered || entry.Published || entry.NoConnection != "" || entry.Seq == 0) {
		if entry.ReplyDelivered = delivered; delivered {
			entry.RepliedAt = s.Clock().UnixMilli()
		}
		_ = s.rooms.save(nil, entry) // if the file fails, the next create returns its error
	}
	s.delivering.RUnlock()
	if !delivered {
		panic(http.ErrAbortHandler)
	}
}

func (s *service[R]) problem(typ, detail string) reply {
	return problem(s.contentType, statusOfType(typ), typ, detail)
}

func (s *service[R]) found(status int, room R) reply {
	return object(status, s.contentType, room.object())
}

// forbidden returns nil if the caller may do the action to the room's class, else the refusal. rest extends the object
// of the authorization.
func (s *service[R]) forbidden(c *call, room storedRoom, action string, rest ...string) *reply {
	return s.forbiddenObject(c, room.Audience, append([]string{"classrooms", room.ClassroomID.String()}, rest...), action)
}

func (s *service[R]) forbiddenObject(c *call, audience string, object []string, action string) *reply {
	typ, detail := s.authorize(c.caller.account, audience, object, action)
	if typ == "" {
		return nil
	}
	refusal := s.problem(typ, detail)
	return &refusal
}

// pathID returns the uuid in the path, or a 400 if it is malformed.
func pathID(c *call) (uuid.UUID, *reply) {
	id, err := uuid.Parse(c.PathValue("id"))
	if err != nil {
		refusal := text(http.StatusBadRequest, "Invalid URL: UUID parsing failed: "+err.Error())
		return uuid.Nil, &refusal
	}
	return id, nil
}
