// Package upstream has stand-ins for event, conference and a Janus gateway for measurements: they respond to every
// call in the right form and store nothing. The databases of event and conference have as few connections as those of
// the real services, and conference can deadlock on them in the same way. The audience of a request selects how event
// behaves.
package upstream

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Upstream serves all three services.
type Upstream struct {
	delay atomic.Int64 // nanoseconds
	// failed has the classes of FailsOnce whose last request has failed.
	failed            sync.Map
	calls             map[string]*atomic.Int64
	event, conference *database
	databases         map[string]*database // these two, by name
}

// Config is the configuration. The zero value has unlimited connections and no service times.
type Config struct{ Event, Conference Database }

// The kinds of calls.
const (
	EventCreate      = "event create"
	EventChange      = "event change"
	ConferenceCreate = "conference create"
	ConferenceRead   = "conference read"
	ConferenceUpdate = "conference update"
	JanusMessage     = "janus message"
)

// New returns upstreams without a delay.
func New(c Config) *Upstream {
	u := &Upstream{
		calls: map[string]*atomic.Int64{}, event: newDatabase(c.Event), conference: newDatabase(c.Conference),
	}
	u.databases = map[string]*database{"event": u.event, "conference": u.conference}
	for _, kind := range []string{
		EventCreate, EventChange, ConferenceCreate, ConferenceRead, ConferenceUpdate, JanusMessage,
	} {
		u.calls[kind] = new(atomic.Int64)
	}
	return u
}

// Handler serves event at /event, conference at /conference and the gateway's Admin API at /janus.
//
// PUT /delay?is=10ms sets the delay of every later response. Event and conference hold their connections meanwhile.
// GET /database/event and /database/conference return their connections, and PUT …?connections=4 changes their number,
// 0 = unlimited.
func (u *Upstream) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /delay", u.setDelay)

	mux.HandleFunc("GET /database/{service}", u.readDatabase)
	mux.HandleFunc("PUT /database/{service}", u.resizeDatabase)

	handle := func(pattern, kind string, next http.HandlerFunc) { mux.HandleFunc(pattern, u.counted(kind, next)) }
	handle("POST /event/api/v1/rooms", EventCreate, u.authorized(u.queried(u.event, false, newRoom)))
	handle("PATCH /event/api/v1/rooms/{id}", EventChange, u.queried(u.event, false, sameRoom))
	handle("POST /event/api/v1/rooms/{id}/locked_types", EventChange, u.queried(u.event, false, sameRoom))
	handle("POST /conference/api/v1/rooms", ConferenceCreate, u.queried(u.conference, true, newRoom))
	for pattern, kind := range map[string]string{
		"GET /conference/api/v1/rooms/{id}":        ConferenceRead,
		"PATCH /conference/api/v1/rooms/{id}":      ConferenceUpdate,
		"POST /conference/api/v1/rooms/{id}/close": ConferenceUpdate,
	} {
		handle(pattern, kind, u.queried(u.conference, false, conferenceRoom))
	}
	handle("POST /janus", JanusMessage, u.delayed(janus))
	return mux
}

// counted counts the call and reads its body, because net/http notices a client that hangs up only after that.
func (u *Upstream) counted(kind string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		u.calls[kind].Add(1) // before the response, whose receiver may read the count
		next(w, r)
	}
}

// delayed calls next after the delay.
func (u *Upstream) delayed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if sleep(r.Context(), time.Duration(u.delay.Load())) == nil {
			next(w, r)
		}
	}
}

func (u *Upstream) setDelay(w http.ResponseWriter, r *http.Request) {
	delay, err := time.ParseDuration(r.URL.Query().Get("is"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.delay.Store(int64(delay))
}

// Calls returns the number of calls of each kind.
func (u *Upstream) Calls() map[string]int64 {
	counts := map[string]int64{}
	for kind, n := range u.calls {
		counts[kind] = n.Load()
	}
	return counts
}

// authorized calls next unless the audience of the create makes event behave differently. Event holds no connection
// while it asks a tenant whether a create is allowed.
func (u *Upstream) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Audience    string    `json:"audience"`
			ClassroomID uuid.UUID `json:"classroom_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		switch request.Audience {
		case Hangs:
			<-r.Context().Done()
			return
		case Away:
			w.Header().Set("Retry-After", "3600")
			unavailable(w)
			return
		case FailsOnce:
			if _, again := u.failed.LoadAndDelete(request.ClassroomID); !again {
				u.failed.Store(request.ClassroomID, nil)
				unavailable(w)
				return
			}
		}
		next(w, r)
	}
}

// unavailable is a response of event that shows that it has done nothing.
func unavailable(w http.ResponseWriter) {
	reply(w, http.StatusServiceUnavailable,
		map[string]string{"type": "authorization_failed", "title": "Authorization failed"})
}

func newRoom(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusCreated, map[string]any{"id": uuid.New()})
}

func sameRoom(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, map[string]string{"id": r.PathValue("id")})
}

// conferenceRoom responds with a room that begins in an hour and has no end, changed by the request.
func conferenceRoom(w http.ResponseWriter, r *http.Request) {
	room := map[string]any{"time": [2]any{time.Now().Unix() + 3600, nil}, "reserve": nil, "host": nil, "timed_out": false}
	if r.Method == http.MethodPatch {
		if err := json.NewDecoder(r.Body).Decode(&room); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	room["id"] = r.PathValue("id")
	reply(w, http.StatusOK, room)
}

// janus responds to every request with success and lists no rooms.
func janus(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Transaction string `json:"transaction"`
		Request     struct {
			Request string `json:"request"`
		} `json:"request"`
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answers := map[string]map[string]any{
		"create": {"videoroom": "created"}, "edit": {"videoroom": "edited"}, "destroy": {"videoroom": "destroyed"},
		"list": {"videoroom": "success", "list": []any{}}, "exists": {"videoroom": "success", "exists": false},
	}
	reply(w, http.StatusOK, map[string]any{
		"janus": "success", "transaction": message.Transaction, "response": answers[message.Request.Request],
	})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client is gone
}
