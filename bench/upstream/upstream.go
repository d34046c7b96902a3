// Package upstream has stand-ins for event, conference and a Janus gateway for measurements: they respond to every
// call in the right form after a given delay and store nothing. The audience of a request selects how event behaves.
package upstream

import (
	"encoding/json"
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
	failed sync.Map
	calls  map[string]*atomic.Int64
}

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
func New() *Upstream {
	u := &Upstream{calls: map[string]*atomic.Int64{}}
	for _, kind := range []string{
		EventCreate, EventChange, ConferenceCreate, ConferenceRead, ConferenceUpdate, JanusMessage,
	} {
		u.calls[kind] = new(atomic.Int64)
	}
	return u
}

// Handler serves event at /event, conference at /conference and the gateway's Admin API at /janus. PUT /delay?is=10ms
// sets the delay of every later response.
func (u *Upstream) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /delay", u.setDelay)

	mux.HandleFunc("POST /event/api/v1/rooms", u.answerAfterDelay(EventCreate, u.createEventRoom))
	mux.HandleFunc("PATCH /event/api/v1/rooms/{id}", u.answerAfterDelay(EventChange, sameRoom))
	mux.HandleFunc("POST /event/api/v1/rooms/{id}/locked_types", u.answerAfterDelay(EventChange, sameRoom))
	mux.HandleFunc("POST /conference/api/v1/rooms", u.answerAfterDelay(ConferenceCreate, newRoom))
	mux.HandleFunc("GET /conference/api/v1/rooms/{id}", u.answerAfterDelay(ConferenceRead, conferenceRoom))
	mux.HandleFunc("PATCH /conference/api/v1/rooms/{id}", u.answerAfterDelay(ConferenceUpdate, conferenceRoom))
	mux.HandleFunc("POST /conference/api/v1/rooms/{id}/close", u.answerAfterDelay(ConferenceUpdate, conferenceRoom))
	mux.HandleFunc("POST /janus", u.answerAfterDelay(JanusMessage, janus))
	return mux
}

// answerAfterDelay counts the call and calls answer after the delay.
func (u *Upstream) answerAfterDelay(kind string, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if delay := time.Duration(u.delay.Load()); delay > 0 {
			time.Sleep(delay)
		}
		u.calls[kind].Add(1) // before the response, whose receiver may read the count
		answer(w, r)
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

func (u *Upstream) createEventRoom(w http.ResponseWriter, r *http.Request) {
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
	newRoom(w, r)
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
		"list": {"videoroom": "success", "list": []any{}},
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
