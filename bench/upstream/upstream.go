package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"minigroups/bench/behaviour"
)

// upstream answers for all three services.
type upstream struct {
	delay atomic.Int64 // nanoseconds
	// failed are the classes of FailsOnce that were told so and have not come back yet.
	failed sync.Map
	calls  map[string]*atomic.Int64
}

// The kinds of calls, as GET /calls names them.
const (
	eventCreate      = "event create"
	eventChange      = "event change"
	conferenceCreate = "conference create"
	conferenceRead   = "conference read"
	conferenceUpdate = "conference update"
	janusMessage     = "janus message"
)

func newUpstream() *upstream {
	u := &upstream{calls: map[string]*atomic.Int64{}}
	for _, kind := range []string{eventCreate, eventChange, conferenceCreate, conferenceRead, conferenceUpdate, janusMessage} {
		u.calls[kind] = new(atomic.Int64)
	}
	return u
}

func (u *upstream) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /delay", u.setDelay)
	mux.HandleFunc("GET /calls", u.showCalls)

	mux.HandleFunc("POST /event/api/v1/rooms", u.after(eventCreate, u.createEventRoom))
	mux.HandleFunc("PATCH /event/api/v1/rooms/{id}", u.after(eventChange, sameRoom))
	mux.HandleFunc("POST /event/api/v1/rooms/{id}/locked_types", u.after(eventChange, sameRoom))
	mux.HandleFunc("POST /conference/api/v1/rooms", u.after(conferenceCreate, newRoom))
	mux.HandleFunc("GET /conference/api/v1/rooms/{id}", u.after(conferenceRead, conferenceRoom))
	mux.HandleFunc("PATCH /conference/api/v1/rooms/{id}", u.after(conferenceUpdate, conferenceRoom))
	mux.HandleFunc("POST /conference/api/v1/rooms/{id}/close", u.after(conferenceUpdate, conferenceRoom))
	mux.HandleFunc("POST /janus", u.after(janusMessage, janus))
	return mux
}

// after answers when the delay is over, and counts.
func (u *upstream) after(kind string, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if delay := time.Duration(u.delay.Load()); delay > 0 {
			time.Sleep(delay)
		}
		answer(w, r)
		u.calls[kind].Add(1)
	}
}

func (u *upstream) setDelay(w http.ResponseWriter, r *http.Request) {
	delay, err := time.ParseDuration(r.URL.Query().Get("is"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.delay.Store(int64(delay))
}

func (u *upstream) showCalls(w http.ResponseWriter, _ *http.Request) {
	counts := map[string]int64{}
	for kind, n := range u.calls {
		counts[kind] = n.Load()
	}
	reply(w, http.StatusOK, counts)
}

func (u *upstream) createEventRoom(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Audience    string    `json:"audience"`
		ClassroomID uuid.UUID `json:"classroom_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch asked.Audience {
	case behaviour.Hangs:
		<-r.Context().Done()
		return
	case behaviour.Away:
		w.Header().Set("Retry-After", "3600")
		unavailable(w)
		return
	case behaviour.FailsOnce:
		if _, again := u.failed.LoadAndDelete(asked.ClassroomID); !again {
			u.failed.Store(asked.ClassroomID, nil)
			unavailable(w)
			return
		}
	}
	newRoom(w, r)
}

// unavailable is what event says where it has certainly done nothing.
func unavailable(w http.ResponseWriter) {
	reply(w, http.StatusServiceUnavailable, map[string]string{"type": "authorization_failed", "title": "Authorization failed"})
}

func newRoom(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusCreated, map[string]any{"id": uuid.New()})
}

func sameRoom(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, map[string]string{"id": r.PathValue("id")})
}

// conferenceRoom shows a room without an end that has not begun, changed by what was just asked for.
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

// janus agrees to everything and shows no rooms.
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
	_ = json.NewEncoder(w).Encode(body) // whoever has hung up does not want it
}
