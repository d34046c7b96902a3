package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// storedRoom has the common fields of the rooms of event and conference.
type storedRoom struct {
	ID          uuid.UUID       `json:"id"`
	ClassroomID uuid.UUID       `json:"classroom_id"`
	Audience    string          `json:"audience"`
	Time        timespan        `json:"time"`
	Tags        json.RawMessage `json:"tags,omitempty"`
	CreatedAt   instant         `json:"created_at"`
}

func (r storedRoom) common() storedRoom { return r }

// room is a room of one service.
type room interface {
	common() storedRoom
	// object is the service's own JSON of the room.
	object() any
	// inspected is that JSON with the fields that GET /sandbox/rooms adds.
	inspected(now instant) any
}

// record is one line of a state file: the new state of a room, of a log entry, or of both. A room and its log entry
// share a line, so that a process killed while writing loses both or none.
type record[R room] struct {
	Room     *R        `json:"room,omitempty"`
	Creation *Creation `json:"creation,omitempty"`
}

// store holds the rooms and the log in memory and, if it has a file, on disk.
type store[R room] struct {
	mu    sync.Mutex
	rooms map[uuid.UUID]R
	order []uuid.UUID
	log   []Creation
	file  *os.File
	// broken is the first error of the file. Every later write returns it.
	broken error
}

func openStore[R room](path string) (*store[R], error) {
	s := &store[R]{rooms: map[uuid.UUID]R{}}
	if path == "" {
		return s, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state file: %w", err)
	}
	s.file = file
	if err := s.read(path); err != nil {
		return nil, errors.Join(fmt.Errorf("read state file: %w", err), file.Close())
	}
	return s, nil
}

// read applies the complete lines of the file and removes an incomplete last one, which a killed process may leave.
func (s *store[R]) read(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	whole := content[:bytes.LastIndexByte(content, '\n')+1]
	number := 0
	for raw := range bytes.Lines(whole) {
		number++
		var l record[R]
		if err := json.Unmarshal(raw, &l); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		s.apply(l)
	}
	return s.file.Truncate(int64(len(whole)))
}

func (s *store[R]) apply(l record[R]) {
	if l.Room != nil {
		id := (*l.Room).common().ID
		if _, known := s.rooms[id]; !known {
			s.order = append(s.order, id)
		}
		s.rooms[id] = *l.Room
	}
	if l.Creation == nil {
		return
	}
	if l.Creation.Seq > int64(len(s.log)) {
		s.log = append(s.log, *l.Creation)
		return
	}
	s.log[l.Creation.Seq-1] = *l.Creation
}

// save stores a room, a log entry, or both at once. An entry without a number gets the next one.
func (s *store[R]) save(room *R, creation *Creation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if creation != nil && creation.Seq == 0 {
		creation.Seq = int64(len(s.log)) + 1
	}
	return s.append(record[R]{Room: room, Creation: creation})
}

func (s *store[R]) append(l record[R]) error {
	if s.broken != nil {
		return s.broken
	}
	if s.file != nil {
		if _, err := s.file.Write(append(encode(l), '\n')); err != nil {
			s.broken = fmt.Errorf("write state file: %w", err)
			return s.broken
		}
	}
	s.apply(l)
	return nil
}

var errNoRoom = errors.New("no such room")

// change calls alter with a copy of the room, while no other change runs, and stores the copy. It stores nothing if
// alter returns false, with a refusal as reply. It returns errNoRoom for an unknown id.
func (s *store[R]) change(id uuid.UUID, alter func(*R) (answer reply, done bool)) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room, known := s.rooms[id]
	if !known {
		return reply{}, errNoRoom
	}
	answer, done := alter(&room)
	if !done {
		return answer, nil
	}
	return answer, s.append(record[R]{Room: &room})
}

func (s *store[R]) find(id uuid.UUID) (R, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room, known := s.rooms[id]
	return room, known
}

func (s *store[R]) all() []R {
	s.mu.Lock()
	defer s.mu.Unlock()
	rooms := make([]R, len(s.order))
	for i, id := range s.order {
		rooms[i] = s.rooms[id]
	}
	return rooms
}

func (s *store[R]) creations() []Creation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *store[R]) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = errors.New("the stand-in is closed")
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// update sets the given fields. No field can be set to null.
func (r *storedRoom) update(tags json.RawMessage, classroom *uuid.UUID) {
	if tags != nil {
		r.Tags = tags
	}
	if classroom != nil {
		r.ClassroomID = *classroom
	}
}
