package sandbox

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
)

func (s *service[R]) inspectRooms(w http.ResponseWriter, r *http.Request) {
	class, err := uuid.Parse(r.URL.Query().Get("classroom_id"))
	narrowed := r.URL.Query().Has("classroom_id")
	if narrowed && err != nil {
		http.Error(w, "classroom_id: "+err.Error(), http.StatusBadRequest)
		return
	}
	now := s.now()
	rooms := []any{}
	for _, room := range s.rooms.all() {
		if !narrowed || room.common().ClassroomID == class {
			rooms = append(rooms, room.inspected(now))
		}
	}
	writeJSON(w, rooms)
}

func (s *service[R]) inspectLog(w http.ResponseWriter, _ *http.Request) {
	s.delivering.Lock()
	creations := append([]Creation{}, s.rooms.creations()...)
	s.delivering.Unlock()
	writeJSON(w, creations)
}

func (s *service[R]) inspectPool(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.pool.State())
}

func (s *service[R]) resizePool(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Connections *int `json:"connections"`
	}
	if err := readStrictly(w, r, &request); err != nil || request.Connections == nil || *request.Connections < 0 {
		http.Error(w, `connections: want {"connections": N}, N not negative`, http.StatusBadRequest)
		return
	}
	s.pool.Resize(*request.Connections)
	w.WriteHeader(http.StatusNoContent)
}

// readStrictly decodes the JSON in the body of a request that the sandbox itself answers. It accepts no unknown fields.
func readStrictly(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
